// SPDX-License-Identifier: MIT
// The journal records of runs on images, in one place: written here, read back by learning_rows and search_rows.
// docs/formats.md lists the fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/data/images.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/study/config.h"
#include "quarry/study/executor.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/results.h"
#include "src/study/run_records.h"

namespace quarry {

std::int64_t fingerprint_of(const ImageDataset& data);
/// First record: what the run is, on which data; a resume refuses a journal whose first record differs.
Json describe_image_run(const StudyRun& run, const ImageDataset& data, const ImageRunMeans& means);

/// Refuses to continue a journal that another engine began: the bits would not be those of either. `first` is the
/// journal's first record. Error: failed, with both engines and what to do.
void check_engine(const std::string& directory, const Json& first, const std::string& engine);

/// What a cycle's record says beyond the fit and the test.
struct LearningFacts {
  std::int32_t cycle = 0;
  std::vector<std::int32_t> added;    ///< pool positions, in pick order
  std::vector<std::int32_t> targets;  ///< their classes
  bool all_scores_non_finite = false;
  std::int32_t by_position = 0;  ///< of `added`: Selection::by_position
  std::int32_t labelled = 0, unlabelled = 0;
  std::uint64_t stream = 0;  ///< RunStream::place
};
/// `metrics` null: not tested.
Json describe_learning_cycle(const LearningFacts& facts, const ConvMemberResult& fitted, const TestMetrics* metrics);

/// What a cycle's record says of Selection::by_position; 0 in those of versions that did not count.
std::int32_t by_position_in(const Json& cycle);

/// The test of a record, as results.csv has it.
void read_test(const Json& record, ResultRow& row);
void add_test(Json& record, const TestMetrics& metrics);
/// A row with what the run says about itself; results not given are not numbers.
ResultRow image_row(const std::string& study, const StudyRun& run);

}  // namespace quarry
