// SPDX-License-Identifier: MIT
#include "quarry/nn/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "tests/fuzz/safetensors_body.h"

namespace quarry {
namespace {

TrainedMlp<float> small_network() {
  TrainedMlp<float> network;
  network.sizes = {2, 3, 2};
  for (int i = 0; i < 17; ++i) network.parameters.push_back(0.25f * static_cast<float>(i) - 1);
  network.parameters[3] = std::numeric_limits<float>::quiet_NaN();
  network.parameters[4] = -std::numeric_limits<float>::infinity();
  network.parameters[5] = -0.0f;
  network.dropout = 0.1;
  network.loss = Loss::ce_on_probs;
  return network;
}

/// A file with this header and `floats` numbers.
std::string file_of(std::string header, std::size_t floats) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(4 * floats, '\0');
}

std::string header_of(const std::string& bytes) {
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  return bytes.substr(8, length);
}

void expect_same(const TrainedMlp<float>& a, const TrainedMlp<float>& b) {
  EXPECT_EQ(a.sizes, b.sizes);
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  EXPECT_EQ(std::memcmp(a.parameters.data(), b.parameters.data(), 4 * a.parameters.size()), 0);
  EXPECT_EQ(a.dropout, b.dropout);
  EXPECT_EQ(a.loss, b.loss);
}

std::string refusal(std::string_view bytes) {
  try {
    parse_checkpoint(bytes, "net.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "";
}

TEST(Checkpoint, ReadsBackBitForBit) {
  const TrainedMlp<float> network = small_network();
  const std::string bytes = write_checkpoint(network);
  expect_same(parse_checkpoint(bytes, "net"), network);
  EXPECT_EQ(write_checkpoint(parse_checkpoint(bytes, "net")), bytes);
  TrainedMlp<float> linear{{180, 3}, std::vector<float>(543, 1.5f), 0, Loss::mse};
  expect_same(parse_checkpoint(write_checkpoint(linear), "net"), linear);
}

TEST(Checkpoint, BytesAreThoseOfTheFormat) {
  const TrainedMlp<float> network{{1, 1}, {2, 3}, 0.5, Loss::ce_on_logits};
  std::string header =
      R"({"__metadata__":{"format":"quarry.mlp.1","sizes":"1-1","dropout":"0.5","loss":"ce_on_logits"},)"
      R"("layer0.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
      R"("layer0.bias":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  while (header.size() % 8 != 0) header += ' ';
  const std::string bytes = write_checkpoint(network);
  EXPECT_EQ(header_of(bytes), header);
  EXPECT_EQ(bytes.substr(8 + header.size()), std::string("\0\0\0\x40\0\0\x40\x40", 8));
}

TEST(Checkpoint, OtherProgramsReadIt) {
  // Written by the safetensors package's documented layout with another key order: order in the header is free.
  const std::string header = R"({"layer0.bias":{"shape":[1],"data_offsets":[4,8],"dtype":"F32"},)"
                             R"("layer0.weight":{"dtype":"F32","data_offsets":[0,4],"shape":[1,1]},)"
                             R"("__metadata__":{"loss":"mse","dropout":"0","sizes":"1-1","format":"quarry.mlp.1"}}   )";
  EXPECT_EQ(parse_checkpoint(file_of(header, 2), "net").loss, Loss::mse);
}

TEST(Checkpoint, RefusesEveryCutAndEveryExtraByte) {
  const std::string bytes = write_checkpoint(small_network());
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_NE(refusal(std::string_view(bytes).substr(0, length)), "") << length;
  EXPECT_NE(refusal(bytes + '\0'), "");
  EXPECT_NE(refusal(bytes + std::string(4, '\0')), "");
  EXPECT_EQ(refusal("").rfind("net.safetensors: ", 0), 0u);
}

TEST(Checkpoint, EveryFlipOfTheHeaderIsSeenOrGivesAValidFile) {
  const std::string good = write_checkpoint({{1, 1}, {2, 3}, 0.1, Loss::mse});
  const std::size_t header_end = 8 + header_of(good).size();
  int seen = 0, valid = 0;
  for (std::size_t at = 0; at < header_end; ++at)
    for (int flip = 1; flip < 256; ++flip) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      try {
        const TrainedMlp<float> network = parse_checkpoint(bytes, "net");
        expect_same(parse_checkpoint(write_checkpoint(network), "net"), network);
        ++valid;
      } catch (const Error&) {
        ++seen;
      }
    }
  EXPECT_GT(seen, 1000);
  EXPECT_LT(valid, 100);  // only other digits of the dropout rate can be left
}

TEST(Checkpoint, SaysWhatIsWrong) {
  const std::string good = header_of(write_checkpoint(small_network()));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string header = good;
    const std::size_t at = header.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return refusal(file_of(header.replace(at, from.size(), to), 17));
  };
  const std::vector<std::pair<std::pair<std::string, std::string>, std::string>> cases = {
      {{"\"F32\"", "\"F16\""}, "dtype F32"},
      {{"[3,2]", "[2,3]"}, "shape"},
      {{"[0,24]", "[4,28]"}, "data_offsets [0, 24]"},
      {{"[24,36]", "[20,32]"}, "data_offsets [24, 36]"},
      {{"layer1.bias", "layer1.bits"}, "layer1.bias is missing"},
      {{"layer1.bias", "layer0.bias"}, "layer0.bias"},
      {{"2-3-2", "2-03-2"}, "expected '2-3-2'"},
      {{"2-3-2", "2--2"}, "layer widths"},
      {{"2-3-2", "2-4-2"}, "do not hold"},
      {{"2-3-2", "17"}, "at least inputs and outputs"},
      {{"2-3-2", "2000000000-2000000000-2"}, "layer widths"},
      {{"\"0.1\"", "\"1.5\""}, "number in [0, 1)"},
      {{"\"0.1\"", "\"NaN\""}, "number in [0, 1)"},
      {{"ce_on_probs", "hinge"}, "hinge"},
      {{"quarry.mlp.1", "pt"}, "quarry.mlp.1"},
      {{"__metadata__", "metadata"}, "__metadata__"},
      {{"\"loss\"", "\"extra\":\"\",\"loss\""}, "more than"},
  };
  for (const auto& [change, wanted] : cases)
    EXPECT_NE(with(change.first, change.second).find(wanted), std::string::npos) << with(change.first, change.second);
  EXPECT_NE(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)).find("18446744073709551615"),
            std::string::npos);
  EXPECT_NE(refusal(file_of("{}\n", 0)).find("padded with blanks"), std::string::npos);
  EXPECT_NE(refusal(file_of("[]", 0)).find("JSON object"), std::string::npos);
}

TEST(Checkpoint, RefusesANetworkThatIsNone) {
  TrainedMlp<float> network = small_network();
  network.parameters.pop_back();
  EXPECT_ANY_THROW(write_checkpoint(network));
  EXPECT_ANY_THROW(write_checkpoint({{2}, {}, 0, Loss::mse}));
}

TEST(Checkpoint, HoldsOnTheFuzzCorpus) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(QUARRY_SOURCE_DIR "/tests/fuzz/corpus/safetensors")) {
    fuzz_safetensors(read_file(entry.path().string()));
    ++files;
  }
  EXPECT_GE(files, 7);
}

}  // namespace
}  // namespace quarry
