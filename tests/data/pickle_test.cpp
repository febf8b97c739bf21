// SPDX-License-Identifier: MIT
// Pickles of Python 2 and 3 (tests/goldens/data/make_cifar_goldens.py), and hand-made ones that must be refused.
#include "quarry/data/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/data/cifar_support.h"

namespace quarry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = PickleValue::Kind;

const std::string kProtocol2 = "\x80\x02";

std::string refusal(const std::string& program) {
  return error_of([&] { parse_pickle(kProtocol2 + program, "file"); });
}

/// The first batch of the golden CIFAR-10, as every writer must give it.
void expect_first_batch(const std::string& bytes, const std::string& labels_key) {
  const Pickle pickle = parse_pickle(bytes, "file");
  const PickleValue* data = pickle.root->find("data");
  const PickleValue* labels = pickle.root->find(labels_key);
  ASSERT_TRUE(data != nullptr && labels != nullptr);
  ASSERT_EQ(data->kind, Kind::array);
  EXPECT_THAT(data->shape, ElementsAre(3, 3072));
  std::string wanted(3 * 3072, '\0');
  for (std::size_t i = 0; i < 3; ++i) {
    wanted[i * 3072] = static_cast<char>(i + 1);
    wanted[i * 3072 + 1024] = static_cast<char>(200 + i);
    wanted[i * 3072 + 3071] = 100;
  }
  EXPECT_EQ(data->bytes, wanted);
  ASSERT_EQ(labels->kind, Kind::list);
  std::vector<std::int64_t> values;
  for (const PickleValue* label : labels->items) values.push_back(label->integer);
  EXPECT_THAT(values, ElementsAre(0, 7, 4));
}

TEST(Pickle, EveryWriterGivesTheSameBatch) {
  for (const char* name :
       {"cifar-10-batches-py/data_batch_1", "python3/protocol_2", "python3/protocol_3", "python3/protocol_4",
        "python3/protocol_5", "python3/text_keys", "python3/fortran", "python3/fortran_5", "python3/numpy_2"}) {
    SCOPED_TRACE(name);
    expect_first_batch(cifar_golden(name), "labels");
  }
}

TEST(Pickle, PlainValues) {
  const std::string bytes =
      kProtocol2 + std::string("(NK\x07M\x01\x02J\xfe\xff\xff\xff\x88\x89\x8a\x00\x8a\x02\x00\xff", 20) +
      std::string("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fU\x01xX\x02\x00\x00\x00\xc3\xa9)t.", 23);
  const Pickle pickle = parse_pickle(bytes, "file");
  const auto& items = pickle.root->items;
  ASSERT_EQ(pickle.root->kind, Kind::tuple);
  ASSERT_EQ(items.size(), 12u);
  EXPECT_EQ(items[0]->kind, Kind::none);
  EXPECT_EQ(items[1]->integer, 7);
  EXPECT_EQ(items[2]->integer, 0x201);
  EXPECT_EQ(items[3]->integer, -2);
  EXPECT_EQ(items[4]->kind, Kind::boolean);
  EXPECT_EQ(items[4]->integer, 1);
  EXPECT_EQ(items[5]->integer, 0);
  EXPECT_EQ(items[6]->integer, 0);
  EXPECT_EQ(items[7]->integer, -256);
  EXPECT_EQ(items[8]->integer, std::int64_t{0x7fffffffffffffff});
  EXPECT_EQ(items[9]->kind, Kind::bytes);
  EXPECT_EQ(items[9]->bytes, "x");
  EXPECT_EQ(items[10]->kind, Kind::text);
  EXPECT_EQ(items[10]->bytes, "\xc3\xa9");
  EXPECT_EQ(items[11]->kind, Kind::tuple);
}

TEST(Pickle, OfEqualKeysTheLastCounts) {
  const std::string bytes = kProtocol2 +
                            "}(U\x01"
                            "aK\x01U\x01"
                            "aK\x02u.";
  const Pickle pickle = parse_pickle(bytes, "file");
  ASSERT_NE(pickle.root->find("a"), nullptr);
  EXPECT_EQ(pickle.root->find("a")->integer, 2);
  EXPECT_EQ(pickle.root->find("b"), nullptr);
}

