// SPDX-License-Identifier: MIT
// Hostile and damaged zip archives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <vector>

#include "quarry/data/idx.h"
#include "quarry/data/npz.h"
#include "tests/data/support.h"
#include "tests/support/byte_writers.h"

namespace quarry {
namespace {

using ::testing::HasSubstr;

std::string one_byte_array() {
  return npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", "\x05");
}

std::string npz_error(const std::string& bytes) {
  return error_of([&] { parse_npz(bytes, "x.npz"); });
}

TEST(Npz, ReadsAHandMadeArchive) {
  const std::vector<NamedArray> arrays =
      parse_npz(zip_archive({zip_stored("a.npy", one_byte_array()), zip_stored("b.npy", one_byte_array())}), "x.npz");
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[1].name, "b");
  EXPECT_EQ(arrays[1].array.at(0), 5);
  EXPECT_TRUE(parse_npz(zip_archive({}), "x.npz").empty());
}

TEST(Npz, RefusesHostileMembers) {
  const ZipEntry good = zip_stored("a.npy", one_byte_array());
  const auto with = [&](auto change) {
    ZipEntry entry = good;
    change(entry);
    return npz_error(zip_archive({entry}));
  };
  EXPECT_THAT(with([](ZipEntry& e) { e.flags = 1; }), HasSubstr("encrypted"));
  EXPECT_THAT(with([](ZipEntry& e) { e.method = 12; }), HasSubstr("compression method 12"));
  EXPECT_THAT(with([](ZipEntry& e) { e.crc ^= 1; }), HasSubstr("CRC-32 is wrong"));
  EXPECT_THAT(with([](ZipEntry& e) { e.size += 1; }), HasSubstr("two sizes differ"));
  EXPECT_THAT(with([](ZipEntry& e) { e.size = e.compressed = e.size + 1; }),
              HasSubstr("reaches into the zip directory"));
  EXPECT_THAT(with([](ZipEntry& e) { e.size = e.compressed = 0xffffffff; }), HasSubstr("zip64"));
  EXPECT_THAT(with([](ZipEntry& e) { e.offset = 0x7fffffff; }), HasSubstr("ends within a local header"));
  EXPECT_THAT(with([](ZipEntry& e) { e.offset = 3; }), HasSubstr("expected the local header"));
  EXPECT_THAT(with([](ZipEntry& e) { e.name = "../../etc/passwd"; }), HasSubstr("not named *.npy"));
  EXPECT_THAT(npz_error(zip_archive({good, good})), HasSubstr("two members are named"));
}

TEST(Npz, RefusesOverlappingMembers) {
  // The second entry of the directory points at the first member again.
  const std::string data = one_byte_array();
  ZipEntry first = zip_stored("a.npy", data), second = zip_stored("b.npy", data);
  std::string bytes = zip_local_header(first) + data;
  std::string directory = zip_directory_entry(first) + zip_directory_entry(second);
  bytes += directory + little_bytes(0x06054b50, 4) + std::string(4, '\0') + little_bytes(2, 2) + little_bytes(2, 2) +
           little_bytes(directory.size(), 4) + little_bytes(bytes.size(), 4) + little_bytes(0, 2);
  EXPECT_THAT(npz_error(bytes), HasSubstr("overlap"));
}

TEST(Npz, EveryCutIsRefused) {
  const std::string bytes = golden_bytes("arrays_deflated.npz");
  for (std::size_t cut = 0; cut < bytes.size(); cut += 37) {
    EXPECT_THAT(npz_error(bytes.substr(0, cut)), HasSubstr("x.npz")) << cut;
  }
}

TEST(Npz, EveryFlippedByteOfTheDataIsNoticed) {
  const std::string data = one_byte_array(), bytes = zip_archive({zip_stored("a.npy", data)});
  const std::size_t start = zip_local_header(zip_stored("a.npy", data)).size();
  for (std::size_t i = start; i < start + data.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] ^= 16;
    EXPECT_THAT(npz_error(flipped), HasSubstr("CRC-32")) << i;
  }
}

std::string deflated(const std::string& plain, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(plain.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(Inflate, BombsAreRefusedWhereverTheyClaimTheirSize) {
  const std::string zeros(30'000'000, '\0');
  ZipEntry bomb = zip_stored("a.npy", deflated(zeros, -15));
  bomb.method = 8;
  bomb.size = zeros.size();
  EXPECT_THAT(npz_error(zip_archive({bomb})), HasSubstr("bomb"));
  bomb.size = 10;  // a lie: found out while inflating
  EXPECT_THAT(npz_error(zip_archive({bomb})), HasSubstr("bomb"));
  EXPECT_THAT(error_of([&] { parse_idx(deflated(zeros, 31), "x.gz"); }), HasSubstr("bomb"));
}

TEST(Inflate, OrdinaryRunsOfZerosAreFine) {
  const std::string plain = big_bytes(0x00000801, 4) + big_bytes(60'000, 4) + std::string(60'000, '\0');
  EXPECT_EQ(parse_idx(deflated(plain, 31), "x.gz").count(), 60'000u);
}

TEST(Inflate, GzipInGzipIsRefused) {
  EXPECT_THAT(error_of([&] { parse_idx(deflated(golden_bytes("u8.idx.gz"), 31), "x.gz"); }),
              HasSubstr("gzipped twice"));
}

}  // namespace
}  // namespace quarry
