// SPDX-License-Identifier: MIT
// Metrics of logits on a GPU: mean cross-entropy, accuracy and area under the ROC curve, bit for bit those of
// test_metrics (quarry/study/executor.h) from the same logits: rows and classes are added up in double precision, in
// order; ranks are integers. Every pointer is a device pointer. Nothing allocates, synchronises or reads back.
#pragma once

#include <cstdint>

#include "quarry/core/gpu.h"

namespace quarry {

struct LogitMetrics {
  double loss = 0;      ///< -log softmax of the label, mean over rows
  double accuracy = 0;  ///< the largest logit, the first of equals; the first NaN counts as the largest
  double auc = 0;       ///< one class against the rest, mean over classes that some rows have and some have not;
                        ///< NaN if there is none, or a probability is not finite
};

struct LogitMetricsJob {
  const float* logits = nullptr;         ///< [n][classes]
  const std::int32_t* labels = nullptr;  ///< [n]
  std::int64_t n = 0, classes = 1;       ///< n >= 1
  void* scratch = nullptr;               ///< logit_metrics_scratch bytes, aligned to 16
  LogitMetrics* metrics = nullptr;       ///< one
};

namespace cuda {

/// A pure function.
constexpr std::size_t logit_metrics_scratch(std::int64_t n, std::int64_t classes) {
  return static_cast<std::size_t>((n * (classes + 1) + 2 * classes + 1) * std::int64_t{sizeof(double)});
}
void logit_metrics(gpu::Session& session, const LogitMetricsJob& job);

}  // namespace cuda
}  // namespace quarry
