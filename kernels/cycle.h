// SPDX-License-Identifier: MIT
// The steps of an acquisition cycle that are neither training, scoring nor search: what turns points into jobs, results
// into reports, scores into picks and picks into new lists of rows, so that nothing of it has to pass through the host.
// Launched by src/study/device_*_cuda.cpp; one thread block serves one run unless said otherwise.
//
// Every pointer is a device pointer. What depends on results is read from memory; counts come from the host, which
// knows them ahead. Results are those of src/study and src/al bit for bit.
#pragma once

#include <cstdint>

#include "quarry/al/tie_rule.h"
#include "quarry/core/gpu.h"
#include "quarry/hpo/device_search.h"
#include "quarry/nn/mlp_device.h"

namespace quarry {

/// A network with the hyperparameters it is trained by. Addresses are set once.
struct DeviceNetwork {
  double lr = 0, weight_decay = 0, dropout = 0;
  std::int32_t n_layers = 0;
  std::int32_t* sizes = nullptr;
  float* parameters = nullptr;
  MlpFitResult result;
};

/// Where in a search's points the study's parameters stand.
struct SpaceMap {
  std::int32_t drop_rate = 0, depth = 0, first_width = 0, lr = 0, weight_decay = 0;
};

/// One tuning in progress; the searches of a launch stand in the same order.
struct TuningRun {
  const MlpFitJob* folds = nullptr;  ///< [n_folds]: everything but hyperparameters, keys, reports, result
  DeviceNetwork* kept = nullptr;     ///< the run's network
  std::int32_t n_folds = 1;
  std::int32_t first_fold = 0;  ///< folds of the runs before
  SpaceMap space;
  std::uint64_t seed = 0;
  std::int32_t iteration = 0, keys_per_use = 0;
  std::int32_t inputs = 1, outputs = 1;
  std::int32_t prunes = 0;       ///< one fold: lone trials stop by the search's thresholds
  std::int32_t best_epoch = 0;   ///< one fold: the objective is the smallest report instead of the final loss
  std::int32_t pooled = 0;       ///< several folds: mean over rows instead of over folds
  std::int32_t keeps = 0;        ///< one fold: the best trial's network becomes the run's
  std::int32_t takes_last = 0;   ///< hyperparameters of the last trial instead of the best
  std::int32_t first_trial = 0;  ///< out of trial_jobs: first trial of this step
};

/// Rows of a fit: `base` rows that never change, then what was acquired, then `n_tail` rows of `tail`.
struct RowList {
  std::int32_t* rows = nullptr;
  std::int32_t base = 0;
  const std::int32_t* tail = nullptr;
  std::int32_t n_tail = 0;
};

/// Acquires picks: appends them to the lists and leaves the unlabelled rows without them in `remaining`.
struct AcquireRun {
  const std::int32_t* picks = nullptr;
  std::int32_t n_picks = 0, added = 0;  ///< added: acquired before
  const RowList* lists = nullptr;
  std::int32_t n_lists = 0;
  const std::int32_t* unlabelled = nullptr;
  std::int32_t n_unlabelled = 0;
  std::int32_t* remaining = nullptr;  ///< another array
};

/// A random subset of the unlabelled rows, ascending: those whose places come first in random_permutation(key, step).
struct SubsetRun {
  const std::int32_t* unlabelled = nullptr;
  std::int32_t n = 0, wanted = 0;
  std::uint64_t key = 0;
  std::uint32_t step = 0;
  std::int32_t* candidates = nullptr;  ///< [wanted]
};

/// Scores of strategy "random".
struct RandomRun {
  const std::int32_t* candidates = nullptr;
  std::int32_t n = 0;
  std::uint64_t key = 0;
  const double* stream = nullptr;  ///< [n] NumPy's uniforms by position; null: Philox by row
  double* scores = nullptr;
};

/// How equal scores are told apart (quarry/al/strategy.h).
struct TieBreaker {
  TieRule rule = TieRule::lowest_index;
  std::uint64_t key = 0;                 ///< random
  const std::uint32_t* words = nullptr;  ///< [kTieWords] of NumPy's generator, numpy_isclose
};
/// Fewer than one in 2^600 bounded draws reject as many words.
inline constexpr std::int32_t kTieWords = 624;

/// Picks by score, one after the other; finite scores only, then the lowest positions.
struct PickRun {
  const void* scores = nullptr;  ///< [n] float or double
  std::int32_t n = 0, count = 0;
  TieBreaker ties;
  unsigned char* taken = nullptr;      ///< [n] scratch
  std::int32_t* positions = nullptr;   ///< [count]
  std::int32_t* any_finite = nullptr;  ///< one number
};

/// k-center greedy under the tie rules that look at every score before every pick.
struct CenterPickRun {
  const float *candidates = nullptr, *labelled = nullptr;  ///< [n][width], [m][width]
  std::int32_t n = 0, m = 0, width = 1, count = 0;
  TieBreaker ties;
  float *nearest = nullptr, *scores = nullptr;  ///< [n] scratch
  unsigned char* taken = nullptr;               ///< [n] scratch
  std::int32_t* positions = nullptr;            ///< [count]
  std::int32_t* any_finite = nullptr;           ///< one number
  std::int32_t* apart = nullptr;                ///< one number, KCenterStats::apart; or null
};

/// Rows of the network's penultimate width to rows of a width that the host knows; zeros follow.
struct SpreadRun {
  const DeviceNetwork* network = nullptr;
  const float* packed = nullptr;
  float* spread = nullptr;  ///< [n][width]
  std::int32_t n = 0, width = 0;
};

/// What a run tells the host at the end of a cycle; picks, logits and parameters lie beside it.
struct RunRecord {
  MlpFitResult fit;
  std::int32_t all_non_finite = 0;
  std::int32_t unused = 0;  ///< written with `fit`: every byte goes to the host
};
static_assert(sizeof(RunRecord) == sizeof(MlpFitResult) + 2 * sizeof(std::int32_t), "padding that is never written");

/// Positions to rows, into the record.
struct PickedRun {
  const std::int32_t *positions = nullptr, *candidates = nullptr, *any_finite = nullptr;
  std::int32_t count = 0;
  std::int32_t* picks = nullptr;
  RunRecord* record = nullptr;
};

/// The fit into the record.
struct FittedRun {
  const DeviceNetwork* network = nullptr;
  RunRecord* record = nullptr;
  float* parameters = nullptr;  ///< packed; null: not wanted
};

namespace cuda {

// A step of a tuning: `count` trials of each of n searches. jobs and networks: [count * folds of all runs].
// Between them: search_ask and search_thresholds before, mlp_fit after trial_jobs, search_tell after trial_reports.
void trial_jobs(gpu::Session& session, const DeviceSearch* searches, TuningRun* runs, std::int32_t n,
                std::int32_t count, DeviceNetwork* networks, MlpFitJob* jobs);
void trial_reports(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n,
                   std::int32_t count, const DeviceNetwork* networks);
void keep_best(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n,
               std::int32_t count, const DeviceNetwork* networks);
/// The chosen trial's hyperparameters to the runs' networks. One block.
void adopt_trials(gpu::Session& session, const DeviceSearch* searches, const TuningRun* runs, std::int32_t n);
/// Job i trains with the learning rate and weight decay of network i. One block.
void network_rates(gpu::Session& session, const DeviceNetwork* networks, MlpFitJob* jobs, std::int32_t n);

void random_subsets(gpu::Session& session, const SubsetRun* runs, std::int32_t n);
void random_scores(gpu::Session& session, const RandomRun* runs, std::int32_t n);
void pick_by_score(gpu::Session& session, const PickRun* runs, std::int32_t n, bool doubles);
void pick_centers(gpu::Session& session, const CenterPickRun* runs, std::int32_t n);
void spread_rows(gpu::Session& session, const SpreadRun* runs, std::int32_t n);
void record_picks(gpu::Session& session, const PickedRun* runs, std::int32_t n);
void record_fits(gpu::Session& session, const FittedRun* runs, std::int32_t n);
void acquire(gpu::Session& session, const AcquireRun* runs, std::int32_t n);

}  // namespace cuda
}  // namespace quarry
