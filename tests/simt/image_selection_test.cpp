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
using test::on_device;
using test::select_job;
using test::tiny;

class ImageSelection : public test::ImagesOnDevice {};

constexpr std::size_t kPlenty = std::size_t{1} << 29;  // bytes

/// What the device picks.
Picks by_the_device(const TrainedConvNet& net, const ImageSelectJob& job, std::size_t memory_limit = kPlenty) {
  gpu::Session session(0);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  const auto networks = on_device(session, net);
  const gpu::Buffer<std::int32_t> answer(session, answer_size(job));
  InQueue queue(session);
  const std::int64_t blocking = session.counters().blocking;
  enqueue_selection(session, queue, {*networks, 0, memory_limit}, images.pool(), job, nullptr, answer.data());
  EXPECT_LE(session.counters().blocking - blocking, job.strategy == "bald" ? job.mc_passes + 1 : 1)
      << "a pass may wait for the one before the last, nothing else waits";
  EXPECT_EQ(session.counters().copies_out, 0);
  std::vector<std::int32_t> numbers(answer.size());
  gpu::download<std::int32_t>(session, answer.data(), numbers);
  if (job.strategy != "coreset" && job.strategy != "badge") {
    EXPECT_EQ(numbers.back(), 0) << "picks that nobody has counted";
  }
  return read_answer(job, numbers);
}

/// What the strategy of src/al picks from the device's own logits and features.
Picks by_the_host(const TrainedConvNet& net, const ImageSelectJob& job) {
  gpu::Session session(0);
  Context context({}, 1);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  const auto networks = on_device(session, net);
  DeviceScorer scorer(session, {*networks, 0, kPlenty}, images.pool(), 20);
  const auto n = std::ssize(job.candidate_rows), m = std::ssize(job.labelled_rows);
  const std::int64_t classes = networks->plan().spec.classes, width = padded_channels(networks->plan().features);
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
  picks.by_position = selection.by_position;
  for (const std::int32_t position : selection.positions)
    picks.indices.push_back(job.candidates[static_cast<std::size_t>(position)]);
  return picks;
}

void expect_host_picks(const TrainedConvNet& net, const ImageSelectJob& job) {
  SCOPED_TRACE(job.strategy);
  const Picks want = by_the_host(net, job), got = by_the_device(net, job);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(got.all_non_finite, want.all_non_finite);
  EXPECT_EQ(got.by_position, want.by_position);
}

TEST_F(ImageSelection, EveryStrategyPicksByItsRules) {
  const TrainedConvNet plain = network(0), dropped = network(0.3);
  for (const StrategyEntry& strategy : strategy_table()) {
    if (strategy.make()->needs().keychain) continue;  // of perceptrons alone
    const std::string name(strategy.name);
    if (asks_network(select_job(name))) expect_host_picks(name == "bald" ? dropped : plain, select_job(name));
  }
}

TEST_F(ImageSelection, BaldCountsRoundingAsNoughtOrNot) {
  const TrainedConvNet net = network(0.001);  // passes that agree: what is left of the scores is rounding
  std::vector<std::vector<std::int32_t>> orders;
  for (const bool clamp : {false, true}) {
    ImageSelectJob job = select_job("bald");
    job.problem.count = 20;
    job.problem.bald_clamp = clamp;
    expect_host_picks(net, job);
    orders.push_back(by_the_host(net, job).indices);
  }
  EXPECT_NE(orders[0], orders[1]);
}

TEST_F(ImageSelection, OtherTieRulesAndLayersToo) {
  TrainedConvNet net = network(0.3);
  ImageSelectJob logits = select_job("coreset");
  logits.layer = FeatureLayer::logits;
  expect_host_picks(net, logits);
  for (const TieRule ties : {TieRule::numpy_isclose, TieRule::random, TieRule::numpy_equal}) {
    for (const char* strategy : {"entropy", "coreset"}) {
      ImageSelectJob job = select_job(strategy);
      job.candidate_rows[4] = job.candidate_rows[9] = job.candidate_rows[1];
      job.problem.ties = ties;
      expect_host_picks(net, job);
    }
  }
  std::fill_n(net.parameters.begin(), net.parameters.size(), std::numeric_limits<float>::quiet_NaN());
  for (const char* strategy : {"entropy", "bald", "coreset", "badge"}) {
    const ImageSelectJob job = select_job(strategy);
    const Picks picks = by_the_device(net, job);
    EXPECT_TRUE(picks.all_non_finite) << strategy;
    const bool by_distance = job.strategy == "coreset" || job.strategy == "badge";
    EXPECT_EQ(picks.by_position, by_distance ? 6 : 0) << strategy;
    EXPECT_EQ(picks.indices, std::vector<std::int32_t>(job.candidates.begin(), job.candidates.begin() + 6)) << strategy;
  }
}

