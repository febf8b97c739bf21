// SPDX-License-Identifier: MIT
// The journal records of a run, in one place: written here, read back by rows_of_journal. docs/formats.md lists the
// fields.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/data/dataset.h"
#include "quarry/study/executor.h"
#include "quarry/study/fits.h"
#include "quarry/study/results.h"

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
  bool selection_diverged = false;  ///< a network of the selection before it (Keychain)
  std::int32_t labelled = 0, unlabelled = 0, honeypots = 0;
};
Json describe_cycle(const CycleFacts& facts, const Dataset& data, const MemberResult<float>& fitted,
                    const TestMetrics& test);

/// The smallest value of the complete trials of tunings before iteration `before`; -infinity if there is none.
double smallest_tuned_value(std::span<const Json> records, std::int32_t before);

/// A row with what the run says about itself.
ResultRow row_of_run(const std::string& study, const StudyRun& run);
std::vector<std::int32_t> integers_of(const Json& array);

/// The numbers and labels of a data set's part.
struct PartBytes {
  std::string_view numbers, labels;
};
/// Tells other data from the same: a resume on changed data is refused.
std::int64_t fingerprint_of(std::span<const PartBytes> parts);
template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::int32_t count_honeypots(const Dataset& data, std::span<const std::int32_t> indices);

}  // namespace quarry
