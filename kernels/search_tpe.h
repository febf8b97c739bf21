// SPDX-License-Identifier: MIT
// The Parzen estimator of a search on the device, a thread block per search: the finished trials are split once, the
// mixtures of all parameters are built side by side (a warp each), then candidates and the density of each component at
// each candidate are computed in parallel; only the sums over components run in sequence, one thread each. Every value
// comes from the functor that the CPU uses, and every sum is taken in its order.
#pragma once

#include "kernels/search_memory.h"
#include "kernels/simt.h"
#include "kernels/warp_sort.h"
#include "quarry/core/rng.h"
#include "quarry/hpo/device_search.h"

namespace quarry::cuda {

enum Side : std::int32_t { kBelow = 0, kAbove = 1, kNeither = 2 };

/// What the threads of a block share while a trial is asked.
struct Ask {
  const DeviceSearch& search;
  SearchMemory memory;
  std::int32_t trial;    ///< its number
  std::int32_t n_below;  ///< size of the group of best trials

  __device__ const DeviceParameter& parameter(std::int32_t p) const { return search.parameters[p]; }
  /// First place of a mixture.
  __device__ std::int64_t first_place(std::int32_t p, std::int32_t side) const {
    return p * memory.places + (side == kBelow ? 0 : n_below + 1);
  }
  __device__ std::int32_t observed(std::int32_t p, std::int32_t side) const { return memory.observed[2 * p + side]; }
  __device__ TpeMixture mixture(std::int32_t p, std::int32_t side, std::int32_t observations) const {
    const std::int64_t at = first_place(p, side);
    return {observations + 1,   memory.mu + at,          memory.sigma + at, memory.inverse_sigma + at,
            memory.weight + at, memory.coefficient + at, memory.order + at};
  }
  /// Uniform k of parameter p.
  __device__ double uniform(const double* stream, std::int32_t p, std::int32_t k) const {
    if (search.startup_stream != nullptr) return stream[memory.position[p] + k];
    return random_uniform(search.key, static_cast<std::uint64_t>(trial), static_cast<std::uint32_t>(p),
                          static_cast<std::uint32_t>(k));
  }
};

/// A trial's place among the finished ones: lower tiers first, then smaller ranks. Complete trials, then pruned ones
/// (those that got further first, then by their last value), then complete ones whose value is not a number.
__device__ inline void rank_trial(const Ask& ask, std::int32_t t) {
  const DeviceSearch& search = ask.search;
  constexpr std::int32_t kFirst = -2147483647, kNotANumber = 1, kUnfinished = 2;
  std::int32_t tier = kUnfinished;
  double rank = 0;
  if (search.states[t] == static_cast<std::int32_t>(TrialState::complete)) {
    const double value = search.values[t];
    tier = value == value ? kFirst : kNotANumber;
    rank = value == value ? value : 0;
  } else if (search.states[t] == static_cast<std::int32_t>(TrialState::pruned)) {
    tier = -search.n_reports[t];
    const double last = search.reports[static_cast<std::int64_t>(t) * search.most_steps + search.n_reports[t] - 1];
    rank = last == last ? last : __builtin_inf();
  }
  ask.memory.tier[t] = tier;
  ask.memory.rank[t] = rank;
  ask.memory.side[t] = tier == kUnfinished ? kNeither : kAbove;
}

/// Puts a finished trial on the side of the best ones if fewer than n_below go before it.
__device__ inline void choose_side(const Ask& ask, std::int32_t t) {
  const SearchMemory& memory = ask.memory;
  if (memory.side[t] == kNeither) return;
  const std::int32_t tier = memory.tier[t];
  const double rank = memory.rank[t];
  std::int32_t before = 0;
  for (std::int32_t u = 0; u < ask.trial; ++u) {
    const bool tied = memory.tier[u] == tier && memory.rank[u] == rank;
    before += memory.tier[u] < tier || (memory.tier[u] == tier && memory.rank[u] < rank) || (tied && u < t);
  }
  if (before < ask.n_below) memory.side[t] = kBelow;
}

/// All threads.
__device__ inline void split_trials(const Ask& ask) {
  const auto threads = static_cast<std::int32_t>(blockDim.x);
  for (auto t = static_cast<std::int32_t>(threadIdx.x); t < ask.trial; t += threads) rank_trial(ask, t);
  __syncthreads();
  for (auto t = static_cast<std::int32_t>(threadIdx.x); t < ask.trial; t += threads) choose_side(ask, t);
  __syncthreads();
}

/// Takes the values of parameter p in the trials of one side, in trial order, to the places of the mixture. One warp,
/// which has yet to meet (__syncwarp) before it reads them; returns how many there are.
__device__ inline std::int32_t gather_observations(const Ask& ask, std::int32_t p, std::int32_t side) {
  const DeviceSearch& search = ask.search;
  const std::int64_t at = ask.first_place(p, side);
  const bool categorical = ask.parameter(p).choices > 0, logarithm = is_log(ask.parameter(p).domain.kind);
  const std::int32_t lane = lane_of_thread();
  std::int32_t m = 0;
  for (std::int32_t first = 0; first < ask.trial; first += 32) {
    const std::int32_t t = first + lane;
    double value = 0;
    bool taken = t < ask.trial && ask.memory.side[t] == side;
    if (taken) {
      value = search.points[static_cast<std::int64_t>(t) * search.n_parameters + p];
      taken = value == value;
    }
    const unsigned takers = __ballot_sync(kAllLanes, taken);
    if (taken) {
      const std::int64_t place = at + m + __popc(takers & ((1u << lane) - 1));
      if (categorical) {
        ask.memory.order[place] = static_cast<std::int32_t>(value);
      } else {
        ask.memory.mu[place] = logarithm ? exact_log(value) : value;
      }
    }
    m += __popc(takers);
  }
  return m;
}

/// tpe_build and the coefficients. One warp.
__device__ inline void build_numerical(const Ask& ask, const TpeDomain& domain, const TpeMixture& mixture,
                                       std::int64_t at) {
  const std::int32_t lane = lane_of_thread(), m = mixture.n - 1;
  if (lane == 0) mixture.mu[m] = tpe_prior(domain);
  __syncwarp();
  double total = 1.0;  // the prior's weight
  for (std::int32_t i = 0; i < m; ++i) total += mixture.weight[i];
  warp_argsort({mixture.mu, mixture.order, ask.memory.from_left + at, ask.memory.from_right + at}, mixture.n);
  for (std::int32_t i = lane; i <= m; i += 32) mixture.sigma[mixture.order[i]] = tpe_bandwidth(domain, mixture, i);
  __syncwarp();
  for (std::int32_t i = lane; i <= m; i += 32) {
    const double weight = mixture.weight[i] / total, inverse_sigma = 1.0 / mixture.sigma[i];
    mixture.weight[i] = weight;
    mixture.inverse_sigma[i] = inverse_sigma;
    mixture.coefficient[i] =
        tpe_coefficient<ScalarDouble>(domain, ask.search.normalised_density != 0, mixture.mu[i], inverse_sigma, weight);
  }
}

/// The mixtures of all parameters that draw, a warp each. All threads, which have yet to meet before they read them.
__device__ inline void build_mixtures(const Ask& ask) {
  const std::int32_t warp = static_cast<std::int32_t>(threadIdx.x) / 32, lane = lane_of_thread();
  const std::int32_t parameters = ask.search.n_parameters;
  for (std::int32_t k = warp; k < 2 * parameters; k += kSearchWarps) {
    const std::int32_t p = k % parameters, side = k < parameters ? kAbove : kBelow;  // the large ones start first
    const DeviceParameter& parameter = ask.parameter(p);
    if (parameter.fixed != 0) continue;
    const std::int32_t m = gather_observations(ask, p, side);
    const TpeMixture mixture = ask.mixture(p, side, m);
    if (lane == 0) ask.memory.observed[2 * p + side] = m;
    for (std::int32_t i = lane; i <= m; i += 32) mixture.weight[i] = i < m ? tpe_weight(i, m) : 1.0;
    if (parameter.choices == 0) build_numerical(ask, parameter.domain, mixture, ask.first_place(p, side));
  }
}

/// Candidate c of parameter p, from the mixture of the best trials: a point of the sampling space, or a choice.
__device__ inline double draw_candidate(const Ask& ask, std::int32_t p, std::int32_t c) {
  const DeviceSearch& search = ask.search;
  const DeviceParameter& parameter = ask.parameter(p);
  const TpeMixture mixture = ask.mixture(p, kBelow, ask.observed(p, kBelow));
  const double v = ask.uniform(search.guided_stream, p, search.candidates + c);
  const std::int32_t k = tpe_component(mixture.weight, mixture.n, ask.uniform(search.guided_stream, p, c));
  if (parameter.choices > 0) return tpe_category_draw(mixture.order, mixture.n - 1, parameter.choices, k, v);
  return tpe_candidate<ScalarDouble>(parameter.domain, mixture.mu[k], mixture.sigma[k], v);
}

/// Density of every component of both mixtures of numerical parameter p at every candidate. All threads.
__device__ inline void component_densities(const Ask& ask, std::int32_t p) {
  const SearchMemory& memory = ask.memory;
  const TpeKind kind = ask.parameter(p).domain.kind;
  const std::int32_t below = ask.observed(p, kBelow) + 1, both = below + ask.observed(p, kAbove) + 1;
  const std::int32_t gap = ask.n_below + 1 - below;  // unused places between the mixtures
  for (auto k = static_cast<std::int32_t>(threadIdx.x); k < both * ask.search.candidates; k += kSearchThreads) {
    const std::int32_t c = k / both, i = k % both, place = i < below ? i : i + gap;
    const std::int64_t row = static_cast<std::int64_t>(p) * ask.search.candidates + c;
    const double x = memory.candidate[row];
    const double mu = memory.mu[p * memory.places + place], inverse = memory.inverse_sigma[p * memory.places + place];
    memory.density[row * memory.places + place] = kind == TpeKind::integer
                                                      ? tpe_component_integer<ScalarDouble>(x, mu, inverse)
                                                      : tpe_component_real<ScalarDouble>(x, mu, inverse);
  }
}

/// Density of the mixture of one side of parameter p at candidate c.
__device__ inline double mixture_density(const Ask& ask, std::int32_t p, std::int32_t side, std::int32_t c) {
  const SearchMemory& memory = ask.memory;
  const std::int64_t row = static_cast<std::int64_t>(p) * ask.search.candidates + c;
  const std::int32_t m = ask.observed(p, side), choices = ask.parameter(p).choices;
  const TpeMixture mixture = ask.mixture(p, side, m);
  if (choices > 0) {
    return tpe_category_density(mixture.order, m, choices, static_cast<std::int32_t>(memory.candidate[row]));
  }
  const double* const density = memory.density + row * memory.places + (side == kBelow ? 0 : ask.n_below + 1);
  double sum = 0;
  for (std::int32_t i = 0; i < mixture.n; ++i) sum = std::fma(mixture.coefficient[i], density[i], sum);
  return sum;
}

/// The value of the first candidate of the largest ratio.
__device__ inline double best_candidate(const Ask& ask, std::int32_t p) {
  const std::int32_t candidates = ask.search.candidates;
  const double* const l = ask.memory.mixture + static_cast<std::int64_t>(2) * p * candidates;
  const double* const g = l + candidates;
  std::int32_t best = 0;
  double ratio = l[0] / g[0];
  for (std::int32_t c = 1; c < candidates; ++c) {
    const double other = l[c] / g[c];
    if (!(other > ratio)) continue;
    best = c;
    ratio = other;
  }
  const double x = ask.memory.candidate[static_cast<std::int64_t>(p) * candidates + best];
  const DeviceParameter& parameter = ask.parameter(p);
  return parameter.choices > 0 ? x : tpe_value<ScalarDouble>(parameter.domain, x);
}

/// memory.value of the parameters first ... end - 1 that draw. All threads.
__device__ inline void choose_values(const Ask& ask, std::int32_t first, std::int32_t end) {
  const SearchMemory& memory = ask.memory;
  const std::int32_t candidates = ask.search.candidates, thread = static_cast<std::int32_t>(threadIdx.x);
  for (std::int32_t k = first * candidates + thread; k < end * candidates; k += kSearchThreads) {
    if (memory.position[k / candidates] >= 0) memory.candidate[k] = draw_candidate(ask, k / candidates, k % candidates);
  }
  __syncthreads();
  for (std::int32_t p = first; p < end; ++p) {
    if (memory.position[p] >= 0 && ask.parameter(p).choices == 0) component_densities(ask, p);
  }
  __syncthreads();
  for (std::int32_t k = 2 * first * candidates + thread; k < 2 * end * candidates; k += kSearchThreads) {
    const std::int32_t p = k / (2 * candidates), side = k / candidates % 2;
    if (memory.position[p] >= 0) memory.mixture[k] = mixture_density(ask, p, side, k % candidates);
  }
  __syncthreads();
  for (std::int32_t p = first + thread; p < end; p += kSearchThreads) {
    if (memory.position[p] >= 0) memory.value[p] = best_candidate(ask, p);
  }
}

}  // namespace quarry::cuda
