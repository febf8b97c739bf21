// SPDX-License-Identifier: MIT
// Selection with residual networks on the fake GPU: picks are those of src/al on the device's own logits and features.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "quarry/ops/scores.h"
#include "src/study/device_image_selection_cuda.h"
#include "tests/simt/image_device.h"

namespace quarry {
namespace {

using test::Machine;
using test::network;
using test::select_job;
using test::tiny;

class ImageSelection : public test::ImagesOnDevice {};

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

void expect_host_picks(const ImageSelectJob& job) {
  SCOPED_TRACE(job.strategy);
  const Picks want = by_the_host(job), got = Machine().executor->select(job);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.all_non_finite, want.all_non_finite);
}

TEST_F(ImageSelection, EveryStrategyPicksByItsRules) {
  const TrainedConvNet plain = network(0), dropped = network(0.3);
  for (const StrategyEntry& strategy : strategy_table()) {
    if (strategy.make()->needs().keychain) continue;  // of perceptrons alone
    const std::string name(strategy.name);
    expect_host_picks(select_job(name, name == "bald" ? dropped : plain));
  }
}

TEST_F(ImageSelection, BaldCountsRoundingAsNoughtOrNot) {
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

TEST_F(ImageSelection, OtherTieRulesAndLayersToo) {
  TrainedConvNet net = network(0.3);
  ImageSelectJob logits = select_job("coreset", net);
  logits.layer = FeatureLayer::logits;
  expect_host_picks(logits);
  for (const TieRule ties : {TieRule::numpy_isclose, TieRule::random, TieRule::numpy_equal}) {
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

TEST_F(ImageSelection, OneNumpyStreamGoesOnWhereTheHostsWould) {
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

TEST_F(ImageSelection, ScoresDependOnNoBatch) {
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

TEST_F(ImageSelection, ScoringMakesDoWithLittleMemory) {
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

TEST_F(ImageSelection, ThePlacesOfTheScoresComeBeforeWhatTheScorerTakes) {
  const TrainedConvNet net = network(0);
  ImageSelectJob job = select_job("coreset", net);
  for (std::int32_t i = 20; i < 600; ++i) {
    job.candidates.push_back(100 + i);
    job.candidate_rows.push_back(i % 40);
  }
  const Picks want = Machine().executor->select(job);
  const auto bytes = [&](std::int32_t batch) {
    return cuda::ConvFleetNet::memory(plan_resnet(net.spec), ConvPrecision::fp32, batch, 1, 1);
  };
  const std::size_t scores = (job.candidate_rows.size() + 3) * (4 + 64) * sizeof(float);
  std::size_t images = 0;
  {
    const Machine machine;
    images = gpu::fake_gpu().in_use;
  }
  const std::size_t free = bytes(32) * 10 / 9 + 1000;  // a scorer that came first would take nine tenths of it
  ASSERT_GT(scores, free - bytes(32));
  ASSERT_LE(bytes(1), (free - scores) / 10 * 9);
  gpu::fake_gpu().info.memory = images + free;
  EXPECT_EQ(Machine().executor->select(job).indices, want.indices);
}

}  // namespace
}  // namespace quarry
