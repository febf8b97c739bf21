// SPDX-License-Identifier: MIT
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/generators.h"
#include "src/data/assemble.h"

namespace quarry {
namespace {

ToyVersion version_of(const DataConfig& config) {
  const std::span<const std::string_view> versions = toy_versions();
  for (std::size_t i = 0; i < versions.size(); ++i)
    if (versions[i] == config.version) return static_cast<ToyVersion>(i);
  usage_error("data.version is '{}'; expected one of {}", printable(config.version),
              join(std::vector<std::string>(versions.begin(), versions.end()), ", "));
}

/// `train_fifths` of the rows are the pool, the last fifth is for testing.
Dataset load_generated(const DataConfig& config, ToyPoints (*make)(const ToyOptions&), std::int64_t train_fifths = 4) {
  static constexpr std::array<std::string_view, 3> kKeys = {"version", "noise", "separate_honeypot_noise"};
  refuse_unused_keys(config, kKeys);
  ToyOptions options;
  options.version = version_of(config);
  options.noise = config.noise;
  options.separate_honeypot_noise = config.separate_honeypot_noise;
  ToyPoints points = make(options);

  RawPart<double> all;
  all.n = static_cast<std::int64_t>(points.labels.size());
  all.features = std::move(points.x);
  all.labels = std::move(points.labels);
  all.honeypot = std::move(points.honeypot);
  RawDataset<double> raw;
  raw.name = config.name;
  raw.source = fmt::format("generated, version {}, NumPy's legacy generator seeded 42", config.version);
  raw.n_features = 2;
  raw.class_names = {"0", "1"};
  std::vector<std::int32_t> order = holdout_order(all.n);
  const std::int64_t n_train = all.n * train_fifths / 5, unused = all.n * 4 / 5 - n_train;
  order.erase(order.begin() + n_train, order.begin() + n_train + unused);
  split_rows(all, raw.n_features, order, n_train, raw);
  return assemble(std::move(raw), config, Scaler::minmax);
}

}  // namespace

Dataset load_moons(const DataConfig& config) {
  return load_generated(config, make_moons);
}
Dataset load_adversarial_moons(const DataConfig& config) {
  return load_generated(config, make_adversarial_moons);
}
Dataset load_blobs(const DataConfig& config) {
  return load_generated(config, make_blobs);
}
Dataset load_diverging_sine(const DataConfig& config) {
  return load_generated(config, make_diverging_sine);
}

/// Split 60/20/20 then; the validation part of that time is left out. Later versions did not have it: the first one.
Dataset load_toy(const DataConfig& config) {
  DataConfig dated = config;
  if (version_of(config) <= ToyVersion::seed) dated.version = "june_22";
  return load_generated(dated, make_toy, 3);
}

}  // namespace quarry
