// SPDX-License-Identifier: MIT
// The last step of every data set: checks, scaling, pool limit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/data_table.h"

namespace quarry {

/// One part as it was read or generated. T is float, or double where the study scales in double.
template <class T>
struct RawPart {
  std::int64_t n = 0;
  std::vector<T> features;             // [n][d]
  std::vector<std::int32_t> labels;    // [n], 0 .. n_classes-1
  std::vector<std::uint8_t> honeypot;  // [n] or empty
};

template <class T>
struct RawDataset {
  std::string name, source;
  std::int32_t n_features = 0;
  std::vector<std::string> class_names, feature_names, warnings;  // as in Dataset
  RawPart<T> train, test;
};

/// Refuses NaN and infinities of rows of d features, naming `where`, row and feature from 0.
template <class T>
void check_finite(std::span<const T> features, std::int32_t d, std::string_view where);

/// Rows `order[0 .. n_train)` become the training part, the others the test part, in that order.
template <class T>
void split_rows(const RawPart<T>& all, std::int32_t n_features, const std::vector<std::int32_t>& order,
                std::int64_t n_train, RawDataset<T>& out);

/// The permutation of n rows by NumPy's legacy generator seeded 42: which rows are held out for testing.
std::vector<std::int32_t> holdout_order(std::int64_t n);

/// Scales (config.scaler, or `usual` if that is automatic), limits the pool and checks what a study relies on:
/// finite features, both parts present, at least two classes in the pool, at most 10,000 in all. Warns where the
/// classes of the parts look like a mistake.
template <class T>
Dataset assemble(RawDataset<T> raw, const DataConfig& config, Scaler usual);

/// Fails if a key of [data] is set that has no meaning for this data set. `used` names the keys that have one,
/// of: version, noise, separate_honeypot_noise, path, test_path, format, header, label, labels_path, test_labels_path,
/// test_share.
void refuse_unused_keys(const DataConfig& config, std::span<const std::string_view> used);

}  // namespace quarry