TEST(Pickle, NothingIsImportedOrCalled) {
  EXPECT_THAT(refusal("cos\nsystem\nU\x02ls\x85R."),
              AllOf(HasSubstr("file: byte 2: opcode 'c': the name system of the module os"),
                    HasSubstr("nothing was imported")));
  EXPECT_THAT(refusal("c__builtin__\neval\n."), HasSubstr("eval"));
  EXPECT_THAT(refusal("cnumpy.core.multiarray\nscalar\n."), HasSubstr("scalar"));
  EXPECT_THAT(error_of([] { parse_pickle("\x80\x04\x8c\x05posix\x8c\x06system\x93.", "file"); }),
              HasSubstr("byte 17: opcode 0x93: the name system of the module posix"));
  // Other ways to a call: INST, OBJ, NEWOBJ, persistent ids, extensions.
  EXPECT_THAT(refusal("(ios\nsystem\n."), HasSubstr("byte 3: opcode 'i': not one"));
  EXPECT_THAT(refusal("(cnumpy\nndarray\no."), HasSubstr("byte 18: opcode 'o': not one"));
  EXPECT_THAT(refusal("cnumpy\nndarray\n)\x81."), HasSubstr("byte 18: opcode 0x81: not one"));
  EXPECT_THAT(refusal("P1\n."), HasSubstr("opcode 'P': not one"));
  EXPECT_THAT(refusal("U\x01"
                      "1Q."),
              HasSubstr("opcode 'Q': not one"));
  EXPECT_THAT(refusal("\x82\x01."), HasSubstr("opcode 0x82: not one"));
}

TEST(Pickle, FunctionsAreNoData) {
  EXPECT_THAT(refusal("cnumpy\nndarray\n."), HasSubstr("no data"));
  EXPECT_THAT(refusal("cnumpy\nndarray\n\x85."), HasSubstr("no data"));
  EXPECT_THAT(refusal("]cnumpy\nndarray\na."), HasSubstr("a list that holds a function"));
  EXPECT_THAT(refusal("]cnumpy\nndarray\n\x85"
                      "a."),
              HasSubstr("a list that holds a function"));
  EXPECT_THAT(refusal("}U\x01"
                      "acnumpy\ndtype\ns."),
              HasSubstr("a dict that holds a function"));
  EXPECT_THAT(refusal("K\x01)R."), HasSubstr("a call of what is no function"));
  const std::string shell = "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + std::string(1, '\0') +
                            "\x85U\x01"
                            "b\x87R";
  EXPECT_THAT(refusal(shell + "."), HasSubstr("no data"));
  EXPECT_THAT(refusal("]" + shell + "a."), HasSubstr("part of an array"));
}

std::string array_of(const std::string& type, const std::string& shape, const std::string& contents) {
  return "cnumpy.core.numeric\n_frombuffer\n(" + contents + "cnumpy\ndtype\n" + type + "\x89\x88\x87R" + shape +
         "U\x01"
         "CtR.";
}

