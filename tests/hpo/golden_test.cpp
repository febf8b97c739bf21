// SPDX-License-Identifier: MIT
// Against Optuna itself (tests/goldens/hpo/make_tpe_goldens.py): trials, pruning, densities, the order of equal keys.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "quarry/core/json.h"
#include "quarry/hpo/search.h"
#include "quarry/ops/tpe.h"
#include "tests/hpo/support.h"

namespace quarry {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> numbers(const Json& json) {
  std::vector<double> result;
  for (const Json& item : json.items()) result.push_back(item.type() == Json::Type::null ? kNaN : item.number());
  return result;
}

/// The space "mixed" of the generator.
Space mixed_space() {
  Space space;
  space.parameters = {categorical("optimizer", {"sgd", "adam", "adagrad", "rmsprop"}),
                      integer("batch", 1, 256, true),
                      integer("bias", 0, 6),
                      real("constant", 0.25, 0.25),
                      real("decay", -2, 3),
                      categorical("schedule", {"flat", "cosine"})};
  space.parameters[4].parent = "optimizer";
  space.parameters[4].parent_at_least = 2;
  return space;
}

TrialState state_of(const std::string& name) {
  return name == "complete" ? TrialState::complete : name == "pruned" ? TrialState::pruned : TrialState::failed;
}

void expect_point(const Space& space, const std::vector<double>& point, const std::vector<double>& golden) {
  ASSERT_EQ(point.size(), golden.size());
  for (std::size_t p = 0; p < point.size(); ++p) {
    const std::string& name = space.parameters[p].name;
    if (std::isnan(golden[p]) || space.parameters[p].kind != ParameterKind::real) {
      EXPECT_TRUE(point[p] == golden[p] || (std::isnan(point[p]) && std::isnan(golden[p])))
          << name << ": " << point[p] << ", expected " << golden[p];
    } else {
      EXPECT_NEAR(point[p], golden[p], 1e-9 * std::abs(golden[p])) << name;
    }
  }
}

void replay_study(const Json& study, bool normalised, const Json& golden) {
  const Space space = study.at("space").string() == "study" ? mlp_study_space() : mixed_space();
  TpeOptions options;
  options.numpy_random = true;
  options.numpy_seed = static_cast<std::uint32_t>(study.at("seed").integer());
  options.normalised_density = normalised;
  MedianPrunerOptions pruning;
  pruning.warmup_steps = static_cast<std::int32_t>(golden.at("warmup").integer());
  Search search(space, make_tpe_sampler(options), make_median_pruner(pruning), NanTrial::failed);
  for (const Json& trial : study.at("trials").items()) {
    SCOPED_TRACE(testing::Message() << study.at("space").string() << " seed " << options.numpy_seed << " trial "
                                    << search.trials().size());
    const std::int32_t number = search.ask().number;
    expect_point(space, search.trials().back().point, numbers(trial.at("point")));
    const std::vector<double> curve = numbers(trial.at("curve"));
    const Trial& told = search.tell(number, curve, curve.back());
    EXPECT_EQ(told.state, state_of(trial.at("state").string()));
    EXPECT_EQ(static_cast<std::int64_t>(told.intermediate.size()), trial.at("steps").integer());
    if (testing::Test::HasFailure()) return;
  }
  ASSERT_NE(search.best(), nullptr);
  EXPECT_EQ(search.best()->number, study.at("best").integer());
}

class OptunaGolden : public testing::TestWithParam<bool> {
 protected:
  Json golden_ = read_golden(GetParam() ? "tpe_normalised.json" : "tpe_unnormalised.json");
};

TEST_P(OptunaGolden, TrialByTrial) {
  int studies = 0;
  for (const Json& study : golden_.at("studies").items()) {
    replay_study(study, GetParam(), golden_);
    ++studies;
  }
  EXPECT_EQ(studies, 6);
}

TEST_P(OptunaGolden, LogDensities) {
  TpeScratch scratch;
  int cases = 0;
  for (const Json& item : golden_.at("densities").items()) {
    const std::string& kind = item.at("kind").string();
    const std::vector<double> observations = numbers(item.at("observations")), at = numbers(item.at("at")),
                              expected = numbers(item.at("log_density"));
    SCOPED_TRACE(testing::Message() << kind << " of " << observations.size() << " observations");
    std::vector<double> got(at.size());
    if (kind == "categorical") {
      const std::vector<std::int32_t> choices(observations.begin(), observations.end());
      for (std::size_t i = 0; i < at.size(); ++i) {
        got[i] = std::log(tpe_category_density(choices.data(), static_cast<std::int32_t>(choices.size()),
                                               static_cast<std::int32_t>(item.at("choices").integer()),
                                               static_cast<std::int32_t>(at[i])));
      }
    } else {
      const TpeKind k = kind == "real"       ? TpeKind::real
                        : kind == "real_log" ? TpeKind::real_log
                        : kind == "integer"  ? TpeKind::integer
                                             : TpeKind::integer_log;
      cpu::tpe_log_density(simd_level(), make_tpe_domain(k, item.at("low").number(), item.at("high").number()),
                           GetParam(), observations, at, scratch, got);
    }
    for (std::size_t i = 0; i < at.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 1e-10 * std::max(1.0, std::abs(expected[i]))) << "at " << at[i];
    }
    ++cases;
  }
  EXPECT_EQ(cases, 98);
}

INSTANTIATE_TEST_SUITE_P(Densities, OptunaGolden, testing::Bool(),
                         [](const auto& test) { return test.param ? "Normalised" : "Unnormalised"; });

TEST(NumpyArgsort, OrdersEqualKeysAsNumpy) {
  const Json golden = read_golden("numpy_argsort.json");
  for (const Json& item : golden.at("cases").items()) {
    const std::vector<double> keys = numbers(item.at("keys")), expected = numbers(item.at("order"));
    std::vector<std::int32_t> order(keys.size());
    numpy_argsort(keys.data(), static_cast<std::int32_t>(keys.size()), order.data());
    EXPECT_EQ(std::vector<double>(order.begin(), order.end()), expected) << keys.size() << " keys";
  }
}

}  // namespace
}  // namespace quarry
