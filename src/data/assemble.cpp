// SPDX-License-Identifier: MIT
#include "src/data/assemble.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/text.h"
#include "quarry/data/encode.h"
#include "quarry/data/limits.h"

namespace quarry {
namespace {

/// Where a feature is, for a message.
struct RawPlace {
  std::string_view name, part;
  std::size_t row, feature;
};

/// The value as a float after scaling. Fails if it does not fit.
float encoded(double value, const RawPlace& place) {
  if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
    fail(
        "{}: feature {} of row {} of the {} part is {} after scaling, beyond a float; its range differs too much "
        "between the parts",
        place.name, place.feature, place.row, place.part, value);
  }
  return static_cast<float>(value);
}

template <class T>
void scale(const std::vector<T>& from, std::vector<float>& to, const FeatureScaling& scaling, std::int32_t d,
           const std::string& name, std::string_view part_name) {
  const auto columns = static_cast<std::size_t>(d);
  for (std::size_t i = 0; i < from.size() / columns; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const std::size_t k = i * columns + j;
      to[k] =
          encoded(scaling.apply(static_cast<double>(from[k]), static_cast<std::int32_t>(j)), {name, part_name, i, j});
    }
  }
}

template <class T>
DataPart encode(RawPart<T> raw, const FeatureScaling& scaling, std::int32_t d, const std::string& name,
                std::string_view part_name) {
  DataPart part;
  part.n = raw.n;
  part.labels = std::move(raw.labels);
  part.honeypot = std::move(raw.honeypot);
  if constexpr (std::is_same_v<T, float>) {  // in place: image sets are large
    if (!scaling.is_identity()) scale(raw.features, raw.features, scaling, d, name, part_name);
    part.features = std::move(raw.features);
  } else {
    part.features.resize(raw.features.size());
    scale(raw.features, part.features, scaling, d, name, part_name);
  }
  return part;
}

void limit_pool(DataPart& pool, std::int32_t d, std::int64_t limit) {
  if (limit <= 0 || limit >= pool.n) return;
  pool.n = limit;
  pool.features.resize(static_cast<std::size_t>(limit * d));
  pool.features.shrink_to_fit();
  pool.labels.resize(static_cast<std::size_t>(limit));
  if (!pool.honeypot.empty()) pool.honeypot.resize(static_cast<std::size_t>(limit));
}

std::vector<bool> classes_of(const DataPart& part, std::int32_t n_classes) {
  std::vector<bool> there(static_cast<std::size_t>(n_classes));
  for (const std::int32_t label : part.labels) there[static_cast<std::size_t>(label)] = true;
  return there;
}

/// Classes that no study can learn, or that say nothing when they are tested.
void warn_of_classes(Dataset& set) {
  const std::vector<bool> pool = classes_of(set.train, set.n_classes), test = classes_of(set.test, set.n_classes);
  constexpr std::size_t kMostNamed = 5;
  std::vector<std::string> unknown;
  for (std::size_t c = 0; c < pool.size(); ++c)
    if (test[c] && !pool[c]) unknown.push_back("'" + printable(set.class_names[c]) + "'");
  if (!unknown.empty()) {
    const std::size_t n = unknown.size();
    unknown.resize(std::min(n, kMostNamed));
    set.warnings.push_back(
        fmt::format("the pool has no instance of {} of the classes of the test part ({}{}): they "
                    "cannot be learned",
                    n, join(unknown, ", "), n > kMostNamed ? ", ..." : ""));
  }
  if (std::count(test.begin(), test.end(), true) == 1)
    set.warnings.push_back(fmt::format("all {} test instances are of class '{}': their accuracy says little",
                                       set.test.n,
                                       printable(set.class_names[static_cast<std::size_t>(set.test.labels[0])])));
}

}  // namespace

template <class T>
void check_finite(std::span<const T> features, std::int32_t d, std::string_view where) {
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (std::isfinite(features[i])) continue;
    const auto columns = static_cast<std::size_t>(d);
    fail("{}: feature {} of row {} is {}; expected finite numbers (rows and features count from 0)", where, i % columns,
         i / columns, std::isnan(features[i]) ? "NaN" : "infinite");
  }
}

std::vector<std::int32_t> holdout_order(std::int64_t n) {
  QUARRY_CHECK(n <= std::numeric_limits<std::int32_t>::max(), "{} rows", n);
  return NumpyRandom(42).permutation(static_cast<std::int32_t>(n));
}

