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
  not_supported,  ///< it is the other way round by the same test, or intervals that hold for all rows together
                  ///< (Bonferroni, 95 %) leave no room for an effect of kSmallestEffect
  undecided,      ///< neither, at this n
  mixed           ///< of a claim: some rows support it and some speak against it
};
std::string to_string(Verdict verdict);

/// One paired comparison of a claim: positive means what the claim says.
struct ClaimRow {
  std::string setting;   ///< data set, preset, first labels and validation share; the study where that is not enough
  std::string compared;  ///< "entropy, against constant_initial"
  Estimate difference;   ///< over seeds
  double p = 1, p_holm = 1;
  Verdict verdict = Verdict::undecided;
  bool counts = true;  ///< false: shown beside the claim, in a family of its own and no part of the verdict
};

struct Claim {
  std::string name;      ///< short, for a heading
  std::string says;      ///< what was claimed, and by whom
  std::string measured;  ///< what each row's difference is
  bool of_all = false;   ///< it says something of every row
  std::vector<ClaimRow> rows;

  /// of_all: supported if every row is, not_supported if one is not. Otherwise what the decided rows agree on, if at
  /// least half are decided; mixed where they contradict each other.
  Verdict verdict() const;
  /// "of 8 comparisons 2 support it, 0 speak against it, 6 are undecided (n = 10 seeds)", and whether n is too small.
  std::string why() const;
};

/// The claims that these summaries hold runs for, in a fixed order. The pairs are online_dynamic against constant_whole
/// and constant_initial wherever a setting has them:
///   gain        online tuning gives a higher accuracy along the curve
///   drops       constant hyperparameters let the accuracy fall drastically now and then
///   bald        BALD suffers most from constant hyperparameters (of all strategies)
///   dropout     what BALD gains over random grows with the dropout rate (mode fixed, settings that differ in
///               model.dropout alone; its rows at one rate are beside)
///   honeypots   all strategies spend most queries on honeypots (rows: the share beyond one half; random and
///               constant_whole beside)
///   spread      tuning narrows the differences between strategies (Huseljic et al. 2022)
///   corrected   the corrected preset does better than the faithful one
std::vector<Claim> online_tuning_claims(const std::vector<SettingSummary>& summaries);

}  // namespace quarry
