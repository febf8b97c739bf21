// SPDX-License-Identifier: MIT
// --plan: against the published study's own table of costs, by hand for small cases, and SciPy's power.
#include "quarry/study/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <sstream>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"

namespace quarry {
namespace {

using testing::AllOf;
using testing::HasSubstr;

RunConfig parse(const std::string& toml) {
  return parse_study(toml, "plan.toml", {}).runs.at(0).config;
}

const DataSize kMoons = {480, 120, 2, 2};

// Upper bounds of the published study, 20 initial instances, a quarter of them for validation: fits and 10^6 steps.
struct Published {
  const char* data;
  DataSize size;
  int budget;
  struct {
    std::int64_t fits;
    double steps, digits;  ///< digits: half a unit of the last printed digit
  } initial, whole, fixed_split, dynamic;
  double sequential_dynamic;
};

const Published kPublished[] = {
    {"moons",
     {480, 120, 2, 2},
     160,
     {210, 0.09, .005},
     {211, 0.19, .005},
     {8050, 4.17, .005},
     {48461, 25.1, .05},
     4.25},
    {"adversarial_moons",
     {480, 120, 2, 2},
     200,
     {250, 0.14, .005},
     {251, 0.24, .005},
     {10050, 6.41, .005},
     {60501, 38.6, .05},
     6.54},
    {"blobs", {320, 80, 2, 2}, 160, {210, 0.09, .005}, {211, 0.15, .005}, {8050, 4.17, .005}, {48461, 25.1, .05}, 4.25},
    {"diverging_sine",
     {400, 100, 2, 2},
     200,
     {250, 0.14, .005},
     {251, 0.22, .005},
     {10050, 6.41, .005},
     {60501, 38.6, .05},
     6.54},
    {"splice",
     {1000, 2175, 60, 2},
     260,
     {310, 0.22, .005},
     {311, 0.44, .005},
     {13050, 10.7, .05},
     {78561, 64.6, .05},
     10.9},
    {"dna",
     {2000, 1186, 180, 3},
     200,
     {250, 0.14, .005},
     {251, 0.59, .005},
     {10050, 6.41, .005},
     {60501, 38.6, .05},
     6.54}};

RunConfig published_run(int budget, const std::string& mode, const std::string& more = "") {
  return parse("preset = \"faithful\"\n[acquisition]\nbudget = " + std::to_string(budget) + "\n[search]\nmode = \"" +
               mode + "\"\n" + more);
}

TEST(Plan, CountsFitsAndStepsAsThePublishedTable) {
  for (const Published& row : kPublished) {
    SCOPED_TRACE(row.data);
    const auto cost = [&](const char* mode, const char* more = "") {
      return run_cost(published_run(row.budget, mode, more), row.size);
    };
    const auto expect = [](const RunCost& c, const auto& published) {
      EXPECT_EQ(c.fits, published.fits);
      EXPECT_NEAR(static_cast<double>(c.steps) / 1e6, published.steps, published.digits * 1.001);
    };
    expect(cost("constant_initial"), row.initial);
    expect(cost("constant_whole"), row.whole);
    expect(cost("online_static"), row.fixed_split);
    const RunCost dynamic = cost("online_dynamic");
    expect(dynamic, row.dynamic);
    // The table lets trials wait for each other from the first: one start-up trial.
    const RunCost chain = cost("online_dynamic", "startup_trials = 1\n");
    EXPECT_EQ(chain.steps, dynamic.steps);
    EXPECT_NEAR(static_cast<double>(chain.sequential_steps) / 1e6, row.sequential_dynamic,
                row.sequential_dynamic > 10 ? .05 : .005);
    EXPECT_LT(dynamic.sequential_steps, chain.sequential_steps);
    EXPECT_EQ(dynamic.members, 6);
    EXPECT_EQ(dynamic.startup_members, 60);
  }
}

TEST(Plan, ArithmeticOfSearchesAgreesWithThePublishedTable) {
  // The table adds a pass over the training rows after every epoch, which quarry has no need of: 2 P per trained row.
  const struct {
    const Published* row;
    const char* mode;
    double tera, tolerance;
  } cases[] = {{&kPublished[0], "online_static", 5.3, .1}, {&kPublished[0], "online_dynamic", 32, 1},
               {&kPublished[4], "online_static", 20, .6},  {&kPublished[4], "online_dynamic", 118, 3},
               {&kPublished[5], "online_static", 19, .6},  {&kPublished[5], "online_dynamic", 115, 3}};
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.row->data) + " " + c.mode);
    const RunCost cost = run_cost(published_run(c.row->budget, c.mode), c.row->size);
    const double d = c.row->size.features, classes = c.row->size.classes;
    const double weights = 49 * (d + classes) + 2 * 49 * 49;
    const double per_row = 6 * weights - 2 * 49 * d;
    const double extra = cost.training_flops * 2 * weights / per_row;
    EXPECT_NEAR((cost.training_flops + extra) / 1e12, c.tera, c.tolerance);
  }
}

