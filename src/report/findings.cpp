// SPDX-License-Identifier: MIT
#include "src/report/findings.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/text.h"
#include "src/report/pictures.h"
#include "src/report/table.h"

namespace quarry {
namespace {

std::string n_text(const Estimate& e) {
  return fmt::format("n = {}", e.n);
}

std::string area_text(const Estimate& e) {
  if (e.n == 1) return fmt::format("{} (n = 1: no interval)", rounded(e.mean));
  return fmt::format("{} (95 % interval {}, {})", rounded(e.mean), interval_text(e), n_text(e));
}

/// The arm with the largest mean area under one mode; null if no run of it completed.
const ArmSummary* best_arm(const SettingSummary& summary, const Family& family) {
  const ArmSummary* best = nullptr;
  for (const std::string& strategy : family.members) {
    const ArmSummary* arm = summary.find(strategy, family.fixed);
    if (arm->accuracy_area.n > 0 && (best == nullptr || arm->accuracy_area.mean > best->accuracy_area.mean)) best = arm;
  }
  return best;
}

/// What the corrected tests say about the best strategy.
std::string significance_text(const Family& family, const std::string& best) {
  if (!family.warning.empty()) return family.warning;
  std::vector<std::string> beaten;
  std::int64_t others = 0;
  for (const PairTest& pair : family.pairs) {
    const bool first = pair.first == best;
    if (!first && pair.second != best) continue;
    ++others;
    if (pair.p_holm <= 0.05 && (pair.difference.mean > 0) == first) beaten.push_back(first ? pair.second : pair.first);
  }
  const std::string test = fmt::format("(paired sign-flip test, 5 %, Holm over {} comparisons)", family.pairs.size());
  if (beaten.empty()) return "No difference between strategies that involves it is significant " + test + ".";
  if (static_cast<std::int64_t>(beaten.size()) == others)
    return "It is significantly better than every other " + test + ".";
  return fmt::format("It is significantly better than {} {}.", join(beaten, ", "), test);
}

Finding best_strategy(const SettingSummary& summary, const Family& family) {
  const ArmSummary* best = best_arm(summary, family);
  Finding finding{setting_name(*summary.setting) + ", " + family.fixed, ""};
  if (best == nullptr) {
    finding.text = "No run completed.";
    return finding;
  }
  const std::string& name = best->arm->strategy;
  const bool is_curve = best->arm->runs.front().request.iterations.size() > 1;
  finding.text = fmt::format("{}{} had the highest test accuracy: {}", is_curve ? "Averaged along the curve, " : "",
                             name, area_text(best->accuracy_area));
  const ArmSummary* random = summary.find("random", family.fixed);
  if (random != nullptr && random != best && random->accuracy_area.n > 0)
    finding.text += fmt::format("; random: {}", area_text(random->accuracy_area));
  finding.text += ". " + significance_text(family, name);
  if (random != nullptr && random != best && best->reached > 0 && random->final_accuracy.n > 0)
    finding.text += fmt::format(
        " Random ended at {} with {} labels; {} first got there with {:.4g} (median, {} of {} runs reached it).",
        rounded(random->final_accuracy.mean),
        random->arm->runs.front().rows.empty() ? 0 : random->arm->runs.front().rows.back().len_lb, name,
        best->labels_to_reach, best->reached, best->arm->completed());
  return finding;
}

/// The last mode against the first, strategy by strategy.
std::vector<Finding> mode_effect(const SettingSummary& summary) {
  std::vector<std::string> parts;
  std::string warning;
  const std::vector<std::string>& modes = summary.setting->modes;
  for (const Family& family : summary.by_strategy)
    for (const PairTest& pair : family.pairs) {
      if (pair.first != modes.front() || pair.second != modes.back() || pair.difference.n == 0) continue;
      Estimate gain = pair.difference;
      gain.mean = -gain.mean;
      parts.push_back(fmt::format("{} {:+.3f} ({}{}{})", family.fixed, gain.mean,
                                  gain.n == 1 ? "" : "95 % interval " + interval_text(gain) + ", ", n_text(gain),
                                  pair.p_holm <= 0.05 ? ", significant" : ""));
      warning = family.warning;
    }
  if (parts.empty()) return {};
  return {{fmt::format("{}: {} against {}", setting_name(*summary.setting), modes.back(), modes.front()),
           fmt::format("{} instead of {} changed the mean accuracy along the curve by: {}. {}", modes.back(),
                       modes.front(), join(parts, "; "), warning)}};
}

std::vector<Finding> honeypot_share(const SettingSummary& summary) {
  std::vector<std::string> parts;
  bool any = false;
  for (const ArmSummary& arm : summary.arms) {
    if (arm.honeypots.n == 0 || arm.queried == 0) continue;
    any = any || arm.honeypots.mean > 0;
    parts.push_back(fmt::format("{} under {} {:.0f} % (n = {})", arm.arm->strategy, arm.arm->mode,
                                100 * arm.honeypots.mean / arm.queried, arm.honeypots.n));
  }
  if (!any) return {};
  return {{setting_name(*summary.setting),
           "Share of queries spent on honeypots, whose labels mean nothing: " + join(parts, "; ") + "."}};
}

std::vector<Finding> divergence(const SettingSummary& summary) {
  std::int64_t diverged = 0, runs = 0;
  for (const ArmSummary& arm : summary.arms) {
    diverged += arm.arm->diverged();
    runs += static_cast<std::int64_t>(arm.arm->runs.size());
  }
  if (diverged == 0) return {};
  return {{setting_name(*summary.setting),
           fmt::format("In {} of {} runs a network diverged at least once; the runs stay in every figure.", diverged,
                       runs)}};
}

}  // namespace

std::vector<Finding> findings_of(const SettingSummary& summary) {
  std::vector<Finding> findings;
  for (const Family& family : summary.by_mode) findings.push_back(best_strategy(summary, family));
  for (auto part : {mode_effect(summary), honeypot_share(summary), divergence(summary)})
    findings.insert(findings.end(), part.begin(), part.end());
  return findings;
}

}  // namespace quarry
