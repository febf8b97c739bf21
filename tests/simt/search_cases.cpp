// SPDX-License-Identifier: MIT
// Searches on the device beside quarry::Search: whole searches, each number of the history bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "quarry/core/rng.h"
#include "quarry/hpo/device_searches.h"
#include "tests/hpo/support.h"

namespace quarry {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

void expect_same(std::span<const double> device, std::span<const double> host, const std::string& what) {
  ASSERT_EQ(device.size(), host.size()) << what;
  for (std::size_t i = 0; i < host.size(); ++i) {
    ASSERT_PRED2(same, device[i], host[i]) << what << ", element " << i << " of " << host.size();
  }
}

/// What a trial reports, and its value; any function of point and trial does.
struct Outcome {
  std::vector<double> reports;
  double value = 0;
};
using Objective = Outcome (*)(const SearchSetup& setup, const Trial& trial, std::span<const double> thresholds);

/// Values that fall from step to step towards a number that depends on the point; few enough distinct ones to tie.
Outcome smooth(const SearchSetup& setup, const Trial& trial, std::span<const double>) {
  double base = 0;
  for (const double x : trial.point) base += std::isnan(x) ? 0.25 : std::fabs(std::sin(x));
  base = std::round(base * 16) / 16;
  Outcome outcome;
  for (std::int32_t step = 0; step < setup.most_steps; ++step) {
    const double noise = random_uniform(99, static_cast<std::uint64_t>(trial.number), static_cast<std::uint32_t>(step));
    outcome.reports.push_back(base + (1 + noise) / (step + 1));
  }
  outcome.value = outcome.reports.empty() ? base : outcome.reports.back();
  return outcome;
}

/// As smooth, but the training stopped where the thresholds say, or reported fewer steps.
Outcome stops(const SearchSetup& setup, const Trial& trial, std::span<const double> thresholds) {
  Outcome outcome = smooth(setup, trial, thresholds);
  if (trial.number % 7 == 3) outcome.reports.resize(static_cast<std::size_t>(trial.number) % outcome.reports.size());
  for (std::size_t step = 0; step < outcome.reports.size(); ++step) {
    if (is_pruned(outcome.reports[step], thresholds[step])) outcome.reports.resize(step + 1);
  }
  return outcome;
}

/// Values and reports that are not finite, among others.
Outcome wild(const SearchSetup& setup, const Trial& trial, std::span<const double> thresholds) {
  Outcome outcome = smooth(setup, trial, thresholds);
  const std::uint32_t kind = random_u32(5, static_cast<std::uint64_t>(trial.number)) % 6;
  if (kind == 0) outcome.value = kNan;
  if (kind == 1) outcome.value = trial.number % 2 == 0 ? kInfinity : -kInfinity;
  for (std::size_t step = 0; step < outcome.reports.size(); ++step) {
    const std::uint32_t what =
        random_u32(6, static_cast<std::uint64_t>(trial.number), static_cast<std::uint32_t>(step));
    if (kind == 2 || what % 5 == 0) outcome.reports[step] = kNan;
    if (what % 11 == 1) outcome.reports[step] = kInfinity;
    if (what % 11 == 2) outcome.reports[step] = -kInfinity;
  }
  return outcome;
}

Outcome all_nan(const SearchSetup& setup, const Trial&, std::span<const double>) {
  return {std::vector<double>(static_cast<std::size_t>(setup.most_steps), kNan), kNan};
}

struct Case {
  SearchSetup setup;
  Objective objective;
};

Search host_search(const SearchSetup& setup) {
  auto sampler =
      setup.sampler == DeviceSampler::tpe ? make_tpe_sampler(setup.options) : make_random_sampler(setup.options);
  auto pruner = setup.pruner == DevicePruner::none     ? make_no_pruner()
                : setup.pruner == DevicePruner::median ? make_median_pruner(setup.pruner_options)
                                                       : make_median_current_pruner(setup.pruner_options);
  return Search(setup.space, std::move(sampler), std::move(pruner), setup.nan_trial);
}

/// Writes values to device memory.
template <class T>
void write(gpu::Session& session, T* device, std::span<const T> values) {
  if (values.empty()) return;
  gpu::Pinned<T> staged(session, values.size());
  std::copy(values.begin(), values.end(), staged.data());
  session.copy_in(device, staged.data(), values.size_bytes());
  session.synchronize();
}

void compare_history(const DeviceSearches& device, std::int32_t i, const Search& host, std::int32_t told) {
  const std::vector<Trial> trials = device.trials(i);
  ASSERT_EQ(trials.size(), host.trials().size());
  for (std::size_t t = 0; t < trials.size(); ++t) {
    const Trial& expected = host.trials()[t];
    const std::string what = "search " + std::to_string(i) + ", trial " + std::to_string(t);
    ASSERT_EQ(trials[t].state, expected.state) << what;
    ASSERT_NO_FATAL_FAILURE(expect_same(trials[t].point, expected.point, what + ", point"));
    ASSERT_NO_FATAL_FAILURE(expect_same(trials[t].intermediate, expected.intermediate, what + ", reports"));
    ASSERT_PRED2(same, trials[t].value, expected.value) << what;
  }
  EXPECT_EQ(device.copied(i).told, told);
  EXPECT_EQ(device.copied(i).best, host.best() == nullptr ? -1 : host.best()->number) << "search " << i;
}

/// Runs the cases' searches side by side, on the device from search `first` on and on the host, until each has
/// most_trials trials.
void run_searches(gpu::Session& session, DeviceSearches& device, std::span<const Case> cases, std::int32_t first,
                  std::int32_t startup) {
  const auto n = static_cast<std::int32_t>(cases.size());
  std::vector<Search> hosts;
  for (const Case& one : cases) hosts.push_back(host_search(one.setup));
  DeviceSearch* const searches = device.data() + first;
  const std::int32_t trials = cases[0].setup.most_trials;
  for (std::int32_t told = 0; told < trials;) {
    const std::int32_t count = told == 0 ? std::min(startup, trials) : 1;
    cuda::search_ask(session, searches, n, count);
    cuda::search_thresholds(session, searches, n);
    std::vector<std::int32_t> best;
    for (std::int32_t i = 0; i < n; ++i) {
      const DeviceSearch& uploaded = device.uploaded(first + i);
      const Case& one = cases[static_cast<std::size_t>(i)];
      Search& host = hosts[static_cast<std::size_t>(i)];
      std::vector<double> thresholds(static_cast<std::size_t>(uploaded.most_steps));
      gpu::download<double>(session, uploaded.thresholds, thresholds);
      ASSERT_NO_FATAL_FAILURE(
          expect_same(thresholds, host.thresholds(uploaded.most_steps),
                      "search " + std::to_string(i) + ", thresholds of trial " + std::to_string(told)));
      best.push_back(host.best() == nullptr ? -1 : host.best()->number);
      for (std::int32_t k = 0; k < count; ++k) {
        host.ask();
      }
      for (std::int32_t t = told; t < told + count; ++t) {
        const Outcome outcome = one.objective(one.setup, host.trials()[static_cast<std::size_t>(t)], thresholds);
        const auto reports = static_cast<std::int32_t>(outcome.reports.size());
        write<double>(session, uploaded.values + t, std::span(&outcome.value, 1));
        write<std::int32_t>(session, uploaded.n_reports + t, std::span(&reports, 1));
        write<double>(session, uploaded.reports + std::int64_t{t} * uploaded.most_steps, outcome.reports);
        host.tell(t, outcome.reports, outcome.value);
      }
    }
    cuda::search_tell(session, searches, n, count);
    told += count;
    device.copy_out(session, first, n);
    session.synchronize();
    for (std::int32_t i = 0; i < n; ++i) {
      const Search& host = hosts[static_cast<std::size_t>(i)];
      ASSERT_NO_FATAL_FAILURE(compare_history(device, first + i, host, told));
      const bool improved = host.best() != nullptr && host.best()->number != best[static_cast<std::size_t>(i)];
      EXPECT_EQ(device.copied(first + i).tell_improved != 0, improved) << "search " << i << ", " << told << " told";
    }
  }
}

Space mixed_space() {
  Space space;
  space.parameters = {real("a", -2, 3),
                      categorical("b", {"x", "y", "z", "w"}),
                      integer("log_integer", 1, 1000, true),
                      real("fixed", 0.5, 0.5),
                      categorical("fixed_choice", {"only"}),
                      integer("c", -3, 3),
                      real("child", 1e-5, 1, true),
                      real("grandchild", 0, 1),
                      categorical("late", {"u", "v"})};
  space.parameters[6].parent = "c";
  space.parameters[6].parent_at_least = 0;
  space.parameters[7].parent = "child";
  space.parameters[7].parent_at_least = 0.01;
  space.parameters[8].parent = "c";
  space.parameters[8].parent_at_least = 2;
  return space;
}

Case make_case(Space space, std::uint64_t key, DevicePruner pruner, Objective objective, std::int32_t trials = 50) {
  Case one;
  one.setup.space = std::move(space);
  one.setup.options.key = key;
  one.setup.options.numpy_seed = static_cast<std::uint32_t>(key);
  one.setup.pruner = pruner;
  one.setup.pruner_options.warmup_steps = 2;
  one.setup.most_trials = trials;
  one.setup.most_steps = 6;
  one.objective = objective;
  return one;
}

void run_cases(std::vector<Case> cases) {
  gpu::Session session(0);
  std::vector<SearchSetup> setups;
  for (const Case& one : cases) setups.push_back(one.setup);
  DeviceSearches device(session, setups, static_cast<std::int32_t>(setups.size()));
  run_searches(session, device, cases, 0, 10);
}

TEST(DeviceSearch, StudySpaceSeveralSeedsInOneLaunch) {
  std::vector<Case> cases;
  for (const std::uint64_t key : {1u, 2u, 3u}) {
    cases.push_back(make_case(mlp_study_space(), key, DevicePruner::none, smooth));
    cases.push_back(make_case(mlp_study_space(), key, DevicePruner::median, stops));
    cases.push_back(make_case(mixed_space(), key, DevicePruner::median_current, smooth));
  }
  run_cases(cases);
}

TEST(DeviceSearch, NumpyStreams) {
  std::vector<Case> cases = {make_case(mlp_study_space(), 100, DevicePruner::median, smooth),
                             make_case(mixed_space(), 42, DevicePruner::none, smooth),
                             make_case(mixed_space(), 7, DevicePruner::median, wild)};
  for (Case& one : cases) {
    one.setup.options.numpy_random = true;
    one.setup.options.normalised_density = false;
    one.setup.nan_trial = NanTrial::failed;
  }
  run_cases(cases);
}

TEST(DeviceSearch, RandomSampler) {
  std::vector<Case> cases = {make_case(mixed_space(), 5, DevicePruner::median, smooth, 30),
                             make_case(mixed_space(), 6, DevicePruner::none, wild, 30)};
  for (Case& one : cases) one.setup.sampler = DeviceSampler::random;
  cases[1].setup.options.numpy_random = true;
  run_cases(cases);
}

TEST(DeviceSearch, ValuesThatAreNotFinite) {
  std::vector<Case> cases;
  for (const NanTrial rule : {NanTrial::worst, NanTrial::failed}) {
    for (const DevicePruner pruner : {DevicePruner::none, DevicePruner::median, DevicePruner::median_current}) {
      cases.push_back(make_case(mixed_space(), 8, pruner, wild));
      cases.back().setup.nan_trial = rule;
      cases.back().setup.pruner_options.warmup_steps = 0;
      cases.back().setup.pruner_options.startup_trials = 3;
    }
  }
  run_cases(cases);
}

TEST(DeviceSearch, EveryTrialIsNan) {
  std::vector<Case> cases = {make_case(mixed_space(), 11, DevicePruner::median, all_nan, 30),
                             make_case(mixed_space(), 12, DevicePruner::median, all_nan, 30),
                             make_case(mixed_space(), 13, DevicePruner::none, all_nan, 30)};
  cases[0].setup.nan_trial = NanTrial::failed;
  cases[1].setup.pruner_options.startup_trials = 0;
  cases[2].setup.nan_trial = NanTrial::failed;
  cases[2].setup.options.numpy_random = true;
  run_cases(cases);
}

TEST(DeviceSearch, MoreTrialsThanOneWarpAndOtherOptions) {
  std::vector<Case> cases = {make_case(mlp_study_space(), 21, DevicePruner::median, stops, 130),
                             make_case(mixed_space(), 22, DevicePruner::none, smooth, 130)};
  cases[0].setup.options.candidates = 1;
  cases[1].setup.options.candidates = 37;
  cases[1].setup.options.startup_trials = 0;
  gpu::Session session(0);
  for (const Case& one : cases) {
    const SearchSetup setup = one.setup;
    DeviceSearches device(session, std::span(&setup, 1), 1);
    run_searches(session, device, std::span(&one, 1), 0, std::max(1, setup.options.startup_trials));
  }
}

TEST(DeviceSearch, SearchesShareScratchAndAreReset) {
  const std::vector<Case> cases = {make_case(mlp_study_space(), 31, DevicePruner::median, smooth, 25),
                                   make_case(mixed_space(), 32, DevicePruner::none, smooth, 25)};
  std::vector<SearchSetup> setups;
  for (int again = 0; again < 2; ++again)
    for (const Case& one : cases) setups.push_back(one.setup);
  setups[2].options.numpy_random = setups[3].options.numpy_random = true;
  std::vector<Case> other = cases;
  for (Case& one : other) one.setup.options.numpy_random = true;
  gpu::Session session(0);
  DeviceSearches device(session, setups, 2);
  EXPECT_EQ(device.uploaded(0).scratch, device.uploaded(2).scratch);
  EXPECT_NE(device.uploaded(0).scratch, device.uploaded(1).scratch);
  run_searches(session, device, cases, 0, 10);
  run_searches(session, device, other, 2, 10);
  cuda::search_reset(session, device.data(), 4);
  run_searches(session, device, other, 2, 10);
  run_searches(session, device, cases, 0, 10);
}

TEST(DeviceSearch, AsksAndTellsNoMoreThanThereAre) {
  const Case one = make_case(mlp_study_space(), 41, DevicePruner::none, smooth, 4);
  gpu::Session session(0);
  DeviceSearches device(session, std::span(&one.setup, 1), 1);
  cuda::search_tell(session, device.data(), 1, 3);
  cuda::search_ask(session, device.data(), 1, 3);
  cuda::search_ask(session, device.data(), 1, 3);
  const std::vector<double> values = {3, 1, 2, 4};
  write<double>(session, device.uploaded(0).values, values);
  cuda::search_tell(session, device.data(), 1, 9);
  device.copy_out(session, 0, 1);
  session.synchronize();
  EXPECT_EQ(device.copied(0).asked, 4);
  EXPECT_EQ(device.copied(0).told, 4);
  EXPECT_EQ(device.copied(0).best, 1);
}

TEST(DeviceSearch, EverySamplerAndPrunerHasADeviceForm) {
  for (const NamedSummary& sampler : sampler_table()) EXPECT_NO_THROW(device_sampler(sampler.name)) << sampler.name;
  for (const NamedSummary& pruner : pruner_table()) EXPECT_NO_THROW(device_pruner(pruner.name)) << pruner.name;
}

}  // namespace
}  // namespace quarry
