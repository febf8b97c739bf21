// SPDX-License-Identifier: MIT
#include "src/study/device_image_selection_cuda.h"

#include <algorithm>
#include <utility>

#include "kernels/cycle.h"
#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/ops/select_device.h"
#include "src/al/pick_rules.h"
#include "src/study/image_memory.h"

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

/// What a network says, in device memory. Null where the strategy does not ask for it.
struct DeviceScores {
  std::int64_t classes = 1, width = 1;
  float* logits = nullptr;          ///< [n][classes] of the candidates; overwritten
  float* bald = nullptr;            ///< [n]
  const float* features = nullptr;  ///< [n][width] of the candidates
  const float* labelled = nullptr;  ///< [labelled rows][width]
};

/// Puts the picks of one job in the queue.
class Picking {
 public:
  Picking(gpu::Session& session, cuda::Staging& staging, const ImageSelectJob& job, const DeviceScores& scores,
          std::int32_t* answer)
      : session_(session),
        staging_(staging),
        job_(job),
        method_(method_of(job.strategy)),
        scores_(scores),
        n_(std::ssize(job.candidates)),
        count_(job.problem.count),
        answer_(answer) {
    QUARRY_CHECK(count_ >= 1 && count_ <= n_, "{} picks of {} candidates", count_, n_);
  }

  void run() {
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
  }

 private:
  std::int32_t* picks() const { return answer_; }
  std::int32_t* any_finite() const { return answer_ + count_; }
  std::int32_t* chosen() const { return answer_ + count_ + 1; }
  bool one_by_one() const { return job_.problem.ties != TieRule::lowest_index; }

  template <class T>
  gpu::Buffer<T> send(const std::vector<T>& values) {
    gpu::Buffer<T> device(session_, values.size());
    staging_.send(device.data(), values);
    return device;
  }

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
      tie_words_ = send(words);
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
    const gpu::Buffer<PickRun> on_device = send(std::vector<PickRun>{run});
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
      job.apart = chosen();
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
    run.apart = chosen();
    const gpu::Buffer<CenterPickRun> on_device = send(std::vector<CenterPickRun>{run});
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
    job.draws = chosen();
    gpu::Buffer<double> uniforms;
    if (problem.numpy_stream != nullptr || problem.numpy_random) {
      NumpyRandom ahead =
          problem.numpy_stream != nullptr ? *problem.numpy_stream : NumpyRandom(numpy_seed(problem.seed));
      std::vector<double> drawn(size(count_));
      for (double& u : drawn) u = ahead.uniform();
      uniforms = send(drawn);
      job.sampling = BadgeSampling::numpy;
      job.numpy_stream = uniforms.data();
    }
    const gpu::Buffer<unsigned char> scratch(session_,
                                             cuda::badge_scratch(n_, job.classes, job.width, count_, job.sampling));
    job.scratch = scratch.data();
    cuda::badge(session_, &job, 1);
  }

  gpu::Session& session_;
  cuda::Staging& staging_;
  const ImageSelectJob& job_;
  const Method& method_;
  const DeviceScores scores_;
  const std::int64_t n_;
  const std::int32_t count_;
  std::int32_t* const answer_;  ///< picks, whether any score is finite, Core-Sets and BADGE: picks apart, or draws
  gpu::Buffer<std::uint32_t> tie_words_;
};

/// Scores of one job. Their places come first: the scorer takes most of what is free then. It goes with fill(), so that
/// the picks have its memory for their scratch.
class Scoring {
 public:
  Scoring(gpu::Session& session, const ImageSelectJob& job, const ResNetPlan& plan)
      : session_(session),
        job_(job),
        needs_(make_strategy(job.strategy)->needs()),
        n_(std::ssize(job.candidate_rows)),
        m_(needs_.labelled_features ? std::ssize(job.labelled_rows) : 0),
        use_logits_(job.layer == FeatureLayer::logits) {
    scores_.classes = plan.spec.classes;
    scores_.width = use_logits_ ? scores_.classes : padded_channels(plan.features);
    scores_.logits = place(logits_, n_ * scores_.classes);
    if (needs_.features) scores_.features = place(features_, n_ * scores_.width);
    if (m_ > 0) scores_.labelled = place(labelled_, m_ * scores_.width);
    if (!needs_.bald) return;
    QUARRY_CHECK(job.mc_passes >= 1, "BALD needs at least one pass, got {}", job.mc_passes);
    place(sum_p_, n_ * scores_.classes);
    place(sum_entropy_, n_);
    scores_.bald = place(bald_, n_);
  }

  const DeviceScores& fill(const DeviceConvNet& network, const ImagePool& pool, InQueue& queue,
                           const std::atomic<bool>* stop) {
    queue.scorers.push_back(std::make_unique<DeviceScorer>(session_, network, pool, std::max(n_, m_)));
    DeviceScorer& scorer = *queue.scorers.back();
    if (needs_.probabilities || needs_.features)
      scorer.score(job_.candidate_rows, logits_.data(), use_logits_ ? nullptr : features_.data());
    if (needs_.features && use_logits_)  // softmax overwrites the logits
      session_.copy_within(features_.data(), logits_.data(), logits_.size() * sizeof(float));
    if (m_ > 0)
      scorer.score(job_.labelled_rows, use_logits_ ? labelled_.data() : nullptr,
                   use_logits_ ? nullptr : labelled_.data());
    if (needs_.bald) fill_bald(scorer, stop);
    scorer.release();
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

std::size_t answer_size(const ImageSelectJob& job) {
  return size(job.problem.count) + 2;
}

Picks read_answer(const ImageSelectJob& job, std::span<const std::int32_t> answer) {
  const std::size_t count = size(job.problem.count);
  Picks out;
  for (const std::int32_t place : answer.first(count)) out.indices.push_back(job.candidates.at(size(place)));
  out.all_non_finite = answer[count] == 0;
  const auto kind = method_of(job.strategy).kind;
  const std::int32_t chosen = answer[count + 1];
  if (kind == Method::centers) out.by_position = job.problem.count - chosen;
  if (kind == Method::badge) out.by_position = job.problem.count - (out.all_non_finite ? 0 : chosen + 1);
  if (kind == Method::badge && job.problem.numpy_stream != nullptr)
    for (std::int32_t d = 0; d < chosen; ++d) job.problem.numpy_stream->uniform();
  return out;
}

std::size_t selection_memory(const ImageSelectJob& job, const ResNetPlan& plan) {
  const StrategyNeeds needs = make_strategy(job.strategy)->needs();
  const std::int64_t n = std::ssize(job.candidate_rows), m = std::ssize(job.labelled_rows);
  return selection_scores_memory(needs, job.layer, plan, n, m) + DeviceScorer::least_memory(plan, std::max(n, m));
}

void enqueue_selection(gpu::Session& session, InQueue& queue, const DeviceConvNet& network, const ImagePool& pool,
                       const ImageSelectJob& job, const std::atomic<bool>* stop, std::int32_t* answer) {
  QUARRY_CHECK(asks_network(job), "the strategy {} asks no network", job.strategy);
  session.fill(answer, 0, answer_size(job) * sizeof(std::int32_t));  // not every strategy counts what it chose
  Scoring scoring(session, job, network.networks.plan());
  Picking(session, queue.staging, job, scoring.fill(network, pool, queue, stop), answer).run();
}

}  // namespace quarry
