// SPDX-License-Identifier: MIT
// NPY, NPZ and IDX: what NumPy wrote is read back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "quarry/data/idx.h"
#include "quarry/data/npy.h"
#include "quarry/data/npz.h"
#include "tests/data/support.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void expect_counting(const NumericArray& array, const std::string& name) {
  for (std::uint64_t i = 0; i < array.count(); ++i) {
    const auto count = static_cast<double>(i);
    double expected = count - 3;
    if (array.type == ElementType::boolean) expected = std::fmod(count, 2);
    if (to_string(array.type).starts_with("uint")) expected = count + 3;
    EXPECT_EQ(array.at(i), expected) << name << " element " << i;
  }
}

TEST(Npz, ReadsEveryElementTypeByteOrderAndLayoutNumpyWrites) {
  for (const std::string file : {"arrays_stored.npz", "arrays_deflated.npz"}) {
    const std::vector<NamedArray> arrays = parse_npz(golden_bytes(file), file);
    std::map<ElementType, int> seen;
    for (const auto& [name, array] : arrays) {
      ++seen[array.type];
      expect_counting(array, file + " " + name);
      if (name.starts_with("little") || name.starts_with("big")) {
        EXPECT_THAT(array.shape, ElementsAre(3, 4));
      }
    }
    EXPECT_EQ(arrays.size(), 29u);
    EXPECT_EQ(seen.size(), 12u);
    const auto shape = [&](std::size_t i) { return arrays[i].array.shape; };
    EXPECT_THAT(shape(24), ElementsAre(3, 4));
    EXPECT_THAT(shape(25), ElementsAre(2, 3, 5));
    EXPECT_EQ(arrays[26].array.count(), 1u);
    EXPECT_TRUE(shape(26).empty());
    EXPECT_THAT(shape(27), ElementsAre(7));
    EXPECT_THAT(shape(28), ElementsAre(0, 4));
    EXPECT_EQ(arrays[28].name, "empty_f4");
  }
}

TEST(Npy, ReadsVersionsOneToThree) {
  for (const std::string version : {"1", "2", "3"}) {
    const NumericArray array = parse_npy(golden_bytes("version_" + version + ".npy"), version);
    EXPECT_THAT(array.shape, ElementsAre(3, 4));
    EXPECT_EQ(array.count(), 12u);
    expect_counting(array, version);
  }
}

TEST(Npy, HalfPrecision) {
  const NumericArray array = parse_npy(golden_bytes("half.npy"), "half.npy");
  const std::vector<float> values = to_floats(array, "half.npy");
  EXPECT_TRUE(std::signbit(values[1]));
  EXPECT_THAT(
      std::vector<float>(values.begin(), values.begin() + 10),
      ElementsAre(0.0f, -0.0f, 1.0f, -2.0f, 65504.0f, 0x1p-24f, 0x1p-14f, 0.333251953125f, HUGE_VALF, -HUGE_VALF));
  EXPECT_TRUE(std::isnan(values[10]));
}

TEST(Npy, ReadsHeadersOfOtherWriters) {
  const std::string four(4, '\0');
  for (const std::string header : {"{'descr':'<f4','fortran_order':False,'shape':(1,)}",
                                   "{\"shape\": (1,1,), \"fortran_order\": True, \"descr\": \"=f4\"} \n",
                                   " {'shape': (), 'descr': '>f4', 'fortran_order': False, }\n"}) {
    EXPECT_EQ(parse_npy(npy_bytes(header, four), "x").count(), 1u) << header;
  }
}

std::string npy_error(const std::string& header, std::string_view elements = "") {
  return error_of([&] { parse_npy(npy_bytes(header, elements), "x.npy"); });
}

