// SPDX-License-Identifier: MIT
#include "quarry/report/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::size_t longest(const Arm& arm) {
  std::size_t length = 0;
  for (const ReportRun& run : arm.runs) length = std::max(length, run.rows.size());
  return length;
}

double area_of(const ReportRun& run, Metric metric) {
  std::vector<double> labels, values;
  for (const ResultRow& row : run.rows) {
    labels.push_back(row.len_lb);
    values.push_back(metric_of(row, metric));
  }
  return area_under_curve(labels, values);
}

template <class Value>
Estimate estimate_of(const std::vector<RunSummary>& runs, Value value) {
  std::vector<double> values;
  for (const RunSummary& run : runs)
    if (run.final_accuracy) values.push_back(value(run));
  return estimate(values);
}

ArmSummary summarise_arm(const Arm& arm) {
  ArmSummary summary;
  summary.arm = &arm;
  for (const ReportRun& run : arm.runs) {
    RunSummary one;
    one.run = &run;
    if (run.complete()) {
      one.accuracy_area = area_of(run, Metric::accuracy);
      one.loss_area = area_of(run, Metric::loss);
      one.final_accuracy = run.rows.back().test_acc;
      one.final_loss = run.rows.back().test_loss;
      one.final_clean_accuracy = run.rows.back().test_acc_clean;
      summary.queried = run.rows.back().len_lb - run.rows.front().len_lb;
    }
    summary.runs.push_back(one);
  }
  summary.accuracy_area = estimate_of(summary.runs, [](const RunSummary& r) { return *r.accuracy_area; });
  summary.loss_area = estimate_of(summary.runs, [](const RunSummary& r) { return *r.loss_area; });
  summary.final_accuracy = estimate_of(summary.runs, [](const RunSummary& r) { return *r.final_accuracy; });
  summary.final_loss = estimate_of(summary.runs, [](const RunSummary& r) { return *r.final_loss; });
  summary.final_clean_accuracy = estimate_of(summary.runs, [](const RunSummary& r) { return *r.final_clean_accuracy; });
  summary.honeypots =
      estimate_of(summary.runs, [](const RunSummary& r) { return double(r.run->rows.back().honeypots); });
  return summary;
}

void find_labels_to_reach(ArmSummary& summary, double target) {
  std::vector<double> labels;
  for (RunSummary& run : summary.runs) {
    for (const ResultRow& row : run.run->rows)
      if (!run.labels_to_reach && row.test_acc >= target) run.labels_to_reach = row.len_lb;
    if (run.labels_to_reach) labels.push_back(*run.labels_to_reach);
  }
  summary.reached = static_cast<std::int64_t>(labels.size());
  summary.labels_to_reach = median(labels);
}

/// Differences first - second over the seeds for which `value` gives a figure in both arms.
template <class Value>
std::vector<double> paired_differences(const ArmSummary& first, const ArmSummary& second, Value value) {
  std::vector<double> differences;
  for (const RunSummary& a : first.runs)
    for (const RunSummary& b : second.runs) {
      if (a.run->request.seed != b.run->request.seed) continue;
      const std::optional<double> left = value(a), right = value(b);
      if (left && right) differences.push_back(*left - *right);
    }
  return differences;
}

Family compare(const std::string& fixed, const std::vector<std::string>& names,
               const std::vector<const ArmSummary*>& arms) {
  Family family{fixed, names, {}, ""};
  std::vector<double> p_values;
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (std::size_t a = 0; a < arms.size(); ++a)
    for (std::size_t b = a + 1; b < arms.size(); ++b) {
      const std::vector<double> differences =
          paired_differences(*arms[a], *arms[b], [](const RunSummary& run) { return run.accuracy_area; });
      family.pairs.push_back({names[a], names[b], estimate(differences), sign_flip_p(differences), 1});
      p_values.push_back(family.pairs.back().p);
      fewest = std::min(fewest, static_cast<std::int64_t>(differences.size()));
    }
  const std::vector<double> adjusted = holm(p_values);
  for (std::size_t i = 0; i < adjusted.size(); ++i) family.pairs[i].p_holm = adjusted[i];
  if (!family.pairs.empty()) family.warning = too_few_seeds(fewest, static_cast<std::int64_t>(family.pairs.size()));
  return family;
}

WinRates win_rates(const Family& family, const std::vector<const ArmSummary*>& arms) {
  const std::size_t m = arms.size();
  WinRates rates;
  rates.members = family.members;
  rates.raw = rates.corrected = std::vector(m, std::vector<std::int64_t>(m, 0));
  std::size_t length = std::numeric_limits<std::size_t>::max();
  for (const ArmSummary* arm : arms) length = std::min(length, longest(*arm->arm));
  rates.budgets = static_cast<std::int64_t>(length);
  struct Test {
    std::size_t winner, loser;
  };
  std::vector<Test> tests;
  std::vector<double> p_values;
  for (std::size_t a = 0; a < m; ++a)
    for (std::size_t b = a + 1; b < m; ++b)
      for (std::size_t i = 0; i < length; ++i) {
        const auto accuracy = [i](const RunSummary& run) -> std::optional<double> {
          if (i >= run.run->rows.size()) return std::nullopt;
          return run.run->rows[i].test_acc;
        };
        const std::vector<double> differences = paired_differences(*arms[a], *arms[b], accuracy);
        const bool first = !differences.empty() && mean(differences) > 0;
        tests.push_back(first ? Test{a, b} : Test{b, a});
        p_values.push_back(paired_t_p(differences));
      }
  const std::vector<double> adjusted = holm(p_values);
  for (std::size_t i = 0; i < tests.size(); ++i) {
    rates.raw[tests[i].winner][tests[i].loser] += p_values[i] <= 0.05;
    rates.corrected[tests[i].winner][tests[i].loser] += adjusted[i] <= 0.05;
  }
  return rates;
}

