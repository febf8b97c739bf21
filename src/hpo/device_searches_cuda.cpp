// SPDX-License-Identifier: MIT
#include <algorithm>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/hpo/device_searches.h"
#include "src/hpo/draws.h"

namespace quarry {
namespace {

DeviceParameter device_parameter(const Space& space, const Parameter& parameter) {
  DeviceParameter device;
  if (parameter.kind == ParameterKind::categorical) {
    device.choices = static_cast<std::int32_t>(parameter.choices.size());
  } else {
    device.domain = domain_of(parameter);
  }
  device.fixed = is_fixed(parameter);
  device.fixed_value = fixed_value(parameter);
  if (!parameter.parent.empty()) device.parent = space.find(parameter.parent);
  device.parent_at_least = parameter.parent_at_least;
  return device;
}

/// Everything but the pointers.
DeviceSearch device_search(const SearchSetup& setup) {
  QUARRY_CHECK(setup.most_trials >= 1 && setup.most_steps >= 0, "a search of {} trials and {} steps", setup.most_trials,
               setup.most_steps);
  setup.space.validate();
  make_tpe_sampler(setup.options);  // they check their options
  make_median_pruner(setup.pruner_options);
  DeviceSearch search;
  search.n_parameters = static_cast<std::int32_t>(setup.space.parameters.size());
  search.most_trials = setup.most_trials;
  search.most_steps = setup.most_steps;
  search.sampler = setup.sampler;
  search.pruner = setup.pruner;
  search.nan_trial = setup.nan_trial;
  search.startup_trials = setup.options.startup_trials;
  search.candidates = setup.options.candidates;
  search.normalised_density = setup.options.normalised_density;
  search.pruner_startup_trials = setup.pruner_options.startup_trials;
  search.pruner_warmup_steps = setup.pruner_options.warmup_steps;
  search.key = setup.options.key;
  return search;
}

void draw_stream(std::uint32_t seed, std::int64_t n, std::vector<double>& streams) {
  NumpyRandom random(seed);
  for (std::int64_t i = 0; i < n; ++i) streams.push_back(random.uniform());
}

std::int64_t reals_of(const DeviceSearch& search) {
  return std::int64_t{search.most_trials} * (search.n_parameters + 1 + search.most_steps);
}

/// Cuts the next n elements.
template <class T>
T* cut(T*& at, std::int64_t n) {
  return std::exchange(at, at + n);
}

}  // namespace

DeviceSampler device_sampler(std::string_view name) {
  if (name == "tpe") return DeviceSampler::tpe;
  if (name == "random") return DeviceSampler::random;
  fail("the sampler '{}' does not run on a device", name);
}

DevicePruner device_pruner(std::string_view name) {
  if (name == "none") return DevicePruner::none;
  if (name == "median") return DevicePruner::median;
  if (name == "median_current") return DevicePruner::median_current;
  fail("the pruner '{}' does not run on a device", name);
}

StreamLengths stream_lengths(const SearchSetup& setup) {
  if (!setup.options.numpy_random) return {};
  std::int64_t startup = 0, guided = 0;
  for (const Parameter& parameter : setup.space.parameters) {
    if (is_fixed(parameter)) continue;
    startup += std::max<std::int64_t>(1, static_cast<std::int64_t>(parameter.choices.size()));
    guided += 2 * std::int64_t{setup.options.candidates};
  }
  // Failed trials leave a search in its start-up, so all of its trials may belong there.
  const std::int64_t most_guided =
      setup.sampler == DeviceSampler::tpe ? std::max(0, setup.most_trials - setup.options.startup_trials) : 0;
  return {startup * setup.most_trials, guided * most_guided};
}

SearchBytes search_bytes(std::span<const SearchSetup> setups, std::int32_t together) {
  std::size_t device = 0, copied = 0, scratch = 0;
  for (const SearchSetup& setup : setups) {
    const DeviceSearch search = device_search(setup);
    const StreamLengths lengths = stream_lengths(setup);
    const auto doubles = [](std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(double); };
    copied += sizeof(DeviceSearch) + doubles(reals_of(search)) +
              2 * static_cast<std::size_t>(search.most_trials) * sizeof(std::int32_t);
    device += setup.space.parameters.size() * sizeof(DeviceParameter) + doubles(search.most_steps) +
              doubles(lengths.startup + lengths.guided);
    scratch =
        std::max(scratch, doubles(cuda::search_scratch(search.n_parameters, search.most_trials, search.candidates)));
  }
  const std::size_t sets = std::min(setups.size(), static_cast<std::size_t>(together));
  return {device + copied + sets * scratch, copied};
}

DeviceSearches::DeviceSearches(gpu::Session& session, std::span<const SearchSetup> setups, std::int32_t together)
    : places_(1) {
  QUARRY_CHECK(together >= 1, "{} searches at a time", together);
  std::vector<DeviceParameter> parameters;
  std::vector<double> streams;
  std::int64_t steps = 0, scratch = 0;
  for (const SearchSetup& setup : setups) {
    uploaded_.push_back(device_search(setup));
    const DeviceSearch& search = uploaded_.back();
    for (const Parameter& parameter : setup.space.parameters)
      parameters.push_back(device_parameter(setup.space, parameter));
    const StreamLengths lengths = stream_lengths(setup);
    draw_stream(setup.options.numpy_seed, lengths.startup, streams);
    draw_stream(setup.options.numpy_seed, lengths.guided, streams);
    places_.push_back({places_.back().reals + reals_of(search), places_.back().integers + 2 * search.most_trials});
    steps += search.most_steps;
    scratch = std::max(scratch, cuda::search_scratch(search.n_parameters, search.most_trials, search.candidates));
  }
  const std::size_t sets = std::min(setups.size(), static_cast<std::size_t>(together));
  parameters_ = gpu::upload<DeviceParameter>(session, parameters);
  streams_ = gpu::upload<double>(session, streams);
  reals_ = {session, static_cast<std::size_t>(places_.back().reals)};
  integers_ = {session, static_cast<std::size_t>(places_.back().integers)};
  thresholds_ = {session, static_cast<std::size_t>(steps)};
  scratch_ = {session, sets * static_cast<std::size_t>(scratch)};
  point_at_memory(setups);
  for (std::size_t i = 0; i < uploaded_.size(); ++i) {
    uploaded_[i].scratch = scratch_.data() + static_cast<std::int64_t>(i % sets) * scratch;
  }
  searches_ = gpu::upload<DeviceSearch>(session, uploaded_);
  copied_ = {session, uploaded_.size()};
  copied_reals_ = {session, reals_.size()};
  copied_integers_ = {session, integers_.size()};
}

void DeviceSearches::point_at_memory(std::span<const SearchSetup> setups) {
  const DeviceParameter* parameters = parameters_.data();
  const double* streams = streams_.data();
  double *reals = reals_.data(), *thresholds = thresholds_.data();
  std::int32_t* integers = integers_.data();
  for (std::size_t i = 0; i < setups.size(); ++i) {
    DeviceSearch& search = uploaded_[i];
    search.parameters = cut(parameters, search.n_parameters);
    search.points = cut(reals, std::int64_t{search.most_trials} * search.n_parameters);
    search.values = cut(reals, search.most_trials);
    search.reports = cut(reals, std::int64_t{search.most_trials} * search.most_steps);
    search.states = cut(integers, search.most_trials);
    search.n_reports = cut(integers, search.most_trials);
    search.thresholds = cut(thresholds, search.most_steps);
    if (!setups[i].options.numpy_random) continue;
    const StreamLengths lengths = stream_lengths(setups[i]);
    search.startup_stream = cut(streams, lengths.startup);
    search.guided_stream = cut(streams, lengths.guided);
  }
}

void DeviceSearches::copy_out(gpu::Session& session, std::int32_t first, std::int32_t n) {
  const Place& from = places_[static_cast<std::size_t>(first)];
  const Place& to = places_[static_cast<std::size_t>(first + n)];
  const auto bytes = [](std::int64_t count, std::size_t size) { return static_cast<std::size_t>(count) * size; };
  session.copy_out(copied_.data() + first, searches_.data() + first, bytes(n, sizeof(DeviceSearch)));
  session.copy_out(copied_reals_.data() + from.reals, reals_.data() + from.reals,
                   bytes(to.reals - from.reals, sizeof(double)));
  session.copy_out(copied_integers_.data() + from.integers, integers_.data() + from.integers,
                   bytes(to.integers - from.integers, sizeof(std::int32_t)));
}

std::vector<Trial> DeviceSearches::trials(std::int32_t i) const {
  const DeviceSearch& search = copied(i);
  const Place& place = places_[static_cast<std::size_t>(i)];
  const double* const points = copied_reals_.data() + place.reals;
  const double* const values = points + std::int64_t{search.most_trials} * search.n_parameters;
  const double* const reports = values + search.most_trials;
  const std::int32_t* const states = copied_integers_.data() + place.integers;
  const std::int32_t* const n_reports = states + search.most_trials;
  std::vector<Trial> trials(static_cast<std::size_t>(search.asked));
  for (std::int32_t t = 0; t < search.asked; ++t) {
    Trial& trial = trials[static_cast<std::size_t>(t)];
    const double* const point = points + std::int64_t{t} * search.n_parameters;
    const double* const report = reports + std::int64_t{t} * search.most_steps;
    trial.number = t;
    trial.point.assign(point, point + search.n_parameters);
    trial.state = static_cast<TrialState>(states[t]);
    trial.value = values[t];
    trial.intermediate.assign(report, report + n_reports[t]);
  }
  return trials;
}

}  // namespace quarry
