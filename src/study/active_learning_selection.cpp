// SPDX-License-Identifier: MIT
// What an active-learning run asks of a selection.
#include <algorithm>

#include "quarry/core/rng.h"
#include "quarry/study/active_learning_run.h"

namespace quarry {

std::vector<std::int32_t> ActiveLearningRun::candidates() const {
  const std::span<const std::int32_t> all = pool_.unlabelled();
  const auto wanted = static_cast<std::size_t>(run_.config.candidates);
  std::vector<std::int32_t> chosen(all.begin(), all.end());
  if (wanted == 0 || wanted >= chosen.size()) return chosen;
  const std::uint64_t key = stream_key(static_cast<std::uint64_t>(run_.config.seed), RngPurpose::subset);
  std::vector<std::uint64_t> scratch(chosen.size());
  std::vector<std::int32_t> order(chosen.size());
  random_permutation(key, static_cast<std::uint32_t>(iteration_ + 1), static_cast<std::uint32_t>(chosen.size()),
                     scratch.data(), order.data());
  chosen.clear();
  for (std::size_t i = 0; i < wanted; ++i) chosen.push_back(all[static_cast<std::size_t>(order[i])]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

SelectJob ActiveLearningRun::select_job() const {
  SelectJob job = select_job_ahead(iteration_, static_cast<std::int32_t>(pool_.added().size()),
                                   static_cast<std::int32_t>(pool_.unlabelled().size()));
  job.network = &network_;
  if (keychain_) job.keychain = &keychain_->scorer();
  job.candidates = candidates();
  job.labelled = pool_.labelled();
  return job;
}

SelectJob ActiveLearningRun::select_job_ahead(std::int32_t iteration, std::int32_t added,
                                              std::int32_t unlabelled) const {
  const RunConfig& config = run_.config;
  const auto seed = static_cast<std::uint64_t>(config.seed);
  const auto cycle = static_cast<std::uint64_t>(iteration + 1);
  SelectJob job;
  job.strategy = config.strategy;
  job.layer = config.coreset_layer;
  job.mc_passes = config.mc_passes;
  job.mc_key = stream_key(seed, RngPurpose::mc, cycle);
  job.problem.n = config.candidates == 0 ? unlabelled : std::min<std::int64_t>(config.candidates, unlabelled);
  job.problem.count = std::min({config.size, config.budget - added, static_cast<std::int32_t>(job.problem.n)});
  job.problem.seed = seed;
  job.problem.cycle = cycle;
  job.problem.numpy_random = config.rng == RngKind::numpy;
  job.problem.random_reseeded = config.random_rng == RandomRng::reseeded;
  job.problem.bald_clamp = config.bald_clamp;
  job.problem.log_epsilon = config.log_epsilon;
  job.problem.ties = config.ties;
  return job;
}

}  // namespace quarry
