// SPDX-License-Identifier: MIT
// Scoring with trained MLPs in thread blocks against the CPU backend, bit for bit.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/mlp_map.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/ops/scores.h"
#include "tests/simt/cases.h"
#include "tests/support/mlp_cases.h"

namespace quarry {
namespace {

using testing::MlpSet;

constexpr std::int32_t kPasses = 3;
constexpr MlpScore kScores[] = {MlpScore::none, MlpScore::entropy, MlpScore::margin, MlpScore::least_confidence,
                                MlpScore::bald};

/// A network to score rows with; rows empty: all of the data.
struct Problem {
  TrainedMlp<float> network;
  std::vector<std::int32_t> rows;
  MlpScore score = MlpScore::none;
  bool bald_clamp = false;
};

Problem problem(std::vector<std::int32_t> sizes, MlpScore score, std::vector<std::int32_t> rows = {},
                double scale = 3) {
  Problem p;
  p.network.sizes = sizes;
  p.network.dropout = 0.3;
  MemberSpec spec;
  spec.sizes = std::move(sizes);
  spec.init_key = 7;
  for (const double x : testing::fresh_parameters(spec)) p.network.parameters.push_back(static_cast<float>(scale * x));
  p.rows = std::move(rows);
  p.score = score;
  return p;
}

struct Outputs {
  std::vector<float> logits, probabilities, penultimate, scores;
};

Outputs make_outputs(const Problem& p, std::size_t all_rows) {
  const std::size_t n = p.rows.empty() ? all_rows : p.rows.size();
  const auto classes = static_cast<std::size_t>(p.network.sizes.back());
  const auto width = static_cast<std::size_t>(penultimate_width(p.network.sizes));
  return {std::vector<float>(n * classes), std::vector<float>(n * classes), std::vector<float>(n * width),
          std::vector<float>(p.score == MlpScore::none ? 0 : n)};
}

Outputs on_the_cpu(const Problem& p, const MlpSet<float>& set) {
  Context context({}, 1);
  Outputs out = make_outputs(p, static_cast<std::size_t>(set.rows));
  const auto features = set.view().features;
  mlp_forward(context, p.network, features, p.rows, out.logits.data(), out.penultimate.data());
  const std::int64_t classes = p.network.sizes.back(), n = static_cast<std::int64_t>(out.logits.size()) / classes;
  softmax_rows(context, matrix<const float>(out.logits.data(), n, classes), out.probabilities.data());
  const auto probabilities = matrix<const float>(out.probabilities.data(), n, classes);
  if (p.score == MlpScore::entropy) entropy_scores(context, probabilities, out.scores);
  if (p.score == MlpScore::margin) margin_scores(context, probabilities, out.scores);
  if (p.score == MlpScore::least_confidence) least_confidence_scores(context, probabilities, out.scores);
  if (p.score == MlpScore::bald) {
    mlp_bald(context, p.network, features, p.rows, kPasses, 99, out.scores.data());
    for (float& score : out.scores) {  // as the strategy does (src/al/strategies/bald.cpp)
      if (p.bald_clamp && score < 0 && std::isfinite(score)) score = 0;
    }
  }
  return out;
}

/// The device side of a problem.
struct DeviceProblem {
  gpu::Buffer<std::int32_t> sizes, n_layers, rows;
  gpu::Buffer<double> dropout;
  gpu::Buffer<float> parameters, logits, probabilities, penultimate, scores;

  DeviceProblem(gpu::Session& session, const Problem& p, const Outputs& like)
      : sizes(gpu::upload(session, std::span<const std::int32_t>(p.network.sizes))),
        n_layers(gpu::upload(session, std::span<const std::int32_t>(
                                          std::vector{static_cast<std::int32_t>(p.network.sizes.size()) - 1}))),
        rows(gpu::upload(session, std::span<const std::int32_t>(p.rows))),
        dropout(gpu::upload(session, std::span<const double>(std::vector{p.network.dropout}))),
        parameters(gpu::upload(session, std::span<const float>(p.network.parameters))),
        logits(session, like.logits.size()),
        probabilities(session, like.probabilities.size()),
        penultimate(session, like.penultimate.size()),
        scores(session, like.scores.size()) {}

