// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a file of a hyperparameter study's cell: refused with an Error that names the
// file, or read; and passing over the unlabelled positions changes nothing.
#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include "quarry/core/json.h"
#include "quarry/report/compare.h"
#include "quarry/report/study_cells.h"
#include "src/report/cell_text.h"
#include "tests/fuzz/reader_outcome.h"

namespace quarry {

/// `passed` is what `whole` becomes when lists of numbers under the key are emptied.
inline bool same_but_passed_over(const Json& whole, const Json& passed, std::string_view key) {
  if (whole.type() != passed.type()) return false;
  if (whole.type() == Json::Type::array) {
    if (whole.items().size() != passed.items().size()) return false;
    for (std::size_t i = 0; i < whole.items().size(); ++i)
      if (!same_but_passed_over(whole.items()[i], passed.items()[i], key)) return false;
    return true;
  }
  if (whole.type() != Json::Type::object) return whole.dump() == passed.dump();
  if (whole.members().size() != passed.members().size()) return false;
  for (std::size_t i = 0; i < whole.members().size(); ++i) {
    const auto& [name, value] = whole.members()[i];
    const auto& [other_name, other] = passed.members()[i];
    if (name != other_name) return false;
    const bool emptied = name == key && other.type() == Json::Type::array && other.items().empty();
    if (!emptied && !same_but_passed_over(value, other, key)) return false;
    if (emptied && value.type() != Json::Type::array) return false;
  }
  return true;
}

inline void check_passed_over(std::string_view bytes) {
  const auto whole = outcome_of([&] { return parse_cell_json(bytes, kFuzzPath); });
  const auto passed = outcome_of([&] { return parse_cell_json(bytes, kFuzzPath, "unlabeled_indices"); });
  QUARRY_CHECK(whole.has_value() == passed.has_value(), "passing over a list decides whether the text is JSON");
  QUARRY_CHECK(!whole || same_but_passed_over(*whole, *passed, "unlabeled_indices"), "passing over changes the rest");
}

/// A run compared with itself is equal.
inline void check_compared(const ComparedRun& run) {
  const CellComparison comparison = compare_runs(run, run, true);
  QUARRY_CHECK(comparison.equal, "a run differs from itself");
}

inline void fuzz_cells(std::string_view bytes) {
  check_passed_over(bytes);
  ComparedRun run;
  run.results = outcome_of([&] { return parse_active_results(bytes, kFuzzPath); });
  if (run.results) {
    std::int64_t labels = 0;
    for (const ActiveCycle& cycle : *run.results) {
      labels += static_cast<std::int64_t>(cycle.queried.size());
      QUARRY_CHECK(cycle.labels == labels, "labels are not the positions listed until then");
      QUARRY_CHECK(!cycle.accuracy || (*cycle.accuracy >= 0 && *cycle.accuracy <= 1), "an accuracy that is no share");
    }
    check_compared(run);
  }
  run = {};
  run.queried = outcome_of([&] { return parse_queried_picks(bytes, kFuzzPath); });
  if (run.queried) check_compared(run);
  run = {};
  run.search = outcome_of([&] { return parse_search_results(bytes, kFuzzPath); });
  if (run.search) {
    for (const SearchTrial& trial : run.search->trials)
      QUARRY_CHECK(std::isfinite(trial.lr) && std::isfinite(trial.weight_decay), "a trial without a pair");
    check_compared(run);
  }
  const auto dataset = outcome_of([&] { return parse_cell_dataset(bytes, kFuzzPath); });
  QUARRY_CHECK(!dataset || dataset->classes >= 2, "fewer than two classes");
  const auto protocol = outcome_of([&] { return parse_protocol(bytes, kFuzzPath); });
  QUARRY_CHECK(!protocol || differences(*protocol, *protocol).empty(), "a protocol differs from itself");
  outcome_of([&] { return kind_of_cell_file(bytes, kFuzzPath); });
}

}  // namespace quarry