TEST(Npy, RefusesBadHeaders) {
  const auto header = [](const std::string& descr, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  };
  EXPECT_THAT(npy_error(header("'|O'", "(1,)")), HasSubstr("pickles"));
  EXPECT_THAT(npy_error(header("'<U5'", "(1,)")), HasSubstr("a boolean, integer or real type"));
  EXPECT_THAT(npy_error(header("'<c8'", "(1,)")), HasSubstr("element type '<c8'"));
  EXPECT_THAT(npy_error(header("[('a', '<f4')]", "(1,)")), HasSubstr("structured"));
  EXPECT_THAT(npy_error(header("'|f4'", "(1,)")), HasSubstr("byte order"));
  EXPECT_THAT(npy_error(header("'f4'", "(1,)")), HasSubstr("element type"));
  EXPECT_THAT(npy_error(header("''", "(1,)")), HasSubstr("empty element type"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1)")), HasSubstr("a comma after the only extent"));
  EXPECT_THAT(npy_error(header("'<f4'", "(-1,)")), HasSubstr("bad extent"));
  EXPECT_THAT(npy_error(header("'<f4'", "(99999999999999999999,)")), HasSubstr("bad extent"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1 2)")), HasSubstr("expected"));
  EXPECT_THAT(npy_error(header("'<f4'", "(,)")), HasSubstr("bad extent"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1,1,1,1,1,1,1,1,1)")), HasSubstr("rank of at most 8"));
  EXPECT_THAT(npy_error(header("'<f4'", "(4294967296, 4294967296)")), HasSubstr("more elements"));
  EXPECT_THAT(npy_error(header("'<f4'", "(0, 4294967296, 4294967296)")), HasSubstr("more elements"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1000000000,)")), HasSubstr("asks for 4000000000 bytes of elements, but 0"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1,)"), "12345"), HasSubstr("4 bytes of elements, but 5 follow"));
  EXPECT_THAT(npy_error("{'descr': '<f4', 'shape': (1,)}"), HasSubstr("the keys descr, fortran_order and shape"));
  EXPECT_THAT(npy_error("{'descr': '<f4', 'descr': '<f4'}"), HasSubstr("second time"));
  EXPECT_THAT(npy_error("{'descr': '<f4', 'x': 1}"), HasSubstr("unknown key"));
  EXPECT_THAT(npy_error("{'descr': 'a\\x00'}"), HasSubstr("backslash"));
  EXPECT_THAT(npy_error("{'descr': '<f4"), HasSubstr("open quote"));
  EXPECT_THAT(npy_error("{'fortran_order': false}"), HasSubstr("True or False"));
  EXPECT_THAT(npy_error("__import__('os')"), HasSubstr("byte 10: the NPY header has something else; expected '{'"));
  EXPECT_THAT(npy_error(header("'<f4'", "(1,)") + "; 1"), HasSubstr("blanks to the end"));
  EXPECT_THAT(error_of([] { parse_npy("\x93NUMPX\x01\x00", "x"); }), HasSubstr("byte 0: not an NPY file"));
  EXPECT_THAT(error_of([] { parse_npy(std::string("\x93NUMPY\x04\x00\x00\x00", 10), "x"); }), HasSubstr("version 4.0"));
  EXPECT_THAT(error_of([] { parse_npy("\x93NUMPY" + std::string("\x02\x00\xff\xff\xff\xff", 6), "x"); }),
              HasSubstr("at most 10000"));
}

TEST(Idx, ReadsEveryElementType) {
  for (const std::string name : {"u8", "i8", "i16", "i32", "f32", "f64"}) {
    const NumericArray array = parse_idx(golden_bytes(name + ".idx"), name);
    EXPECT_THAT(array.shape, ElementsAre(2, 3, 4)) << name;
    expect_counting(array, name);
  }
  const NumericArray zipped = parse_idx(golden_bytes("u8.idx.gz"), "u8.idx.gz");
  EXPECT_EQ(zipped.bytes, parse_idx(golden_bytes("u8.idx"), "u8.idx").bytes);
}

std::string idx_error(const std::string& bytes) {
  return error_of([&] { parse_idx(bytes, "x.idx"); });
}

TEST(Idx, RefusesBadHeaders) {
  EXPECT_THAT(idx_error(big_bytes(0x01000801, 4)), HasSubstr("byte 0: not an IDX file"));
  EXPECT_THAT(idx_error(big_bytes(0x00000A01, 4)), HasSubstr("byte 2: element type 0x0a"));
  EXPECT_THAT(idx_error(big_bytes(0x00000800, 4)), HasSubstr("byte 3: rank 0"));
  EXPECT_THAT(idx_error(big_bytes(0x00000809, 4)), HasSubstr("byte 3: rank 9"));
  EXPECT_THAT(idx_error(big_bytes(0x00000801, 4) + "\x01"), HasSubstr("ends within the extents"));
  EXPECT_THAT(idx_error(big_bytes(0x00000801, 4) + big_bytes(0xffffffff, 4)), HasSubstr("announces 4294967295 bytes"));
  EXPECT_THAT(idx_error(big_bytes(0x00000E03, 4) + std::string(12, '\xff')),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(idx_error(big_bytes(0x00000801, 4) + big_bytes(1, 4) + "ab"), HasSubstr("1 bytes of elements, but 2"));
}

TEST(Idx, RefusesDamagedGzip) {
  const std::string zipped = golden_bytes("u8.idx.gz");
  for (std::size_t cut = 2; cut < zipped.size(); ++cut) {
    EXPECT_THAT(idx_error(zipped.substr(0, cut)), HasSubstr("x.idx")) << cut;
  }
  EXPECT_THAT(idx_error(zipped + "x"), HasSubstr("1 bytes follow"));
  std::string flipped = zipped;
  flipped[zipped.size() - 5] ^= 1;  // the CRC
  EXPECT_THAT(idx_error(flipped), HasSubstr("damaged compressed data"));
}

TEST(Arrays, ConversionsRefuseWhatDoesNotFit) {
  NumericArray array;
  array.type = ElementType::f64;
  array.shape = {2};
  const double values[] = {3, 1e300};
  array.bytes.assign(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_THAT(error_of([&] { to_floats(array, "here"); }), HasSubstr("here: element 1 is 1e+300"));
  EXPECT_THAT(error_of([&] { to_integers(array, "here"); }), HasSubstr("element 1"));
  const double fraction[] = {3, 0.5};
  array.bytes.assign(reinterpret_cast<const char*>(fraction), sizeof fraction);
  EXPECT_THAT(to_floats(array, "here"), ElementsAre(3, 0.5));
  EXPECT_THAT(error_of([&] { to_integers(array, "here"); }), HasSubstr("element 1 is 0.5; expected an integer"));
}

}  // namespace
}  // namespace quarry
