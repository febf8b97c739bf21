// SPDX-License-Identifier: MIT
// Trials of a search on a frozen set as journal records, and back.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/hpo/search.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/study/config.h"

namespace quarry {

std::string_view to_string(TrialState state);
/// Error: a check fails for a text that is none.
TrialState parse_trial_state(std::string_view text);

/// What a trained fold says: its validation rows.
struct FoldRecord {
  double accuracy = 0, loss = 0;
  bool diverged = false;
};

/// The trial's reports, one per fold: minus the mean accuracy so far, or the mean loss so far; smaller is better. A
/// loss that is not finite makes the mean so.
std::vector<double> fold_reports(std::span<const FoldRecord> folds, TrialMeasure measure);

Json describe_trial(const Space& space, const Trial& trial, std::span<const ConvMemberResult> folds);
Trial read_trial(const Space& space, const Json& record, TrialMeasure measure);

}  // namespace quarry
