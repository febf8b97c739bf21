// SPDX-License-Identifier: MIT
// Searches on the device beside quarry::Search: whole searches, each number of the history bit for bit.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "quarry/core/rng.h"
#include "quarry/hpo/device_searches.h"
#include "tests/hpo/support.h"
#include "tests/simt/cases.h"
#include "tests/simt/emulator/sanitizer.h"

namespace quarry {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

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

std::int32_t number_of(const Trial* trial) {
  return trial == nullptr ? -1 : trial->number;
}

void compare_history(const DeviceSearches& device, std::int32_t i, const Search& host, std::int32_t told) {
  const std::vector<Trial> trials = device.trials(i);
  simt::expect(trials.size() == host.trials().size(), "search %d: %zu trials", i, trials.size());
  for (std::size_t t = 0; t < trials.size(); ++t) {
    const Trial &got = trials[t], &want = host.trials()[t];
    simt::expect(got.state == want.state, "search %d, trial %zu: state %d", i, t, static_cast<int>(got.state));
    simt::expect_equal<double>(got.point, want.point, "point");
    simt::expect_equal<double>(got.intermediate, want.intermediate, "reports");
    simt::expect_equal<double>(std::span(&got.value, 1), std::span(&want.value, 1), "value");
  }
  const DeviceSearch& search = device.copied(i);
  simt::expect(search.told == told, "search %d: %d told, not %d", i, search.told, told);
  simt::expect(search.best == number_of(host.best()), "search %d: best is %d", i, search.best);
}

/// A trial's results, to the device and to the host's search.
void tell_trial(gpu::Session& session, const DeviceSearch& device, const Case& one, Search& host, std::int32_t t,
                std::span<const double> thresholds) {
  const Outcome outcome = one.objective(one.setup, host.trials()[static_cast<std::size_t>(t)], thresholds);
  const auto reports = static_cast<std::int32_t>(outcome.reports.size());
  write<double>(session, device.values + t, std::span(&outcome.value, 1));
  write<std::int32_t>(session, device.n_reports + t, std::span(&reports, 1));
  write<double>(session, device.reports + std::int64_t{t} * device.most_steps, outcome.reports);
  host.tell(t, outcome.reports, outcome.value);
}

/// Runs the cases' searches side by side, on the device from search `first` on and on the host, until each has
/// most_trials trials.
void run_searches(gpu::Session& session, DeviceSearches& device, std::span<const Case> cases, std::int32_t first,
                  std::int32_t startup) {
  const auto n = static_cast<std::int32_t>(cases.size());
  std::vector<Search> hosts;
  for (const Case& one : cases) hosts.push_back(host_search(one.setup));
  DeviceSearch* const searches = device.data() + first;
  for (std::int32_t told = 0; told < cases[0].setup.most_trials;) {
    const std::int32_t count = told == 0 ? startup : 1;
    cuda::search_ask(session, searches, n, count);
    cuda::search_thresholds(session, searches, n);
    std::vector<std::int32_t> best;
    for (std::int32_t i = 0; i < n; ++i) {
      const DeviceSearch& uploaded = device.uploaded(first + i);
      Search& host = hosts[static_cast<std::size_t>(i)];
      std::vector<double> thresholds(static_cast<std::size_t>(uploaded.most_steps));
      gpu::download<double>(session, uploaded.thresholds, thresholds);
      simt::expect_equal<double>(thresholds, host.thresholds(uploaded.most_steps), "thresholds");
      best.push_back(number_of(host.best()));
      for (std::int32_t k = 0; k < count; ++k) host.ask();
      for (std::int32_t t = told; t < told + count; ++t)
        tell_trial(session, uploaded, cases[static_cast<std::size_t>(i)], host, t, thresholds);
    }
    cuda::search_tell(session, searches, n, count);
    told += count;
    device.copy_out(session, first, n);
    session.synchronize();
    for (std::int32_t i = 0; i < n; ++i) {
      const Search& host = hosts[static_cast<std::size_t>(i)];
      compare_history(device, first + i, host, told);
      const bool improved = number_of(host.best()) != best[static_cast<std::size_t>(i)];
      simt::expect((device.copied(first + i).tell_improved != 0) == improved, "search %d: improved", i);
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

Case make_case(Space space, std::uint64_t key, DevicePruner pruner, Objective objective, std::int32_t trials = 16) {
  Case one;
  one.setup.space = std::move(space);
  one.setup.options.key = key;
  one.setup.options.startup_trials = 5;
  one.setup.options.candidates = 4;
  one.setup.options.numpy_seed = static_cast<std::uint32_t>(key);
  one.setup.pruner = pruner;
  one.setup.pruner_options.startup_trials = 5;
  one.setup.pruner_options.warmup_steps = 1;
  one.setup.most_trials = trials;
  one.setup.most_steps = 4;
  one.objective = objective;
  return one;
}

/// All in one launch, their start-up trials together.
void run_cases(std::span<const Case> cases, std::int32_t startup = 5) {
  gpu::Session session(0);
  std::vector<SearchSetup> setups;
  for (const Case& one : cases) setups.push_back(one.setup);
  DeviceSearches device(session, setups, static_cast<std::int32_t>(setups.size()));
  run_searches(session, device, cases, 0, startup);
}

SIMT_CASE(search_small) {
  std::vector<Case> cases = {make_case(mixed_space(), 1, DevicePruner::median, smooth, 8)};
  cases[0].setup.options.numpy_random = true;
  run_cases(cases);
}

SIMT_CASE(search_as_the_study_has_it) {
  std::vector<Case> cases = {make_case(mlp_study_space(), 1, DevicePruner::median, smooth, 50)};
  cases[0].setup.options.startup_trials = 10;
  cases[0].setup.options.candidates = 24;
  cases[0].setup.most_steps = 30;
  cases[0].setup.pruner_options = {10, 12};
  run_cases(cases, 10);
}

SIMT_CASE(search_several_in_one_launch) {
  constexpr int trials = simt::kRaceDetector ? 12 : 24;  // a race shows in the first that the sampler proposes
  std::vector<Case> cases;
  for (const std::uint64_t key : {2u, 3u}) {
    cases.push_back(make_case(mlp_study_space(), key, DevicePruner::none, smooth, trials));
    cases.push_back(make_case(mlp_study_space(), key, DevicePruner::median, stops, trials));
    cases.push_back(make_case(mixed_space(), key, DevicePruner::median_current, smooth, trials));
  }
  run_cases(cases);
}

SIMT_CASE(search_numpy_streams) {
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

SIMT_CASE(search_random_sampler) {
  std::vector<Case> cases = {make_case(mixed_space(), 5, DevicePruner::median, smooth),
                             make_case(mixed_space(), 6, DevicePruner::none, wild)};
  for (Case& one : cases) one.setup.sampler = DeviceSampler::random;
  cases[1].setup.options.numpy_random = true;
  run_cases(cases);
}

SIMT_CASE(search_values_that_are_not_finite) {
  std::vector<Case> cases;
  for (const NanTrial rule : {NanTrial::worst, NanTrial::failed}) {
    for (const DevicePruner pruner : {DevicePruner::none, DevicePruner::median, DevicePruner::median_current}) {
      cases.push_back(make_case(mixed_space(), 8, pruner, wild, simt::kRaceDetector ? 12 : 20));
      cases.back().setup.nan_trial = rule;
      cases.back().setup.pruner_options = {3, 0};
    }
  }
  run_cases(cases);
}

SIMT_CASE(search_every_trial_is_nan) {
  std::vector<Case> cases = {make_case(mixed_space(), 11, DevicePruner::median, all_nan, 12),
                             make_case(mixed_space(), 12, DevicePruner::median, all_nan, 12),
                             make_case(mixed_space(), 13, DevicePruner::none, all_nan, 12)};
  cases[0].setup.nan_trial = NanTrial::failed;
  cases[1].setup.pruner_options.startup_trials = 0;
  cases[2].setup.nan_trial = NanTrial::failed;
  cases[2].setup.options.numpy_random = true;
  run_cases(cases);
}

SIMT_CASE(search_more_trials_than_lanes) {
  std::vector<Case> cases = {make_case(mlp_study_space(), 21, DevicePruner::median, stops, 104)};
  cases[0].setup.options.candidates = 1;
  cases[0].setup.options.startup_trials = 100;
  run_cases(cases, 100);
}

SIMT_CASE(search_more_candidates_than_lanes_without_startup) {
  std::vector<Case> cases = {make_case(mixed_space(), 22, DevicePruner::none, smooth, 12)};
  cases[0].setup.options.candidates = 37;
  cases[0].setup.options.startup_trials = 0;
  run_cases(cases, 1);
}

SIMT_CASE(search_shares_scratch_and_is_reset) {
  const std::vector<Case> cases = {make_case(mlp_study_space(), 31, DevicePruner::median, smooth, 9),
                                   make_case(mixed_space(), 32, DevicePruner::none, smooth, 9)};
  std::vector<Case> other = cases;
  for (Case& one : other) one.setup.options.numpy_random = true;
  const std::vector<SearchSetup> setups = {cases[0].setup, cases[1].setup, other[0].setup, other[1].setup};
  gpu::Session session(0);
  DeviceSearches device(session, setups, 2);
  simt::expect(device.uploaded(0).scratch == device.uploaded(2).scratch, "scratch is not shared");
  simt::expect(device.uploaded(0).scratch != device.uploaded(1).scratch, "scratch of one launch is shared");
  run_searches(session, device, cases, 0, 5);
  run_searches(session, device, other, 2, 5);
  cuda::search_reset(session, device.data(), 4);
  run_searches(session, device, other, 2, 5);
  run_searches(session, device, cases, 0, 5);
}

SIMT_CASE(search_guided_trials_asked_together) {
  const Case one = make_case(mixed_space(), 51, DevicePruner::none, smooth, 9);
  gpu::Session session(0);
  DeviceSearches device(session, std::span(&one.setup, 1), 1);
  cuda::search_ask(session, device.data(), 1, 5);
  const std::vector<double> values = {3, 1, 4, 0, 2};
  write<double>(session, device.uploaded(0).values, values);
  cuda::search_tell(session, device.data(), 1, 5);
  cuda::search_ask(session, device.data(), 1, 4);
  device.copy_out(session, 0, 1);
  session.synchronize();
  const std::vector<Trial> trials = device.trials(0);
  const auto sampler = make_tpe_sampler(one.setup.options);
  for (std::size_t t = 5; t < trials.size(); ++t) {
    simt::expect_equal<double>(trials[t].point,
                               sampler->ask(one.setup.space, static_cast<std::int32_t>(t), std::span(trials).first(t)),
                               "point");
  }
}

SIMT_CASE(search_asks_and_tells_no_more_than_there_are) {
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
  const DeviceSearch& search = device.copied(0);
  simt::expect(search.asked == 4 && search.told == 4, "%d asked, %d told", search.asked, search.told);
  simt::expect(search.best == 1, "best is %d", search.best);
}

SIMT_CASE(search_every_sampler_and_pruner_has_a_device_form) {
  for (const NamedSummary& sampler : sampler_table()) device_sampler(sampler.name);
  for (const NamedSummary& pruner : pruner_table())
    if (pruner.name != "asha") device_pruner(pruner.name);  // of searches on a frozen set, which are not on the device
}

}  // namespace
}  // namespace quarry
