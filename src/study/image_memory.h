// SPDX-License-Identifier: MIT
// What tests and selections with residual networks write down on a device beside the scorer, in bytes: pure functions,
// for those who plan it and those who do it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quarry/al/strategy.h"
#include "quarry/nn/resnet.h"
#include "quarry/study/config.h"

namespace quarry {

/// Logits of `images` and what their metrics are made with.
std::size_t test_scores_memory(std::int64_t images, std::int64_t classes);

/// Logits, features and scores that a strategy asks for; 0 for one that asks no network.
std::size_t selection_scores_memory(const StrategyNeeds& needs, FeatureLayer layer, const ResNetPlan& plan,
                                    std::int64_t candidates, std::int64_t labelled);

}  // namespace quarry
