// SPDX-License-Identifier: MIT
// What a Keychain strategy makes of its config: settings, the autoencoder's search space, features (spec 9 of the
// online-tuning study; the equations are in docs/strategies.md).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/hpo/space.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/study/config.h"
#include "quarry/study/fits.h"

namespace quarry {

/// Whether the strategy is one of the three.
bool is_keychain(std::string_view strategy);

/// The config's keys with what 0 stands for.
struct KeychainSettings {
  KeychainForm form = KeychainForm::draws;
  bool autoencoder = false;
  std::int32_t passes = 0, capacity = 1, trials = 0, ae_trials = 0;
  std::int32_t splits = 1;  ///< that a trial of a search is the mean of
  double share = 0, steepness = 0;
  double held_out = 0;         ///< share of the meta model's and the autoencoder's rows that a split holds out
  double drop_last_share = 0;  ///< what stands for it in the meta model's drop-last rule (B14)
};
KeychainSettings keychain_settings(const RunConfig& config);

/// Outputs of the meta model: one (regression), or 2 (keychain: a classifier of distributions).
std::int32_t keychain_outputs(const KeychainSettings& settings);
/// Columns of its inputs.
std::int32_t keychain_width(const KeychainSettings& settings, std::int32_t n_features, std::int32_t n_classes);

/// width_0, bottleneck (at most half of it), dim_coef, lr, weight_decay, asked in that order; no dropout.
Space autoencoder_space(const RunConfig& config);
Hyperparameters autoencoder_hyperparameters(const Space& space, std::span<const double> point, const RunConfig& config);
/// Hidden widths, symmetric: w, floor(c w), floor(c floor(c w)), ... while above the bottleneck, the bottleneck, and
/// back; 0 < c < 1.
std::vector<std::int32_t> autoencoder_hidden(std::int32_t width, std::int32_t bottleneck, double coefficient);

/// Rows that are no data set's: what an autoencoder or a meta model trains on.
struct OwnRows {
  std::int32_t n = 0, width = 0, outputs = 0;
  std::vector<float> features;  ///< [n][width]
  std::vector<float> targets;   ///< [n][outputs]
};

/// The networks that score a candidate.
struct KeychainScorer {
  TrainedMlp<float> meta;
  TrainedMlp<float> autoencoder;  ///< without sizes if there is none
  KeychainError error = KeychainError::sum_of_squares;
};

/// x, p(x): features of the rows and the classifier's first softmax, [rows][d + C].
std::vector<float> keychain_inputs(Context& context, const TrainedMlp<float>& classifier,
                                   MatrixView<const float> features, std::span<const std::int32_t> rows);
/// The same with the autoencoder's error r of v = (x, p(x)) as one more column: in float, over the columns in order.
std::vector<float> with_autoencoder_error(Context& context, const TrainedMlp<float>& autoencoder, KeychainError error,
                                          std::span<const float> inputs, std::int32_t width);
/// Scores of candidates: the regression's output, or the first probability of the classifier.
std::vector<float> keychain_scores(Context& context, const KeychainScorer& scorer, const TrainedMlp<float>& classifier,
                                   MatrixView<const float> features, std::span<const std::int32_t> rows);

}  // namespace quarry
