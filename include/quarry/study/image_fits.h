// SPDX-License-Identifier: MIT
// The hyperparameter study's runs on images: from a run's config to the rows it may see, its random streams and the
// residual networks it trains.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/numpy_rng.h"
#include "quarry/data/images.h"
#include "quarry/data/split.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/study/config.h"

namespace quarry {

/// What a run draws at random besides weights, batches and augmentation. With rng = "numpy" one legacy stream per run,
/// used in program order (spec 5.1): split, initial pool, then for each query the subset and the strategy's draws.
class RunStream {
 public:
  explicit RunStream(const RunConfig& config);

  /// Rows of the data set's pool part that the run may see, by pool position: the head of a permutation, in its order,
  /// or everything in order without a holdout_share. To be called first.
  std::vector<std::int32_t> pool_rows(std::int64_t n);
  /// n_initial different pool positions of n; everything for -1. To be called second.
  std::vector<std::int32_t> initial_pool(std::int32_t n);
  /// The candidates of acquisition `cycle`: `wanted` of the unlabelled positions at random, ascending; all of them,
  /// without a draw, if wanted is 0 or not less than they are.
  std::vector<std::int32_t> candidates(const std::vector<std::int32_t>& unlabelled, std::int64_t wanted,
                                       std::uint64_t cycle);

  NumpyRandom* numpy() { return numpy_ ? &*numpy_ : nullptr; }  ///< null with rng = "philox"
  /// The place in the NumPy stream (0 without one), and back to it.
  std::uint64_t place() const { return numpy_ ? numpy_->drawn() : 0; }
  void skip_to(std::uint64_t place);

 private:
  std::uint64_t seed_;
  double holdout_share_;
  std::int32_t n_initial_;
  std::optional<NumpyRandom> numpy_;
};

/// How a run is carried out, besides its config; recorded, so that it is continued in no other way.
struct ImageRunMeans {
  std::string engine = std::string(conv_engine_name());  ///< ImageExecutor::engine
  std::string networks = "none";                         ///< [output] networks
};

/// Pool positions that a run sees of n rows: the integer part of n (1 - holdout_share).
std::int64_t pool_size(const RunConfig& config, std::int64_t n);

ResNetSpec network_of(const RunConfig& config, const ImageDataset& data);
inline ConvMeans means_of(const RunConfig& config) {
  return {config.precision, config.convolution};
}

/// A network of the active-learning half: cycle 0 is the one before the first query. `train` are rows of the data set.
ConvMemberSpec learning_member(const RunConfig& config, const ImageDataset& data, std::int32_t cycle,
                               std::vector<std::int32_t> train);

/// Where a fit of the optimisation half stands.
struct SearchPlace {
  std::int32_t trial = 0, fold = 0;
};
/// A network of a trial. With initial_weights = "fixed" its random streams depend on the seed and the fold alone
/// (spec 7.3: every trial of a cell shares them).
ConvMemberSpec trial_member(const RunConfig& config, const ImageDataset& data, double lr, double weight_decay,
                            const SearchPlace& place, std::vector<std::int32_t> train,
                            std::vector<std::int32_t> validation);
/// The network that is trained on the whole set once the search has ended.
ConvMemberSpec final_member(const RunConfig& config, const ImageDataset& data, double lr, double weight_decay,
                            std::vector<std::int32_t> train);

/// Positions 0 .. n - 1 of a frozen set as a trial's splits: seeded with 100 + seed, the same for every trial.
std::vector<Split> search_splits(const RunConfig& config, std::int32_t n);

}  // namespace quarry