TEST(Plan, AFixedNetworkByHand) {
  const RunConfig run = parse(R"(
[pool]
n_initial = 30
val_share = 0.5
[acquisition]
strategy = "entropy"
budget = 25
size = 10
[model]
hidden = [16]
[training]
epochs = 10
)");
  const RunCost cost = run_cost(run, kMoons);
  EXPECT_EQ(cost.acquisitions, 3);
  EXPECT_EQ(cost.fits, 4);
  EXPECT_EQ(cost.steps, 10 * (1 + 1 + 2 + 2));  // rows 15, 25, 35, 40 in batches of 32
  EXPECT_EQ(cost.sequential_steps, cost.steps);
  EXPECT_EQ(cost.members, 1);
  EXPECT_EQ(cost.startup_members, 1);
  const double weights = 2 * 16 + 16 * 2;
  const double rows = 15 + 25 + 35 + 40;
  EXPECT_DOUBLE_EQ(cost.training_flops, 10 * rows * (6 * weights - 2 * 32) + 2 * weights * (rows + 4 * 15));
  EXPECT_DOUBLE_EQ(cost.scoring_flops, 2 * weights * (450 + 440 + 430 + 4 * 120));
}

TEST(Plan, UpdatesReplaceEpochs) {
  // 33 rows without drop_last: 2 updates an epoch, so 51 epochs for at least 101 updates.
  const RunConfig run =
      parse("[pool]\nn_initial = 33\nval_share = 0\n[acquisition]\nbudget = 0\n[training]\nupdates = 101\n");
  EXPECT_EQ(run_cost(run, kMoons).steps, 102);
}

TEST(Plan, RefitsOnAllLabelledAreCounted) {
  const std::string base = "[acquisition]\nbudget = 3\n[training]\nrefit_on_all = true\n[search]\ntrials = 7\nmode = ";
  EXPECT_EQ(run_cost(parse(base + "\"constant_initial\""), kMoons).fits, 7 + 4);
  EXPECT_EQ(run_cost(parse(base + "\"online_static\""), kMoons).fits, (7 + 1) * 4);
}

TEST(Plan, ARefitReplacesTheNetworkOfACachedSearch) {
  const std::string base = "[acquisition]\nbudget = 3\n[search]\ncache_last_trial = true\ntrials = 7\nmode = ";
  EXPECT_EQ(run_cost(parse(base + "\"constant_initial\""), kMoons).fits, 7 + 4);
  EXPECT_EQ(run_cost(parse(base + "\"online_static\""), kMoons).fits, 7 * 4 + 1);
  EXPECT_EQ(run_cost(parse(base + "\"online_dynamic\""), kMoons).fits, (7 * 6 + 1) * 4);
}

TEST(Plan, EverythingLabelledIsOneRow) {
  const RunCost cost = run_cost(parse("[pool]\nn_initial = -1\n[acquisition]\nbudget = 400\n"), kMoons);
  EXPECT_EQ(cost.acquisitions, 0);
  EXPECT_EQ(cost.fits, 1);
}