template <class T>
void split_rows(const RawPart<T>& all, std::int32_t n_features, const std::vector<std::int32_t>& order,
                std::int64_t n_train, RawDataset<T>& out) {
  for (std::size_t position = 0; position < order.size(); ++position) {
    RawPart<T>& part = static_cast<std::int64_t>(position) < n_train ? out.train : out.test;
    const auto i = static_cast<std::size_t>(order[position]);
    const auto begin = all.features.begin() + static_cast<std::ptrdiff_t>(i) * n_features;
    part.features.insert(part.features.end(), begin, begin + n_features);
    part.labels.push_back(all.labels[i]);
    if (!all.honeypot.empty()) part.honeypot.push_back(all.honeypot[i]);
    ++part.n;
  }
}

template <class T>
Dataset assemble(RawDataset<T> raw, const DataConfig& config, Scaler usual) {
  const std::int32_t d = raw.n_features;
  if (config.pool_limit < 0)
    usage_error("data.pool_limit is {}; expected 0 (all) or a number of rows", config.pool_limit);
  if (raw.train.n == 0 || raw.test.n == 0) {
    fail("{}: {} training and {} test instances; both parts need at least 1", raw.name, raw.train.n, raw.test.n);
  }
  if (d < 1) fail("{}: no features", raw.name);
  if (raw.class_names.size() > Limits::kMaxClasses) {
    fail("{}: {} classes; at most {} are supported. Are the labels measurements?", raw.name, raw.class_names.size(),
         Limits::kMaxClasses);
  }
  check_finite<T>(raw.train.features, d, raw.name + ", the training part");
  check_finite<T>(raw.test.features, d, raw.name + ", the test part");
  const RawPart<T>& fitted = config.scaler_fit == ScalerFit::test ? raw.test : raw.train;
  const Scaler kind = config.scaler == Scaler::automatic ? usual : config.scaler;
  const auto scaling = FeatureScaling::fit<T>(kind, std::span<const T>(fitted.features), d);

  Dataset set;
  set.name = std::move(raw.name);
  set.source = std::move(raw.source);
  set.n_features = d;
  set.n_classes = static_cast<std::int32_t>(raw.class_names.size());
  set.class_names = std::move(raw.class_names);
  set.feature_names = std::move(raw.feature_names);
  set.warnings = std::move(raw.warnings);
  set.train = encode(std::move(raw.train), scaling, d, set.name, "training");
  set.test = encode(std::move(raw.test), scaling, d, set.name, "test");
  limit_pool(set.train, d, config.pool_limit);
  const auto& labels = set.train.labels;
  if (std::all_of(labels.begin(), labels.end(), [&](std::int32_t label) { return label == labels[0]; })) {
    fail("{}: all {} training instances are of class '{}'; a classifier needs at least two classes", set.name,
         set.train.n, set.class_names[static_cast<std::size_t>(labels[0])]);
  }
  warn_of_classes(set);
  return set;
}

void refuse_unused_keys(const DataConfig& config, std::span<const std::string_view> used) {
  const DataConfig usual;
  const std::pair<std::string_view, bool> given[] = {
      {"version", config.version != usual.version},
      {"noise", config.noise.has_value()},
      {"separate_honeypot_noise", config.separate_honeypot_noise},
      {"path", !config.path.empty()},
      {"test_path", !config.test_path.empty()},
      {"format", config.format != usual.format},
      {"header", config.header != usual.header},
      {"label", !config.label.empty()},
      {"labels_path", !config.labels_path.empty()},
      {"test_labels_path", !config.test_labels_path.empty()},
      {"test_share", config.test_share != usual.test_share},
  };
  for (const auto& [key, is_given] : given) {
    if (is_given && std::find(used.begin(), used.end(), key) == used.end()) {
      usage_error("data.{} has no meaning for the data set '{}': take it out{}", key, config.name,
                  key == "version" ? ", or set it to \"final\" where the preset gives it" : "");
    }
  }
}

template void check_finite(std::span<const float>, std::int32_t, std::string_view);
template void split_rows(const RawPart<float>&, std::int32_t, const std::vector<std::int32_t>&, std::int64_t,
                         RawDataset<float>&);
template void split_rows(const RawPart<double>&, std::int32_t, const std::vector<std::int32_t>&, std::int64_t,
                         RawDataset<double>&);
template Dataset assemble(RawDataset<float>, const DataConfig&, Scaler);
template Dataset assemble(RawDataset<double>, const DataConfig&, Scaler);

}  // namespace quarry
