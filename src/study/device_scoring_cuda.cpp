// SPDX-License-Identifier: MIT
#include "src/study/device_scoring_cuda.h"

#include <algorithm>
#include <span>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// Images of a step: as many as there is memory for.
std::int32_t images_at_a_time(const gpu::Session& session, const DeviceConvNet& network, std::int64_t most_rows) {
  const ResNetPlan& plan = network.networks.plan();
  const std::size_t left = network.memory_limit - std::min(network.memory_limit, session.memory_in_use());
  auto batch = static_cast<std::int32_t>(std::clamp<std::int64_t>(most_rows, 1, cuda::kScoringImages));
  for (;; batch /= 2) {
    const std::size_t bytes = cuda::ConvFleetNet::scoring_memory(plan, batch, most_rows);
    if (bytes <= left) return batch;
    if (batch > 1) continue;
    device_error("a residual network takes {} bytes of GPU memory to score an image; {} are left to it", bytes, left);
  }
}

}  // namespace

DeviceScorer::DeviceScorer(gpu::Session& session, const DeviceConvNet& network, const ImagePool& pool,
                           std::int64_t most_rows)
    : net_(session, network.networks, network.which, images_at_a_time(session, network, most_rows), pool) {
  net_.reserve(most_rows);
}

std::size_t DeviceScorer::least_memory(const ResNetPlan& plan, std::int64_t most_rows) {
  return cuda::ConvFleetNet::scoring_memory(plan, 1, most_rows);
}

void DeviceScorer::run(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits,
                       float* features) {
  const auto to = [](float* const& at) { return at == nullptr ? std::span<float* const>() : std::span(&at, 1); };
  net_.score(std::span(&rows, 1), pass, std::span(&mc_key, 1), to(logits), to(features));
}

void DeviceScorer::score(const std::vector<std::int32_t>& rows, float* logits, float* features) {
  run(rows, -1, 0, logits, features);
}

void DeviceScorer::score_pass(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key,
                              float* logits) {
  run(rows, pass, mc_key, logits, nullptr);
}

}  // namespace quarry