TEST(Plan, RunsThatDoNotFitTheirDataAreRefused) {
  const auto message = [](const std::string& toml) -> std::string {
    try {
      check_run_fits_data(parse(toml), kMoons);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message("[acquisition]\nbudget = 460\n"), "accepted");
  EXPECT_THAT(message("[acquisition]\nbudget = 461\n"), HasSubstr("460 unlabelled instances of 'moons' (pool 480"));
  EXPECT_THAT(message("[pool]\nn_initial = 481\n"), HasSubstr("pool.n_initial = 481"));
  EXPECT_EQ(message("[pool]\nn_initial = -1\nval_share = 0.99\n"), "accepted");
  EXPECT_THAT(message("[pool]\nn_initial = -1\nval_share = 0.999\n"), HasSubstr("none of 480 initial"));
  EXPECT_THAT(message("[pool]\nn_initial = -1\n[search]\nmode = \"online_dynamic\"\ncross_validation = \"k_fold\"\n"
                      "folds = 500\n"),
              HasSubstr("search.folds = 500"));
}

TEST(Plan, AStudyIsTheSumOfItsRuns) {
  const StudyConfig study = parse_study(R"(
[run]
seed = "0..2"
[data]
name = ["moons", "blobs"]
[acquisition]
strategy = ["random", "bald", "coreset"]
[search]
mode = ["fixed", "online_dynamic"]
trials = 12
)",
                                        "plan.toml", {});
  int loads = 0;
  const auto size_of = [&](const DataConfig& data) {
    ++loads;
    return data.name == "moons" ? kMoons : DataSize{320, 80, 2, 2};
  };
  const Plan plan = plan_study(study, size_of, {2, 0});
  EXPECT_EQ(loads, 2);
  EXPECT_EQ(plan.total.runs, 36);
  ASSERT_EQ(plan.groups.size(), 4u);
  EXPECT_EQ(plan.groups[1].data, "moons");
  EXPECT_EQ(plan.groups[1].mode, Mode::online_dynamic);
  std::int64_t fits = 0, steps = 0, longest = 0;
  double flops = 0;
  for (const StudyRun& run : study.runs) {
    const RunCost cost = run_cost(run.config, size_of(run.config.data));
    fits += cost.fits;
    steps += cost.steps;
    longest = std::max(longest, cost.sequential_steps);
    flops += cost.training_flops + cost.scoring_flops;
  }
  EXPECT_EQ(plan.total.fits, fits);
  EXPECT_EQ(plan.total.steps, steps);
  EXPECT_EQ(plan.total.sequential_steps, longest);
  EXPECT_EQ(plan.total.members, 18 + 18 * 6);
  EXPECT_EQ(plan.total.startup_members, 18 + 18 * 60);
  EXPECT_DOUBLE_EQ(plan.seconds, flops / (2 * kAssumedGflops * 1e9));
  EXPECT_GT(plan.memory.total(), 480 * 13);
  EXPECT_EQ(plan.memory.data, (480 + 120 + 320 + 80) * 13);
  EXPECT_EQ(plan.seeds, 3);
  EXPECT_EQ(plan.strategies, 3);
  // A rate that was measured is used, and more workers than chains do not help.
  EXPECT_DOUBLE_EQ(plan_study(study, size_of, {2, 20}).seconds, plan.seconds / 2);
  EXPECT_LT(plan_study(study, size_of, {4, 0}).seconds, plan.seconds);
  EXPECT_DOUBLE_EQ(plan_study(study, size_of, {1000, 0}).seconds, plan_study(study, size_of, {100000, 0}).seconds);
}

TEST(Plan, ImagesStateTheMemoryOfAGpu) {
  const DataSize size{50000, 10000, 3072, 10, {3, 32, 32}};
  const auto of = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"preset=hyperparameter_study", "data.name=cifar10"});
    return plan_study(parse_study("", "plan.toml", more), [&](const DataConfig&) { return size; }, {});
  };
  const Plan plan = of({});
  const PlanDeviceMemory& fp32 = plan.memory.device;
  EXPECT_EQ(fp32.data, 60000 * (3072 + 4) + 2 * 3 * 4);
  // Weights, momentum and, of 32 images, inputs and outputs of every layer.
  EXPECT_GT(fp32.network, 4 * (2 * 11173962 + 32 * 2 * 557056));
  EXPECT_LT(fp32.network, 400 << 20);
  EXPECT_GT(fp32.scoring, fp32.network);
  const PlanDeviceMemory bf16 = of({"training.precision=bf16"}).memory.device;
  EXPECT_LT(bf16.network, fp32.network);
  EXPECT_GT(bf16.network, fp32.network / 2);
  EXPECT_EQ(fp32.workspace, 0);
  // The three tensors of the widest layer and 1 MiB, on four queues.
  const std::int64_t widest = (2 * 32 * 32 * 32 * 64 + 9 * 64 * 64) * 4 + (1 << 20);
  const Plan theirs = of({"training.convolution=cudnn"});
  EXPECT_EQ(theirs.memory.device.workspace, 4 * widest);
  EXPECT_LT(theirs.memory.device.network, fp32.network + 4 * 9 * 512 * 512);
  EXPECT_EQ(theirs.memory.device.scoring, fp32.scoring);
  EXPECT_THAT(plan_text(theirs), testing::HasSubstr("; 68.6 MiB for workspaces of cuDNN; "));
  EXPECT_THAT(plan_text(plan), testing::HasSubstr("GPU memory, with --device cuda: images 176.0 MiB; "));
  EXPECT_THAT(plan_text(plan), testing::Not(testing::HasSubstr("cuDNN")));
  EXPECT_THAT(plan_text(plan_study(parse_study("", "plan.toml", {}), [](const DataConfig&) { return kMoons; }, {})),
              testing::Not(testing::HasSubstr("GPU memory")));
}

