// SPDX-License-Identifier: MIT
// Hyperparameter searches whose history lives on a GPU: ask, thresholds and tell as kernels, so that a whole round
// (ask, train, tell, again) is enqueued ahead and the host reads nothing back. Bit for bit the searches of
// quarry/hpo/search.h. One thread block serves one search; a launch serves many.
#pragma once

#include <cstdint>

#include "quarry/core/gpu.h"
#include "quarry/hpo/search.h"
#include "quarry/ops/tpe_functors.h"

namespace quarry {

struct DeviceParameter {
  TpeDomain domain;          ///< real and integer
  std::int32_t choices = 0;  ///< categorical: how many; 0 otherwise
  std::int32_t fixed = 0;    ///< one value only: draws nothing
  double fixed_value = 0;
  std::int32_t parent = -1;  ///< index of the parameter it depends on, -1: always asked
  double parent_at_least = 0;
};

enum class DeviceSampler : std::int32_t { tpe, random };
enum class DevicePruner : std::int32_t { none, median, median_current };

/// One search. Lives on the device; pointers are device pointers. `told` and `asked` start at 0.
struct DeviceSearch {
  // set by the host
  const DeviceParameter* parameters = nullptr;
  std::int32_t n_parameters = 0;
  std::int32_t most_trials = 0, most_steps = 0;  ///< capacity of the arrays below
  DeviceSampler sampler = DeviceSampler::tpe;
  DevicePruner pruner = DevicePruner::none;
  NanTrial nan_trial = NanTrial::worst;
  std::int32_t startup_trials = 10, candidates = 24, normalised_density = 1;  ///< TpeOptions
  std::int32_t pruner_startup_trials = 10, pruner_warmup_steps = 0;           ///< MedianPrunerOptions
  std::uint64_t key = 0;                                                      ///< Philox
  /// NumPy streams instead of Philox, drawn ahead by the host: enough for every trial and parameter. Null: Philox.
  const double *startup_stream = nullptr, *guided_stream = nullptr;

  // history, row by trial
  double* points = nullptr;           ///< [most_trials][n_parameters], NaN = not asked
  std::int32_t* states = nullptr;     ///< [most_trials], TrialState
  double* values = nullptr;           ///< [most_trials]; in for tell: the objective
  std::int32_t* n_reports = nullptr;  ///< [most_trials]; in for tell: values reported; out: kept
  double* reports = nullptr;          ///< [most_trials][most_steps]; in for tell
  double* thresholds = nullptr;       ///< [most_steps]: out of search_thresholds; search_tell overwrites it
  double* scratch = nullptr;          ///< [search_scratch(...)] doubles

  // state
  std::int32_t asked = 0, told = 0;
  std::int32_t finished = 0, complete = 0;           ///< told trials that did not fail; those that were not pruned
  std::int32_t best = -1;                            ///< number of the best complete trial, as Search::best
  std::int32_t tell_improved = 0;                    ///< whether the last search_tell found a new best trial
  std::int64_t startup_drawn = 0, guided_drawn = 0;  ///< positions in the streams
};

namespace cuda {

/// Doubles of DeviceSearch::scratch.
std::int64_t search_scratch(std::int32_t n_parameters, std::int32_t most_trials, std::int32_t candidates);

/// Empties the histories of n searches.
void search_reset(gpu::Session& session, DeviceSearch* searches, std::int32_t n);
/// Asks `count` trials in each search, at most as many as there is room for: all start-up trials, or 1. Points of more
/// trials than Search::independent_asks do not depend on the results of the others either. searches [n] on the device.
void search_ask(gpu::Session& session, DeviceSearch* searches, std::int32_t n, std::int32_t count);
/// Pruning thresholds of steps 0 ... most_steps - 1 for the next told trial (NaN: no check).
void search_thresholds(gpu::Session& session, DeviceSearch* searches, std::int32_t n);
/// Tells the next `count` asked trials, or all that are waiting if fewer are, in order, from values, n_reports (at most
/// most_steps each) and reports.
void search_tell(gpu::Session& session, DeviceSearch* searches, std::int32_t n, std::int32_t count);

}  // namespace cuda
}  // namespace quarry
