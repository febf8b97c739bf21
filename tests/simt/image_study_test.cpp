// SPDX-License-Identifier: MIT
// Image studies on the fake GPU: picks are those of src/al on the device's own logits and features; runs have the same
// bytes however they are packed or stopped; failures are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "quarry/ops/scores.h"
#include "src/study/device_image_selection_cuda.h"
#include "tests/simt/fake_gpu.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_images.h"

namespace quarry {
namespace {

using test::TempDir;

std::shared_ptr<const ImageDataset> tiny() {
  static const auto data = std::make_shared<const ImageDataset>(test::tiny_images(40, 6, 4, {1, 4, 4}));
  return data;
}

std::vector<StudyRun> runs_of(std::vector<std::string> overrides) {
  std::vector<std::string> all = {"preset=hyperparameter_study", "data.name=cifar10",        "model.network=resnet8",
                                  "training.epochs=1",           "training.warmup_epochs=0", "training.batch_size=4",
                                  "training.batches=fill_last",  "pool.n_initial=4",         "acquisition.budget=4",
                                  "acquisition.size=2",          "acquisition.candidates=9", "run.seed=3"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return parse_study("", "test.toml", all).runs;
}

/// An untrained network: choosing asks no more of it.
TrainedConvNet network(double dropout) {
  TrainedConvNet net;
  net.spec = {ResNetKind::resnet8, tiny()->shape, tiny()->n_classes, dropout};
  const ResNetPlan plan = plan_resnet(net.spec);
  net.parameters = initial_parameters(plan, 17);
  net.buffers = initial_buffers(plan);
  return net;
}

ImageSelectJob select_job(const std::string& strategy, const TrainedConvNet& net) {
  ImageSelectJob job;
  job.network = &net;
  job.strategy = strategy;
  job.mc_passes = 3;
  job.mc_key = 5;
  for (std::int32_t i = 0; i < 20; ++i) {
    job.candidates.push_back(100 + i);
    job.candidate_rows.push_back((7 * i + 3) % 40);
  }
  job.labelled_rows = {0, 1, 2};
  job.problem.count = 6;
  job.problem.seed = 21;
  job.problem.cycle = 2;
  return job;
}

/// What the strategy of src/al picks from the device's own logits and features.
Picks by_the_host(const ImageSelectJob& job) {
  gpu::Session session(0);
  Context context({}, 1);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  DeviceScorer scorer(session, *job.network, images.pool(), 7);
  const auto n = std::ssize(job.candidate_rows), m = std::ssize(job.labelled_rows);
  const std::int64_t classes = scorer.classes(), width = scorer.width();
  const auto rows_of = [&](const std::vector<std::int32_t>& rows, std::int32_t pass, bool features) {
    const auto columns = static_cast<std::size_t>(features ? width : classes);
    const gpu::Buffer<float> out(session, rows.size() * columns);
    if (pass >= 0) {
      scorer.score_pass(rows, pass, job.mc_key, out.data());
    } else {
      scorer.score(rows, features ? nullptr : out.data(), features ? out.data() : nullptr);
    }
    std::vector<float> values(out.size());
    gpu::download<float>(session, out.data(), values);
    return values;
  };
  const auto probabilities_of = [&](std::int32_t pass) {
    std::vector<float> values = rows_of(job.candidate_rows, pass, false);
    softmax_rows(context, matrix<const float>(values.data(), n, classes), values.data());
    return values;
  };
  const bool by_logits = job.layer == FeatureLayer::logits;
  const std::vector<float> probabilities = probabilities_of(-1),
                           candidates = rows_of(job.candidate_rows, -1, !by_logits),
                           labelled = rows_of(job.labelled_rows, -1, !by_logits);
  std::vector<float> sum_p(probabilities.size()), sum_entropy(static_cast<std::size_t>(n)), bald(sum_entropy);
  for (std::int32_t pass = 0; pass < job.mc_passes; ++pass) {
    const std::vector<float> p = probabilities_of(pass);
    bald_accumulate(context, matrix<const float>(p.data(), n, classes), matrix(sum_p.data(), n, classes), sum_entropy);
  }
  bald_finish(context, matrix(sum_p.data(), n, classes), sum_entropy, job.mc_passes, bald);
  SelectionProblem problem = job.problem;
  problem.n = n;
  problem.pool_index = job.candidates;
  problem.probabilities = matrix<const float>(probabilities.data(), n, classes);
  problem.candidate_features = matrix<const float>(candidates.data(), n, by_logits ? classes : width);
  problem.labelled_features = matrix<const float>(labelled.data(), m, by_logits ? classes : width);
  problem.bald = bald;
  const Selection selection = make_strategy(job.strategy)->select(context, problem);
  Picks picks;
  picks.all_non_finite = selection.all_non_finite;
  for (const std::int32_t position : selection.positions)
    picks.indices.push_back(job.candidates[static_cast<std::size_t>(position)]);
  return picks;
}

class ImagesOnDevice : public testing::Test {
 protected:
  void SetUp() override { gpu::fake_gpu().reset(); }
  void TearDown() override {
    EXPECT_EQ(gpu::fake_gpu().in_use, 0u);
    EXPECT_EQ(gpu::fake_gpu().leaked, 0);
  }
};

struct Machine {
  explicit Machine(const std::atomic<bool>* stop = nullptr)
      : context({}, 1), executor(make_device_image_executor(context, {0, true, stop})) {
    executor->load(tiny());
  }
  Context context;
  std::unique_ptr<ImageExecutor> executor;
};

void expect_host_picks(const ImageSelectJob& job) {
  SCOPED_TRACE(job.strategy);
  const Picks want = by_the_host(job), got = Machine().executor->select(job);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.all_non_finite, want.all_non_finite);
}

TEST_F(ImagesOnDevice, EveryStrategyPicksByItsRules) {
  const TrainedConvNet plain = network(0), dropped = network(0.3);
  for (const StrategyEntry& strategy : strategy_table()) {
    const std::string name(strategy.name);
    expect_host_picks(select_job(name, name == "bald" ? dropped : plain));
  }
}

TEST_F(ImagesOnDevice, BaldCountsRoundingAsNoughtOrNot) {
  const TrainedConvNet net = network(0.001);  // passes that agree: what is left of the scores is rounding
  std::vector<std::vector<std::int32_t>> orders;
  for (const bool clamp : {false, true}) {
    ImageSelectJob job = select_job("bald", net);
    job.problem.count = 20;
    job.problem.bald_clamp = clamp;
    expect_host_picks(job);
    orders.push_back(by_the_host(job).indices);
  }
  EXPECT_NE(orders[0], orders[1]);
}

TEST_F(ImagesOnDevice, OtherTieRulesAndLayersToo) {
  TrainedConvNet net = network(0.3);
  ImageSelectJob logits = select_job("coreset", net);
  logits.layer = FeatureLayer::logits;
  expect_host_picks(logits);
  for (const TieRule ties : {TieRule::numpy_isclose, TieRule::random}) {
    for (const char* strategy : {"entropy", "coreset"}) {
      ImageSelectJob job = select_job(strategy, net);
      job.candidate_rows[4] = job.candidate_rows[9] = job.candidate_rows[1];
      job.problem.ties = ties;
      expect_host_picks(job);
    }
  }
  std::fill_n(net.parameters.begin(), net.parameters.size(), std::numeric_limits<float>::quiet_NaN());
  for (const char* strategy : {"entropy", "bald", "coreset", "badge"}) {
    const ImageSelectJob job = select_job(strategy, net);
    const Picks picks = Machine().executor->select(job);
    EXPECT_TRUE(picks.all_non_finite) << strategy;
    EXPECT_EQ(picks.indices, std::vector<std::int32_t>(job.candidates.begin(), job.candidates.begin() + 6)) << strategy;
  }
}

TEST_F(ImagesOnDevice, OneNumpyStreamGoesOnWhereTheHostsWould) {
  const TrainedConvNet net = network(0);
  for (const char* strategy : {"random", "badge"}) {
    NumpyRandom host(9), device(9);
    ImageSelectJob job = select_job(strategy, net);
    if (job.strategy == "badge")  // two different candidates: the draws end early
      for (std::size_t i = 2; i < 20; ++i) job.candidate_rows[i] = job.candidate_rows[i % 2];
    job.problem.numpy_stream = &host;
    const Picks want = by_the_host(job);
    job.problem.numpy_stream = &device;
    EXPECT_EQ(Machine().executor->select(job).indices, want.indices);
    EXPECT_EQ(device.drawn(), host.drawn());
    EXPECT_GT(device.drawn(), 0u);
  }
}

TEST_F(ImagesOnDevice, ScoresDependOnNoBatch) {
  gpu::Session session(0);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  const TrainedConvNet net = network(0.3);
  std::vector<std::vector<float>> logits;
  for (const std::int64_t most : {3, 11}) {
    DeviceScorer scorer(session, net, images.pool(), most);
    const gpu::Buffer<float> out(session, 11 * 4);
    scorer.score_pass({0, 5, 9, 3, 4, 1, 30, 39, 2, 8, 7}, 2, 77, out.data());
    gpu::download<float>(session, out.data(), logits.emplace_back(44));
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST_F(ImagesOnDevice, ScoringMakesDoWithLittleMemory) {
  const TrainedConvNet net = network(0);
  const auto bytes = [&](std::int32_t batch) {
    return cuda::ConvFleetNet::memory(plan_resnet(net.spec), ConvPrecision::fp32, batch, 1, 1);
  };
  const auto scorer_with = [&](std::size_t memory) {
    gpu::fake_gpu().info.memory = memory + (64 << 10);  // for the images
    gpu::Session session(0);
    const cuda::DeviceImages images(session, *tiny(), tiny()->train);
    const DeviceScorer scorer(session, net, images.pool(), 16);
    EXPECT_LE(gpu::fake_gpu().in_use, gpu::fake_gpu().info.memory);
  };
  scorer_with(bytes(5) * 10 / 9);
  try {
    scorer_with(bytes(1) / 2);
    FAIL() << "scored without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(bytes(1))));
  }
}

TEST_F(ImagesOnDevice, FitsDoNotDependOnWhatTrainsBesideThem) {
  std::vector<ImageFitJob> jobs;
  for (int cycle = 0; cycle < 3; ++cycle) {
    jobs.push_back({0, learning_member(runs_of({})[0].config, *tiny(), cycle, {0, 1, 2, 3, 4, 5})});
  }
  jobs[1].member.lr = 1e30;  // diverges
  jobs[2].member.precision = ConvPrecision::bf16;
  jobs.push_back(jobs[0]);
  const auto fit = [](const std::vector<ImageFitJob>& some) {
    std::vector<ConvMemberResult> results(some.size());
    std::int64_t epochs = 0, all_epochs = 0;
    Machine().executor->fit(
        some, [&](std::size_t j, ConvMemberResult r) { results[j] = std::move(r); },
        [&](std::int64_t done, std::int64_t all) {
          EXPECT_EQ(done, ++epochs);
          all_epochs = all;
        });
    EXPECT_EQ(epochs, all_epochs);
    return results;
  };
  const std::vector<ConvMemberResult> all = fit(jobs);
  EXPECT_TRUE(all[1].diverged);
  EXPECT_EQ(all[1].diverged_epoch, 0);
  EXPECT_EQ(all[3].parameters, all[0].parameters);
  for (const std::size_t j : {0u, 2u}) {
    EXPECT_FALSE(all[j].diverged);
    const ConvMemberResult alone = std::move(fit({jobs[j]})[0]);
    EXPECT_EQ(alone.parameters, all[j].parameters);
    EXPECT_EQ(alone.buffers, all[j].buffers);
    EXPECT_EQ(alone.train_loss, all[j].train_loss);
  }
}

/// The run's journal; with `stop_every` > 0 the process ends and begins again after so many steps.
template <class Open>
std::string journal_of(const Open& open, int stop_every) {
  const TempDir out;
  for (;;) {
    Machine machine;
    auto run = open(out.path(), *machine.executor);
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && test::step(*run, *machine.executor)) ++steps;
    if (run->want() == std::decay_t<decltype(*run)>::Want::nothing) return read_file(out.path() + "/journal.jsonl");
  }
}

std::string engine_of(const StudyRun& run, const ImageExecutor& executor) {
  return executor.engine(network_of(run.config, *tiny()), run.config.precision, run.config.batch_size);
}

TEST_F(ImagesOnDevice, AnActiveLearningRunHasTheSameBytesWhereverItStops) {
  for (const StudyRun& run :
       runs_of({"acquisition.strategy=[badge, bald]", "model.dropout=0.2", "acquisition.mc_passes=2"})) {
    SCOPED_TRACE(run.config.strategy);
    const auto open = [&](const std::string& out, const ImageExecutor& executor) {
      return std::make_unique<ImageLearningRun>(posix_file_system(), run, tiny(), out,
                                                ImageRunMeans{engine_of(run, executor)});
    };
    const std::string whole = journal_of(open, 0);
    const std::vector<Json> records = parse_journal(whole, "journal").records;
    ASSERT_EQ(records.size(), 4u);
    EXPECT_THAT(records[0].at("engine").string(), testing::HasSubstr("compute capability 9.0"));
    EXPECT_EQ(journal_of(open, 5), whole);
  }
}

TEST_F(ImagesOnDevice, ASearchHasTheSameBytesWhereverItStops) {
  const StudyRun run =
      runs_of({"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=8", "search.trials=3",
               "search.startup_trials=1", "search.folds=2", "model.lr=0.05", "model.weight_decay=0.001"})[0];
  const auto open = [&](const std::string& out, const ImageExecutor& executor) {
    return std::make_unique<FrozenSetRun>(posix_file_system(), run, tiny(),
                                          std::vector<std::int32_t>{3, 1, 4, 15, 9, 2, 6, 5}, out,
                                          ImageRunMeans{engine_of(run, executor)});
  };
  const std::string whole = journal_of(open, 0);
  EXPECT_EQ(parse_journal(whole, "journal").records.size(), 5u);
  EXPECT_EQ(journal_of(open, 2), whole);
}

TEST_F(ImagesOnDevice, AFailureAnywhereIsToldAndLeavesNothingBehind) {
  const TrainedConvNet net = network(0);
  const ImageFitJob fit{0, learning_member(runs_of({})[0].config, *tiny(), 0, {0, 1, 2, 3})};
  const auto work = [&] {
    Machine machine;
    std::vector<float> parameters;
    machine.executor->fit(std::span(&fit, 1), [&](std::size_t, ConvMemberResult r) { parameters = r.parameters; });
    machine.executor->test({0, &net});
    machine.executor->select(select_job("badge", net));
    return parameters;
  };
  const std::vector<float> want = work();
  const std::int64_t calls = gpu::fake_gpu().calls, pieces = gpu::fake_gpu().work;
  for (int k = 0; k < 8; ++k) {
    for (const bool at_call : {true, false}) {
      gpu::fake_gpu().reset();
      gpu::fake_gpu().fail_code = 700;
      (at_call ? gpu::fake_gpu().fail_call : gpu::fake_gpu().fail_work) = 1 + (at_call ? calls : pieces) * k / 8;
      EXPECT_THROW(work(), gpu::Failure) << k;
      EXPECT_EQ(gpu::fake_gpu().leaked, 0);
      EXPECT_EQ(gpu::fake_gpu().in_use, 0u);
    }
  }
  gpu::fake_gpu().reset();
  EXPECT_EQ(work(), want);
}

TEST_F(ImagesOnDevice, AnotherEngineDoesNotContinueARun) {
  const TempDir out;
  const StudyRun run = runs_of({})[0];
  { ImageLearningRun on_cpu(posix_file_system(), run, tiny(), out.path(), {}); }
  const Machine machine;
  EXPECT_THROW(ImageLearningRun(posix_file_system(), run, tiny(), out.path(), {engine_of(run, *machine.executor)}),
               Error);
}

}  // namespace
}  // namespace quarry
