// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "kernels/tpe_kernels.h"
#include "quarry/core/error.h"
#include "quarry/ops/tpe.h"

namespace quarry::cpu {
namespace {

const TpeKernels& kernels(SimdLevel level) {
#if defined(__x86_64__)
  if (level == SimdLevel::avx512) return kTpeAvx512;
  if (level == SimdLevel::avx2) return kTpeAvx2;
#endif
  QUARRY_CHECK(level == SimdLevel::portable, "this machine has no {} kernels", to_string(level));
  return kTpePortable;
}

constexpr std::size_t padded(std::size_t n) {
  return (n + kTpeLanes - 1) / kTpeLanes * kTpeLanes;
}

/// Arrays of n elements each, zero where nobody wrote.
double* take(Buffer<double>& buffer, std::size_t arrays, std::size_t n) {
  if (buffer.size() < arrays * n) buffer = Buffer<double>(arrays * n);
  return buffer.data();
}

/// The mixture of the observations and the prior.
TpeMixture build(const TpeKernels& kernel, const TpeDomain& domain, std::span<const double> observations,
                 TpeScratch& scratch) {
  const std::size_t n = observations.size() + 1, stride = padded(n);
  double* at = take(scratch.components, 5, stride);
  if (scratch.order.size() < n) scratch.order = Buffer<std::int32_t>(2 * n);
  const TpeMixture mixture = {
      static_cast<std::int32_t>(n), at, at + stride, at + 2 * stride, at + 3 * stride, at + 4 * stride,
      scratch.order.data()};
  std::copy(observations.begin(), observations.end(), mixture.mu);
  if (is_log(domain.kind)) kernel.log(mixture.mu, static_cast<std::int32_t>(padded(observations.size())));
  tpe_build(domain, mixture);
  for (std::size_t i = n; i < stride; ++i) mixture.mu[i] = mixture.inverse_sigma[i] = mixture.weight[i] = 0;
  return mixture;
}

}  // namespace

TpeChoice tpe_choose(SimdLevel level, const TpeProblem& problem, TpeScratch& scratch) {
  const TpeKernels& kernel = kernels(level);
  const TpeDomain& domain = problem.domain;
  const std::size_t candidates = problem.uniforms.size() / 2, stride = padded(candidates);
  QUARRY_CHECK(candidates >= 1 && problem.uniforms.size() == 2 * candidates, "{} uniforms", problem.uniforms.size());
  double* mu = take(scratch.candidates, 6, stride);
  double *sigma = mu + stride, *v = mu + 2 * stride, *at = mu + 3 * stride, *l = mu + 4 * stride, *g = mu + 5 * stride;
  const auto n = static_cast<std::int32_t>(stride);

  TpeMixture mixture = build(kernel, domain, problem.below, scratch);
  for (std::size_t c = 0; c < stride; ++c) {
    const std::size_t from = std::min(c, candidates - 1);  // the padding repeats the last candidate
    const std::int32_t k = tpe_component(mixture.weight, mixture.n, problem.uniforms[from]);
    mu[c] = mixture.mu[k];
    sigma[c] = mixture.sigma[k];
    v[c] = problem.uniforms[candidates + from];
  }
  kernel.candidates(domain, mu, sigma, v, n, at);
  kernel.densities(domain, problem.normalised, mixture, at, n, l);
  mixture = build(kernel, domain, problem.above, scratch);
  kernel.densities(domain, problem.normalised, mixture, at, n, g);
  std::size_t best = 0;
  for (std::size_t c = 1; c < candidates; ++c) {
    if (l[c] / g[c] > l[best] / g[best]) best = c;
  }
  return {tpe_value<ScalarDouble>(domain, at[best]), l[best] / g[best]};
}

void tpe_log_density(SimdLevel level, const TpeDomain& domain, bool normalised, std::span<const double> observations,
                     std::span<const double> values, TpeScratch& scratch, std::span<double> out) {
  QUARRY_CHECK(out.size() == values.size(), "{} values, {} results", values.size(), out.size());
  const TpeKernels& kernel = kernels(level);
  const std::size_t stride = padded(values.size());
  double* at = take(scratch.candidates, 2, stride);
  std::copy(values.begin(), values.end(), at);
  std::fill(at + values.size(), at + stride, domain.low);
  const auto n = static_cast<std::int32_t>(stride);
  if (is_log(domain.kind)) kernel.log(at, n);
  kernel.densities(domain, normalised, build(kernel, domain, observations, scratch), at, n, at + stride);
  kernel.log(at + stride, n);
  std::copy_n(at + stride, values.size(), out.begin());
}

TpeChoice tpe_choose_category(std::span<const std::int32_t> below, std::span<const std::int32_t> above, std::int32_t c,
                              std::span<const double> uniforms) {
  const std::size_t candidates = uniforms.size() / 2;
  QUARRY_CHECK(candidates >= 1 && c >= 1, "{} uniforms, {} choices", uniforms.size(), c);
  const auto m = static_cast<std::int32_t>(below.size()), rest = static_cast<std::int32_t>(above.size());
  std::vector<double> weight(below.size() + 1, 1.0);
  for (std::int32_t i = 0; i < m; ++i) weight[static_cast<std::size_t>(i)] = tpe_weight(i, m);
  TpeChoice best{0, -1};
  for (std::size_t i = 0; i < candidates; ++i) {
    const std::int32_t k = tpe_component(weight.data(), m + 1, uniforms[i]);
    const std::int32_t choice = tpe_category_draw(below.data(), m, c, k, uniforms[candidates + i]);
    const double ratio =
        tpe_category_density(below.data(), m, c, choice) / tpe_category_density(above.data(), rest, c, choice);
    if (ratio > best.ratio) best = {static_cast<double>(choice), ratio};
  }
  return best;
}

}  // namespace quarry::cpu
