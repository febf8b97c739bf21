// SPDX-License-Identifier: MIT
// What a study costs before it starts: fits, gradient steps, arithmetic, memory, time, and how many seeds an answer
// takes. Upper bounds: no trial is pruned, and tunings that several strategies share are counted for each.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/study/config.h"
#include "quarry/study/runner.h"

namespace quarry {

struct DataSize {
  std::int64_t pool = 0, test = 0;
  std::int32_t features = 0, classes = 0;
  ImageShape image = {};  ///< for residual networks
};

/// Errors: usage, if a run asks more than its data set has: more initial instances than the pool, a budget larger than
/// what is unlabelled then, folds or parts that would be empty.
void check_run_fits_data(const RunConfig& run, const DataSize& size);

/// Errors: usage, naming the key and both numbers of bytes, if training one network of the run on the CPU, its weights
/// and their gradients and moments alone, takes more than `bytes` of memory (0 = unknown: anything goes).
void check_run_fits_memory(const RunConfig& run, const DataSize& size, std::uint64_t bytes);

struct RunCost {
  std::int64_t runs = 1;
  std::int64_t acquisitions = 0;
  std::int64_t fits = 0;              ///< networks trained
  std::int64_t steps = 0;             ///< gradient steps
  std::int64_t sequential_steps = 0;  ///< of the longest chain of fits that wait for each other, over the runs
  std::int64_t members = 0;           ///< networks that can train side by side once a search uses results
  std::int64_t startup_members = 0;   ///< and during its start-up trials
  std::int64_t image_passes = 0;      ///< images that residual networks train on, every time they do
  double training_flops = 0;
  double scoring_flops = 0;  ///< candidates and test part, validation rows of a search
};

/// The cost of one run on its data set. With a search: for the average network of the space.
RunCost run_cost(const RunConfig& run, const DataSize& size);
/// The same for residual networks: what run_cost answers for them.
RunCost image_run_cost(const RunConfig& run, const DataSize& size);

struct PlanGroup {
  std::string data;
  Mode mode = Mode::fixed;
  RunCost cost;  ///< summed over the group's runs
};

/// Bytes on a GPU that runs a study of residual networks: images, one network in training, one at work on the test part
/// or the candidates with what it says about them.
struct PlanDeviceMemory {
  std::int64_t data = 0, network = 0;
  std::int64_t workspace = 0;      ///< of all networks in training together, with cuDNN
  std::int64_t parameters = 0;     ///< of `network`, what stays for its test and selection
  std::int64_t scoring = 0;        ///< of a test or a selection, beside that
  std::int64_t least_scoring = 0;  ///< with an image at a time
};

struct PlanMemory {
  std::int64_t data = 0, workers = 0, networks = 0, scores = 0, records = 0;
  PlanDeviceMemory device;  ///< zeros for perceptrons
  std::int64_t total() const { return data + workers + networks + scores + records; }
};
/// Bytes while a run of residual networks is trained and scored; `workers` for one worker.
PlanMemory image_run_memory(const RunConfig& run, const DataSize& size);

struct PlanMachine {
  int workers = 1;
  double gflops = 0;               ///< per worker while training; 0 = assume kAssumedGflops
  std::int32_t fleet = kMaxFleet;  ///< runs advanced in lock step, at most
  std::uint64_t memory = 0;        ///< bytes; 0 = unknown
  std::string device = {};         ///< the GPU that would run the study, for which there is no estimate; empty = none
};
inline constexpr double kAssumedGflops = 10;

struct Plan {
  std::string study;
  std::int32_t shard = 1, shards = 1;
  std::vector<PlanGroup> groups;  ///< by data set and mode, in the order of the grid
  RunCost total;                  ///< its members: of as many runs as advance in lock step
  PlanMemory memory;
  PlanMachine machine;
  double seconds = 0;
  std::int64_t seeds = 0;  ///< of the whole study, as are strategies
  std::int64_t strategies = 0;
};

/// What a shard of the study costs. `size_of` is called once per distinct data set. Errors: those of shard_runs; those
/// of check_run_fits_data and, where no GPU would run it, check_run_fits_memory, naming the run.
Plan plan_study(const StudyConfig& study, const std::function<DataSize(const DataConfig&)>& size_of,
                const PlanMachine& machine, std::int32_t shard = 1, std::int32_t shards = 1);

/// The plan with the rate that was measured after it was made.
Plan at_rate(Plan plan, double gflops);

/// Trains copies of the run's network (with a search: an average one) on all workers for about a fifth of a second, a
/// few seconds for the largest: of wider layers than 1024, inputs than 8192 and batches of more than 32 images, as
/// many. Returns GFLOP/s per worker, for at_rate.
double measure_gflops(Context& context, const RunConfig& run, const DataSize& size);

/// The page `quarry run --plan` prints.
std::string plan_text(const Plan& plan);

/// Power of the two-sided paired t test with n pairs when the true mean difference is `difference` and the differences
/// have standard deviation `sd` (normal): by the noncentral t distribution.
double paired_t_power(std::int32_t n, double difference, double sd, double alpha);
/// Fewest pairs (seeds) that reach the power; at least 2, at most 1000000.
std::int32_t pairs_needed(double difference, double sd, double alpha, double power);

}  // namespace quarry
