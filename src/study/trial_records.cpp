// SPDX-License-Identifier: MIT
#include "src/study/trial_records.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "quarry/core/error.h"

namespace quarry {
namespace {

constexpr std::array<std::string_view, 4> kStates = {"running", "complete", "pruned", "failed"};

}  // namespace

std::string_view to_string(TrialState state) {
  return kStates[static_cast<std::size_t>(state)];
}

TrialState parse_trial_state(std::string_view text) {
  const auto found = std::find(kStates.begin(), kStates.end(), text);
  QUARRY_CHECK(found != kStates.end(), "unknown trial state '{}'", text);
  return static_cast<TrialState>(found - kStates.begin());
}

std::vector<double> fold_reports(std::span<const FoldRecord> folds, TrialMeasure measure) {
  std::vector<double> reports;
  double sum = 0;
  for (const FoldRecord& fold : folds) {
    sum += measure == TrialMeasure::accuracy ? -fold.accuracy : fold.loss;
    reports.push_back(sum / static_cast<double>(reports.size() + 1));
  }
  return reports;
}

Json describe_trial(const Space& space, const Trial& trial, std::span<const ConvMemberResult> folds) {
  Json record = Json::object();
  record.set("type", "trial").set("number", trial.number).set("state", to_string(trial.state));
  for (std::size_t p = 0; p < space.parameters.size(); ++p) record.set(space.parameters[p].name, trial.point[p]);
  Json accuracies = Json::array(), losses = Json::array(), diverged = Json::array();
  double accuracy = 0, loss = 0;
  bool any = false;
  for (const ConvMemberResult& fold : folds) {
    accuracies.push(fold.validation.accuracy);
    losses.push(fold.validation.loss);
    diverged.push(fold.diverged);
    accuracy += fold.validation.accuracy;
    loss += fold.validation.loss;
    any = any || fold.diverged;
  }
  const auto n = static_cast<double>(folds.size());
  record.set("value", trial.value).set("val_acc", accuracy / n).set("val_loss", loss / n);
  record.set("fold_acc", std::move(accuracies)).set("fold_loss", std::move(losses));
  return std::move(record.set("fold_diverged", std::move(diverged)).set("diverged", any));
}

Trial read_trial(const Space& space, const Json& record, TrialMeasure measure) {
  Trial trial;
  trial.number = static_cast<std::int32_t>(record.at("number").integer());
  trial.state = parse_trial_state(record.at("state").string());
  trial.value = record.at("value").number();
  for (const Parameter& p : space.parameters) trial.point.push_back(record.at(p.name).number());
  const Json::Items &accuracies = record.at("fold_acc").items(), &losses = record.at("fold_loss").items();
  QUARRY_CHECK(accuracies.size() == losses.size(), "{} accuracies and {} losses of folds", accuracies.size(),
               losses.size());
  std::vector<FoldRecord> folds;
  for (std::size_t f = 0; f < accuracies.size(); ++f)
    folds.push_back({accuracies[f].number(), losses[f].number(), false});
  trial.intermediate = fold_reports(folds, measure);
  return trial;
}

}  // namespace quarry
