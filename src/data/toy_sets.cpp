// SPDX-License-Identifier: MIT
#include <array>
#include <string_view>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/data/generators.h"
#include "src/data/assemble.h"

namespace quarry {
namespace {

Dataset load_toy(const DataConfig& config, ToyPoints (*make)(const ToyOptions&)) {
  static constexpr std::array<std::string_view, 3> kKeys = {"version", "noise", "separate_honeypot_noise"};
  refuse_unused_keys(config, kKeys);
  if (config.version != "final" && config.version != "seed") {
    usage_error("data.version is '{}'; expected final or seed", config.version);
  }
  ToyOptions options;
  options.seed_version = config.version == "seed";
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
  split_rows(all, raw.n_features, holdout_order(all.n), all.n * 4 / 5, raw);
  return assemble(std::move(raw), config, Scaler::minmax);
}

}  // namespace

Dataset load_moons(const DataConfig& config) {
  return load_toy(config, make_moons);
}
Dataset load_adversarial_moons(const DataConfig& config) {
  return load_toy(config, make_adversarial_moons);
}
Dataset load_blobs(const DataConfig& config) {
  return load_toy(config, make_blobs);
}
Dataset load_diverging_sine(const DataConfig& config) {
  return load_toy(config, make_diverging_sine);
}

}  // namespace quarry
