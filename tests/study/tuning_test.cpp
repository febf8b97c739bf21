// SPDX-License-Identifier: MIT
// Searches whose networks are given: what a loss that is not finite does to a trial.
#include "quarry/study/tuning.h"

#include <gtest/gtest.h>

#include <limits>

namespace quarry {
namespace {

/// Three trials on so many folds; the last fold of trial 1 ends with `loss`, everything else with 1, 2, 3 by trial.
std::vector<TrialState> states_with(double loss, std::size_t folds, FitModel model) {
  RunConfig config;
  config.trials = 3;
  config.startup_trials = 3;
  config.nan_trial = "worst";
  FitRows rows;
  rows.train = {0, 1, 2};
  rows.validation = {3, 4};
  rows.unviolated = 5;
  TuningRound round(config, 2, model == FitModel::autoencoder ? 2 : 1, -1, std::vector<FitRows>(folds, rows), model);
  const std::vector<MemberSpec> fits = round.next_fits();
  EXPECT_EQ(fits.size(), 3 * folds);
  std::vector<MemberResult<float>> results(fits.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    results[i].validation.loss = static_cast<double>(1 + i / folds);
    if (i == 2 * folds - 1) results[i].validation.loss = loss;
    results[i].epoch_losses.assign(200, results[i].validation.loss);
  }
  round.give(std::move(results));
  EXPECT_TRUE(round.done());
  EXPECT_EQ(round.chosen().number, 0);
  std::vector<TrialState> states;
  const Json record = round.record();
  for (const Json& trial : record.at("trials").items())
    states.push_back(trial.at("state").string() == "failed" ? TrialState::failed : TrialState::complete);
  return states;
}

TEST(Tuning, ATrialOfAMetaModelFailsUnlessItsLossesAreFinite) {
  using S = TrialState;
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::size_t folds : {1u, 2u}) {
    for (const double loss : {infinity, -infinity, nan}) {
      const std::vector<S> failed = {S::complete, S::failed, S::complete};
      EXPECT_EQ(states_with(loss, folds, FitModel::meta), failed) << loss << " of " << folds;
      EXPECT_EQ(states_with(loss, folds, FitModel::autoencoder), failed) << loss << " of " << folds;
    }
    const std::vector<S> complete(3, S::complete);
    EXPECT_EQ(states_with(5, folds, FitModel::meta), complete);
    // The classifier's: infinity is a loss like any other, NaN what nan_trial says.
    EXPECT_EQ(states_with(infinity, folds, FitModel::classifier), complete);
    EXPECT_EQ(states_with(nan, folds, FitModel::classifier), complete);
  }
}

}  // namespace
}  // namespace quarry
