// SPDX-License-Identifier: MIT
#include "quarry/study/run_rows.h"

#include <algorithm>

#include "quarry/study/active_learning_run.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"

namespace quarry {

std::int32_t iterations_total(const RunConfig& config) {
  if (config.n_initial < 0) return 1;  // everything is labelled: the upper bound has nothing to acquire
  return 1 + (config.budget + config.size - 1) / config.size;
}

bool is_tested(const RunConfig& config, std::int32_t iteration) {
  if (config.tested.empty()) return true;
  const std::int32_t labels = config.n_initial + std::min((iteration + 1) * config.size, config.budget);
  return std::find(config.tested.begin(), config.tested.end(), labels) != config.tested.end();
}

std::vector<std::int32_t> iterations_with_rows(const RunConfig& config) {
  if (config.mode == Mode::frozen_set) return {-1};
  std::vector<std::int32_t> iterations;
  for (std::int32_t iteration = -1; iteration < iterations_total(config) - 1; ++iteration)
    if (is_tested(config, iteration)) iterations.push_back(iteration);
  return iterations;
}

std::vector<ResultRow> rows_of_journal(const std::string& study, const StudyRun& run,
                                       const std::vector<Json>& records) {
  if (run.config.network == NetworkKind::mlp) return result_rows(study, run, records);
  return run.config.mode == Mode::frozen_set ? search_rows(study, run, records) : learning_rows(study, run, records);
}

}  // namespace quarry
