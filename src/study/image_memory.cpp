// SPDX-License-Identifier: MIT
#include "src/study/image_memory.h"

#include "quarry/ops/conv_device.h"
#include "quarry/ops/metrics_device.h"

namespace quarry {

std::size_t test_scores_memory(std::int64_t images, std::int64_t classes) {
  return static_cast<std::size_t>(images * classes) * sizeof(float) + cuda::logit_metrics_scratch(images, classes);
}

std::size_t selection_scores_memory(const StrategyNeeds& needs, FeatureLayer layer, const ResNetPlan& plan,
                                    std::int64_t candidates, std::int64_t labelled) {
  if (!needs.probabilities && !needs.features && !needs.bald) return 0;
  const std::int64_t classes = plan.spec.classes;
  const std::int64_t width = layer == FeatureLayer::logits ? classes : padded_channels(plan.features);
  std::int64_t numbers = candidates * classes;
  if (needs.features) numbers += candidates * width;
  if (needs.labelled_features) numbers += labelled * width;
  if (needs.bald) numbers += candidates * (classes + 2);
  return static_cast<std::size_t>(numbers) * sizeof(float);
}

}  // namespace quarry
