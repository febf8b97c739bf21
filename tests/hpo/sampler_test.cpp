// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/hpo/search.h"
#include "quarry/ops/tpe.h"
#include "tests/hpo/support.h"

namespace quarry {
namespace {

std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> result;
  for (const SimdLevel level : {SimdLevel::portable, SimdLevel::avx2, SimdLevel::avx512}) {
    if (level <= simd_level()) result.push_back(level);
  }
  return result;
}

TpeOptions options_of(std::uint64_t key, bool numpy = false) {
  TpeOptions options;
  options.numpy_random = numpy;
  options.numpy_seed = static_cast<std::uint32_t>(key);
  options.key = stream_key(key, RngPurpose::tpe);
  return options;
}

/// Runs a search whose objective is a hash of the point: nothing to learn, every corner visited.
Search run(const Space& space, std::unique_ptr<Sampler> sampler, int trials) {
  Search search(space, std::move(sampler), make_no_pruner());
  for (int i = 0; i < trials; ++i) {
    const Trial& trial = search.ask();
    std::uint64_t hash = 0;
    for (const double value : trial.point) {
      std::uint64_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      hash = hash_combine(hash, bits);
    }
    search.tell(i, {}, static_cast<double>(hash >> 40));
  }
  return search;
}

Space edge_space() {
  Space space;
  space.parameters = {real("tiny", 1.0, 1.0 + 1e-12),
                      real("negative", -5e10, -4e10),
                      real("across", -1e-300, 1e300),
                      real("log_wide", 1e-300, 1e300, true),
                      real("log_narrow", 1e10, std::nextafter(1e10, 2e10), true),
                      integer("two", -1, 0),
                      integer("huge", -1e15, 1e15),
                      integer("log", 1, 1e15, true),
                      integer("log_two", 1, 2, true),
                      categorical("one", {"only"}),
                      categorical("many", std::vector<std::string>()),
                      real("fixed", 0.1, 0.1),
                      integer("fixed_integer", 7, 7),
                      real("fixed_log", 1e-3, 1e-3, true)};
  for (int i = 0; i < 40; ++i) space.parameters[10].choices.push_back(std::to_string(i));
  return space;
}

TEST(Samplers, EveryValueIsOneOfItsParameter) {
  const Space space = edge_space();
  for (const NamedSummary& entry : sampler_table()) {
    for (const bool numpy : {false, true}) {
      const Search search = run(space, make_sampler(entry.name, options_of(4, numpy)), 130);
      for (std::size_t p = 0; p < space.parameters.size(); ++p) {
        const Parameter& parameter = space.parameters[p];
        double low = parameter.low, high = parameter.high;
        const bool categories = parameter.kind == ParameterKind::categorical;
        if (categories) low = 0, high = static_cast<double>(parameter.choices.size()) - 1;
        std::vector<double> seen;
        for (const Trial& trial : search.trials()) {
          const double value = trial.point[p];
          EXPECT_GE(value, low) << parameter.name;
          EXPECT_LE(value, high) << parameter.name;
          if (categories || parameter.kind == ParameterKind::integer) {
            EXPECT_EQ(value, std::floor(value)) << parameter.name;
          }
          if (std::find(seen.begin(), seen.end(), value) == seen.end()) seen.push_back(value);
        }
        const bool fixed = low == high || parameter.name == "log_narrow";
        EXPECT_EQ(seen.size() == 1, fixed) << entry.name << " " << parameter.name;
      }
    }
  }
}

TEST(Samplers, ABoundMayBeHalfOfAnotherParameter) {
  Space space;
  space.parameters = {integer("whole", 2, 96), integer("part", 2, 48)};
  space.parameters[1].half_of = "whole";
  for (const char* name : {"tpe", "random"}) {
    for (const bool numpy : {false, true}) {
      TpeOptions options;
      options.numpy_random = numpy;
      options.key = 3;
      Search search(space, make_sampler(name, options), make_no_pruner());
      std::set<double> fractions;
      for (std::int32_t i = 0; i < 120; ++i) {
        const Trial trial = search.ask();
        const double whole = trial.point[0], part = trial.point[1];
        EXPECT_EQ(part, std::floor(part));
        EXPECT_GE(part, 2);
        EXPECT_LE(part, std::max(2.0, std::floor(whole / 2))) << name << " trial " << i << " of " << whole;
        fractions.insert(part / whole);
        // Narrow spaces after wide ones: what is best moves, so that the estimators see values beyond the bound.
        search.tell(trial.number, {}, i < 60 ? -whole - part : whole);
      }
      EXPECT_GT(fractions.size(), 30u);
    }
  }
  EXPECT_EQ(space.high_at(1, std::vector<double>{9, 0}), 4);
  EXPECT_EQ(space.high_at(1, std::vector<double>{3, 0}), 2);
  EXPECT_EQ(space.high_at(0, std::vector<double>{9, 0}), 96);
}

TEST(Samplers, AFixedParameterDrawsNothing) {
  Space without;
  without.parameters = {real("x", 0, 1), integer("n", 1, 9)};
  Space with = without;
  with.parameters.insert(with.parameters.begin() + 1, integer("fixed", 3, 3));
  // NumPy's streams would shift; Philox counts the place in the space, so there only the numbers before stay.
  const Search a = run(without, make_random_sampler(options_of(5, true)), 30);
  const Search b = run(with, make_random_sampler(options_of(5, true)), 30);
  for (std::size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(a.trials()[i].point[0], b.trials()[i].point[0]);
    EXPECT_EQ(a.trials()[i].point[1], b.trials()[i].point[2]);
    EXPECT_EQ(b.trials()[i].point[1], 3);
  }
}

TEST(Samplers, TpeAsksAnythingBeforeAnyTrialSucceeded) {
  // No start-up trials: the mixtures are the prior alone.
  TpeOptions options = options_of(6);
  options.startup_trials = 0;
  Search search(edge_space(), make_tpe_sampler(options), make_no_pruner(), NanTrial::failed);
  EXPECT_EQ(search.independent_asks(), 1);
  for (int i = 0; i < 5; ++i) {
    search.ask();
    search.tell(i, {}, std::nan(""));
  }
  EXPECT_EQ(search.best(), nullptr);
}

TEST(Samplers, RefuseOptionsThatCannotBe) {
  TpeOptions options;
  options.candidates = 0;
  EXPECT_THROW(make_tpe_sampler(options), Error);
  options = {};
  options.startup_trials = -1;
  EXPECT_THROW(make_tpe_sampler(options), Error);
  try {
    make_sampler("pte", {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
  }
}

TEST(Samplers, RandomIsUniformInItsSpace) {
  Space space;
  space.parameters = {real("x", 2, 6), real("log", 1e-4, 1, true), integer("n", 1, 4), categorical("c", {"a", "b"})};
  const int n = 4000;
  const Search search = run(space, make_random_sampler(options_of(8)), n);
  double x = 0, log10 = 0;
  std::vector<int> counts(4), categories(2);
  for (const Trial& trial : search.trials()) {
    x += trial.point[0] / n;
    log10 += std::log10(trial.point[1]) / n;
    ++counts[static_cast<std::size_t>(trial.point[2]) - 1];
    ++categories[static_cast<std::size_t>(trial.point[3])];
  }
  EXPECT_NEAR(x, 4, 0.08);                                       // standard error 0.018
  EXPECT_NEAR(log10, -2, 0.08);                                  // likewise
  for (const int count : counts) EXPECT_NEAR(count, 1000, 140);  // standard deviation 27
  for (const int count : categories) EXPECT_NEAR(count, 2000, 160);
}

TEST(TpeChoose, EqualBitsAtEverySimdLevel) {
  TpeScratch scratch;
  int choices = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto uniform = [&](std::uint32_t draw) { return random_uniform(9, i, 1, draw); };
    const TpeKind kind = static_cast<TpeKind>(i % 4);
    const double low = kind == TpeKind::real ? -3 : 1;
    const double high = std::floor(low + 1 + 200 * uniform(0));
    const TpeDomain domain = make_tpe_domain(kind, low, high);
    std::vector<double> below(i % 27), above((i * 7) % 61), uniforms(2 * (1 + i % 40));
    std::uint32_t draw = 1;
    for (double& value : below) value = tpe_uniform(domain, uniform(draw++));
    for (double& value : above) value = tpe_uniform(domain, uniform(draw++));
    for (double& value : uniforms) value = i % 10 == 0 ? std::floor(3 * uniform(draw++)) / 2 * 0.999 : uniform(draw++);
    const TpeProblem problem{domain, below, above, i % 3 != 0, uniforms};
    const TpeChoice first = cpu::tpe_choose(SimdLevel::portable, problem, scratch);
    EXPECT_GE(first.value, domain.low);
    EXPECT_LE(first.value, domain.high);
    EXPECT_GT(first.ratio, 0);
    for (const SimdLevel level : levels()) {
      const TpeChoice choice = cpu::tpe_choose(level, problem, scratch);
      EXPECT_EQ(choice.value, first.value) << to_string(level) << " problem " << i;
      EXPECT_EQ(choice.ratio, first.ratio) << to_string(level) << " problem " << i;
      ++choices;
    }
  }
  EXPECT_GE(choices, 400);
}

TEST(TpeChoose, DensitiesIntegrateToOne) {
  TpeScratch scratch;
  for (const TpeKind kind : {TpeKind::real, TpeKind::integer}) {
    const TpeDomain domain = make_tpe_domain(kind, -2, 9);
    const std::vector<double> observations = {-2, -2, 0, 3, 3, 9};
    const int n = kind == TpeKind::integer ? 12 : 11000;
    std::vector<double> at, log_density(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) at.push_back(kind == TpeKind::integer ? i - 2 : -2 + (i + 0.5) * 11.0 / n);
    cpu::tpe_log_density(simd_level(), domain, true, observations, at, scratch, log_density);
    double sum = 0;
    for (const double value : log_density) sum += std::exp(value) * (kind == TpeKind::integer ? 1 : 11.0 / n);
    EXPECT_NEAR(sum, 1, 1e-7);
  }
}

}  // namespace
}  // namespace quarry
