// SPDX-License-Identifier: MIT
// Selection with a residual network on a GPU: forward passes, scores and picks, all of it on the device. The rules are
// those of src/al bit for bit, given the device's logits and features.
#pragma once

#include <atomic>

#include "quarry/study/image_executor.h"
#include "src/study/device_scoring_cuda.h"

namespace quarry {

/// pool: the data set's pool part in device memory. Picks are pool positions. `stop` (may be null) is looked at before
/// every pass of Monte-Carlo dropout.
/// Errors: failed for a strategy that has no device form; Failure; Interrupted.
Picks select_images(Context& context, gpu::Session& session, const ImagePool& pool, const ImageSelectJob& job,
                    const std::atomic<bool>* stop);

/// The same from what a network says, in device memory. Null where the strategy does not ask for it.
struct DeviceScores {
  std::int64_t classes = 1, width = 1;
  float* logits = nullptr;          ///< [n][classes] of the candidates; overwritten
  float* bald = nullptr;            ///< [n]
  const float* features = nullptr;  ///< [n][width] of the candidates
  const float* labelled = nullptr;  ///< [labelled rows][width]
};
Picks pick_images(gpu::Session& session, const ImageSelectJob& job, const DeviceScores& scores);

}  // namespace quarry
