// SPDX-License-Identifier: MIT
// The claims about tuning during active learning, each as paired comparisons over seeds. Pure functions of summaries.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/summary.h"

namespace quarry {

/// A gain or a loss below this is none to speak of: one point of accuracy, one instance in a hundred.
inline constexpr double kSmallestEffect = 0.01;

enum class Verdict {
  supported,      ///< the difference is as claimed: its test, after Holm's correction, at 5 %
  not_supported,  ///< it is the other way round, or its 95 % interval leaves no room for an effect of kSmallestEffect
  undecided       ///< neither, at this n
};
std::string to_string(Verdict verdict);

/// One paired comparison of a claim: positive means what the claim says.
struct ClaimRow {
  std::string setting;   ///< data set and preset, with what tells it from its neighbours
  std::string compared;  ///< "online_dynamic - constant_initial, entropy"
  Estimate difference;   ///< over seeds
  double p = 1, p_holm = 1;
  Verdict verdict = Verdict::undecided;
  bool counts = true;  ///< false: shown beside the claim, and no part of its verdict
};

struct Claim {
  std::string name;      ///< short, for a heading
  std::string says;      ///< what was claimed, and by whom
  std::string measured;  ///< what each row's difference is
  std::vector<ClaimRow> rows;

  /// supported or not_supported if every row that is decided says so and at least half are decided, else undecided.
  Verdict verdict() const;
  /// "2 of 8 comparisons support it, 0 speak against it, 6 are undecided (n = 10 seeds)".
  std::string why() const;
};

/// The claims that these summaries hold runs for, in a fixed order; the pairs are online_dynamic against
/// constant_initial wherever a setting has both:
///   gain        online tuning gives a higher accuracy along the curve
///   drops       constant hyperparameters let the accuracy fall drastically now and then
///   bald        BALD suffers most from constant hyperparameters
///   dropout     what BALD gains over random grows with the dropout rate (settings that differ in model.dropout alone)
///   honeypots   most queries are spent on honeypots (rows: the share beyond one half)
///   spread      tuning narrows the differences between strategies (Huseljic et al. 2022)
///   corrected   the corrected preset's accuracy differs from the faithful one's
std::vector<Claim> online_tuning_claims(const std::vector<SettingSummary>& summaries);

}  // namespace quarry