void compare_arms(SettingSummary& summary) {
  const Setting& setting = *summary.setting;
  for (const std::string& mode : setting.modes) {
    std::vector<std::string> names;
    std::vector<const ArmSummary*> arms;
    for (const std::string& strategy : setting.strategies)
      if (const ArmSummary* arm = summary.find(strategy, mode)) {
        names.push_back(strategy);
        arms.push_back(arm);
      }
    summary.by_mode.push_back(compare(mode, names, arms));
    summary.win_rates.push_back(win_rates(summary.by_mode.back(), arms));
  }
  for (const std::string& strategy : setting.strategies) {
    std::vector<std::string> names;
    std::vector<const ArmSummary*> arms;
    for (const std::string& mode : setting.modes)
      if (const ArmSummary* arm = summary.find(strategy, mode)) {
        names.push_back(mode);
        arms.push_back(arm);
      }
    if (arms.size() > 1) summary.by_strategy.push_back(compare(strategy, names, arms));
  }
}

/// With everything labelled the strategy is without meaning, so one run per seed is enough.
void add_upper_bound(SettingSummary& summary, const Setting& everything) {
  for (const std::string& mode : everything.modes) {
    std::vector<double> accuracies, losses;
    const Arm* arm = everything.find(everything.strategies.front(), mode);
    if (arm == nullptr) continue;
    for (const ReportRun& run : arm->runs) {
      if (run.rows.empty()) continue;
      accuracies.push_back(run.rows.front().test_acc);
      losses.push_back(run.rows.front().test_loss);
    }
    if (!accuracies.empty()) summary.upper_bounds.push_back({mode, {estimate(accuracies), estimate(losses)}});
  }
}

bool is_upper_bound_of(const Setting& everything, const Setting& setting) {
  return everything.n_initial == -1 && everything.study == setting.study && everything.dataset == setting.dataset &&
         everything.val_share == setting.val_share && everything.variant == setting.variant;
}

}  // namespace

double metric_of(const ResultRow& row, Metric metric) {
  switch (metric) {
    case Metric::accuracy:
      return row.test_acc;
    case Metric::loss:
      return row.test_loss;
    case Metric::nll:
      return row.test_nll;
    case Metric::auc:
      return row.test_auc;
    case Metric::clean_accuracy:
      return row.test_acc_clean;
  }
  return kNaN;
}

std::vector<CurvePoint> learning_curve(const Arm& arm, Metric metric) {
  std::vector<CurvePoint> points;
  for (std::size_t i = 0; i < longest(arm); ++i) {
    CurvePoint point;
    std::vector<double> values;
    for (const ReportRun& run : arm.runs) {
      if (i >= run.rows.size()) continue;
      point.iteration = run.rows[i].iteration;
      point.labels = run.rows[i].len_lb;
      point.diverged += run.rows[i].diverged;
      values.push_back(metric_of(run.rows[i], metric));
    }
    point.value = estimate(values);
    points.push_back(point);
  }
  return points;
}

std::vector<ChosenPoint> chosen_hyperparameters(const Arm& arm) {
  std::vector<ChosenPoint> points;
  for (std::size_t i = 0; i < longest(arm); ++i) {
    std::vector<double> lr, weight_decay, drop_rate, depth, width, trials, pruned;
    ChosenPoint point;
    for (const ReportRun& run : arm.runs) {
      if (i >= run.rows.size()) continue;
      const ResultRow& row = run.rows[i];
      point.iteration = row.iteration;
      point.labels = row.len_lb;
      lr.push_back(row.lr);
      weight_decay.push_back(row.weight_decay);
      drop_rate.push_back(row.drop_rate);
      depth.push_back(static_cast<double>(row.hidden.size()));
      for (std::int32_t units : row.hidden) width.push_back(units);
      trials.push_back(row.trials);
      pruned.push_back(row.pruned);
    }
    point.n = static_cast<std::int64_t>(lr.size());
    point.lr = median(lr);
    point.weight_decay = median(weight_decay);
    point.drop_rate = median(drop_rate);
    point.depth = median(depth);
    point.width = median(width);
    point.trials = mean(trials);
    point.pruned = mean(pruned);
    points.push_back(point);
  }
  return points;
}

const ArmSummary* SettingSummary::find(const std::string& strategy, const std::string& mode) const {
  for (const ArmSummary& arm : arms)
    if (arm.arm->strategy == strategy && arm.arm->mode == mode) return &arm;
  return nullptr;
}

std::vector<SettingSummary> summarise(const std::vector<Setting>& settings) {
  std::vector<SettingSummary> summaries;
  for (const Setting& setting : settings) {
    const bool joins = setting.n_initial == -1 && std::any_of(settings.begin(), settings.end(), [&](const Setting& s) {
                         return s.n_initial != -1 && is_upper_bound_of(setting, s);
                       });
    if (joins) continue;
    SettingSummary& summary = summaries.emplace_back();
    summary.setting = &setting;
    for (const std::string& mode : setting.modes)
      for (const std::string& strategy : setting.strategies)
        if (const Arm* arm = setting.find(strategy, mode)) summary.arms.push_back(summarise_arm(*arm));
    for (ArmSummary& arm : summary.arms) {
      const ArmSummary* random = summary.find("random", arm.arm->mode);
      find_labels_to_reach(arm, random == nullptr ? kNaN : random->final_accuracy.mean);
    }
    for (const Setting& other : settings)
      if (&other != &setting && is_upper_bound_of(other, setting)) add_upper_bound(summary, other);
    compare_arms(summary);
  }
  return summaries;
}

}  // namespace quarry
