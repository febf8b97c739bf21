// SPDX-License-Identifier: MIT
// Rows of results.csv: one per run and iteration, tidy (long) form. docs/formats.md describes each column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

struct ResultRow {
  std::string study, run;
  std::string dataset, strategy, mode;
  std::int64_t seed = 0;
  std::int32_t n_initial = 0;
  double val_share = 0;
  std::string variant;                  ///< further grid axes, "key=value key=value", empty if none
  std::int32_t iteration = -1;          ///< -1 = before the first query
  std::vector<std::int32_t> idx_added;  ///< absolute pool indices, space separated in the file
  std::vector<std::int32_t> target_added;
  std::vector<float> features_added;  ///< only for data of at most 8 features
  double test_loss = 0, test_acc = 0, test_nll = 0, test_auc = 0, test_acc_clean = 0;
  double val_loss = 0, val_acc = 0, train_loss = 0, train_acc = 0;
  std::int32_t len_ulb = 0, len_lb = 0;
  std::int32_t honeypots = 0;  ///< honeypots queried so far
  double lr = 0, weight_decay = 0, momentum = 0, drop_rate = 0;
  std::vector<std::int32_t> hidden;     ///< hidden widths, "48-48" in the file
  std::int32_t trials = 0, pruned = 0;  ///< of this iteration's tuning; 0 if it did not tune
  bool diverged = false;
};

/// Header line and rows; numbers read back bit for bit, non-finite as NaN, Infinity, -Infinity. Texts that hold
/// separators are quoted (RFC 4180). A text that a spreadsheet would take for a formula (it starts with = + - @, a tab
/// or a carriage return) gets a ' in front and is quoted; so does one that starts with ', and reading takes it off.
std::string results_csv(const std::vector<ResultRow>& rows);
/// Reads what results_csv wrote. Error: failed, with path, line and column.
std::vector<ResultRow> parse_results_csv(std::string_view text, const std::string& path);

}  // namespace quarry