  MlpScoreJob job(const Problem& p, const float* features, std::int32_t n_rows) const {
    MlpScoreJob j;
    j.features = features;
    j.rows = rows.data();
    j.n_rows = n_rows;
    j.network = {sizes.data(), n_layers.data(), dropout.data(), parameters.data()};
    j.logits = logits.data();
    j.probabilities = probabilities.data();
    j.penultimate = penultimate.data();
    j.score = p.score;
    j.passes = kPasses;
    j.mc_key = 99;
    j.bald_clamp = p.bald_clamp;
    j.scores = scores.data();
    return j;
  }
};

/// Largest network of the problems.
cuda::MlpBounds bounds_of(const std::vector<Problem>& problems) {
  cuda::MlpBounds bounds;
  for (const Problem& p : problems) {
    const auto& sizes = p.network.sizes;
    bounds.inputs = std::max(bounds.inputs, sizes.front());
    bounds.outputs = std::max(bounds.outputs, sizes.back());
    bounds.hidden_layers = std::max(bounds.hidden_layers, static_cast<std::int32_t>(sizes.size()) - 2);
    for (std::size_t i = 1; i + 1 < sizes.size(); ++i) bounds.hidden_width = std::max(bounds.hidden_width, sizes[i]);
  }
  return bounds;
}

void expect_both_agree(const MlpSet<float>& set, const std::vector<Problem>& problems) {
  gpu::Session session(0);
  const auto features = gpu::upload(session, std::span<const float>(set.features));
  std::vector<Outputs> want;
  std::vector<DeviceProblem> device;
  std::vector<MlpScoreJob> jobs;
  std::int32_t most_rows = 0;
  for (const Problem& p : problems) {
    want.push_back(on_the_cpu(p, set));
    device.emplace_back(session, p, want.back());
    const std::int32_t n = p.rows.empty() ? set.rows : static_cast<std::int32_t>(p.rows.size());
    jobs.push_back(device.back().job(p, features.data(), n));
    most_rows = std::max(most_rows, n);
  }
  const auto n_jobs = static_cast<std::int32_t>(jobs.size());
  const cuda::MlpFleetPlan plan = cuda::plan_mlp_score(session.device(), n_jobs, most_rows, bounds_of(problems));
  const auto device_jobs = gpu::upload(session, std::span<const MlpScoreJob>(jobs));
  const gpu::Buffer<std::byte> workspace(session, plan.workspace_bytes);
  cuda::mlp_score(session, plan, device_jobs.data(), n_jobs, most_rows, workspace.data());
  for (std::size_t i = 0; i < problems.size(); ++i) {
    Outputs got = make_outputs(problems[i], static_cast<std::size_t>(set.rows));
    gpu::download(session, device[i].logits.data(), std::span(got.logits));
    gpu::download(session, device[i].probabilities.data(), std::span(got.probabilities));
    gpu::download(session, device[i].penultimate.data(), std::span(got.penultimate));
    gpu::download(session, device[i].scores.data(), std::span(got.scores));
    simt::expect_equal<float>(got.logits, want[i].logits, "logits");
    simt::expect_equal<float>(got.penultimate, want[i].penultimate, "penultimate");
    simt::expect_equal<float>(got.probabilities, want[i].probabilities, "probabilities");
    simt::expect_equal<float>(got.scores, want[i].scores, "scores");
  }
}

SIMT_CASE(mlp_score_by_every_score) {
  std::vector<Problem> problems;
  for (const MlpScore score : kScores) problems.push_back(problem({3, 9, 5, 4}, score));
  expect_both_agree(MlpSet<float>(37, 3, 4), problems);
}

SIMT_CASE(mlp_score_without_hidden_layers) {
  std::vector<Problem> problems;
  for (const MlpScore score : kScores) problems.push_back(problem({5, 3}, score));
  expect_both_agree(MlpSet<float>(20, 5, 3), problems);
}

SIMT_CASE(mlp_score_of_one_class) {
  std::vector<Problem> problems;
  for (const MlpScore score : kScores) problems.push_back(problem({2, 4, 1}, score));
  expect_both_agree(MlpSet<float>(5, 2, 1), problems);
}

SIMT_CASE(mlp_score_beside_a_bottleneck) {
  expect_both_agree(MlpSet<float>(9, 20, 20),
                    {problem({20, 1, 20}, MlpScore::bald), problem({20, 20}, MlpScore::bald)});
}

SIMT_CASE(mlp_score_of_numbers_of_rows) {
  for (const std::int32_t n : {1, 31, 32, 33}) {
    expect_both_agree(MlpSet<float>(n, 2, 3), {problem({2, 6, 3}, MlpScore::bald)});
  }
}

SIMT_CASE(mlp_score_of_listed_rows) {
  const std::vector<std::int32_t> some = {39, 0, 0, 17, 5}, more = testing::some_rows(35, 4);
  expect_both_agree(MlpSet<float>(40, 2, 3),
                    {problem({2, 6, 3}, MlpScore::bald, some), problem({2, 3, 5, 2}, MlpScore::entropy, more),
                     problem({2, 3}, MlpScore::margin)});
}

SIMT_CASE(mlp_score_of_many_networks_in_few_blocks) {
  gpu::fake_gpu().info.multiprocessors = 1;
  std::vector<Problem> problems;
  for (std::int32_t i = 0; i < 7; ++i) {
    problems.push_back(problem({2, 1 + 3 * i % 8, 2}, kScores[i % 5], testing::some_rows(1 + 11 * i)));
  }
  expect_both_agree(MlpSet<float>(70, 2, 2), problems);
}

SIMT_CASE(mlp_score_of_the_studys_network) {
  expect_both_agree(MlpSet<float>(35, 60, 3), {problem({60, 48, 48, 3}, MlpScore::bald)});
}

SIMT_CASE(mlp_score_of_extreme_networks) {
  std::vector<Problem> problems;
  for (const MlpScore score : kScores) {
    problems.push_back(problem({2, 4, 3}, score, {}, 1e4));  // probabilities of 0 and 1
    problems.push_back(problem({2, 4, 3}, score, {}, 1e30));
    problems.push_back(problem({2, 4, 3}, score));
    problems.back().network.parameters[1] = std::numeric_limits<float>::quiet_NaN();
    problems.push_back(problem({2, 4, 3}, score, {}, 0));  // no class is likelier
  }
  expect_both_agree(MlpSet<float>(9, 2, 3), problems);
}

SIMT_CASE(mlp_score_of_bald_with_and_without_masks) {
  std::vector<Problem> problems;
  for (const double dropout : {0.0, 1e-11, 0.9}) {
    for (const bool clamp : {false, true}) {
      problems.push_back(problem({2, 7, 6, 3}, MlpScore::bald));
      problems.back().network.dropout = dropout;
      problems.back().bald_clamp = clamp;
    }
  }
  const MlpSet<float> set(40, 2, 3);
  expect_both_agree(set, problems);
  const std::vector<float> scores = on_the_cpu(problems[0], set).scores;
  simt::expect(std::any_of(scores.begin(), scores.end(), [](float x) { return x < 0; }), "nothing to clamp");
}

SIMT_CASE(mlp_score_in_the_workspace) {
  gpu::DeviceInfo& info = gpu::fake_gpu().info;
  const std::int32_t small[] = {3, 2};
  info.shared_per_block =
      static_cast<std::size_t>(map_network(small, 1, {}, nullptr).words) * sizeof(float) + kBlockStateBytes;
  info.shared_per_multiprocessor = 2 * (info.shared_per_block + 1024);
  info.multiprocessors = 1;
  std::vector<Problem> problems;
  for (const MlpScore score : kScores) problems.push_back(problem({3, 9, 5, 2}, score));
  problems.push_back(problem({3, 2}, MlpScore::entropy));
  expect_both_agree(MlpSet<float>(40, 3, 2), problems);
}

/// Outputs that are not asked for are not written.
SIMT_CASE(mlp_score_without_outputs) {
  const MlpSet<float> set(5, 2, 3);
  gpu::Session session(0);
  const auto features = gpu::upload(session, std::span<const float>(set.features));
  const Problem p = problem({2, 4, 3}, MlpScore::bald);
  const Outputs want = on_the_cpu(p, set);
  const DeviceProblem device(session, p, want);
  std::vector<MlpScoreJob> jobs(3, device.job(p, features.data(), 5));
  for (MlpScoreJob& job : jobs) job.logits = job.probabilities = job.penultimate = nullptr;
  jobs[0].scores = jobs[1].scores = nullptr;
  jobs[0].n_rows = 0;
  const cuda::MlpFleetPlan plan = cuda::plan_mlp_score(session.device(), 3, 5, bounds_of({p}));
  const auto device_jobs = gpu::upload(session, std::span<const MlpScoreJob>(jobs));
  cuda::mlp_score(session, plan, device_jobs.data(), 3, 5, nullptr);
  std::vector<float> scores(5);
  gpu::download(session, device.scores.data(), std::span(scores));
  simt::expect_equal<float>(scores, want.scores, "scores");
}

}  // namespace
}  // namespace quarry
