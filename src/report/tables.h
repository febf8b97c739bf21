// SPDX-License-Identifier: MIT
// The tables of a report.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/summary.h"
#include "src/report/table.h"

namespace quarry {

/// Accuracy at the start, the end and some label counts between, one row per strategy.
Table budget_table(const SettingSummary& summary, const std::string& mode);
/// Area under the accuracy curve of every arm, with every seed's own.
Table area_table(const SettingSummary& summary);
/// State at the end of the budget.
Table end_table(const SettingSummary& summary);
Table comparison_table(const Family& family, const std::string& what);
Table win_rate_table(const WinRates& rates, const std::string& mode);
/// Hyperparameters at the start, the middle and the end, of the arms that tune.
Table chosen_table(const SettingSummary& summary);
Table time_table(const SettingSummary& summary);
/// Runs that are missing, unfinished or diverged; empty rows if there are none.
Table trouble_table(const std::vector<Setting>& settings);

// The same and more for programs, one file each.
std::string curves_csv(const std::vector<SettingSummary>& summaries);
std::string runs_csv(const std::vector<SettingSummary>& summaries);
std::string comparisons_csv(const std::vector<SettingSummary>& summaries);
std::string win_rates_csv(const std::vector<SettingSummary>& summaries);
std::string hyperparameters_csv(const std::vector<SettingSummary>& summaries);

}  // namespace quarry
