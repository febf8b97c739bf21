// SPDX-License-Identifier: MIT
// Selection on the device: what every strategy has scored, how it picks, and what that does to the lists of rows.
#include "quarry/core/rng.h"
#include "src/study/device_cycle_cuda.h"

namespace quarry {
namespace {

using Method = SelectionKind::Method;

TieBreaker tie_breaker(const SelectionProblem& problem, const RunPlaces& at) {
  return {problem.ties, stream_key(problem.seed, RngPurpose::tie, problem.cycle), at.tie_words};
}

RandomRun random_run(const SelectionProblem& problem, const std::int32_t* candidates, const RunPlaces& at) {
  return {candidates, static_cast<std::int32_t>(problem.n), stream_key(problem.seed, RngPurpose::random, problem.cycle),
          at.uniforms, reinterpret_cast<double*>(at.scores)};
}

PickRun pick_run(const SelectionProblem& problem, const RunPlaces& at) {
  return {at.scores,     static_cast<std::int32_t>(problem.n),
          problem.count, tie_breaker(problem, at),
          at.taken,      at.positions,
          at.any_finite};
}

TopKJob top_k_job(const SelectionProblem& problem, const RunPlaces& at) {
  return {reinterpret_cast<const float*>(at.scores), problem.n, at.positions, problem.count, at.any_finite};
}

CenterPickRun center_pick_run(const SelectionProblem& problem, std::int32_t m, std::int32_t width,
                              const RunPlaces& at) {
  CenterPickRun run;
  run.candidates = at.spread;
  run.labelled = at.labelled_spread;
  run.n = static_cast<std::int32_t>(problem.n);
  run.m = m;
  run.width = width;
  run.count = problem.count;
  run.ties = tie_breaker(problem, at);
  run.nearest = at.nearest;
  run.scores = reinterpret_cast<float*>(at.scores);
  run.taken = at.taken;
  run.positions = at.positions;
  run.any_finite = at.any_finite;
  return run;
}

KCenterJob k_center_job(const SelectionProblem& problem, std::int32_t m, std::int32_t width, const RunPlaces& at) {
  KCenterJob job;
  job.candidates = at.spread;
  job.n = problem.n;
  job.width = width;
  job.labelled = at.labelled_spread;
  job.m = m;
  job.picks = at.positions;
  job.count = problem.count;
  job.any_finite = at.any_finite;
  job.scratch = at.scratch;
  return job;
}

BadgeJob badge_job(const SelectionProblem& problem, std::int64_t classes, std::int32_t width, const RunPlaces& at) {
  BadgeJob job;
  job.probabilities = at.probabilities;
  job.features = at.spread;
  job.n = problem.n;
  job.classes = classes;
  job.width = width;
  job.key = stream_key(problem.seed, RngPurpose::badge, problem.cycle);
  job.sampling = problem.numpy_random ? BadgeSampling::numpy : BadgeSampling::rejection;
  job.numpy_stream = at.uniforms;
  job.picks = at.positions;
  job.count = problem.count;
  job.any_finite = at.any_finite;
  job.scratch = at.scratch;
  return job;
}

template <class T>
std::int32_t count(const std::vector<T>& values) {
  return static_cast<std::int32_t>(values.size());
}

}  // namespace

const std::int32_t* DeviceSegment::unlabelled(std::size_t run, std::size_t cycle) const {
  return places_[run].unlabelled[cycle % 2];  // every cycle but the last acquires
}

const std::int32_t* DeviceSegment::candidates(std::size_t run, std::size_t cycle) const {
  const CycleOutlook& here = runs_[run].cycles()[cycle];
  return here.candidates < here.unlabelled ? places_[run].candidates : unlabelled(run, cycle);
}

DeviceSegment::Subsets DeviceSegment::plan_subsets(std::size_t cycle, CyclePlan& plan) const {
  std::vector<SubsetRun> subsets;
  for (const std::size_t r : present(cycle)) {
    const CycleOutlook& here = runs_[r].cycles()[cycle];
    if (here.picks == 0 || here.candidates == here.unlabelled) continue;
    const auto seed = static_cast<std::uint64_t>(runs_[r].config().seed);
    subsets.push_back({unlabelled(r, cycle), here.unlabelled, here.candidates, stream_key(seed, RngPurpose::subset),
                       static_cast<std::uint32_t>(here.iteration + 1), places_[r].candidates});
  }
  return {plan.put(subsets), count(subsets)};
}

void DeviceSegment::enqueue_subsets(const Subsets& subsets) {
  cuda::random_subsets(session_, subsets.runs, subsets.n);
}

void DeviceSegment::add_selection_scores(std::size_t cycle, std::size_t r, std::vector<MlpScoreJob>& jobs) const {
  const SelectionKind& kind = kinds_[r];
  if (kind.method == Method::random) return;
  const RunPlaces& at = places_[r];
  const SelectJob selection = runs_[r].selection(cycle);
  MlpScoreJob job;
  job.features = data_.at(&runs_[r].data())->train.data();
  job.rows = candidates(r, cycle);
  job.n_rows = static_cast<std::int32_t>(selection.problem.n);
  job.network = network(r);
  job.score = kind.score;
  job.passes = selection.mc_passes;
  job.mc_key = selection.mc_key;
  job.bald_clamp = selection.problem.bald_clamp;
  if (kind.method == Method::score) job.scores = reinterpret_cast<float*>(at.scores);
  if (kind.method == Method::badge) job.probabilities = at.probabilities;
  if (kind.method == Method::centers && kind.logits) job.logits = at.spread;
  if (kind.method == Method::badge || (kind.method == Method::centers && !kind.logits)) job.penultimate = at.features;
  jobs.push_back(job);
  if (kind.method != Method::centers) return;
  job.rows = at.labelled;
  job.n_rows = labelled(r, cycle);
  job.logits = kind.logits ? at.labelled_spread : nullptr;
  job.penultimate = kind.logits ? nullptr : at.labelled_features;
  jobs.push_back(job);
}

std::int32_t DeviceSegment::labelled(std::size_t run, std::size_t cycle) const {
  return static_cast<std::int32_t>(runs_[run].run().pool().unviolated().size()) + runs_[run].cycles()[cycle].added;
}

DeviceSegment::Selecting DeviceSegment::plan_selecting(std::size_t cycle, CyclePlan& plan) const {
  Selecting s;
  std::vector<SpreadRun> spreads;
  std::vector<RandomRun> randoms;
  std::vector<PickRun> random_picks, score_picks;
  std::vector<CenterPickRun> center_picks;
  std::vector<PickedRun> picked;
  std::vector<AcquireRun> acquired;
  for (const std::size_t r : present(cycle)) {
    const CycleOutlook& here = runs_[r].cycles()[cycle];
    if (here.picks == 0) continue;
    const RunPlaces& at = places_[r];
    const SelectionKind& kind = kinds_[r];
    const SelectionProblem problem = runs_[r].selection(cycle).problem;
    const std::int32_t m = labelled(r, cycle);
    const DeviceNetwork* const trained = shared_.networks + r;
    const bool spreads_rows = kind.method == Method::badge || (kind.method == Method::centers && !kind.logits);
    if (spreads_rows) spreads.push_back({trained, at.features, at.spread, here.candidates, kind.width});
    if (spreads_rows && kind.method == Method::centers)
      spreads.push_back({trained, at.labelled_features, at.labelled_spread, m, kind.width});
    switch (kind.method) {
      case Method::random:
        randoms.push_back(random_run(problem, candidates(r, cycle), at));
        random_picks.push_back(pick_run(problem, at));
        break;
      case Method::score:
        if (kind.one_by_one)
          score_picks.push_back(pick_run(problem, at));
        else
          s.top_k.push_back(top_k_job(problem, at));
        break;
      case Method::centers:
        if (kind.one_by_one)
          center_picks.push_back(center_pick_run(problem, m, kind.width, at));
        else
          s.k_center.push_back(k_center_job(problem, m, kind.width, at));
        break;
      case Method::badge:
        s.badge.push_back(badge_job(problem, runs_[r].data().n_classes, kind.width, at));
        break;
    }
    picked.push_back(
        {at.positions, candidates(r, cycle), at.any_finite, here.picks, records_[r].picks, records_[r].record});
    acquired.push_back({records_[r].picks, here.picks, here.added, at.lists, growing_lists(runs_[r]),
                        unlabelled(r, cycle), here.unlabelled, at.unlabelled[(cycle + 1) % 2]});
  }
  s.n_spreads = count(spreads);
  s.n_randoms = count(randoms);
  s.n_score_picks = count(score_picks);
  s.n_center_picks = count(center_picks);
  s.n_picked = count(picked);
  s.n_acquired = count(acquired);
  s.spreads = plan.put(spreads);
  s.randoms = plan.put(randoms);
  s.random_picks = plan.put(random_picks);
  s.score_picks = plan.put(score_picks);
  s.center_picks = plan.put(center_picks);
  s.picked = plan.put(picked);
  s.acquired = plan.put(acquired);
  return s;
}

void DeviceSegment::enqueue_selecting(const Selecting& s) {
  if (s.n_picked == 0) return;
  const gpu::Range range(session_, "select");
  cuda::spread_rows(session_, s.spreads, s.n_spreads);
  cuda::random_scores(session_, s.randoms, s.n_randoms);
  cuda::pick_by_score(session_, s.random_picks, s.n_randoms, true);
  cuda::pick_by_score(session_, s.score_picks, s.n_score_picks, false);
  cuda::pick_centers(session_, s.center_picks, s.n_center_picks);
  if (!s.top_k.empty()) cuda::top_k(session_, s.top_k.data(), count(s.top_k), shared_.top_k);
  if (!s.k_center.empty()) cuda::k_center(session_, KCenterMethod::lazy, s.k_center.data(), count(s.k_center));
  if (!s.badge.empty()) cuda::badge(session_, s.badge.data(), count(s.badge));
  cuda::record_picks(session_, s.picked, s.n_picked);
}

}  // namespace quarry
