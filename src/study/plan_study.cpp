// SPDX-License-Identifier: MIT
// The cost of a study or of a shard of it: its runs together, memory, time.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet_device.h"
#include "quarry/study/plan.h"

namespace quarry {
namespace {

void add_to(RunCost& sum, const RunCost& cost) {
  sum.runs += cost.runs;
  sum.acquisitions += cost.acquisitions;
  sum.fits += cost.fits;
  sum.steps += cost.steps;
  sum.sequential_steps = std::max(sum.sequential_steps, cost.sequential_steps);
  sum.image_passes += cost.image_passes;
  sum.training_flops += cost.training_flops;
  sum.scoring_flops += cost.scoring_flops;
}

// Of each run of a shard: what counts as often as runs advance in lock step.
struct RunShares {
  std::vector<std::int64_t> members, startup_members, network_bytes;
};

// The most that `n` of the runs have together.
std::int64_t largest_sum(std::vector<std::int64_t> of_runs, std::int64_t n) {
  const auto end = of_runs.begin() + std::min<std::int64_t>(n, std::ssize(of_runs));
  std::nth_element(of_runs.begin(), end, of_runs.end(), std::greater<>());
  return std::accumulate(of_runs.begin(), end, std::int64_t{0});
}

// Widths of the largest network that a perceptron's run may train.
std::vector<std::int32_t> largest_sizes(const RunConfig& run, const DataSize& size) {
  std::vector<std::int32_t> sizes = {size.features};
  if (run.mode == Mode::fixed) {
    sizes.insert(sizes.end(), run.hidden.begin(), run.hidden.end());
  } else {
    sizes.insert(sizes.end(), static_cast<std::size_t>(run.depth_high), run.width_high);
  }
  sizes.push_back(size.classes);
  return sizes;
}

std::int64_t weights_of(const std::vector<std::int32_t>& sizes) {
  std::int64_t weights = 0;
  for (std::size_t i = 1; i < sizes.size(); ++i) weights += (std::int64_t{sizes[i - 1]} + 1) * sizes[i];
  return weights;
}

// Numbers per weight while a network trains: itself, its gradient, what the optimiser keeps.
std::int64_t training_copies(const RunConfig& run) {
  return run.optimizer == Optimizer::adam ? 4 : run.momentum > 0 ? 3 : 2;
}

// Bytes, for the largest network a run may train. Adds all but the networks, which it returns.
std::int64_t add_memory(PlanMemory& memory, const RunConfig& run, const DataSize& size, const RunCost& cost) {
  if (run.network != NetworkKind::mlp) {
    const PlanMemory more = image_run_memory(run, size);
    memory.workers = std::max(memory.workers, more.workers);
    memory.scores = std::max(memory.scores, more.scores);
    memory.records += more.records;
    memory.device.network = std::max(memory.device.network, more.device.network);
    memory.device.parameters = std::max(memory.device.parameters, more.device.parameters);
    memory.device.scoring = std::max(memory.device.scoring, more.device.scoring);
    memory.device.least_scoring = std::max(memory.device.least_scoring, more.device.least_scoring);
    memory.device.workspace = std::max(memory.device.workspace, more.device.workspace);
    return more.networks;
  }
  const std::vector<std::int32_t> sizes = largest_sizes(run, size);
  const std::int64_t parameters = weights_of(sizes),
                     units = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  const std::int64_t rows = (run.batch_size + 31) / 32 * 32;
  const std::int64_t number = sizeof(float);
  memory.workers = std::max(memory.workers, number * (training_copies(run) * parameters + 2 * rows * units));
  const std::int64_t width = std::max(sizes[sizes.size() - 2], size.classes);
  memory.scores = std::max(memory.scores, number * size.pool * (width + 2 * size.classes + 1));
  constexpr std::int64_t kRowBytes = 600, kTrialBytes = 200;  // a row of the results, a trial of a search
  memory.records += (cost.acquisitions + 1) * kRowBytes + (run.mode == Mode::fixed ? 0 : run.trials) * kTrialBytes;
  return number * parameters * (cost.startup_members + 1);
}

// The cost of a run; the errors name it.
RunCost checked_cost(const StudyRun& run, const DataSize& size, const PlanMachine& machine) {
  try {
    if (machine.device.empty()) check_run_fits_memory(run.config, size, machine.memory);
    return run_cost(run.config, size);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("run {}: {}", run.id, error.what()));
  }
}

void add_data(PlanMemory& memory, const RunConfig& run, const DataSize& size) {
  const bool images = run.network != NetworkKind::mlp;
  const std::int64_t row = images ? size.image.pixels() + 4 : 4 * std::int64_t{size.features} + 5;
  memory.data += (size.pool + size.test) * row;
  if (images)
    memory.device.data += static_cast<std::int64_t>(cuda::DeviceImages::memory(size.image, size.pool + size.test));
}

void count_names(Plan& plan, const StudyConfig& study) {
  std::set<std::int64_t> seeds;
  std::set<std::string_view> strategies;
  for (const StudyRun& run : study.runs) {
    seeds.insert(run.config.seed);
    strategies.insert(run.config.strategy);
  }
  plan.seeds = std::ssize(seeds);
  plan.strategies = std::ssize(strategies);
}

// Work over workers at best. A chain of fits that wait for each other keeps one worker busy however many there are, and
// so does each run's chain where fewer runs advance in lock step than there are.
double seconds_of(const Plan& plan, std::int64_t steps_of_chains) {
  const double work = plan.total.training_flops + plan.total.scoring_flops;
  const double step = work / static_cast<double>(std::max<std::int64_t>(plan.total.steps, 1));
  const double chain = std::max(static_cast<double>(plan.total.sequential_steps),
                                static_cast<double>(steps_of_chains) / plan.machine.fleet);
  return std::max(work / plan.machine.workers, chain * step) / (1e9 * kAssumedGflops);
}

}  // namespace

