// SPDX-License-Identifier: MIT
#include "quarry/report/online_tuning_claims.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "quarry/core/text.h"
#include "src/report/pictures.h"
#include "src/report/setting_text.h"

namespace quarry {
namespace {

constexpr const char* kOnline = "online_dynamic";
constexpr const char* kConstant[] = {"constant_whole", "constant_initial"};

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
  return fmt::format("{}, {}, {} first labels, {:.4g} % validation", data_text(setting), setting.preset,
                     setting.n_initial, 100 * setting.val_share);
}

/// With the study's name where another study has a setting of the same description.
std::string place_of(const SettingSummary& summary, const std::vector<SettingSummary>& all) {
  const std::string place = place_of(*summary.setting);
  for (const SettingSummary& other : all)
    if (other.setting->study != summary.setting->study && place_of(*other.setting) == place)
      return place + ", study " + summary.setting->study;
  return place;
}

void add_row(Claim& claim, const std::string& place, const std::string& compared, const BySeed& differences,
             bool counts = true) {
  if (differences.empty()) return;
  std::vector<double> values;
  for (const auto& [seed, value] : differences) values.push_back(value);
  claim.rows.push_back({place, compared, estimate(values), sign_flip_p(values), 1, Verdict::undecided, counts});
}

/// `rows`: in the family, for which the intervals hold together (Bonferroni).
Verdict verdict_of(const ClaimRow& row, std::size_t rows) {
  const Estimate& e = row.difference;
  if (e.n < 2) return Verdict::undecided;
  const double t = t_quantile(1 - 0.025 / static_cast<double>(rows), static_cast<double>(e.n - 1));
  const bool no_room = e.mean + t * e.sd / std::sqrt(static_cast<double>(e.n)) < kSmallestEffect;
  if (no_room || (row.p_holm <= 0.05 && e.mean < 0)) return Verdict::not_supported;
  return row.p_holm <= 0.05 ? Verdict::supported : Verdict::undecided;
}

/// The rows that count are one family; those beside them another.
void judge(Claim& claim) {
  for (const bool counts : {true, false}) {
    std::vector<ClaimRow*> rows;
    std::vector<double> p_values;
    for (ClaimRow& row : claim.rows) {
      if (row.counts != counts) continue;
      rows.push_back(&row);
      p_values.push_back(row.p);
    }
    const std::vector<double> adjusted = holm(p_values);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i]->p_holm = adjusted[i];
      rows[i]->verdict = verdict_of(*rows[i], rows.size());
    }
  }
}

bool has_mode(const SettingSummary& summary, std::string_view mode) {
  const auto& modes = summary.setting->modes;
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

/// Calls with every setting and constant mode that has online_dynamic beside it, and how to name the two.
template <class Each>
void each_contrast(const std::vector<SettingSummary>& summaries, Each each) {
  for (const SettingSummary& summary : summaries)
    for (const char* constant : kConstant)
      if (has_mode(summary, kOnline) && has_mode(summary, constant))
        each(summary, constant, place_of(summary, summaries), fmt::format(", against {}", constant));
}

/// Gain of tuning again, for each seed; empty if a mode has no run.
BySeed gain_of(const SettingSummary& summary, const std::string& strategy, const char* constant) {
  return minus(areas(summary.find(strategy, kOnline)), areas(summary.find(strategy, constant)));
}

Claim gain(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Does tuning again help?",
              "Hyperparameters tuned again after every label beat those that stay: the study's title and conclusion.",
              "mean accuracy along the curve, online_dynamic minus the constant mode",
              false,
              {}};
  each_contrast(summaries, [&](const SettingSummary& summary, const char* constant, const std::string& place,
                               const std::string& against) {
    for (const std::string& strategy : summary.setting->strategies)
      add_row(claim, place, strategy + against, gain_of(summary, strategy, constant));
  });
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
              "With hyperparameters that stay, the network becomes unsuitable and every now and then degrades "
              "drastically (the study's README, claim 1; said of hyperparameters tuned on the whole labelled pool, "
              "constant_whole; constant_initial is the same question of those tuned on the first labels).",
              "largest fall of test accuracy from one label to the next in a run, the constant mode minus "
              "online_dynamic",
              false,
              {}};
  each_contrast(summaries, [&](const SettingSummary& summary, const char* constant, const std::string& place,
                               const std::string& against) {
    for (const std::string& strategy : summary.setting->strategies)
      add_row(claim, place, strategy + against,
              minus(by_seed(summary.find(strategy, constant), largest_drop),
                    by_seed(summary.find(strategy, kOnline), largest_drop)));
  });
  return claim;
}

