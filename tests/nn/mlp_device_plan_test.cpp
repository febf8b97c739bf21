// SPDX-License-Identifier: MIT
// Launch plans of the MLP kernels, and the memory map they rest on.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/mlp_map.h"
#include "quarry/core/error.h"
#include "quarry/nn/mlp_device.h"

namespace quarry::testing {
namespace {

constexpr std::size_t kKiB = 1024;

gpu::DeviceInfo large_device() {
  gpu::DeviceInfo device;
  device.multiprocessors = 132;
  device.shared_per_block = 227 * kKiB;
  device.shared_per_multiprocessor = 228 * kKiB;
  return device;
}

gpu::DeviceInfo small_device() {
  gpu::DeviceInfo device;
  device.multiprocessors = 20;
  device.shared_per_block = 99 * kKiB;
  device.shared_per_multiprocessor = 100 * kKiB;
  return device;
}

cuda::MlpBounds bounds(std::int32_t inputs, std::int32_t hidden_layers, std::int32_t hidden_width, std::int32_t rows) {
  cuda::MlpBounds b;
  b.inputs = inputs;
  b.outputs = 3;
  b.hidden_layers = hidden_layers;
  b.hidden_width = hidden_width;
  b.train_rows = rows;
  return b;
}

/// Blocks of a plan that a multiprocessor holds by its shared memory (1 KiB of each is the hardware's).
std::size_t blocks_held(const gpu::DeviceInfo& device, const cuda::MlpFleetPlan& plan) {
  return device.shared_per_multiprocessor / (plan.shape.shared_bytes + kBlockStateBytes + kKiB);
}

TEST(MlpDevicePlan, TwoBlocksShareAMultiprocessorWhereTheyFit) {
  const auto plan = cuda::plan_mlp_fit(large_device(), 1000, bounds(60, 3, 48, 1000));
  EXPECT_EQ(plan.shape.grid.x, 264u);
  EXPECT_EQ(plan.shape.block.x, 256u);
  EXPECT_EQ(plan.workspace_bytes, 0u);
  EXPECT_GE(blocks_held(large_device(), plan), 2u);
  EXPECT_EQ(cuda::plan_mlp_fit(large_device(), 7, bounds(60, 3, 48, 1000)).shape.grid.x, 7u);
}

TEST(MlpDevicePlan, ALargerNetworkHasAMultiprocessorToItself) {
  const auto plan = cuda::plan_mlp_fit(large_device(), 1000, bounds(60, 3, 96, 1000));
  EXPECT_EQ(plan.shape.grid.x, 132u);
  EXPECT_EQ(plan.workspace_bytes, 0u);
  EXPECT_LE(plan.shape.shared_bytes + kBlockStateBytes, 227 * kKiB);
}

TEST(MlpDevicePlan, ALongOrderOfRowsLiesInTheWorkspace) {
  const std::int32_t rows = 50'000;
  const auto plan = cuda::plan_mlp_fit(large_device(), 1000, bounds(60, 3, 48, rows));
  EXPECT_EQ(plan.shape.grid.x, 264u);
  EXPECT_EQ(plan.workspace_bytes, 264u * static_cast<std::size_t>(order_words(rows)) * 4);
  EXPECT_GE(blocks_held(large_device(), plan), 2u);
}

TEST(MlpDevicePlan, ANetworkBeyondSharedMemoryWorksInTheWorkspace) {
  const auto plan = cuda::plan_mlp_fit(small_device(), 1000, bounds(784, 2, 256, 1000));
  EXPECT_EQ(plan.shape.grid.x, 40u);
  EXPECT_GT(plan.workspace_bytes, 40u * 4 * (784 * 256 + 256 * 256));
  EXPECT_GE(blocks_held(small_device(), plan), 2u);
  EXPECT_EQ(plan.bounds.inputs, 784);
}

TEST(MlpDevicePlan, ADeviceWithoutSharedMemoryWorksInTheWorkspace) {
  gpu::DeviceInfo device;
  const auto plan = cuda::plan_mlp_fit(device, 3, bounds(2, 1, 16, 10));
  EXPECT_EQ(plan.shape.shared_bytes, 0u);
  EXPECT_EQ(plan.shape.grid.x, 2u);
  EXPECT_GT(plan.workspace_bytes, 0u);
}

TEST(MlpDevicePlan, MomentsAndLargeBatchesTakeMemory) {
  cuda::MlpBounds b = bounds(20, 2, 32, 500);
  const auto bytes = [&] { return cuda::plan_mlp_fit(large_device(), 1, b).shape.shared_bytes; };
  const std::size_t plain = bytes();
  b.momentum = true;
  const std::size_t momentum = bytes();
  b.adam = true;
  const std::size_t adam = bytes();
  b.batch_size = 64;
  const std::size_t large_batch = bytes();
  EXPECT_LT(plain, momentum);
  EXPECT_EQ(adam - momentum, momentum - plain);
  EXPECT_LT(adam, large_batch);
  b.train_rows = 32;  // then no batch has more than 32 rows
  EXPECT_LT(bytes(), large_batch);
}

TEST(MlpDevicePlan, ScoringHasABlockPerChunkUpToWhatIsResident) {
  const cuda::MlpBounds b = bounds(60, 3, 48, 1000);
  EXPECT_EQ(cuda::plan_mlp_score(large_device(), 2, 65, b).shape.grid.x, 6u);
  EXPECT_EQ(cuda::plan_mlp_score(large_device(), 20, 10'000, b).shape.grid.x, 264u);
  EXPECT_EQ(cuda::plan_mlp_score(large_device(), 1, 0, b).shape.grid.x, 1u);
  EXPECT_EQ(cuda::plan_mlp_score(large_device(), 20, 10'000, b).workspace_bytes, 0u);
  EXPECT_GT(cuda::plan_mlp_score(small_device(), 20, 10'000, bounds(784, 2, 256, 1)).workspace_bytes, 0u);
}

/// What a kernel finds in shared memory or in its slice of the workspace holds every network within the bounds.
TEST(MlpDevicePlan, ANetworkWithoutHiddenLayersCanBeTheLargest) {
  cuda::MlpBounds narrow = bounds(70, 1, 1, 100);
  narrow.outputs = 20;
  const std::int32_t none[] = {70, 20};
  const auto words = [&](const MlpBlockNeeds& needs) { return map_network(none, 1, needs, nullptr).words; };
  const MlpBlockNeeds training = {true, false, false, false, false}, bald = {false, false, false, false, true};
  EXPECT_GE(cuda::plan_mlp_fit(large_device(), 1, narrow).shape.shared_bytes,
            4u * static_cast<std::size_t>(words(training)));
  EXPECT_GE(cuda::plan_mlp_score(large_device(), 1, 1, narrow).shape.shared_bytes,
            4u * static_cast<std::size_t>(words(bald)));
}

TEST(MlpDevicePlan, ANetworkOfTwoToThe31WordsIsRefused) {
  EXPECT_THROW(cuda::plan_mlp_fit(large_device(), 1, bounds(1 << 20, 1, 1 << 12, 10)), Error);
  EXPECT_THROW(cuda::plan_mlp_score(large_device(), 1, 1, bounds(1 << 20, 1, 1 << 12, 10)), Error);
}

/// Every network within the bounds fits where the plan says: no part of the memory shrinks as a bound grows.
TEST(MlpDevicePlan, ASmallerNetworkNeedsNoMoreMemory) {
  const std::vector<std::vector<std::int32_t>> growing = {{1, 1},         {2, 3},         {2, 3, 3},
                                                          {2, 4, 3},      {2, 5, 3, 3},   {7, 5, 5, 3},
                                                          {7, 44, 44, 3}, {7, 48, 48, 3}, {9, 48, 48, 17}};
  for (const bool training : {false, true}) {
    const MlpBlockNeeds needs = {training, training, training, training, !training};
    std::int64_t words = 0, with_order = 0;
    for (const auto& sizes : growing) {
      const auto map = map_network(sizes.data(), static_cast<std::int32_t>(sizes.size()) - 1, needs, nullptr);
      EXPECT_GE(map.words, words);
      EXPECT_GE(words_with_order(map, 300), with_order);
      EXPECT_GE(words_with_order(map, 301), words_with_order(map, 300));
      words = map.words;
      with_order = words_with_order(map, 300);
    }
  }
  for (std::int64_t n = 1; n < 200; ++n) EXPECT_GE(order_words(n + 1), order_words(n));
}

/// The parts of a network lie end to end, aligned for vectors of 4 words and never one over another.
TEST(MlpDevicePlan, PartsOfANetworkDoNotOverlap) {
  const std::int32_t sizes[] = {7, 5, 33, 2};
  MlpBlockLayer layers[3];
  const MlpBlockMap map = map_network(sizes, 3, {true, true, true, true, true}, layers);
  std::vector<std::pair<std::int64_t, std::int64_t>> parts = {{0, 3 * 8},
                                                              {map.moment1, map.parameter_words},
                                                              {map.moment2, map.parameter_words},
                                                              {map.input, 8 * kUnitStride},
                                                              {map.probabilities, 2 * 4 * kUnitStride},
                                                              {map.gradient, map.parameter_words},
                                                              {map.bias_lanes, 40 * kUnitStride},
                                                              {map.first, 8 * kUnitStride}};
  std::int32_t packed = 0;
  for (const MlpBlockLayer& layer : layers) {
    EXPECT_EQ(layer.packed, packed);
    packed += (layer.in + 1) * layer.out;
    EXPECT_EQ(layer.stride % 8, 4);
    parts.emplace_back(layer.weights, bias_of(layer) - layer.weights);
    parts.emplace_back(bias_of(layer), round_up4(layer.out));
    parts.emplace_back(layer.output, round_up4(layer.out) * kUnitStride);
    if (layer.out != 2) parts.emplace_back(layer.output + map.to_delta, round_up4(layer.out) * kUnitStride);
  }
  EXPECT_EQ(layers[0].input, map.input);
  EXPECT_EQ(layers[1].input, layers[0].output);
  EXPECT_EQ(layers[2].units, 5 + 33);
  EXPECT_EQ(map.packed, packed);
  std::sort(parts.begin(), parts.end());
  std::int64_t end = 0;
  for (const auto& [at, words] : parts) {
    EXPECT_EQ(at % 4, 0);
    EXPECT_EQ(at, end);
    end = at + words;
  }
  EXPECT_EQ(end, map.words);
}

}  // namespace
}  // namespace quarry::testing