TEST(Plan, AnErrorNamesTheRun) {
  const StudyConfig study = parse_study("[acquisition]\nbudget = 479\n", "plan.toml", {});
  try {
    plan_study(study, [](const DataConfig&) { return kMoons; }, {});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("run moons__random__fixed__n20__v0.25__s0: acquisition.budget"));
  }
}

TEST(Plan, TheTextSaysWhatIsAssumed) {
  const StudyConfig study =
      parse_study("[acquisition]\nstrategy = [\"random\", \"entropy\", \"bald\"]\n", "plan.toml", {});
  const auto size_of = [](const DataConfig&) { return kMoons; };
  const std::string assumed = plan_text(plan_study(study, size_of, {2, 0}));
  EXPECT_THAT(assumed, HasSubstr("Plan of study 'study': 3 runs"));
  EXPECT_THAT(assumed, HasSubstr("on this CPU, 2 workers at 10.0 GFLOP/s each (assumed, not measured)"));
  EXPECT_THAT(assumed, HasSubstr("all 3 pairs (Bonferroni)"));
  EXPECT_THAT(assumed, HasSubstr("\n  2.0                     34           45\n"));
  EXPECT_THAT(plan_text(plan_study(study, size_of, {1, 12.5})),
              HasSubstr("on this CPU, 1 worker at 12.5 GFLOP/s each (measured on this machine)"));
}

TEST(Plan, AShardIsPricedAloneAndTheShardsAreTheStudy) {
  const StudyConfig study =
      parse_study("[run]\nseed = \"0..4\"\n[search]\nmode = [\"fixed\", \"online_dynamic\"]\n", "plan.toml", {});
  const auto size_of = [](const DataConfig&) { return kMoons; };
  const Plan whole = plan_study(study, size_of, {2, 0});
  std::int64_t fits = 0;
  for (std::int32_t i = 1; i <= 3; ++i) {
    const Plan part = plan_study(study, size_of, {2, 0}, i, 3);
    EXPECT_EQ(part.total.runs, i == 1 ? 4 : 3);
    EXPECT_LT(part.seconds, whole.seconds);
    EXPECT_EQ(part.seeds, 5);  // an answer needs all of them
    EXPECT_THAT(plan_text(part), HasSubstr("Plan of study 'study', shard " + std::to_string(i) + " of 3: "));
    fits += part.total.fits;
  }
  EXPECT_EQ(fits, whole.total.fits);
  EXPECT_THAT(plan_text(plan_study(study, size_of, {2, 0}, 11, 11)), HasSubstr("nothing to do"));
  for (const auto& [i, n] : {std::pair{0, 2}, {7, 2}, {1, 0}, {-1, -1}})
    EXPECT_THROW(plan_study(study, size_of, {2, 0}, i, n), Error) << i << "/" << n;
}

TEST(Plan, AFleetHoldsAsManyRunsAsAdvanceTogether) {
  const StudyConfig study =
      parse_study("[run]\nseed = \"0..299\"\n[search]\nmode = [\"fixed\", \"online_dynamic\"]\n", "plan.toml", {});
  const auto size_of = [](const DataConfig&) { return kMoons; };
  const auto with_fleet = [&](std::int32_t fleet) {
    PlanMachine machine{2, 0};
    machine.fleet = fleet;
    return plan_study(study, size_of, machine);
  };
  const Plan all = plan_study(study, size_of, {2, 0}), ten = with_fleet(10), one = with_fleet(1);
  const RunCost dynamic = run_cost(study.runs.back().config, kMoons);
  ASSERT_EQ(study.runs.back().config.mode, Mode::online_dynamic);
  EXPECT_EQ(all.total.startup_members, kMaxFleet * dynamic.startup_members);  // the 256 largest of 600
  EXPECT_EQ(ten.total.startup_members, 10 * dynamic.startup_members);
  EXPECT_EQ(one.total.members, dynamic.members);
  EXPECT_EQ(all.memory.networks, kMaxFleet * one.memory.networks);
  EXPECT_EQ(one.total.fits, all.total.fits);
  EXPECT_EQ(one.memory.data, all.memory.data);
  EXPECT_THAT(plan_text(all), HasSubstr("Packing: 256 of 600 runs side by side"));
  EXPECT_THAT(plan_text(ten), HasSubstr("Packing: 10 of 600 runs side by side"));
  // With one run at a time a second worker has nothing to do while a fixed network trains.
  const StudyConfig fixed = parse_study("[run]\nseed = \"0..9\"\n", "plan.toml", {});
  PlanMachine alone{2, 0};
  alone.fleet = 1;
  const double together = plan_study(fixed, size_of, {2, 0}).seconds,
               one_by_one = plan_study(fixed, size_of, alone).seconds;
  EXPECT_DOUBLE_EQ(one_by_one, 2 * together);
}

