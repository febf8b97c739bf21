// SPDX-License-Identifier: MIT
// Selection with a residual network on a GPU: forward passes, scores and picks, all of it on the device and in its
// queue, without waiting. The rules are those of src/al bit for bit, given the device's logits and features.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "src/nn/conv_fleet_arrays.h"
#include "src/study/device_scoring_cuda.h"
#include "src/study/image_jobs.h"

namespace quarry {

/// What stays on the host until the queue has got past it. Its end waits for that: the scorers' does.
struct InQueue {
  explicit InQueue(gpu::Session& session) : staging(session) {}
  cuda::Staging staging;  ///< for what is sent after a scorer
  std::vector<std::unique_ptr<DeviceScorer>> scorers;
};

/// Numbers of a selection's answer: picks as places among the candidates, whether any score was finite, uniforms used
/// (0 for a strategy that uses none).
std::size_t answer_size(const ImageSelectJob& job);
/// The picks of an answer; moves the job's NumPy stream to where the host would have left it.
Picks read_answer(const ImageSelectJob& job, std::span<const std::int32_t> answer);

/// Bytes of device memory that the scores of a selection take at least, the scorer's included: a pure function.
std::size_t selection_memory(const ImageSelectJob& job, const ResNetPlan& plan);

/// pool: the data set's pool part in device memory; answer: [answer_size] there. `stop` (may be null) is looked at
/// before every pass of Monte-Carlo dropout.
/// Errors: failed for a strategy that has no device form; Failure; Interrupted.
void enqueue_selection(gpu::Session& session, InQueue& queue, const DeviceConvNet& network, const ImagePool& pool,
                       const ImageSelectJob& job, const std::atomic<bool>* stop, std::int32_t* answer);

}  // namespace quarry
