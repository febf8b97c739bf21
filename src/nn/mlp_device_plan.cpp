// SPDX-License-Identifier: MIT
// How many blocks of the MLP kernels run, and where their networks lie.
#include <algorithm>
#include <vector>

#include "kernels/mlp_map.h"
#include "quarry/core/error.h"
#include "quarry/nn/mlp_device.h"

namespace quarry::cuda {
namespace {

constexpr std::size_t kReservedBytes = 1024;  ///< of shared memory, by the hardware, per block

/// Words of dynamic shared memory for a block that shares its multiprocessor with another one, or with none. Two
/// blocks are the most that 256 threads of 128 registers allow.
struct Room {
  std::int64_t pair, alone;
};

Room room(const gpu::DeviceInfo& device) {
  const auto words = [](std::size_t bytes, std::size_t taken) {
    return static_cast<std::int64_t>(bytes > taken ? (bytes - taken) / 16 * 4 : 0);
  };
  const std::int64_t alone = words(device.shared_per_block, kBlockStateBytes);
  return {std::min(alone, words(device.shared_per_multiprocessor / 2, kBlockStateBytes + kReservedBytes)), alone};
}

/// The most words that a network within the bounds takes.
struct Words {
  std::int64_t network, with_order;
};

/// Words grow with every width, and with the layers beyond the first hidden one; but a network without hidden layers
/// can be larger than one with a narrow hidden layer.
Words most_words(const MlpBounds& bounds, const MlpBlockNeeds& needs) {
  Words most = {0, 0};
  for (const std::int32_t hidden_layers : {0, bounds.hidden_layers}) {
    std::vector<std::int32_t> sizes{bounds.inputs};
    sizes.insert(sizes.end(), static_cast<std::size_t>(hidden_layers), bounds.hidden_width);
    sizes.push_back(bounds.outputs);
    const MlpBlockMap map = map_network(sizes.data(), hidden_layers + 1, needs, nullptr);
    QUARRY_CHECK(map.words < std::int64_t{1} << 31,
                 "a network of {} inputs and {} hidden layers of {} is too large for a GPU block", bounds.inputs,
                 hidden_layers, bounds.hidden_width);
    most.network = std::max(most.network, map.words);
    most.with_order = std::max(most.with_order, words_with_order(map, bounds.train_rows));
  }
  return most;
}

struct Memory {
  std::int64_t shared_words, slice_words;
  std::int64_t blocks_per_multiprocessor;
};

MlpFleetPlan make_plan(const gpu::DeviceInfo& device, const MlpBounds& bounds, const Memory& memory,
                       std::int64_t items) {
  const std::int64_t resident = std::max(device.multiprocessors, 1) * memory.blocks_per_multiprocessor;
  const std::int64_t blocks = std::clamp(items, std::int64_t{1}, resident);
  MlpFleetPlan plan;
  plan.shape.grid.x = static_cast<unsigned>(blocks);
  plan.shape.block.x = kBlockThreads;
  plan.shape.shared_bytes = static_cast<std::size_t>(memory.shared_words) * sizeof(float);
  plan.workspace_bytes = static_cast<std::size_t>(blocks * memory.slice_words) * sizeof(float);
  plan.bounds = bounds;
  return plan;
}

}  // namespace

MlpFleetPlan plan_mlp_fit(const gpu::DeviceInfo& device, std::int32_t n_jobs, const MlpBounds& bounds) {
  MlpBlockNeeds needs;
  needs.training = true;
  needs.moment1 = bounds.momentum || bounds.adam;
  needs.moment2 = bounds.adam;
  needs.accumulate = bounds.batch_size > kBlockRows && bounds.train_rows > kBlockRows;
  const auto [network, with_order] = most_words(bounds, needs);
  const std::int64_t order = order_words(bounds.train_rows);
  const auto [pair, alone] = room(device);
  Memory memory = {pair, with_order, 2};  // everything in the workspace; smaller networks still fit
  if (with_order <= pair) {
    memory = {with_order, 0, 2};
  } else if (network <= pair) {
    memory = {pair, order, 2};
  } else if (with_order <= alone) {
    memory = {with_order, 0, 1};
  } else if (network <= alone) {
    memory = {alone, order, 1};
  }
  return make_plan(device, bounds, memory, n_jobs);
}

MlpFleetPlan plan_mlp_score(const gpu::DeviceInfo& device, std::int32_t n_jobs, std::int32_t most_rows,
                            const MlpBounds& bounds) {
  MlpBlockNeeds needs;
  needs.bald = true;
  const std::int64_t words = most_words(bounds, needs).network;
  const auto [pair, alone] = room(device);
  Memory memory = {pair, words, 2};
  if (words <= pair) {
    memory = {words, 0, 2};
  } else if (words <= alone) {
    memory = {words, 0, 1};
  }
  const std::int64_t chunks = (std::int64_t{most_rows} + kBlockRows - 1) / kBlockRows;
  return make_plan(device, bounds, memory, n_jobs * chunks);
}

}  // namespace quarry::cuda