TEST(Plan, WhatDoesNotFitTheMachineIsRefusedWithKeyAndBytes) {
  const auto message = [](const std::string& toml, std::uint64_t memory, const std::string& device = "") {
    PlanMachine machine{2, 0};
    machine.memory = memory;
    machine.device = device;
    try {
      return plan_text(plan_study(
          parse_study(toml, "plan.toml", {}), [](const DataConfig&) { return kMoons; }, machine));
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const std::string wide = "[model]\nhidden = [65536, 65536, 65536, 65536]\n";
  // (2 + 1) x 65536 + 3 x 65537 x 65536 + 65537 x 2 parameters, and a gradient each, of 4 bytes.
  const std::uint64_t needed = 8 * (3 * 65536LL + 3 * 65537LL * 65536 + 65537LL * 2);
  EXPECT_THAT(message(wide, std::uint64_t{23} << 30),
              AllOf(HasSubstr("run moons__random"), HasSubstr("model.hidden = [65536, 65536, 65536, 65536]: a network"),
                    HasSubstr(std::to_string(needed) + " bytes"), HasSubstr("this machine has 24696061952")));
  EXPECT_THAT(message(wide, needed - 1), HasSubstr(std::to_string(needed) + " bytes"));
  EXPECT_THAT(message(wide, needed), HasSubstr("it may run out of memory"));  // with more than one network
  EXPECT_THAT(message(wide, 0), HasSubstr("Time: about"));                    // unknown
  EXPECT_THAT(message(wide, 1, "cuda:0"), HasSubstr("would run on cuda:0, for which there is no estimate"));
  EXPECT_THAT(message("[training]\noptimizer = \"adam\"\n" + wide, needed), HasSubstr(std::to_string(2 * needed)));
  EXPECT_THAT(message("[search]\nmode = \"online_static\"\ndepth_high = 4\nwidth_high = 65536\n", needed - 1),
              AllOf(HasSubstr("search.width_high = 65536"), HasSubstr(std::to_string(needed))));
  EXPECT_THAT(message("", std::uint64_t{23} << 30), testing::Not(HasSubstr("This machine has")));
}

TEST(Plan, MeasuringALargeNetworkIsBounded) {
  Context context({}, 2);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_GT(measure_gflops(context, parse("[model]\nhidden = [20000, 20000]\n"), {1000, 100, 100000, 3}), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));  // 1 s; minutes without the bound
}

TEST(Plan, TheMeasuredRateIsThatOfTheTrainer) {
  Context context({}, 2);
  // A tiny network cannot reach the rate of a wide one: the figure is about the run's own network.
  const double tiny = measure_gflops(context, parse("[model]\nhidden = [2]\n"), kMoons);
  const double wide = measure_gflops(context, parse("[model]\nhidden = [96, 96, 96]\n"), {1000, 100, 180, 3});
  EXPECT_GT(tiny, 0);
  EXPECT_GT(wide, tiny);
  EXPECT_LT(wide, 1000);  // more than any core does
  EXPECT_GT(measure_gflops(context, parse("[search]\nmode = \"online_static\"\n"), kMoons), tiny);
}

TEST(Power, AgreesWithSciPy) {
  std::istringstream lines(read_file(std::string(QUARRY_GOLDENS) + "/study/paired_power.txt"));
  int powers = 0, pairs = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string kind;
    in >> kind;
    SCOPED_TRACE(line);
    if (kind == "power") {
      std::int32_t n = 0;
      double difference = 0, sd = 0, alpha = 0, expected = 0;
      in >> n >> difference >> sd >> alpha >> expected;
      EXPECT_NEAR(paired_t_power(n, difference, sd, alpha), expected, 2e-6);
      ++powers;
    } else if (kind == "pairs") {
      double difference = 0, sd = 0, alpha = 0, power = 0;
      std::int32_t n = 0;
      in >> difference >> sd >> alpha >> power >> n;
      EXPECT_EQ(pairs_needed(difference, sd, alpha, power), n);
      ++pairs;
    }
  }
  EXPECT_EQ(powers, 72);
  EXPECT_EQ(pairs, 20);
}

}  // namespace
}  // namespace quarry
