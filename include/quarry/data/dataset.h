// SPDX-License-Identifier: MIT
// A data set in memory: a training part (the pool) and a test part, encoded and ready for a network.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "quarry/core/tensor.h"

namespace quarry {

/// Instances of one part. "Absolute index" of a pool instance = its row in the training part.
struct DataPart {
  std::int64_t n = 0;
  std::vector<float> features;         ///< [n][d], row-major
  std::vector<std::int32_t> labels;    ///< [n], 0 .. n_classes-1
  std::vector<std::uint8_t> honeypot;  ///< [n], 1 = meaningless label; empty if the set has none. For analysis only.
};

struct Dataset {
  std::string name;
  std::int32_t n_features = 0;
  std::int32_t n_classes = 0;
  DataPart train, test;
  std::vector<std::string> class_names;    ///< in class order; for people
  std::vector<std::string> feature_names;  ///< [n_features], or empty where the files have none; for people
  std::vector<std::string> warnings;       ///< what looks like a mistake, a sentence each
  std::string source;                      ///< where it came from, one line for the environment record

  MatrixView<const float> train_features() const { return matrix(train.features.data(), train.n, n_features); }
  MatrixView<const float> test_features() const { return matrix(test.features.data(), test.n, n_features); }
};

}  // namespace quarry
