// SPDX-License-Identifier: MIT
// Ten training steps against PyTorch (tests/goldens/nn/make_mlp_goldens.py): losses, gradients, parameters.
#include <gtest/gtest.h>

#include <cmath>

#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "tests/support/mlp_cases.h"

namespace quarry::testing {
namespace {

double formula(std::int64_t i) {
  return static_cast<double>((i * 7919 + 104729) % 20011) / 10005.5 - 1;
}

Doubles numbers(const Json& json) {
  Doubles result;
  for (const Json& item : json.items()) result.push_back(item.number());
  return result;
}

struct Golden {
  MemberSpec spec;
  Doubles start, losses, first_gradient, last_parameters;
};

Golden golden(const Json& json) {
  Golden g;
  MemberSpec& spec = g.spec;
  for (const Json& size : json.at("sizes").items()) spec.sizes.push_back(static_cast<std::int32_t>(size.integer()));
  spec.batch_size = static_cast<std::int32_t>(json.at("batch").integer());
  const std::string& loss = json.at("loss").string();
  spec.loss = loss == "mse" ? Loss::mse : loss == "ce_on_probs" ? Loss::ce_on_probs : Loss::ce_on_logits;
  spec.optimizer = json.at("optimizer").string() == "adam" ? Optimizer::adam : Optimizer::sgd;
  spec.lr = json.at("lr").number();
  spec.weight_decay = json.at("weight_decay").number();
  spec.momentum = json.at("momentum").number();
  spec.dropout = json.at("dropout").number();
  spec.dropout_key = 0x0123456789ABCDEF;
  spec.train = some_rows(static_cast<std::int32_t>(json.at("rows").integer()));
  for (std::size_t l = 0; l + 1 < spec.sizes.size(); ++l) {
    const std::int64_t count = (std::int64_t{spec.sizes[l]} + 1) * spec.sizes[l + 1];
    const auto at = static_cast<std::int64_t>(g.start.size());
    for (std::int64_t i = 0; i < count; ++i) g.start.push_back(formula(at + i + 11) / std::sqrt(spec.sizes[l]));
  }
  g.losses = numbers(json.at("losses"));
  g.first_gradient = numbers(json.at("first_gradient"));
  g.last_parameters = numbers(json.at("last_parameters"));
  return g;
}

template <class T>
MlpSet<T> golden_set(const MemberSpec& spec) {
  MlpSet<T> set(static_cast<std::int32_t>(spec.train.size()), spec.sizes.front(), spec.sizes.back());
  for (std::size_t i = 0; i < set.features.size(); ++i) set.features[i] = static_cast<T>(formula(static_cast<int>(i)));
  for (std::size_t i = 0; i < set.targets.size(); ++i)
    set.targets[i] = static_cast<T>(formula(static_cast<int>(i) + 3));
  for (std::int32_t i = 0; i < set.rows; ++i) {
    set.labels[static_cast<std::size_t>(i)] = (i * 31 + i / 7) % spec.sizes.back();
  }
  return set;
}

/// sqrt(sum (a - b)^2 / sum b^2).
template <class T>
double relative_l2(const std::vector<T>& a, const Doubles& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

template <class T>
void check(const Golden& g, double loss_tolerance, double relative) {
  const MlpSet<T> set = golden_set<T>(g.spec);
  for (const SimdLevel level : simd_levels()) {
    const auto run = run_epoch<T>(level, g.spec, set.view(), g.start);
    ASSERT_EQ(run.losses.size(), g.losses.size());
    for (std::size_t s = 0; s < g.losses.size(); ++s) EXPECT_NEAR(run.losses[s], g.losses[s], loss_tolerance) << s;
    ASSERT_EQ(run.parameters.size(), g.last_parameters.size());
    EXPECT_LT(relative_l2(run.parameters, g.last_parameters), relative);
  }
  // one step of gradient ascent at rate 1 from zero decay: new - old is the gradient
  MemberSpec one = g.spec;
  one.optimizer = Optimizer::sgd;
  one.momentum = one.weight_decay = 0;
  one.lr = -1;
  one.train.resize(std::min(one.train.size(), static_cast<std::size_t>(one.batch_size)));
  const auto run = run_epoch<T>(simd_levels().back(), one, set.view(), g.start);
  std::vector<double> gradient;
  for (std::size_t i = 0; i < g.start.size(); ++i) {
    gradient.push_back(static_cast<double>(run.parameters[i]) - static_cast<double>(static_cast<T>(g.start[i])));
  }
  EXPECT_LT(relative_l2(gradient, g.first_gradient), relative);
}

TEST(MlpGolden, TenStepsOfPyTorch) {
  int cases = 0;
  for (const char* file : {"small", "deep", "deep_dropout"}) {
    const std::string path = std::string(QUARRY_GOLDENS) + "/nn/mlp_" + file + ".json";
    const Json json = Json::parse(read_file(path), path);
    for (const Json& item : json.at("cases").items()) {
      const Golden g = golden(item);
      SCOPED_TRACE(std::string(file) + " " + shape_name(g.spec.sizes) + " " + item.at("loss").string());
      ASSERT_EQ(g.losses.size(), 10u);
      check<double>(g, 1e-10, 1e-10);
      check<float>(g, 1e-5, 1e-5);
      ++cases;
    }
  }
  EXPECT_EQ(cases, 9);
}

}  // namespace
}  // namespace quarry::testing
