// SPDX-License-Identifier: MIT
#include "quarry/study/keychain.h"

#include <algorithm>
#include <cmath>

namespace quarry {
namespace {

constexpr double kPublishedShare = 0.3;  ///< B14: what the published meta pool's drop-last rule counts with

std::int32_t or_else(std::int32_t value, std::int32_t usual) {
  return value > 0 ? value : usual;
}

}  // namespace

bool is_keychain(std::string_view strategy) {
  return strategy == "keychain" || strategy == "keychain_naive" || strategy == "keychain_autoencoder";
}

KeychainSettings keychain_settings(const RunConfig& config) {
  const bool first = config.strategy == "keychain";
  KeychainSettings s;
  s.form = first ? config.keychain_form : KeychainForm::draws;
  s.autoencoder = config.strategy == "keychain_autoencoder";
  s.passes = or_else(config.keychain_passes, first ? 25 : 20);
  s.capacity = config.keychain_capacity;
  s.trials = or_else(config.keychain_trials, first ? 25 : 50);
  s.ae_trials = config.keychain_ae_trials;
  s.splits = config.keychain_meta_split == KeychainSplit::single ? 1 : config.keychain_repeats;
  const bool leaves_out = s.form == KeychainForm::leave_out;
  s.share = config.keychain_share > 0 ? config.keychain_share : leaves_out ? 0.1 : 0.2;
  s.steepness = config.keychain_steepness > 0 ? config.keychain_steepness : leaves_out ? 10 : 250;
  const bool three_tenths = config.keychain_meta_share == KeychainShare::three_tenths;
  s.held_out = three_tenths ? kPublishedShare : config.val_share;
  s.drop_last_share = config.keychain_meta_share == KeychainShare::val_share ? config.val_share : kPublishedShare;
  return s;
}

std::int32_t keychain_outputs(const KeychainSettings& settings) {
  return settings.form == KeychainForm::draws ? 1 : 2;
}

std::int32_t keychain_width(const KeychainSettings& settings, std::int32_t n_features, std::int32_t n_classes) {
  return n_features + n_classes + (settings.autoencoder ? 1 : 0);
}

Space autoencoder_space(const RunConfig& config) {
  const Space usual = study_space(config);
  const auto of = [&](std::string_view name) { return usual.parameters[static_cast<std::size_t>(usual.find(name))]; };
  Parameter width = of("width_0"), bottleneck = width, coefficient;
  width.parent.clear();
  bottleneck.parent.clear();
  bottleneck.name = "bottleneck";
  bottleneck.low = 2;
  bottleneck.high = std::max(2.0, std::floor(width.high / 2));
  bottleneck.half_of = "width_0";
  coefficient.name = "dim_coef";
  coefficient.low = 0.1;
  coefficient.high = 0.5;
  return {{width, bottleneck, coefficient, of("lr"), of("weight_decay")}};
}

Hyperparameters autoencoder_hyperparameters(const Space& space, std::span<const double> point,
                                            const RunConfig& config) {
  Hyperparameters h;
  h.lr = space.value("lr", point);
  h.weight_decay = space.value("weight_decay", point);
  h.momentum = config.momentum;
  h.hidden =
      autoencoder_hidden(static_cast<std::int32_t>(space.value("width_0", point)),
                         static_cast<std::int32_t>(space.value("bottleneck", point)), space.value("dim_coef", point));
  return h;
}

std::vector<std::int32_t> autoencoder_hidden(std::int32_t width, std::int32_t bottleneck, double coefficient) {
  std::vector<std::int32_t> hidden;
  for (std::int32_t w = width; w > bottleneck; w = static_cast<std::int32_t>(std::floor(coefficient * w)))
    hidden.push_back(w);
  const std::vector<std::int32_t> back(hidden.rbegin(), hidden.rend());
  hidden.push_back(bottleneck);
  hidden.insert(hidden.end(), back.begin(), back.end());
  return hidden;
}

std::vector<float> keychain_inputs(Context& context, const TrainedMlp<float>& classifier,
                                   MatrixView<const float> features, std::span<const std::int32_t> rows) {
  const std::int64_t d = features.extent[1], classes = classifier.sizes.back();
  const auto n = static_cast<std::int64_t>(rows.size());
  if (n == 0) return {};
  std::vector<float> p(static_cast<std::size_t>(n * classes)), result;
  mlp_forward<float>(context, classifier, features, rows, p.data(), nullptr);
  softmax_rows<float>(context, matrix<const float>(p.data(), n, classes), p.data());
  result.reserve(static_cast<std::size_t>(n * (d + classes)));
  for (std::int64_t i = 0; i < n; ++i) {
    const float* x = &features(rows[static_cast<std::size_t>(i)], 0);
    result.insert(result.end(), x, x + d);
    result.insert(result.end(), p.begin() + i * classes, p.begin() + (i + 1) * classes);
  }
  return result;
}

std::vector<float> with_autoencoder_error(Context& context, const TrainedMlp<float>& autoencoder, KeychainError error,
                                          std::span<const float> inputs, std::int32_t width) {
  const std::int64_t n = static_cast<std::int64_t>(inputs.size()) / width;
  std::vector<float> outputs(inputs.size()), result;
  if (n > 0) mlp_forward<float>(context, autoencoder, matrix(inputs.data(), n, width), {}, outputs.data(), nullptr);
  for (std::int64_t i = 0; i < n; ++i) {
    const float *v = inputs.data() + i * width, *out = outputs.data() + i * width;
    float sum = 0;
    for (std::int32_t k = 0; k < width; ++k) {
      const float e = out[k] - v[k];
      sum += error == KeychainError::square_of_sum ? e : e * e;
    }
    result.insert(result.end(), v, v + width);
    result.push_back(error == KeychainError::square_of_sum ? sum * sum : sum);
  }
  return result;
}

std::vector<float> keychain_scores(Context& context, const KeychainScorer& scorer, const TrainedMlp<float>& classifier,
                                   MatrixView<const float> features, std::span<const std::int32_t> rows) {
  std::vector<float> inputs = keychain_inputs(context, classifier, features, rows);
  const auto width = static_cast<std::int32_t>(features.extent[1]) + classifier.sizes.back();
  if (!scorer.autoencoder.sizes.empty())
    inputs = with_autoencoder_error(context, scorer.autoencoder, scorer.error, inputs, width);
  const auto n = static_cast<std::int64_t>(rows.size());
  const std::int64_t outputs = scorer.meta.sizes.back();
  if (n == 0) return {};
  std::vector<float> said(static_cast<std::size_t>(n * outputs)), scores;
  mlp_forward<float>(context, scorer.meta, matrix<const float>(inputs.data(), n, scorer.meta.sizes.front()), {},
                     said.data(), nullptr);
  if (outputs > 1) softmax_rows<float>(context, matrix<const float>(said.data(), n, outputs), said.data());
  for (std::int64_t i = 0; i < n; ++i) scores.push_back(said[static_cast<std::size_t>(i * outputs)]);
  return scores;
}

}  // namespace quarry
