// SPDX-License-Identifier: MIT
#include "src/study/device_image_selection_cuda.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kernels/cycle.h"
#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/ops/select_device.h"
#include "src/al/pick_rules.h"
#include "src/study/image_jobs.h"

namespace quarry {
namespace {

/// How a strategy is carried out.
struct Method {
  std::string_view name;
  enum { by_score, by_bald, centers, badge } kind;
  ProbabilityScore score = ProbabilityScore::entropy;
};
constexpr Method kMethods[] = {
    {"entropy", Method::by_score, ProbabilityScore::entropy},
    {"margin", Method::by_score, ProbabilityScore::margin},
    {"least_confidence", Method::by_score, ProbabilityScore::least_confidence},
    {"bald", Method::by_bald},
    {"coreset", Method::centers},
    {"badge", Method::badge},
};

const Method& method_of(const std::string& strategy) {
  for (const Method& method : kMethods)
    if (method.name == strategy) return method;
  fail("the strategy '{}' does not run on a device; use --device cpu", strategy);
}

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

/// Picks of one job: enqueued in the constructor's order, read back once.
class Picking {
 public:
  Picking(gpu::Session& session, const ImageSelectJob& job, const DeviceScores& scores)
      : session_(session),
        job_(job),
        method_(method_of(job.strategy)),
        scores_(scores),
        n_(std::ssize(job.candidates)),
        count_(job.problem.count),
        answer_(session, size(count_) + 2) {
    QUARRY_CHECK(count_ >= 1 && count_ <= n_, "{} picks of {} candidates", count_, n_);
  }

  Picks run() {
    switch (method_.kind) {
      case Method::by_score:
        score_and_pick();
        break;
      case Method::by_bald:
        pick_by_scores(scores_.bald);
        break;
      case Method::centers:
        pick_centers();
        break;
      case Method::badge:
        pick_by_badge();
        break;
    }
    return answer();
  }

 private:
  std::int32_t* picks() const { return answer_.data(); }
  std::int32_t* any_finite() const { return answer_.data() + count_; }
  std::int32_t* draws() const { return answer_.data() + count_ + 1; }
  bool one_by_one() const { return job_.problem.ties != TieRule::lowest_index; }

  void make_probabilities() {
    const SoftmaxJob softmax{scores_.logits, n_, scores_.classes, scores_.logits};
    cuda::softmax(session_, &softmax, 1);
  }

  void score_and_pick() {
    make_probabilities();
    const gpu::Buffer<float> scored(session_, size(n_));
    const ScoreJob score{scores_.logits, n_, scores_.classes, method_.score, scored.data()};
    cuda::probability_scores(session_, &score, 1);
    pick_by_scores(scored.data());
  }

  TieBreaker tie_breaker() {
    const SelectionProblem& problem = job_.problem;
    if (draws_from_numpy(problem.ties)) {
      NumpyRandom random(numpy_seed(problem.seed));
      std::vector<std::uint32_t> words(kTieWords);
      for (std::uint32_t& word : words) word = random.next_u32();
      tie_words_ = gpu::upload<std::uint32_t>(session_, words);
    }
    return {problem.ties, stream_key(problem.seed, RngPurpose::tie, problem.cycle), tie_words_.data()};
  }

  void pick_by_scores(const float* scored) {
    if (!one_by_one()) {
      const gpu::Buffer<unsigned char> scratch(session_, cuda::top_k_scratch(n_, count_));
      const TopKJob top{scored, n_, picks(), count_, any_finite()};
      return cuda::top_k(session_, &top, 1, scratch.data());
    }
    const gpu::Buffer<unsigned char> taken(session_, size(n_));
    const PickRun run{scored,      static_cast<std::int32_t>(n_), count_, tie_breaker(), taken.data(), picks(),
                      any_finite()};
    const gpu::Buffer<PickRun> on_device = gpu::upload<PickRun>(session_, std::span(&run, 1));
    cuda::pick_by_score(session_, on_device.data(), 1, false);
  }