TEST_F(ImageSelection, PicksThatNoDistanceChoseAreCounted) {
  const TrainedConvNet net = network(0);
  for (const TieRule ties : {TieRule::lowest_index, TieRule::random}) {
    ImageSelectJob job = select_job("coreset");
    job.problem.ties = ties;
    for (std::size_t i = 2; i < 20; ++i) job.candidate_rows[i] = job.candidate_rows[i % 2];
    expect_host_picks(net, job);
    EXPECT_EQ(by_the_device(net, job).by_position, 4) << "two different candidates";
    for (std::int32_t& row : job.candidate_rows) row = 1;  // a labelled one
    expect_host_picks(net, job);
    EXPECT_EQ(by_the_device(net, job).by_position, 6);
  }
  NumpyRandom stream(9);
  for (NumpyRandom* const numpy : {static_cast<NumpyRandom*>(nullptr), &stream}) {
    ImageSelectJob job = select_job("badge");
    for (std::size_t i = 3; i < 20; ++i) job.candidate_rows[i] = job.candidate_rows[i % 3];
    job.problem.numpy_stream = numpy;
    EXPECT_EQ(by_the_host(net, job).by_position, 3);
    EXPECT_EQ(by_the_device(net, job).by_position, 3);
  }
}

TEST_F(ImageSelection, OneNumpyStreamGoesOnWhereTheHostsWould) {
  const TrainedConvNet net = network(0);
  NumpyRandom host(9), device(9);
  ImageSelectJob job = select_job("badge");
  for (std::size_t i = 2; i < 20; ++i)  // two different candidates: the draws end early
    job.candidate_rows[i] = job.candidate_rows[i % 2];
  job.problem.numpy_stream = &host;
  const Picks want = by_the_host(net, job);
  job.problem.numpy_stream = &device;
  EXPECT_EQ(by_the_device(net, job).indices, want.indices);
  EXPECT_EQ(device.drawn(), host.drawn());
  EXPECT_GT(device.drawn(), 0u);
}

TEST_F(ImageSelection, RandomChoosesOnTheHost) {
  NumpyRandom host(9), device(9);
  ImageSelectJob job = select_job("random");
  job.problem.numpy_stream = &host;
  Context context({}, 1);
  const Picks want = select_without_network(context, job);
  job.problem.numpy_stream = &device;
  ImageJob alone;
  alone.select = job;
  Picks got;
  Machine().executor->run(std::span(&alone, 1), [&](std::size_t, ImageResult result) { got = result.picks; });
  EXPECT_EQ(got.indices.size(), 6u);
  EXPECT_EQ(got.indices, want.indices);
  EXPECT_EQ(device.drawn(), host.drawn());
}

TEST_F(ImageSelection, ScoresDependOnNoBatch) {
  gpu::Session session(0);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  const auto net = on_device(session, network(0.3));
  const std::size_t bytes = cuda::ConvFleetNet::scoring_memory(net->plan(), 3, 11);
  std::vector<std::vector<float>> logits;
  for (const std::size_t memory : {bytes, kPlenty}) {  // steps of 2 or 3 images, and of all
    DeviceScorer scorer(session, {*net, 0, session.memory_in_use() + memory}, images.pool(), 11);
    const gpu::Buffer<float> out(session, 11 * 4);
    scorer.score_pass({0, 5, 9, 3, 4, 1, 30, 39, 2, 8, 7}, 2, 77, out.data());
    gpu::download<float>(session, out.data(), logits.emplace_back(44));
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST_F(ImageSelection, ScoringMakesDoWithLittleMemory) {
  gpu::Session session(0);
  const cuda::DeviceImages images(session, *tiny(), tiny()->train);
  const auto net = on_device(session, network(0));
  const std::size_t before = session.memory_in_use(), one = DeviceScorer::least_memory(net->plan(), 16);
  const auto scorer_with = [&](std::size_t memory) {
    const DeviceScorer scorer(session, {*net, 0, before + memory}, images.pool(), 16);
    EXPECT_LE(session.memory_in_use(), before + memory);
  };
  scorer_with(one);
  scorer_with(5 * one);
  try {
    scorer_with(one / 2);
    FAIL() << "scored without memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(one)));
  }
}

TEST_F(ImageSelection, ThePlacesOfTheScoresAreLeftToThem) {
  const TrainedConvNet net = network(0);
  ImageSelectJob job = select_job("coreset");
  for (std::int32_t i = 20; i < 600; ++i) {
    job.candidates.push_back(100 + i);
    job.candidate_rows.push_back(i % 40);
  }
  const ResNetPlan plan = plan_resnet(net.spec);
  const std::size_t scores = (job.candidate_rows.size() + 3) * (4 + 64) * sizeof(float);
  EXPECT_GT(selection_memory(job, plan), scores);
  std::size_t before = 0;
  {
    gpu::Session session(0);
    const cuda::DeviceImages images(session, *tiny(), tiny()->train);
    const auto networks = on_device(session, net);
    before = session.memory_in_use() + answer_size(job) * sizeof(std::int32_t);
  }
  const Picks want = by_the_device(net, job);
  EXPECT_EQ(by_the_device(net, job, before + selection_memory(job, plan)).indices, want.indices);
}

}  // namespace
}  // namespace quarry
