// SPDX-License-Identifier: MIT
#include "src/study/device_scoring_cuda.h"

#include <algorithm>
#include <span>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// Images of a step: as many as there is memory for, a tenth of it left.
std::int32_t images_at_a_time(gpu::Session& session, const ResNetPlan& plan, std::int64_t most_rows) {
  session.synchronize();  // what was released is free only then
  const std::size_t free = session.memory_free();
  auto batch = static_cast<std::int32_t>(std::clamp<std::int64_t>(most_rows, 1, cuda::kScoringImages));
  for (;; batch /= 2) {
    const std::size_t bytes = cuda::ConvFleetNet::memory(plan, ConvPrecision::fp32, batch, 1, 1);
    if (bytes <= free / 10 * 9) return batch;
    if (batch > 1) continue;
    device_error("a residual network takes {} bytes of GPU memory to score an image; {} are free, a tenth stays free",
                 bytes, free);
  }
}

}  // namespace

DeviceScorer::DeviceScorer(gpu::Session& session, const TrainedConvNet& network, const ImagePool& pool,
                           std::int64_t most_rows)
    : plan_(plan_resnet(network.spec)) {
  const cuda::ConvNetMember member;
  const std::int32_t batch = images_at_a_time(session, plan_, most_rows);
  net_ = std::make_unique<cuda::ConvFleetNet>(session, plan_, ConvPrecision::fp32, batch, pool, std::span(&member, 1));
  net_->load(0, network.parameters, network.buffers);
}

void DeviceScorer::run(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key, float* logits,
                       float* features) {
  const auto to = [](float* const& at) { return at == nullptr ? std::span<float* const>() : std::span(&at, 1); };
  net_->score(std::span(&rows, 1), pass, std::span(&mc_key, 1), to(logits), to(features));
}

void DeviceScorer::score(const std::vector<std::int32_t>& rows, float* logits, float* features) {
  run(rows, -1, 0, logits, features);
}

void DeviceScorer::score_pass(const std::vector<std::int32_t>& rows, std::int32_t pass, std::uint64_t mc_key,
                              float* logits) {
  run(rows, pass, mc_key, logits, nullptr);
}

}  // namespace quarry
