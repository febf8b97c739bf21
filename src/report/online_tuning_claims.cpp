// SPDX-License-Identifier: MIT
#include "quarry/report/online_tuning_claims.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "quarry/core/text.h"
#include "src/report/pictures.h"

namespace quarry {
namespace {

constexpr const char* kConstant = "constant_initial";
constexpr const char* kOnline = "online_dynamic";

/// A figure of each completed run, by its seed.
using BySeed = std::map<std::int64_t, double>;

template <class Value>
BySeed by_seed(const ArmSummary* arm, Value value) {
  BySeed values;
  if (arm == nullptr) return values;
  for (const RunSummary& run : arm->runs)
    if (run.accuracy_area) values[run.run->request.seed] = value(run);
  return values;
}

BySeed areas(const ArmSummary* arm) {
  return by_seed(arm, [](const RunSummary& run) { return *run.accuracy_area; });
}

/// Of the seeds that both have.
BySeed minus(const BySeed& first, const BySeed& second) {
  BySeed difference;
  for (const auto& [seed, value] : first)
    if (const auto other = second.find(seed); other != second.end()) difference[seed] = value - other->second;
  return difference;
}

std::string place_of(const Setting& setting) {
  std::string place = fmt::format("{}, {}", setting_name(setting), setting.preset);
  return place + fmt::format(", {} first labels, {:.4g} % validation", setting.n_initial, 100 * setting.val_share);
}

void add_row(Claim& claim, const std::string& place, const std::string& compared, const BySeed& differences,
             bool counts = true) {
  if (differences.empty()) return;
  std::vector<double> values;
  for (const auto& [seed, value] : differences) values.push_back(value);
  claim.rows.push_back({place, compared, estimate(values), sign_flip_p(values), 1, Verdict::undecided, counts});
}

Verdict verdict_of(const ClaimRow& row) {
  if (row.p_holm <= 0.05) return row.difference.mean > 0 ? Verdict::supported : Verdict::not_supported;
  const double high = row.difference.mean + row.difference.half_width;
  return row.difference.n > 1 && high < kSmallestEffect ? Verdict::not_supported : Verdict::undecided;
}

/// The rows of a claim are one family.
void judge(Claim& claim) {
  std::vector<double> p_values;
  for (const ClaimRow& row : claim.rows) p_values.push_back(row.p);
  const std::vector<double> adjusted = holm(p_values);
  for (std::size_t i = 0; i < claim.rows.size(); ++i) {
    claim.rows[i].p_holm = adjusted[i];
    claim.rows[i].verdict = verdict_of(claim.rows[i]);
  }
}

bool has_both_modes(const SettingSummary& summary) {
  const auto& modes = summary.setting->modes;
  return std::find(modes.begin(), modes.end(), kConstant) != modes.end() &&
         std::find(modes.begin(), modes.end(), kOnline) != modes.end();
}

Claim gain(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Does tuning again help?",
              "Hyperparameters tuned again after every label beat those tuned once on the first labels: the study's "
              "title and conclusion.",
              "mean accuracy along the curve, online_dynamic minus constant_initial",
              {}};
  for (const SettingSummary& summary : summaries) {
    if (!has_both_modes(summary)) continue;
    for (const std::string& strategy : summary.setting->strategies)
      add_row(claim, place_of(*summary.setting), strategy,
              minus(areas(summary.find(strategy, kOnline)), areas(summary.find(strategy, kConstant))));
  }
  return claim;
}

double largest_drop(const RunSummary& run) {
  double drop = 0;
  const std::vector<ResultRow>& rows = run.run->rows;
  for (std::size_t i = 1; i < rows.size(); ++i) drop = std::max(drop, rows[i - 1].test_acc - rows[i].test_acc);
  return drop;
}

Claim drops(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Do constant hyperparameters degrade the network?",
              "With hyperparameters fixed at the start the network becomes unsuitable and every now and then degrades "
              "drastically (the study's README, claim 1).",
              "largest fall of test accuracy from one label to the next in a run, constant_initial minus "
              "online_dynamic",
              {}};
  for (const SettingSummary& summary : summaries) {
    if (!has_both_modes(summary)) continue;
    for (const std::string& strategy : summary.setting->strategies)
      add_row(claim, place_of(*summary.setting), strategy,
              minus(by_seed(summary.find(strategy, kConstant), largest_drop),
                    by_seed(summary.find(strategy, kOnline), largest_drop)));
  }
  return claim;
}

