// SPDX-License-Identifier: MIT
// How long does TPE take to choose a point? One ask of the online-tuning study's space (9 parameters, conditional
// widths) with 50 told trials, mean over histories of several seeds; and whole searches of 50 trials. The densities
// are checked against plain library mathematics, and all SIMD levels against each other, before anything is timed.
//
//   bench_tpe [seeds]
//
// Output is tab-separated: what, microseconds (processor time of one thread, best of 9 rounds).
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/hpo/search.h"
#include "quarry/ops/tpe.h"

namespace {

using namespace quarry;

constexpr int kTrials = 50;

/// The objective of benchmarks/peers/tpe.py.
double objective(const Space& space, const std::vector<double>& p) {
  const double lr = space.value("lr", p), decay = std::log10(space.value("weight_decay", p));
  const double drop = std::log10(space.value("drop_rate", p)), depth = space.value("depth", p);
  double units = 0;
  for (int i = 0; i < static_cast<int>(depth); ++i) units += space.value(fmt::format("width_{}", i), p);
  return (lr - 0.3) * (lr - 0.3) + 0.05 * (decay + 4) * (decay + 4) + 0.1 * std::abs(depth - 2) +
         0.2 * (units / 200 - 1) * (units / 200 - 1) + 0.03 * (drop + 2) * (drop + 2);
}

std::unique_ptr<Sampler> sampler_of(std::uint32_t seed, bool numpy) {
  TpeOptions options;
  options.numpy_random = numpy;
  options.numpy_seed = seed;
  options.key = stream_key(seed, RngPurpose::tpe);
  return make_tpe_sampler(options);
}

Search run_search(std::uint32_t seed, bool numpy) {
  Search search(mlp_study_space(), sampler_of(seed, numpy), make_no_pruner());
  for (int i = 0; i < kTrials; ++i) {
    const Trial& trial = search.ask();
    search.tell(i, {}, objective(search.space(), trial.point));
  }
  return search;
}

double phi(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

/// The mixture's log density written down plainly (no equal observations, fewer than 25).
double plain_log_density(double low, double high, bool integer, std::vector<double> centres, double x) {
  const auto m = static_cast<double>(centres.size());
  if (integer) low -= 0.5, high += 0.5;
  const double prior = (low + high) / 2;
  centres.push_back(prior);
  std::sort(centres.begin(), centres.end());
  double density = 0;
  for (std::size_t i = 0; i < centres.size(); ++i) {
    double left = i > 0 ? centres[i] - centres[i - 1] : -1;
    double right = i + 1 < centres.size() ? centres[i + 1] - centres[i] : -1;
    double sigma = std::clamp(std::max(left, right), (high - low) / std::min(100.0, m + 2), high - low);
    if (centres[i] == prior) sigma = high - low;
    const double mass = phi((high - centres[i]) / sigma) - phi((low - centres[i]) / sigma),
                 z = (x - centres[i]) / sigma;
    const double at = integer ? phi(z + 0.5 / sigma) - phi(z - 0.5 / sigma)
                              : std::exp(-z * z / 2) / std::sqrt(2 * 3.14159265358979323846) / sigma;
    density += at / mass / (m + 1);
  }
  return std::log(density);
}

void check() {
  TpeScratch scratch;
  for (const TpeKind kind : {TpeKind::real, TpeKind::integer}) {
    const TpeDomain domain = make_tpe_domain(kind, 2, 96);
    const std::vector<double> observations = {17, 90, 3, 55, 41, 60, 22}, at = {2, 3, 17, 50, 96};
    std::vector<double> first(at.size()), got(at.size());
    cpu::tpe_log_density(SimdLevel::portable, domain, true, observations, at, scratch, first);
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double plain = plain_log_density(2, 96, kind == TpeKind::integer, observations, at[i]);
      QUARRY_CHECK(std::abs(first[i] - plain) <= 1e-10, "log density {} at {}, expected {}", first[i], at[i], plain);
    }
    for (const SimdLevel level : {SimdLevel::avx2, SimdLevel::avx512}) {
      if (level > simd_level()) continue;
      cpu::tpe_log_density(level, domain, true, observations, at, scratch, got);
      QUARRY_CHECK(got == first, "{} gives other bits", to_string(level));
    }
  }
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Microseconds per call, the best of 9 rounds.
double best_time(int calls, const std::function<void()>& call) {
  double best = 1e99;
  for (int round = 0; round < 9; ++round) {
    const double start = thread_seconds();
    for (int i = 0; i < calls; ++i) call();
    best = std::min(best, (thread_seconds() - start) / calls * 1e6);
  }
  return best;
}

void report(std::uint32_t seeds, bool numpy) {
  const char* random = numpy ? "numpy streams" : "philox";
  double ask = 0, asked = 0;
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    const Search search = run_search(seed, numpy);
    const auto sampler = sampler_of(seed, numpy);
    const std::vector<double> point = sampler->ask(search.space(), search.trials());
    asked += static_cast<double>(std::count_if(point.begin(), point.end(), [](double x) { return !std::isnan(x); }));
    ask += best_time(20, [&] { sampler->ask(search.space(), search.trials()); });
  }
  fmt::print("ask at {} trials, {}\t{:.1f}\n", kTrials, random, ask / seeds);
  fmt::print("search of {} trials, {}\t{:.1f}\n", kTrials, random, best_time(1, [numpy] { run_search(1, numpy); }));
  fmt::print("parameters asked, {}\t{:.1f}\n", random, asked / seeds);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int seeds = argc > 1 ? std::atoi(argv[1]) : 20;
    if (seeds < 1) usage_error("usage: bench_tpe [seeds], seeds at least 1");
    check();
    fmt::print("# SIMD {}, {} seeds, checked\n", to_string(simd_level()), seeds);
    report(static_cast<std::uint32_t>(seeds), false);
    report(static_cast<std::uint32_t>(seeds), true);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_tpe: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
