// SPDX-License-Identifier: MIT
// The report's figures as CSV files, exact and complete. docs/reading_reports.md describes the columns.
#include <fmt/core.h>

#include "quarry/core/text.h"
#include "src/report/pictures.h"
#include "src/report/tables.h"

namespace quarry {
namespace {

using Cells = std::vector<std::string>;

const Cells kKeys = {"study", "dataset", "n_initial", "val_share", "variant"};

Cells keys_of(const Setting& s) {
  return {s.study, s.dataset, std::to_string(s.n_initial), format_exact(s.val_share), s.variant};
}

Cells joined(Cells first, const Cells& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::string exact(const std::optional<double>& value) {
  return value ? format_exact(*value) : "";
}

constexpr std::pair<Metric, std::string_view> kMetrics[] = {{Metric::accuracy, "test_acc"},
                                                            {Metric::loss, "test_loss"},
                                                            {Metric::nll, "test_nll"},
                                                            {Metric::auc, "test_auc"},
                                                            {Metric::clean_accuracy, "test_acc_clean"}};

void add_family(CsvText& csv, const Cells& keys, std::string_view compared, const Family& family) {
  for (const PairTest& pair : family.pairs)
    csv.add(
        joined(keys, {std::string(compared), family.fixed, pair.first, pair.second, std::to_string(pair.difference.n),
                      format_exact(pair.difference.mean), format_exact(pair.difference.sd),
                      format_exact(pair.difference.mean - pair.difference.half_width),
                      format_exact(pair.difference.mean + pair.difference.half_width), format_exact(pair.p),
                      format_exact(pair.p_holm)}));
}

}  // namespace

std::string curves_csv(const std::vector<SettingSummary>& summaries) {
  CsvText csv(joined(kKeys, {"mode", "strategy", "iteration", "labels", "measure", "n", "non_finite", "diverged",
                             "mean", "sd", "ci95_low", "ci95_high"}));
  for (const SettingSummary& summary : summaries)
    for (const ArmSummary& arm : summary.arms)
      for (const auto& [metric, name] : kMetrics)
        for (const CurvePoint& point : learning_curve(*arm.arm, metric)) {
          const Estimate& e = point.value;
          csv.add(
              joined(keys_of(*summary.setting),
                     {arm.arm->mode, arm.arm->strategy, std::to_string(point.iteration), std::to_string(point.labels),
                      std::string(name), std::to_string(e.n), std::to_string(e.non_finite),
                      std::to_string(point.diverged), format_exact(e.mean), format_exact(e.sd),
                      format_exact(e.mean - e.half_width), format_exact(e.mean + e.half_width)}));
        }
  return csv.text();
}

std::string runs_csv(const std::vector<SettingSummary>& summaries) {
  CsvText csv(joined(kKeys, {"mode", "strategy", "seed", "run", "completed", "diverged", "acc_area", "loss_area",
                             "final_acc", "final_loss", "final_acc_clean", "labels_to_reach_random", "honeypots"}));
  for (const SettingSummary& summary : summaries)
    for (const ArmSummary& arm : summary.arms)
      for (const RunSummary& run : arm.runs)
        csv.add(
            joined(keys_of(*summary.setting),
                   {arm.arm->mode, arm.arm->strategy, std::to_string(run.run->request.seed), run.run->request.run,
                    run.run->complete() ? "1" : "0", run.run->diverged() ? "1" : "0", exact(run.accuracy_area),
                    exact(run.loss_area), exact(run.final_accuracy), exact(run.final_loss),
                    exact(run.final_clean_accuracy), run.labels_to_reach ? std::to_string(*run.labels_to_reach) : "",
                    run.run->rows.empty() ? "" : std::to_string(run.run->rows.back().honeypots)}));
  return csv.text();
}

std::string comparisons_csv(const std::vector<SettingSummary>& summaries) {
  CsvText csv(joined(kKeys, {"compared", "within", "first", "second", "n", "mean_difference", "sd", "ci95_low",
                             "ci95_high", "p_sign_flip", "p_holm"}));
  for (const SettingSummary& summary : summaries) {
    for (const Family& family : summary.by_mode) add_family(csv, keys_of(*summary.setting), "strategies", family);
    for (const Family& family : summary.by_strategy) add_family(csv, keys_of(*summary.setting), "modes", family);
  }
  return csv.text();
}

std::string win_rates_csv(const std::vector<SettingSummary>& summaries) {
  CsvText csv(joined(kKeys, {"mode", "winner", "loser", "label_counts", "wins_raw", "wins_holm"}));
  for (const SettingSummary& summary : summaries)
    for (std::size_t i = 0; i < summary.win_rates.size(); ++i) {
      const WinRates& rates = summary.win_rates[i];
      for (std::size_t a = 0; a < rates.members.size(); ++a)
        for (std::size_t b = 0; b < rates.members.size(); ++b)
          if (a != b)
            csv.add(joined(keys_of(*summary.setting),
                           {summary.by_mode[i].fixed, rates.members[a], rates.members[b], std::to_string(rates.budgets),
                            std::to_string(rates.raw[a][b]), std::to_string(rates.corrected[a][b])}));
    }
  return csv.text();
}

std::string hyperparameters_csv(const std::vector<SettingSummary>& summaries) {
  CsvText csv(
      joined(kKeys, {"mode", "strategy", "iteration", "labels", "n", "median_lr", "median_weight_decay",
                     "median_drop_rate", "median_hidden_layers", "median_width", "mean_trials", "mean_pruned"}));
  for (const SettingSummary& summary : summaries)
    for (const ArmSummary& arm : summary.arms)
      for (const ChosenPoint& p : chosen_hyperparameters(*arm.arm))
        csv.add(
            joined(keys_of(*summary.setting),
                   {arm.arm->mode, arm.arm->strategy, std::to_string(p.iteration), std::to_string(p.labels),
                    std::to_string(p.n), format_exact(p.lr), format_exact(p.weight_decay), format_exact(p.drop_rate),
                    format_exact(p.depth), format_exact(p.width), format_exact(p.trials), format_exact(p.pruned)}));
  return csv.text();
}

}  // namespace quarry