/// Gain of tuning again, for each seed; empty if a mode has no run.
BySeed gain_of(const SettingSummary& summary, const std::string& strategy) {
  return minus(areas(summary.find(strategy, kOnline)), areas(summary.find(strategy, kConstant)));
}

Claim bald(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Does BALD suffer most?",
              "BALD suffers most from hyperparameters that are not tuned again (the study's README, claim 2).",
              "gain of online_dynamic over constant_initial with BALD, minus the same gain with the other strategy "
              "(mean accuracy along the curve)",
              {}};
  for (const SettingSummary& summary : summaries) {
    if (!has_both_modes(summary) || summary.find("bald", kOnline) == nullptr) continue;
    for (const std::string& strategy : summary.setting->strategies)
      if (strategy != "bald")
        add_row(claim, place_of(*summary.setting), "bald against " + strategy,
                minus(gain_of(summary, "bald"), gain_of(summary, strategy)));
  }
  return claim;
}

/// The dropout rate that a setting's variant names, and the variant without it.
std::optional<std::pair<double, std::string>> dropout_of(const std::string& variant) {
  constexpr std::string_view kKey = "model.dropout=";
  const std::size_t begin = variant.find(kKey);
  if (begin == std::string::npos) return std::nullopt;
  const std::size_t end = std::min(variant.find(' ', begin), variant.size());
  double rate = 0;
  if (!parse_number(std::string_view(variant).substr(begin + kKey.size(), end - begin - kKey.size()), rate))
    return std::nullopt;
  return std::pair(rate, variant.substr(0, begin) + variant.substr(std::min(end + 1, variant.size())));
}

Claim dropout(const std::vector<SettingSummary>& summaries) {
  Claim claim{"What does BALD do as a function of dropout?",
              "BALD's score map mostly looks like noise (the study's README, claim 2). If that is the dropout rate's "
              "doing, what BALD gains over random must grow with the rate.",
              "mean accuracy along the curve, BALD minus random, at this rate; the last row of each setting: the gain "
              "at the highest rate minus that at the lowest",
              {}};
  struct Group {
    std::string place;
    std::map<double, BySeed> gains;
  };
  std::map<std::string, Group> groups;
  for (const SettingSummary& summary : summaries) {
    const auto rate = dropout_of(summary.setting->variant);
    if (!rate) continue;
    Setting general = *summary.setting;
    general.arms.clear();
    general.variant = rate->second;
    for (const std::string& mode : summary.setting->modes) {
      const ArmSummary *first = summary.find("bald", mode), *second = summary.find("random", mode);
      if (first == nullptr || second == nullptr) continue;
      Group& group = groups[general.study + " " + place_of(general) + " " + mode];
      group.place = fmt::format("{}, {}", place_of(general), mode);
      group.gains[rate->first] = minus(areas(first), areas(second));
    }
  }
  for (const auto& [key, group] : groups) {
    for (const auto& [rate, gains] : group.gains)
      add_row(claim, group.place, fmt::format("dropout {:.4g}", rate), gains, false);
    if (group.gains.size() > 1)
      add_row(claim, group.place,
              fmt::format("dropout {:.4g} against {:.4g}", group.gains.rbegin()->first, group.gains.begin()->first),
              minus(group.gains.rbegin()->second, group.gains.begin()->second));
  }
  return claim;
}

Claim honeypots(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Do strategies pick mostly noise?",
              "Without hyperparameters found on the whole data set, all acquisition functions picked mostly honeypots "
              "(the study's README, claim 3).",
              "share of a run's queries spent on honeypots, minus one half",
              {}};
  for (const SettingSummary& summary : summaries) {
    if (std::none_of(summary.arms.begin(), summary.arms.end(),
                     [](const ArmSummary& arm) { return arm.honeypots.n > 0 && arm.honeypots.mean > 0; }))
      continue;
    for (const ArmSummary& arm : summary.arms) {
      if (arm.queried == 0) continue;
      add_row(claim, place_of(*summary.setting), arm.arm->strategy + ", " + arm.arm->mode,
              by_seed(&arm,
                      [&](const RunSummary& run) {
                        return static_cast<double>(run.run->rows.back().honeypots) / arm.queried - 0.5;
                      }),
              arm.arm->strategy != "random");
    }
  }
  return claim;
}

