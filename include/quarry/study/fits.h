// SPDX-License-Identifier: MIT
// From a run's config to the members it trains: hyperparameters, random keys, rows, batch rules.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/data/split.h"
#include "quarry/hpo/search.h"
#include "quarry/study/config.h"

namespace quarry {

/// What is tuned.
struct Hyperparameters {
  std::vector<std::int32_t> hidden;
  double lr = 0, weight_decay = 0, momentum = 0, dropout = 0;
};

/// The [model] values, for mode "fixed".
Hyperparameters fixed_hyperparameters(const RunConfig& config);
/// The study's space with the run's bounds; without a dropout rate unless the run tunes it.
Space study_space(const RunConfig& config);
Hyperparameters hyperparameters_of(const Space& space, std::span<const double> point, const RunConfig& config);

/// What a network of a run is for; enters the random keys of fits and searches that have their own (B8).
enum class FitModel : std::int32_t { classifier, autoencoder, meta };

/// Where in a run a fit stands; enters the random keys when initial_weights = "per_use" (B8).
struct FitPlace {
  static constexpr std::int32_t kRefit = -1;
  std::int32_t iteration = -1;  ///< acquisitions done minus one; -1 before the first
  std::int32_t trial = kRefit;  ///< trial number, or kRefit for the network that is kept
  std::int32_t fold = 0;
  FitModel model = FitModel::classifier;
};

/// Rows (absolute pool indices) of a fit, and the numbers that the study's drop-last rule looks at.
struct FitRows {
  std::vector<std::int32_t> train, validation;
  std::int64_t unviolated = 0;  ///< size of the set that was split (n_initial)
  std::int64_t added = 0;       ///< newly labelled
};

MemberSpec make_member(const RunConfig& config, std::int32_t n_features, std::int32_t n_classes,
                       const Hyperparameters& hyperparameters, const FitPlace& place, const FitRows& rows);

/// floor(n / batch) with drop_last (at least 1), else ceil.
std::int64_t steps_per_epoch(std::int64_t rows, std::int32_t batch_size, bool drop_last);

}  // namespace quarry
