// SPDX-License-Identifier: MIT
// Residual networks in files: the names and shapes of torchvision's state dict, the bits of the network, refusals.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/nn/checkpoint.h"

namespace quarry {
namespace {

TrainedConvNet network_of(ResNetKind kind, ImageShape input, std::int32_t classes, double dropout = 0) {
  TrainedConvNet network;
  network.spec = {kind, input, classes, dropout};
  const ResNetPlan plan = plan_resnet(network.spec);
  network.parameters = initial_parameters(plan, 5);
  for (std::int64_t i = 0; i < plan.n_buffers; ++i) network.buffers.push_back(0.5f + static_cast<float>(i));
  return network;
}

TrainedConvNet small_network() {
  TrainedConvNet network = network_of(ResNetKind::resnet8, {1, 8, 6}, 3, 0.25);
  network.parameters[3] = std::numeric_limits<float>::quiet_NaN();
  network.parameters[4] = -std::numeric_limits<float>::infinity();
  network.buffers[5] = -0.0f;
  return network;
}

std::uint64_t header_length(const std::string& bytes) {
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  return length;
}

Json header_of(const std::string& bytes) {
  return Json::parse(bytes.substr(8, header_length(bytes)), "header");
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

void expect_same(const TrainedConvNet& a, const TrainedConvNet& b) {
  EXPECT_EQ(a.spec.kind, b.spec.kind);
  EXPECT_EQ(a.spec.input.channels, b.spec.input.channels);
  EXPECT_EQ(a.spec.input.height, b.spec.input.height);
  EXPECT_EQ(a.spec.input.width, b.spec.input.width);
  EXPECT_EQ(a.spec.classes, b.spec.classes);
  EXPECT_EQ(a.spec.dropout, b.spec.dropout);
  EXPECT_TRUE(same_bits(a.parameters, b.parameters));
  EXPECT_TRUE(same_bits(a.buffers, b.buffers));
}

std::string refusal(std::string_view bytes) {
  try {
    parse_conv_checkpoint(bytes, "net.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "";
}

TEST(ConvCheckpoint, ReadsBackBitForBit) {
  for (const TrainedConvNet& network : {small_network(), network_of(ResNetKind::resnet14, {3, 9, 7}, 10),
                                        network_of(ResNetKind::resnet8, {4, 5, 5}, 2)}) {
    const std::string bytes = write_checkpoint(network);
    expect_same(parse_conv_checkpoint(bytes, "net"), network);
    EXPECT_EQ(write_checkpoint(parse_conv_checkpoint(bytes, "net")), bytes);
  }
}

/// torchvision.models.resnet18(num_classes=10) with a stem of 3 x 3: `{k: list(v.shape) for k, v in state_dict()}`,
/// without num_batches_tracked, which load_state_dict does not ask for.
TEST(ConvCheckpoint, NamesAndShapesAreThoseOfTorchvision) {
  const std::string bytes = write_checkpoint(network_of(ResNetKind::resnet18, {3, 32, 32}, 10));
  const Json header = header_of(bytes);
  std::vector<std::pair<std::string, std::string>> expected;
  const auto norm = [&](const std::string& name, int width) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
      expected.emplace_back(name + part, fmt::format("[{}]", width));
  };
  expected.emplace_back("conv1.weight", "[64,3,3,3]");
  norm("bn1", 64);
  const int widths[] = {64, 128, 256, 512};
  for (int stage = 1, before = 64; stage <= 4; ++stage) {
    const int width = widths[stage - 1];
    for (int block = 0; block < 2; ++block, before = width) {
      const std::string name = fmt::format("layer{}.{}.", stage, block);
      expected.emplace_back(name + "conv1.weight", fmt::format("[{},{},3,3]", width, before));
      norm(name + "bn1", width);
      expected.emplace_back(name + "conv2.weight", fmt::format("[{},{},3,3]", width, width));
      norm(name + "bn2", width);
      if (before == width) continue;
      expected.emplace_back(name + "downsample.0.weight", fmt::format("[{},{},1,1]", width, before));
      norm(name + "downsample.1", width);
    }
  }
  expected.emplace_back("fc.weight", "[10,512]");
  expected.emplace_back("fc.bias", "[10]");
  ASSERT_EQ(expected.size(), 102u);
  ASSERT_EQ(header.members().size(), expected.size() + 1);
  EXPECT_EQ(header.at("__metadata__").dump(),
            R"({"format":"quarry.resnet.1","network":"resnet18","input":"3x32x32","classes":"10","dropout":"0"})");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, tensor] = header.members()[i + 1];
    EXPECT_EQ(name, expected[i].first);
    EXPECT_EQ(tensor.at("shape").dump(), expected[i].second) << name;
    EXPECT_EQ(tensor.at("dtype").string(), "F32");
  }
  EXPECT_EQ(bytes.size(), 8 + header_length(bytes) + 4 * (11173962u + 9600u));
}

TEST(ConvCheckpoint, EveryNumberIsWhereItsNameSays) {
  const TrainedConvNet network = network_of(ResNetKind::resnet8, {2, 8, 8}, 3);
  const ResNetPlan plan = plan_resnet(network.spec);
  const std::string bytes = write_checkpoint(network);
  const Json header = header_of(bytes);
  const auto expect_at = [&](const std::string& name, const std::vector<float>& from, std::int64_t at) {
    const auto& offsets = header.at(name).at("data_offsets").items();
    const std::int64_t n = (offsets[1].integer() - offsets[0].integer()) / 4;
    const char* const data = bytes.data() + 8 + header_length(bytes) + offsets[0].integer();
    EXPECT_EQ(std::memcmp(data, from.data() + at, static_cast<std::size_t>(n) * 4), 0) << name;
  };
  const auto& parameters = network.parameters;
  expect_at("conv1.weight", parameters, plan.layers[0].weight);
  expect_at("bn1.weight", parameters, plan.layers[0].gamma);
  expect_at("bn1.running_var", network.buffers, plan.layers[0].variance);
  const ResNetBlock& second = plan.blocks[1];
  const ConvLayer& shortcut = plan.layers[static_cast<std::size_t>(second.shortcut)];
  expect_at("layer2.0.downsample.0.weight", parameters, shortcut.weight);
  expect_at("layer2.0.downsample.1.bias", parameters, shortcut.beta);
  expect_at("layer2.0.downsample.1.running_mean", network.buffers, shortcut.mean);
  const ConvLayer& conv2 = plan.layers[static_cast<std::size_t>(second.conv2)];
  expect_at("layer2.0.conv2.weight", parameters, conv2.weight);
  expect_at("layer2.0.bn2.weight", parameters, conv2.gamma);
  expect_at("fc.weight", parameters, plan.linear_weight);
  expect_at("fc.bias", parameters, plan.linear_bias);
}

TEST(ConvCheckpoint, RefusesCutsExtraBytesAndOtherFiles) {
  const std::string bytes = write_checkpoint(small_network());
  const std::size_t header_end = 8 + header_length(bytes);
  for (std::size_t length = 0; length < bytes.size(); length += length < header_end + 64 ? 1 : 4099)
    EXPECT_NE(refusal(std::string_view(bytes).substr(0, length)), "") << length;
  EXPECT_NE(refusal(bytes + '\0'), "");
  EXPECT_NE(refusal(bytes + std::string(4, '\0')), "");
  EXPECT_NE(refusal(write_checkpoint({{1, 1}, {2, 3}, 0, Loss::mse})).find("expected 'quarry.resnet.1'"),
            std::string::npos);
  EXPECT_THROW(parse_checkpoint(bytes, "net"), Error);
}

#if defined(QUARRY_UNDER_ASAN) || defined(QUARRY_UNDER_TSAN)
constexpr int kFlips[] = {16};  // half of them: a header of a few thousand bytes is read as often
constexpr int kLeastSeen = 1000;
#else
constexpr int kFlips[] = {1, 16};
constexpr int kLeastSeen = 2000;
#endif

TEST(ConvCheckpoint, EveryFlipOfTheHeaderIsSeenOrGivesAValidFile) {
  const std::string good = write_checkpoint(network_of(ResNetKind::resnet8, {1, 8, 6}, 3, 0.1));
  int seen = 0;
  std::set<std::string> valid;
  for (std::size_t at = 0; at < 8 + header_length(good); ++at) {
    for (const int flip : kFlips) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      try {
        const TrainedConvNet network = parse_conv_checkpoint(bytes, "net");
        valid.insert(fmt::format("{}x{}, dropout {}", network.spec.input.height, network.spec.input.width,
                                 network.spec.dropout));
      } catch (const Error&) {
        ++seen;
      }
    }
  }
  EXPECT_GT(seen, kLeastSeen);
  // Rows, columns and dropout decide no shape of a tensor: a digit there may become another.
  EXPECT_LT(valid.size(), 20u);
}

TEST(ConvCheckpoint, SaysWhatIsWrong) {
  const std::string good = write_checkpoint(small_network());
  const std::string header = good.substr(8, header_length(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = header;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    const std::uint64_t length = changed.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    return refusal(bytes + changed + good.substr(8 + header.size()));
  };
  const std::vector<std::pair<std::pair<std::string, std::string>, std::string>> cases = {
      {{"\"resnet8\"", "\"resnet9\""}, "expected resnet8, resnet14 or resnet18"},
      {{"\"resnet8\"", "\"resnet14\""}, "a resnet14 of 1x8x6 inputs and 3 classes has"},
      {{"1x8x6", "1x8"}, "channels, rows and columns"},
      {{"1x8x6", "1x08x6"}, "channels, rows and columns"},
      {{"1x8x6", "1x8x6x"}, "channels, rows and columns"},
      {{"1x8x6", "0x8x6"}, "channels, rows and columns"},
      {{"1x8x6", "1x8x99999"}, "channels, rows and columns"},
      {{"1x8x6", "2147483647x8x6"}, "channels, rows and columns"},
      {{"1x8x6", "2x8x6"}, "bytes of numbers"},
      {{"\"classes\":\"3\"", "\"classes\":\"1\""}, "a number from 2"},
      {{"\"classes\":\"3\"", "\"classes\":\"4\""}, "inputs and 4 classes has"},
      {{"\"0.25\"", "\"1\""}, "number in [0, 1)"},
      {{"\"F32\"", "\"F16\""}, "dtype F32"},
      {{"[16,1,3,3]", "[16,3,1,3]"}, "tensor conv1.weight: its shape"},
      {{"layer3.0.downsample.1.running_var", "layer3.0.downsample.1.running_std"}, "running_var is missing"},
      {{"\"network\"", "\"extra\":\"\",\"network\""}, "more than"},
  };
  for (const auto& [change, wanted] : cases) {
    const std::string message = with(change.first, change.second);
    EXPECT_NE(message.find(wanted), std::string::npos) << change.second << ": " << message;
    EXPECT_EQ(message.rfind("net.safetensors: ", 0), 0u) << message;
  }
}

TEST(ConvCheckpoint, RefusesANetworkThatIsNone) {
  TrainedConvNet network = small_network();
  network.buffers.pop_back();
  EXPECT_THROW(write_checkpoint(network), Error);
}

}  // namespace
}  // namespace quarry