/// Best minus worst strategy under a mode, for each seed that every strategy has.
BySeed spread_of(const SettingSummary& summary, const std::string& mode) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const std::string& strategy : summary.setting->strategies)
    for (const auto& [seed, area] : areas(summary.find(strategy, mode))) values[seed].push_back(area);
  BySeed spread;
  for (const auto& [seed, all] : values)
    if (all.size() == summary.setting->strategies.size())
      spread[seed] = *std::max_element(all.begin(), all.end()) - *std::min_element(all.begin(), all.end());
  return spread;
}

Claim spread(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Does tuning narrow the differences between strategies?",
              "Good hyperparameters reduce the gap between acquisition strategies (Huseljic, Herde, Hahn and Sick "
              "2022).",
              "best minus worst strategy of a seed (mean accuracy along the curve), constant_initial minus "
              "online_dynamic",
              {}};
  for (const SettingSummary& summary : summaries)
    if (has_both_modes(summary) && summary.setting->strategies.size() > 1)
      add_row(claim, place_of(*summary.setting), fmt::format("{} strategies", summary.setting->strategies.size()),
              minus(spread_of(summary, kConstant), spread_of(summary, kOnline)));
  return claim;
}

bool same_but_preset(const Setting& a, const Setting& b) {
  return a.dataset == b.dataset && a.variant == b.variant && a.n_initial == b.n_initial && a.val_share == b.val_share;
}

Claim corrected(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Do the published program's quirks matter?",
              "The corrected preset does better than the faithful one, which repeats the published program's quirks.",
              "mean accuracy along the curve, preset corrected minus preset faithful",
              {}};
  for (const SettingSummary& first : summaries)
    for (const SettingSummary& second : summaries) {
      if (first.setting->preset != "corrected" || second.setting->preset != "faithful") continue;
      if (!same_but_preset(*first.setting, *second.setting)) continue;
      for (const ArmSummary& arm : first.arms)
        add_row(claim, setting_name(*first.setting), arm.arm->strategy + ", " + arm.arm->mode,
                minus(areas(&arm), areas(second.find(arm.arm->strategy, arm.arm->mode))));
    }
  return claim;
}

struct Count {
  std::int64_t all = 0, yes = 0, no = 0, fewest = std::numeric_limits<std::int64_t>::max(), most = 0;
};

Count count_of(const std::vector<ClaimRow>& rows) {
  Count count;
  for (const ClaimRow& row : rows) {
    if (!row.counts) continue;
    ++count.all;
    count.yes += row.verdict == Verdict::supported;
    count.no += row.verdict == Verdict::not_supported;
    count.fewest = std::min(count.fewest, row.difference.n);
    count.most = std::max(count.most, row.difference.n);
  }
  return count;
}

}  // namespace

std::string to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::supported:
      return "supported";
    case Verdict::not_supported:
      return "not supported";
    case Verdict::undecided:
      return "undecided";
  }
  return "";
}

Verdict Claim::verdict() const {
  const Count count = count_of(rows);
  if (2 * (count.yes + count.no) < count.all || (count.yes > 0 && count.no > 0)) return Verdict::undecided;
  return count.yes > 0 ? Verdict::supported : count.no > 0 ? Verdict::not_supported : Verdict::undecided;
}

std::string Claim::why() const {
  const Count count = count_of(rows);
  return fmt::format("of {} comparisons {} support it, {} speak against it, {} are undecided ({})", count.all,
                     count.yes, count.no, count.all - count.yes - count.no, seeds_text(count.fewest, count.most));
}

std::vector<Claim> online_tuning_claims(const std::vector<SettingSummary>& summaries) {
  std::vector<Claim> claims;
  for (auto make : {gain, drops, bald, dropout, honeypots, spread, corrected}) {
    Claim claim = make(summaries);
    if (claim.rows.empty()) continue;
    judge(claim);
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace quarry
