// SPDX-License-Identifier: MIT
// Fits that a plan counts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quarry/study/plan.h"

namespace quarry {

/// A network, or the average one of a search space.
struct PlanShape {
  double weights = 0;      ///< of all layers, biases apart
  double first = 0;        ///< of the first layer, which needs no gradient of its input
  double penultimate = 0;  ///< width of the features
};

/// The average network of the run's space: depth and widths uniform and independent, so the mean of a product of widths
/// is the product of their means.
PlanShape average_shape(const RunConfig& run, double inputs, double outputs);

/// One fit, times how often it happens.
struct PlanFits {
  std::int64_t count = 0;       ///< networks
  std::int64_t sequential = 0;  ///< those that wait for each other
  std::int64_t train = 0, validation = 0;
  bool every_epoch = false;             ///< the validation part is scored after every epoch, for the pruner
  std::optional<PlanShape> shape = {};  ///< if it is not the run's network
};

/// What a Keychain trains for one acquisition: passes, autoencoder, meta model. `initial` instances were labelled
/// first, `train` of them for training; `added` since.
std::vector<PlanFits> keychain_fits(const RunConfig& run, const DataSize& size, std::int64_t initial,
                                    std::int64_t train, std::int64_t added);

}  // namespace quarry