Claim bald(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Does BALD suffer most?",
              "BALD suffers most from hyperparameters that are not tuned again (the study's README, claim 2; said of "
              "constant_whole).",
              "gain of online_dynamic over the constant mode with BALD, minus the same gain with the other strategy "
              "(mean accuracy along the curve)",
              true,
              {}};
  each_contrast(summaries, [&](const SettingSummary& summary, const char* constant, const std::string& place,
                               const std::string& against) {
    for (const std::string& strategy : summary.setting->strategies)
      if (strategy != "bald")
        add_row(claim, place, "bald and " + strategy + against,
                minus(gain_of(summary, "bald", constant), gain_of(summary, strategy, constant)));
  });
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
              false,
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
    const ArmSummary *first = summary.find("bald", "fixed"), *second = summary.find("random", "fixed");
    if (first == nullptr || second == nullptr) continue;  // the other modes tune the rate
    Group& group = groups[general.study + " " + place_of(general)];
    group.place = place_of(general);
    group.gains[rate->first] = minus(areas(first), areas(second));
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

bool has_honeypots(const SettingSummary& summary) {
  return summary.setting->dataset == "adversarial_moons" || summary.setting->dataset == "blobs" ||
         std::any_of(summary.arms.begin(), summary.arms.end(),
                     [](const ArmSummary& arm) { return arm.honeypots.n > 0 && arm.honeypots.mean > 0; });
}

Claim honeypots(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Do strategies pick mostly noise?",
              "Without hyperparameters found on the whole data set, all acquisition functions picked mostly honeypots "
              "(the study's README, claim 3).",
              "share of a run's queries spent on honeypots, minus one half",
              true,
              {}};
  for (const SettingSummary& summary : summaries) {
    if (!has_honeypots(summary)) continue;
    for (const ArmSummary& arm : summary.arms) {
      if (arm.queried == 0) continue;
      add_row(claim, place_of(summary, summaries), arm.arm->strategy + ", " + arm.arm->mode,
              by_seed(&arm,
                      [&](const RunSummary& run) {
                        return static_cast<double>(run.run->rows.back().honeypots) / arm.queried - 0.5;
                      }),
              arm.arm->strategy != "random" && arm.arm->mode != "constant_whole");
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
              "best minus worst strategy of a seed (mean accuracy along the curve), the constant mode minus "
              "online_dynamic",
              false,
              {}};
  each_contrast(summaries, [&](const SettingSummary& summary, const char* constant, const std::string& place,
                               const std::string& against) {
    if (summary.setting->strategies.size() > 1)
      add_row(claim, place, fmt::format("{} strategies{}", summary.setting->strategies.size(), against),
              minus(spread_of(summary, constant), spread_of(summary, kOnline)));
  });
  return claim;
}

std::int32_t budget_of(const Setting& setting) {
  return setting.arms.empty() || setting.arms.front().runs.empty()
             ? 0
             : setting.arms.front().runs.front().request.iterations.back();
}

bool same_but_preset(const Setting& a, const Setting& b) {
  return a.dataset == b.dataset && a.variant == b.variant && a.n_initial == b.n_initial && a.val_share == b.val_share &&
         budget_of(a) == budget_of(b);
}

Claim corrected(const std::vector<SettingSummary>& summaries) {
  Claim claim{"Do the published program's quirks matter?",
              "The corrected preset does better than the faithful one, which repeats the published program's quirks.",
              "mean accuracy along the curve, preset corrected minus preset faithful, where data set, first labels, "
              "validation share and budget agree; runs of one seed have only its number in common, since the presets "
              "draw by different random streams",
              false,
              {}};
  for (const SettingSummary& first : summaries)
    for (const SettingSummary& second : summaries) {
      if (first.setting->preset != "corrected" || second.setting->preset != "faithful") continue;
      if (!same_but_preset(*first.setting, *second.setting)) continue;
      for (const ArmSummary& arm : first.arms)
        add_row(claim, place_of(first, summaries), arm.arm->strategy + ", " + arm.arm->mode,
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
    case Verdict::mixed:
      return "mixed";
  }
  return "";
}

Verdict Claim::verdict() const {
  const Count count = count_of(rows);
  if (of_all) {
    if (count.no > 0) return Verdict::not_supported;
    return count.yes == count.all ? Verdict::supported : Verdict::undecided;
  }
  if (count.yes > 0 && count.no > 0) return Verdict::mixed;
  if (2 * (count.yes + count.no) < count.all) return Verdict::undecided;
  return count.yes > 0 ? Verdict::supported : count.no > 0 ? Verdict::not_supported : Verdict::undecided;
}

std::string Claim::why() const {
  const Count count = count_of(rows);
  const std::string few = too_few_seeds(count.fewest, count.all);
  return fmt::format("of {} comparisons {} support it, {} speak against it, {} are undecided ({}{}{})", count.all,
                     count.yes, count.no, count.all - count.yes - count.no, seeds_text(count.fewest, count.most),
                     few.empty() ? "" : "; ", few);
}

std::vector<Claim> online_tuning_claims(const std::vector<SettingSummary>& summaries) {
  std::vector<Claim> claims;
  for (auto make : {gain, drops, bald, dropout, honeypots, spread, corrected}) {
    Claim claim = make(summaries);
    if (std::none_of(claim.rows.begin(), claim.rows.end(), [](const ClaimRow& row) { return row.counts; })) continue;
    judge(claim);
    claims.push_back(std::move(claim));
  }
  return claims;
}

}  // namespace quarry