  void pick_centers() {
    const auto m = std::ssize(job_.labelled_rows);
    if (!one_by_one()) {
      KCenterJob job;
      job.candidates = scores_.features;
      job.n = n_;
      job.width = scores_.width;
      job.labelled = scores_.labelled;
      job.m = m;
      job.picks = picks();
      job.count = count_;
      job.any_finite = any_finite();
      const gpu::Buffer<unsigned char> scratch(
          session_, cuda::k_center_scratch(n_, scores_.width, m, count_, KCenterMethod::lazy));
      job.scratch = scratch.data();
      return cuda::k_center(session_, KCenterMethod::lazy, &job, 1);
    }
    QUARRY_CHECK(m > 0, "the first centre by another tie rule than the lowest position needs something labelled");
    const gpu::Buffer<float> nearest(session_, size(n_)), scored(session_, size(n_));
    const gpu::Buffer<unsigned char> taken(session_, size(n_));
    CenterPickRun run;
    run.candidates = scores_.features;
    run.labelled = scores_.labelled;
    run.n = static_cast<std::int32_t>(n_);
    run.m = static_cast<std::int32_t>(m);
    run.width = static_cast<std::int32_t>(scores_.width);
    run.count = count_;
    run.ties = tie_breaker();
    run.nearest = nearest.data();
    run.scores = scored.data();
    run.taken = taken.data();
    run.positions = picks();
    run.any_finite = any_finite();
    const gpu::Buffer<CenterPickRun> on_device = gpu::upload<CenterPickRun>(session_, std::span(&run, 1));
    cuda::pick_centers(session_, on_device.data(), 1);
  }

  void pick_by_badge() {
    make_probabilities();
    const SelectionProblem& problem = job_.problem;
    BadgeJob job;
    job.probabilities = scores_.logits;
    job.features = scores_.features;
    job.n = n_;
    job.classes = scores_.classes;
    job.width = scores_.width;
    job.key = stream_key(problem.seed, RngPurpose::badge, problem.cycle);
    job.picks = picks();
    job.count = count_;
    job.any_finite = any_finite();
    gpu::Buffer<double> uniforms;
    if (problem.numpy_stream != nullptr || problem.numpy_random) {
      NumpyRandom ahead =
          problem.numpy_stream != nullptr ? *problem.numpy_stream : NumpyRandom(numpy_seed(problem.seed));
      std::vector<double> drawn(size(count_));
      for (double& u : drawn) u = ahead.uniform();
      uniforms = gpu::upload<double>(session_, drawn);
      job.sampling = BadgeSampling::numpy;
      job.numpy_stream = uniforms.data();
      job.draws = draws();
    }
    const gpu::Buffer<unsigned char> scratch(session_,
                                             cuda::badge_scratch(n_, job.classes, job.width, count_, job.sampling));
    job.scratch = scratch.data();
    cuda::badge(session_, &job, 1);
    takes_draws_ = problem.numpy_stream != nullptr;
  }

  Picks answer() {
    std::vector<std::int32_t> numbers(answer_.size());
    gpu::download<std::int32_t>(session_, answer_.data(), numbers);
    Picks out;
    for (std::int32_t k = 0; k < count_; ++k)
      out.indices.push_back(job_.candidates.at(static_cast<std::size_t>(numbers[static_cast<std::size_t>(k)])));
    out.all_non_finite = numbers[static_cast<std::size_t>(count_)] == 0;
    const std::int32_t drawn = takes_draws_ ? numbers[static_cast<std::size_t>(count_) + 1] : 0;
    for (std::int32_t d = 0; d < drawn; ++d) job_.problem.numpy_stream->uniform();  // what the device has used
    return out;
  }