void check_run_fits_memory(const RunConfig& run, const DataSize& size, std::uint64_t bytes) {
  if (run.network != NetworkKind::mlp || bytes == 0) return;
  const std::int64_t copies = training_copies(run), number = sizeof(float);
  const std::int64_t needed = copies * number * weights_of(largest_sizes(run, size));
  if (static_cast<std::uint64_t>(needed) <= bytes) return;
  const std::string network =
      run.mode == Mode::fixed
          ? fmt::format("model.hidden = [{}]: a network", fmt::join(run.hidden, ", "))
          : fmt::format("search.depth_high = {}, search.width_high = {}: the largest network of the search",
                        run.depth_high, run.width_high);
  usage_error(
      "{} takes {} bytes of memory to train ({} per weight), and this machine has {}; use fewer or narrower layers",
      network, needed, copies * number, bytes);
}

Plan plan_study(const StudyConfig& study, const std::function<DataSize(const DataConfig&)>& size_of,
                const PlanMachine& machine, std::int32_t shard, std::int32_t shards) {
  Plan plan;
  plan.study = study.study;
  plan.machine = machine;
  plan.shard = shard;
  plan.shards = shards;
  plan.total.runs = 0;
  std::map<std::string, DataSize> sizes;
  std::map<std::pair<std::string_view, Mode>, std::size_t> groups;
  RunShares shares;
  std::int64_t steps_of_chains = 0;
  for (const StudyRun* run : shard_runs(study, shard, shards)) {
    const RunConfig& config = run->config;
    const auto [size, is_new] = sizes.try_emplace(data_identity(config.data));
    if (is_new) {
      size->second = size_of(config.data);
      add_data(plan.memory, config, size->second);
    }
    const RunCost cost = checked_cost(*run, size->second, machine);
    const auto [group, new_group] = groups.try_emplace({config.data.name, config.mode}, plan.groups.size());
    if (new_group) {
      plan.groups.push_back({config.data.name, config.mode, {}});
      plan.groups.back().cost.runs = 0;
    }
    add_to(plan.groups[group->second].cost, cost);
    add_to(plan.total, cost);
    steps_of_chains += cost.sequential_steps;
    shares.members.push_back(cost.members);
    shares.startup_members.push_back(cost.startup_members);
    shares.network_bytes.push_back(add_memory(plan.memory, config, size->second, cost));
  }
  plan.total.members = largest_sum(std::move(shares.members), machine.fleet);
  plan.total.startup_members = largest_sum(std::move(shares.startup_members), machine.fleet);
  plan.memory.networks = largest_sum(std::move(shares.network_bytes), machine.fleet);
  plan.memory.workers *= machine.workers;
  count_names(plan, study);
  plan.seconds = seconds_of(plan, steps_of_chains);
  return machine.gflops > 0 ? at_rate(std::move(plan), machine.gflops) : plan;
}

Plan at_rate(Plan plan, double gflops) {
  plan.seconds *= kAssumedGflops / gflops;
  plan.machine.gflops = gflops;
  return plan;
}

}  // namespace quarry
