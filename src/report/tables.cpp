// SPDX-License-Identifier: MIT
#include "src/report/tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "quarry/core/text.h"
#include "src/report/pictures.h"
#include "src/report/setting_text.h"

namespace quarry {
namespace {

constexpr std::size_t kBudgetColumns = 6;

/// Up to `most` positions of 0 .. n-1, first and last among them, evenly spread.
std::vector<std::size_t> spread(std::size_t n, std::size_t most) {
  std::vector<std::size_t> chosen;
  const std::size_t count = std::min(n, most);
  for (std::size_t i = 0; i < count; ++i)
    chosen.push_back(count == 1 ? 0 : (i * (n - 1) + (count - 1) / 2) / (count - 1));
  return chosen;
}

std::string of_text(std::int64_t part, std::int64_t whole) {
  return fmt::format("{} of {}", part, whole);
}

std::string seeds_column(const ArmSummary& arm) {
  return of_text(arm.arm->completed(), static_cast<std::int64_t>(arm.arm->runs.size()));
}

bool has_honeypots(const SettingSummary& summary) {
  return std::any_of(summary.arms.begin(), summary.arms.end(), [](const ArmSummary& arm) {
    return arm.honeypots.n > 0 && (arm.honeypots.mean > 0 || arm.final_clean_accuracy.mean != arm.final_accuracy.mean);
  });
}

std::string reach_text(const ArmSummary& arm) {
  if (arm.reached == 0) return "not reached";
  return fmt::format("{:.4g} ({})", arm.labels_to_reach, of_text(arm.reached, arm.arm->completed()));
}

}  // namespace

Table budget_table(const SettingSummary& summary, const std::string& mode) {
  Table table;
  table.title = fmt::format("Test accuracy by number of labels: {}, {}", setting_name(*summary.setting), mode);
  table.note =
      "Mean \u00b1 standard deviation over the seeds; n is their number. curves.csv has every label count, intervals "
      "and further measures.";
  table.strategy_column = 0;
  table.header = {"strategy", "n"};
  bool first = true;
  for (const std::string& strategy : summary.setting->strategies) {
    const ArmSummary* arm = summary.find(strategy, mode);
    if (arm == nullptr) continue;
    const std::vector<CurvePoint> curve = learning_curve(*arm->arm, Metric::accuracy);
    std::vector<std::string> row = {strategy, curve.empty() ? "0" : std::to_string(curve.back().value.n)};
    for (std::size_t at : spread(curve.size(), kBudgetColumns)) {
      if (first) table.header.push_back(fmt::format("{} labels", curve[at].labels));
      const Estimate& e = curve[at].value;
      row.push_back(mean_and_sd(e) + (e.n == curve.back().value.n ? "" : fmt::format(" (n = {})", e.n)));
    }
    first = first && curve.empty();
    row.resize(std::max(row.size(), table.header.size()));
    table.rows.push_back(row);
  }
  return table;
}

Table area_table(const SettingSummary& summary) {
  Table table;
  table.title = "Whole curve: area under the accuracy curve, " + setting_name(*summary.setting);
  table.note =
      "The area is the mean height of the curve between the first and the last label count (trapezoids, runs that "
      "completed). Interval: 95 % t-interval of the mean. Diverged: runs in which a network became non-finite at least "
      "once; they stay in.";
  table.strategy_column = 0;
  table.text_columns = 2;
  table.header = {"strategy", "mode",          "n completed", "diverged", "mean",
                  "sd",       "95 % interval", "loss area",   "each seed"};
  for (const ArmSummary& arm : summary.arms) {
    std::vector<std::string> seeds;
    for (const RunSummary& run : arm.runs) seeds.push_back(run.accuracy_area ? rounded(*run.accuracy_area) : "missing");
    table.rows.push_back({arm.arm->strategy, arm.arm->mode, seeds_column(arm), std::to_string(arm.arm->diverged()),
                          rounded(arm.accuracy_area.mean),
                          arm.accuracy_area.n > 1 ? rounded(arm.accuracy_area.sd) : "n/a",
                          interval_text(arm.accuracy_area), mean_and_sd(arm.loss_area), join(seeds, " ")});
  }
  return table;
}

Table end_table(const SettingSummary& summary) {
  Table table;
  const bool honeypots = has_honeypots(summary);
  table.title = "At the end of the budget: " + setting_name(*summary.setting);
  table.note =
      "Mean \u00b1 standard deviation over n completed seeds. Labels to match random: median number of labels at which "
      "a run first reaches the mean final accuracy of random under the same mode, and how many runs reach it.";
  if (honeypots) table.note += " Honeypots carry meaningless labels; clean accuracy leaves them out of the test set.";
  table.strategy_column = 0;
  table.text_columns = 2;
  table.header = {"strategy", "mode", "n", "accuracy", "95 % interval", "loss", "labels to match random"};
  if (honeypots) {
    table.header.push_back("clean accuracy");
    table.header.push_back("honeypots queried");
  }
  for (const ArmSummary& arm : summary.arms) {
    std::vector<std::string> row = {arm.arm->strategy,
                                    arm.arm->mode,
                                    std::to_string(arm.final_accuracy.n),
                                    mean_and_sd(arm.final_accuracy),
                                    interval_text(arm.final_accuracy),
                                    mean_and_sd(arm.final_loss),
                                    reach_text(arm)};
    if (honeypots) {
      row.push_back(mean_and_sd(arm.final_clean_accuracy));
      row.push_back(fmt::format("{} of {}", mean_and_sd(arm.honeypots, 1), arm.queried));
    }
    table.rows.push_back(row);
  }
  for (const auto& [mode, bound] : summary.upper_bounds) {
    std::vector<std::string> row = {"everything labelled",
                                    mode,
                                    std::to_string(bound.first.n),
                                    mean_and_sd(bound.first),
                                    interval_text(bound.first),
                                    mean_and_sd(bound.second),
                                    ""};
    row.resize(table.header.size());
    table.rows.push_back(row);
  }
  return table;
}

Table comparison_table(const Family& family, const std::string& what) {
  Table table;
  table.title = fmt::format("{}: {}", what, family.fixed);
  table.note = fmt::format(
      "Differences of the area under the accuracy curve, first minus second, paired by seed. p: exact sign-flip test; "
      "Holm: corrected for the {} comparison{} of this table. {}",
      family.pairs.size(), family.pairs.size() == 1 ? "" : "s", family.warning);
  table.text_columns = 2;
  table.header = {"first", "second", "n", "difference", "95 % interval", "p", "p (Holm)", "verdict"};
  for (const PairTest& pair : family.pairs) {
    std::string verdict = "no difference shown";
    if (pair.p_holm <= 0.05)
      verdict = (pair.difference.mean > 0 ? pair.first : pair.second) + " is better";
    else if (!family.warning.empty())
      verdict = "cannot be significant";
    table.rows.push_back({pair.first, pair.second, std::to_string(pair.difference.n),
                          pair.difference.n == 0 ? "n/a" : fmt::format("{:+.4f}", pair.difference.mean),
                          interval_text(pair.difference, 4), p_text(pair.p), p_text(pair.p_holm), verdict});
  }
  return table;
}

Table win_rate_table(const WinRates& rates, const std::string& mode) {
  Table table;
  table.title = "Wins along the curve: " + mode;
  table.note = fmt::format(
      "At how many of the {} label counts the row's strategy beats the column's (paired t-test on the accuracy, 5 %): "
      "raw / corrected by Holm over all pairs and label counts. Raw wins are expected by chance; only corrected ones "
      "count.",
      rates.budgets);
  table.strategy_column = 0;
  table.header = {"row beats column"};
  for (const std::string& member : rates.members) table.header.push_back(member);
  for (std::size_t a = 0; a < rates.members.size(); ++a) {
    std::vector<std::string> row = {rates.members[a]};
    for (std::size_t b = 0; b < rates.members.size(); ++b)
      row.push_back(a == b ? "" : fmt::format("{} / {}", rates.raw[a][b], rates.corrected[a][b]));
    table.rows.push_back(row);
  }
  return table;
}

Table chosen_table(const SettingSummary& summary) {
  Table table;
  table.title = "Hyperparameters chosen: " + setting_name(*summary.setting);
  table.note =
      "Medians over n runs at the start, the middle and the end of the budget; trials and pruned are means per tuning. "
      "hyperparameters.csv has every label count.";
  table.strategy_column = 0;
  table.text_columns = 2;
  table.header = {"strategy", "mode",          "labels", "n",      "learning rate", "weight decay",
                  "dropout",  "hidden layers", "width",  "trials", "pruned"};
  for (const ArmSummary& arm : summary.arms) {
    const std::vector<ChosenPoint> points = chosen_hyperparameters(*arm.arm);
    if (std::none_of(points.begin(), points.end(), [](const ChosenPoint& p) { return p.trials > 0; })) continue;
    for (std::size_t at : spread(points.size(), 3)) {
      const ChosenPoint& p = points[at];
      table.rows.push_back({arm.arm->strategy, arm.arm->mode, std::to_string(p.labels), std::to_string(p.n),
                            short_number(p.lr), short_number(p.weight_decay), short_number(p.drop_rate),
                            short_number(p.depth), short_number(p.width), short_number(p.trials),
                            short_number(p.pruned)});
    }
  }
  return table;
}

Table time_table(const SettingSummary& summary) {
  Table table;
  table.title = "Seconds per run: " + setting_name(*summary.setting);
  table.note =
      "Means over n runs: each run's share of the wall-clock time of the fleets it was trained in. Outside the "
      "contract of equal bytes: another machine gives other figures.";
  table.strategy_column = 0;
  table.text_columns = 2;
  std::vector<std::string> phases;
  for (const ArmSummary& arm : summary.arms)
    for (const ReportRun& run : arm.arm->runs)
      for (const PhaseTime& time : run.times)
        if (std::find(phases.begin(), phases.end(), time.phase) == phases.end()) phases.push_back(time.phase);
  table.header = {"strategy", "mode", "n"};
  table.header.insert(table.header.end(), phases.begin(), phases.end());
  table.header.push_back("all");
  for (const ArmSummary& arm : summary.arms) {
    std::map<std::string, double> seconds;
    double all = 0;
    std::int64_t timed = 0;
    for (const ReportRun& run : arm.arm->runs) {
      timed += !run.times.empty();
      for (const PhaseTime& time : run.times) {
        seconds[time.phase] += time.seconds;
        all += time.seconds;
      }
    }
    if (timed == 0) continue;
    std::vector<std::string> row = {arm.arm->strategy, arm.arm->mode, std::to_string(timed)};
    for (const std::string& phase : phases) row.push_back(short_number(seconds[phase] / static_cast<double>(timed)));
    row.push_back(short_number(all / static_cast<double>(timed)));
    table.rows.push_back(row);
  }
  return table;
}

Table trouble_table(const std::vector<Setting>& settings) {
  Table table;
  table.title = "Runs that are missing, unfinished or diverged";
  table.note =
      "A diverged run is a result and stays in every figure; a missing or unfinished one is not in the areas and final "
      "values. Run the study's command again to finish it.";
  table.text_columns = 6;
  table.header = {"study", "data set", "strategy", "mode", "seed", "state"};
  for (const Setting& setting : settings)
    for (const Arm& arm : setting.arms)
      for (const ReportRun& run : arm.runs) {
        std::string state;
        if (run.rows.empty())
          state = "missing";
        else if (!run.complete())
          state = fmt::format("unfinished: iteration {} of {}", run.rows.back().iteration + 1,
                              run.request.iterations.back() + 1);
        const auto first =
            std::find_if(run.rows.begin(), run.rows.end(), [](const ResultRow& r) { return r.diverged; });
        if (first != run.rows.end()) {
          const auto times =
              std::count_if(run.rows.begin(), run.rows.end(), [](const ResultRow& r) { return r.diverged; });
          state += fmt::format("{}diverged {} time{}, first with {} labels", state.empty() ? "" : "; ", times,
                               times == 1 ? "" : "s", first->len_lb);
        }
        if (!state.empty())
          table.rows.push_back(
              {setting.study, data_text(setting), arm.strategy, arm.mode, std::to_string(run.request.seed), state});
      }
  return table;
}

}  // namespace quarry