  gpu::Session& session_;
  const ImageSelectJob& job_;
  const Method& method_;
  const DeviceScores scores_;
  const std::int64_t n_;
  const std::int32_t count_;
  const gpu::Buffer<std::int32_t> answer_;  ///< picks, whether any score is finite, uniforms used
  gpu::Buffer<std::uint32_t> tie_words_;
  bool takes_draws_ = false;
};

Picks select_on_host(Context& context, const ImageSelectJob& job) {
  SelectionProblem problem = job.problem;
  problem.n = std::ssize(job.candidates);
  problem.pool_index = job.candidates;
  return picks_of(job, make_strategy(job.strategy)->select(context, problem));
}

}  // namespace

Picks pick_images(gpu::Session& session, const ImageSelectJob& job, const DeviceScores& scores) {
  return Picking(session, job, scores).run();
}

namespace {

/// Scores of one job. Their places come first: the scorer takes most of what is free then. It goes with fill(), so that
/// the picks have its memory for their scratch.
class Scoring {
 public:
  Scoring(gpu::Session& session, const ImageSelectJob& job, const StrategyNeeds& needs)
      : session_(session),
        job_(job),
        needs_(needs),
        n_(std::ssize(job.candidate_rows)),
        m_(needs.labelled_features ? std::ssize(job.labelled_rows) : 0),
        use_logits_(job.layer == FeatureLayer::logits) {
    const ResNetPlan plan = plan_resnet(job.network->spec);
    scores_.classes = plan.spec.classes;
    scores_.width = use_logits_ ? scores_.classes : padded_channels(plan.features);
    scores_.logits = place(logits_, n_ * scores_.classes);
    if (needs.features) scores_.features = place(features_, n_ * scores_.width);
    if (m_ > 0) scores_.labelled = place(labelled_, m_ * scores_.width);
    if (!needs.bald) return;
    QUARRY_CHECK(job.mc_passes >= 1, "BALD needs at least one pass, got {}", job.mc_passes);
    place(sum_p_, n_ * scores_.classes);
    place(sum_entropy_, n_);
    scores_.bald = place(bald_, n_);
  }

  const DeviceScores& fill(const ImagePool& pool, const std::atomic<bool>* stop) {
    DeviceScorer scorer(session_, *job_.network, pool, std::max(n_, m_));
    if (needs_.probabilities || needs_.features)
      scorer.score(job_.candidate_rows, logits_.data(), use_logits_ ? nullptr : features_.data());
    if (needs_.features && use_logits_)  // softmax overwrites the logits
      session_.copy_within(features_.data(), logits_.data(), logits_.size() * sizeof(float));
    if (m_ > 0)
      scorer.score(job_.labelled_rows, use_logits_ ? labelled_.data() : nullptr,
                   use_logits_ ? nullptr : labelled_.data());
    if (needs_.bald) fill_bald(scorer, stop);
    return scores_;
  }

 private:
  float* place(gpu::Buffer<float>& buffer, std::int64_t n) {
    buffer = gpu::Buffer<float>(session_, size(n));
    return buffer.data();
  }

  void fill_bald(DeviceScorer& scorer, const std::atomic<bool>* stop) {
    session_.fill(sum_p_.data(), 0, sum_p_.size() * sizeof(float));
    session_.fill(sum_entropy_.data(), 0, sum_entropy_.size() * sizeof(float));
    const SoftmaxJob softmax{logits_.data(), n_, scores_.classes, logits_.data()};
    BaldJob sums{logits_.data(), n_, scores_.classes, sum_p_.data(), sum_entropy_.data(), job_.mc_passes, bald_.data()};
    sums.clamp = job_.problem.bald_clamp;
    for (std::int32_t pass = 0; pass < job_.mc_passes; ++pass) {
      check_stop(stop);
      scorer.score_pass(job_.candidate_rows, pass, job_.mc_key, logits_.data());
      cuda::softmax(session_, &softmax, 1);
      cuda::bald_accumulate(session_, &sums, 1);
    }
    cuda::bald_finish(session_, &sums, 1);
  }

  gpu::Session& session_;
  const ImageSelectJob& job_;
  const StrategyNeeds needs_;
  const std::int64_t n_, m_;
  const bool use_logits_;
  DeviceScores scores_;
  gpu::Buffer<float> logits_, features_, labelled_, sum_p_, sum_entropy_, bald_;
};

}  // namespace

Picks select_images(Context& context, gpu::Session& session, const ImagePool& pool, const ImageSelectJob& job,
                    const std::atomic<bool>* stop) {
  const StrategyNeeds needs = make_strategy(job.strategy)->needs();
  if (!needs.probabilities && !needs.features && !needs.bald) return select_on_host(context, job);
  QUARRY_CHECK(job.network != nullptr, "the strategy {} needs a network", job.strategy);
  Scoring scoring(session, job, needs);
  return pick_images(session, job, scoring.fill(pool, stop));
}

}  // namespace quarry
