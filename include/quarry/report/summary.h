// SPDX-License-Identifier: MIT
// The figures of a report, from the runs alone. docs/reading_reports.md says what each one means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quarry/report/statistics.h"
#include "quarry/report/study_results.h"

namespace quarry {

enum class Metric { accuracy, loss, nll, auc, clean_accuracy };
/// On the test set.
double metric_of(const ResultRow& row, Metric metric);

struct CurvePoint {
  std::int32_t iteration = -1, labels = 0;
  Estimate value;             ///< over the runs that reached this iteration
  std::int64_t diverged = 0;  ///< runs whose network of this iteration diverged
};
std::vector<CurvePoint> learning_curve(const Arm& arm, Metric metric);

struct RunSummary {
  const ReportRun* run = nullptr;
  std::optional<double> accuracy_area, loss_area;  ///< completed runs only
  std::optional<double> final_accuracy, final_loss, final_clean_accuracy;
  std::optional<std::int32_t> labels_to_reach;  ///< labels at which it first reaches random's mean final accuracy
};

struct ArmSummary {
  const Arm* arm = nullptr;
  std::vector<RunSummary> runs;
  Estimate accuracy_area, loss_area, final_accuracy, final_loss, final_clean_accuracy;
  Estimate honeypots;          ///< queried by the end
  std::int32_t queried = 0;    ///< instances queried by the end of a completed run
  double labels_to_reach = 0;  ///< median over the runs that reached it; not a number if none did
  std::int64_t reached = 0;
};

/// One paired comparison of the area under the accuracy curve.
struct PairTest {
  std::string first, second;
  Estimate difference;  ///< first - second, over the seeds that completed in both
  double p = 1, p_holm = 1;
};

/// Comparisons that are corrected together: every pair of strategies under one mode, or of modes with one strategy.
struct Family {
  std::string fixed;  ///< the mode, or the strategy
  std::vector<std::string> members;
  std::vector<PairTest> pairs;
  std::string warning;  ///< too_few_seeds of the family
};

/// How often the row's strategy beats the column's at 5 % by a paired t-test, over the budgets of the curve.
struct WinRates {
  std::int64_t budgets = 0;
  std::vector<std::string> members;
  std::vector<std::vector<std::int64_t>> raw, corrected;  ///< [row][column]; corrected by Holm over pairs and budgets
};

/// What was chosen at one label count: medians over the runs of an arm.
struct ChosenPoint {
  std::int32_t iteration = -1, labels = 0;
  std::int64_t n = 0;
  double lr = 0, weight_decay = 0, drop_rate = 0, depth = 0, width = 0;
  double trials = 0, pruned = 0;  ///< means
};
std::vector<ChosenPoint> chosen_hyperparameters(const Arm& arm);

struct SettingSummary {
  const Setting* setting = nullptr;
  std::vector<ArmSummary> arms;     ///< by mode, then strategy
  std::vector<Family> by_mode;      ///< strategies against each other, one family per mode
  std::vector<Family> by_strategy;  ///< modes against each other, one family per strategy
  std::vector<WinRates> win_rates;  ///< as by_mode
  /// Accuracy and loss with every instance labelled, if the study has such runs (n_initial = -1), by mode.
  std::vector<std::pair<std::string, std::pair<Estimate, Estimate>>> upper_bounds;

  const ArmSummary* find(const std::string& strategy, const std::string& mode) const;
};

/// The settings must outlive the summaries. One summary per setting with queries; upper-bound settings join theirs.
std::vector<SettingSummary> summarise(const std::vector<Setting>& settings);

}  // namespace quarry
