// SPDX-License-Identifier: MIT
#include "src/study/device_scoring_cuda.h"

#include <algorithm>
#include <span>

#include "quarry/core/error.h"

namespace quarry {
DeviceScorer::DeviceScorer(gpu::Session& session, const TrainedConvNet& network, ConvPrecision precision,
                           const ImagePool& pool, std::int64_t most_rows)
    : plan_(plan_resnet(network.spec)) {
  const cuda::ConvNetMember member;
  auto batch = static_cast<std::int32_t>(std::clamp<std::int64_t>(most_rows, 1, cuda::kScoringImages));
  while (net_ == nullptr) {
    try {
      net_ = std::make_unique<cuda::ConvFleetNet>(session, plan_, precision, batch, pool, std::span(&member, 1));
    } catch (const gpu::Failure& failure) {
      if (failure.code() != gpu::kOutOfMemory || batch == 1) throw;
      session.synchronize();  // what was allocated is free only then
      batch /= 2;
    }
  }
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
