// SPDX-License-Identifier: MIT
// The journal records of a run, in one place: written here, read back by result_rows. docs/formats.md lists the fields.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/data/dataset.h"
#include "quarry/study/executor.h"
#include "quarry/study/fits.h"

namespace quarry {

/// First record: what the run is, on which data; a resume refuses a journal whose first record differs.
Json describe_run(const StudyRun& run, const Dataset& data, std::span<const std::int32_t> initial,
                  const FitRows& first_split, const std::string& networks);

/// What an iteration's record says beyond the fit and the test.
struct CycleFacts {
  std::int32_t iteration = -1;
  std::vector<std::int32_t> added;
  Hyperparameters hyperparameters;
  std::int32_t trials = 0, pruned = 0;
  bool every_trial_failed = false, all_scores_non_finite = false;
  std::int32_t labelled = 0, unlabelled = 0, honeypots = 0;
};
Json describe_cycle(const CycleFacts& facts, const Dataset& data, const MemberResult<float>& fitted,
                    const TestMetrics& test);

std::int32_t count_honeypots(const Dataset& data, std::span<const std::int32_t> indices);

}  // namespace quarry
