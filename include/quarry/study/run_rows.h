// SPDX-License-Identifier: MIT
// What a run of a study leaves in results.csv: which rows a finished one has, and the rows of what its journal holds,
// whatever the run trains. The runner, the reports and `quarry compare` go by this alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/study/config.h"
#include "quarry/study/results.h"

namespace quarry {

/// Iterations (of residual networks: cycles) of a finished active-learning run, the one before the first query
/// included.
std::int32_t iterations_total(const RunConfig& config);

/// Whether acquisition.tested asks for a test of this iteration's network.
bool is_tested(const RunConfig& config, std::int32_t iteration);

/// The iterations of a finished run that have a row in results.csv, ascending from -1: the tested ones; a search on a
/// frozen set has one row, that of its final network, under iteration -1.
std::vector<std::int32_t> iterations_with_rows(const RunConfig& config);

/// Rows of results.csv from a run's journal records, as far as it has come.
std::vector<ResultRow> rows_of_journal(const std::string& study, const StudyRun& run, const std::vector<Json>& records);

}  // namespace quarry