TEST(Pickle, ArraysMustBeBytesOfTheirShape) {
  const std::string bytes = "U\x02u1",
                    six =
                        "U\x06"
                        "abcdef",
                    two_three = "K\x02K\x03\x86";
  EXPECT_EQ(parse_pickle(kProtocol2 + array_of(bytes, two_three, six), "file").root->bytes, "abcdef");
  EXPECT_THAT(refusal(array_of("U\x02i8", two_three, six)), HasSubstr("an array of the type 'i8'"));
  EXPECT_THAT(refusal(array_of(bytes, "K\x02K\x04\x86", six)), HasSubstr("an array of 8 elements has 6 bytes"));
  EXPECT_THAT(refusal(array_of(bytes, "J\xff\xff\xff\xff\x85", six)), HasSubstr("no count"));
  EXPECT_THAT(refusal(array_of(bytes, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x04\x86", six)),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(refusal(array_of(bytes, two_three, "X\x06" + std::string(3, '\0') + "abcdef")), HasSubstr("are text"));
  EXPECT_THAT(refusal(array_of(bytes, "(" + std::string(18, 'N') + "t", six)), HasSubstr("at most 8 extents"));
  EXPECT_THAT(error_of([] { parse_pickle(cifar_golden("python3/int64"), "file"); }), HasSubstr("type 'i8'"));
}

TEST(Pickle, Latin1TextMustBeLatin1) {
  const auto encoded = [](const std::string& text) {
    return "c_codecs\nencode\nX" + little_bytes(text.size(), 4) + text + "U\x06latin1\x86R.";
  };
  EXPECT_EQ(parse_pickle(kProtocol2 + encoded("a\xc2\x80\xc3\xbf"), "file").root->bytes, "a\x80\xff");
  for (const char* bad : {"\xc4\x80", "\xc3", "\xc3z", "\x80", "\xe2\x82\xac"}) {
    EXPECT_THAT(refusal(encoded(bad)), HasSubstr("none of latin1"));
  }
}

TEST(Pickle, NoValueHoldsItself) {
  EXPECT_THAT(refusal(std::string("]q\x00h\x00"
                                  "a.",
                                  7)),
              HasSubstr("a list that holds itself"));
  EXPECT_THAT(refusal(std::string("]q\x00\x85h\x00K\x01"
                                  "a0.",
                                  10)),
              HasSubstr("a list grows after it was put into another value"));
  EXPECT_NO_THROW(parse_pickle(kProtocol2 + std::string(16, ']') + std::string(15, 'a') + ".", "file"));
  EXPECT_THAT(refusal(std::string(17, ']') + std::string(16, 'a') + "."), HasSubstr("nested more than 16 deep"));
}

TEST(Pickle, MemoryIsInProportionToTheBytes) {
  EXPECT_THAT(refusal(std::string(2'000'000, ']')), HasSubstr("more than four times the file"));
  const std::string text(1 << 20, 'x');
  std::string program = std::string("c_codecs\nencode\nq\x00X", 19) + little_bytes(text.size(), 4) + text +
                        std::string("q\x01U\x06latin1q\x02\x86R", 14);
  for (int i = 0; i < 100; ++i) program += std::string("h\x00h\x01h\x02\x86R", 8);
  EXPECT_THAT(refusal(program), HasSubstr("more than four times the file"));
}

TEST(Pickle, TheProgramMustBeWhole) {
  for (const char* name : {"cifar-10-batches-py/batches.meta", "python3/protocol_5", "cifar-100-python/test"}) {
    const std::string bytes = cifar_golden(name);
    for (std::size_t n = 0; n < bytes.size(); n += n < 200 || n + 200 > bytes.size() ? 1 : 97) {
      EXPECT_THAT(error_of([&] { parse_pickle(std::string_view(bytes).substr(0, n), "file"); }),
                  HasSubstr("file: byte"));
    }
    EXPECT_THAT(error_of([&] { parse_pickle(bytes + "x", "file"); }), HasSubstr("1 bytes follow the end"));
  }
}

TEST(Pickle, MisusedStacksAreRefused) {
  for (const char* program :
       {".", "K\x01K\x01.", "(.", "a.", "]a.", "e.", "u.",
        "}U\x01"
        "as.",
        "(\x85.", "K\x01(\x86.", "t.", "h\x05.", "q\x05.", "R.", "b.", "K\x01)b.", "}K\x01K\x01s.",
        "}(U\x01"
        "xu.",
        "K\x01(]a."}) {
    EXPECT_THAT(refusal(program), HasSubstr("file: byte")) << program;
  }
  EXPECT_THAT(error_of([] { parse_pickle("(dp0\n.", "file"); }), HasSubstr("not a pickle of protocol 2 to 5"));
  EXPECT_THAT(error_of([] { parse_pickle("\x80\x06N.", "file"); }), HasSubstr("protocol 6; expected 2 to 5"));
  EXPECT_THAT(error_of([] { parse_pickle("", "file"); }), HasSubstr("not a pickle"));
}

}  // namespace
}  // namespace quarry
