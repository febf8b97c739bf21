// SPDX-License-Identifier: MIT
// Data, networks and a driver of the ops for the MLP tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "quarry/core/buffer.h"
#include "quarry/core/rng.h"
#include "quarry/nn/mlp_fleet.h"
#include "src/nn/mlp_plan.h"
#include "tests/support/naive_mlp.h"

namespace quarry::testing {

/// n rows of d features in [-1, 1], labels in 0 ... C - 1, targets in [-1, 1].
template <class T>
struct MlpSet {
  MlpSet(std::int32_t n, std::int32_t d, std::int32_t classes, std::uint64_t key = 5)
      : rows(n), width(d), outputs(classes) {
    std::uint64_t at = 0;
    const auto draw = [&] { return static_cast<T>(2 * random_uniform(key, at++) - 1); };
    for (std::int32_t i = 0; i < n * d; ++i) features.push_back(draw());
    for (std::int32_t i = 0; i < n * classes; ++i) targets.push_back(draw());
    for (std::int32_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<std::int32_t>(random_below(key, static_cast<std::uint64_t>(classes), at++)));
    }
  }
  MlpData<T> view() const {
    return {matrix(features.data(), rows, width), labels, matrix(targets.data(), rows, outputs)};
  }
  NaiveData naive() const {
    NaiveData data;
    data.label = labels;
    for (std::int32_t i = 0; i < rows; ++i) {
      data.x.emplace_back(features.begin() + i * width, features.begin() + (i + 1) * width);
      data.target.emplace_back(targets.begin() + i * outputs, targets.begin() + (i + 1) * outputs);
    }
    return data;
  }
  /// Distributions over the classes in the place of labels.
  void soften() {
    labels.clear();
    for (std::int32_t i = 0; i < rows; ++i) {
      double sum = 0;
      T* const row = targets.data() + static_cast<std::ptrdiff_t>(i) * outputs;
      for (std::int32_t c = 0; c < outputs; ++c) sum += row[c] = (row[c] + T(1)) / 2;
      for (std::int32_t c = 0; c < outputs; ++c) row[c] = static_cast<T>(static_cast<double>(row[c]) / sum);
    }
  }
  std::int32_t rows, width, outputs;
  std::vector<T> features, targets;
  std::vector<std::int32_t> labels;
};

/// from, from + 1, ..., n of them.
inline std::vector<std::int32_t> some_rows(std::int32_t n, std::int32_t from = 0) {
  std::vector<std::int32_t> rows;
  for (std::int32_t i = from; i < from + n; ++i) rows.push_back(i);
  return rows;
}

/// A member on rows 0 ... n - 1.
inline MemberSpec member(std::vector<std::int32_t> sizes, std::int32_t n) {
  MemberSpec spec;
  spec.sizes = std::move(sizes);
  spec.epochs = 3;
  spec.init_key = 11;
  spec.order_key = 12;
  spec.dropout_key = 13;
  spec.train = some_rows(n);
  return spec;
}

inline std::string shape_name(const std::vector<std::int32_t>& sizes) {
  std::string name;
  for (const std::int32_t size : sizes) name += (name.empty() ? "" : "-") + std::to_string(size);
  return name;
}

/// The levels this CPU can run; those it lacks are named on standard output, once.
std::vector<SimdLevel> simd_levels();

/// One epoch of the op over spec.train in the given order, from packed parameters.
template <class T>
struct EpochResult {
  std::vector<T> parameters;
  std::vector<double> losses;  ///< per step
  bool finite = true;
};

template <class T>
EpochResult<T> run_epoch(SimdLevel level, const MemberSpec& spec, const MlpData<T>& data,
                         const std::vector<double>& parameters, std::uint32_t first_step = 0) {
  const MlpShape shape(spec.sizes);
  const auto n = static_cast<std::size_t>(shape.plan().parameters);
  Buffer<T> working(n), moment1(n), moment2(n), scratch(static_cast<std::size_t>(shape.plan().scratch));
  shape.unpack(std::span<const double>(parameters), working.data());
  const std::size_t rows = spec.train.size(), batch = static_cast<std::size_t>(spec.batch_size);
  const std::size_t steps = (rows + batch - 1) / batch;
  EpochResult<T> result;
  result.losses.resize(steps);
  std::vector<T> adam;
  double power1 = 1, power2 = 1;
  for (std::size_t s = 0; s < steps; ++s) {
    power1 *= spec.beta1;
    power2 *= spec.beta2;
    adam.push_back(static_cast<T>(spec.lr / (1 - power1)));
    adam.push_back(static_cast<T>(std::sqrt(1 - power2)));
  }
  MlpEpoch<T> epoch;
  epoch.plan = &shape.plan();
  epoch.data = {data.features.data, data.labels.empty() ? nullptr : data.labels.data(), data.targets.data,
                spec.train.data(), static_cast<std::int64_t>(rows)};
  epoch.loss = spec.loss;
  epoch.optimizer = spec.optimizer;
  epoch.batch_size = spec.batch_size;
  epoch.lr = static_cast<T>(spec.lr);
  epoch.weight_decay = static_cast<T>(spec.weight_decay);
  epoch.momentum = static_cast<T>(spec.momentum);
  epoch.one_minus_beta1 = static_cast<T>(1 - spec.beta1);
  epoch.beta2 = static_cast<T>(spec.beta2);
  epoch.one_minus_beta2 = static_cast<T>(1 - spec.beta2);
  epoch.epsilon = static_cast<T>(spec.epsilon);
  epoch.adam_steps = adam.data();
  epoch.dropout = mlp_dropout(spec.dropout, spec.dropout_key);
  epoch.first_step = first_step;
  epoch.parameters = working.data();
  if (spec.optimizer == Optimizer::adam || spec.momentum != 0) epoch.moment1 = moment1.data();
  if (spec.optimizer == Optimizer::adam) epoch.moment2 = moment2.data();
  epoch.scratch = scratch.data();
  epoch.step_losses = result.losses.data();
  mlp_ops<T>(level).train_epoch(epoch);
  result.parameters.resize(parameters.size());
  shape.pack(working.data(), result.parameters.data());
  result.finite = epoch.finite;
  return result;
}

/// Parameters of a fresh network, packed, in double.
inline std::vector<double> fresh_parameters(const MemberSpec& spec) {
  const MlpShape shape(spec.sizes);
  Buffer<double> working(static_cast<std::size_t>(shape.plan().parameters));
  shape.initialise(spec.init_key, working.data());
  std::vector<double> packed(static_cast<std::size_t>(parameter_count(spec.sizes)));
  shape.pack(working.data(), packed.data());
  return packed;
}

}  // namespace quarry::testing
