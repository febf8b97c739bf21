// SPDX-License-Identifier: MIT
// How long does TPE take to choose a point? One ask of the online-tuning study's space (9 parameters, conditional
// widths) with 50 told trials, mean over histories of several seeds; and whole searches of 50 trials. The densities
// are checked against plain library mathematics, and all SIMD levels against each other, before anything is timed.
//
//   bench_tpe [--seeds N] [--device D] [--json]
//
// On a CPU microseconds are processor time of one thread, the best of 9 rounds. On a GPU they are wall-clock per ask of
// 20 enqueued together, for 1 and for 24 searches side by side; their points are compared with the CPU's.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <numeric>
#include <vector>

#include "benchmarks/bench_cli.h"
#include "quarry/core/error.h"
#include "quarry/core/gpu.h"
#include "quarry/core/rng.h"
#include "quarry/hpo/device_searches.h"
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

/// Microseconds per call, the best of 9 rounds.
double best_time(int calls, const std::function<void()>& call) {
  double best = 1e99;
  for (int round = 0; round < 9; ++round) {
    const double start = bench::thread_seconds();
    for (int i = 0; i < calls; ++i) call();
    best = std::min(best, (bench::thread_seconds() - start) / calls * 1e6);
  }
  return best;
}

Json row(const std::string& what, double microseconds) {
  return Json::object().set("what", what).set("us", microseconds);
}

void time_cpu(std::uint32_t seeds, bool numpy, bench::Report& report) {
  const char* random = numpy ? "numpy streams" : "philox";
  double ask = 0;
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    const Search search = run_search(seed, numpy);
    const auto sampler = sampler_of(seed, numpy);
    ask += best_time(
        20, [&] { sampler->ask(search.space(), static_cast<std::int32_t>(search.trials().size()), search.trials()); });
  }
  report.row(row(fmt::format("ask at {} trials, {}", kTrials, random), ask / seeds));
  report.row(
      row(fmt::format("search of {} trials, {}", kTrials, random), best_time(1, [numpy] { run_search(1, numpy); })));
}

#if QUARRY_HAS_CUDA
constexpr std::int32_t kTogether = 20, kRounds = 5;

/// n searches told kTrials trials each on the device, the objective worked out on the host in between.
DeviceSearches told_searches(gpu::Session& session, std::int32_t n) {
  std::vector<SearchSetup> setups(static_cast<std::size_t>(n));
  for (std::int32_t i = 0; i < n; ++i) {
    SearchSetup& setup = setups[static_cast<std::size_t>(i)];
    setup.space = mlp_study_space();
    setup.options.key = stream_key(static_cast<std::uint64_t>(i), RngPurpose::tpe);
    setup.most_trials = kTrials + kTogether * (kRounds + 1);
    setup.most_steps = 1;
  }
  DeviceSearches searches(session, setups, n);
  gpu::Pinned<double> values(session, static_cast<std::size_t>(n));
  const Space space = mlp_study_space();
  for (std::size_t trial = 0; trial < kTrials; ++trial) {
    cuda::search_ask(session, searches.data(), n, 1);
    searches.copy_out(session, 0, n);
    session.synchronize();
    for (std::int32_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      values[at] = objective(space, searches.trials(i)[trial].point);
      session.copy_in(searches.uploaded(i).values + trial, &values[at], sizeof(double));
      session.fill(searches.uploaded(i).n_reports + trial, 0, sizeof(std::int32_t));
    }
    cuda::search_tell(session, searches.data(), n, 1);
  }
  return searches;
}

void check_points(gpu::Session& session, DeviceSearches& searches) {
  searches.copy_out(session, 0, searches.size());
  session.synchronize();
  for (std::int32_t i = 0; i < searches.size(); ++i) {
    const Search expected = run_search(static_cast<std::uint32_t>(i), false);
    const std::vector<Trial> got = searches.trials(i);
    for (std::size_t t = 0; t < kTrials; ++t) {
      const std::vector<double>&a = got[t].point, &b = expected.trials()[t].point;
      const bool same = std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return x == y || x != x; });
      QUARRY_CHECK(same, "search {} asks another point than the CPU at trial {}", i, t);
    }
  }
}

void time_gpu(Device device, bench::Report& report) {
  gpu::Session session(device.ordinal);
  for (const std::int32_t n : {1, 24}) {
    DeviceSearches searches = told_searches(session, n);
    check_points(session, searches);
    const double seconds = bench::best_seconds(kRounds, [&] {
      for (std::int32_t i = 0; i < kTogether; ++i) cuda::search_ask(session, searches.data(), n, 1);
      session.synchronize();
    });
    report.row(row(fmt::format("ask of {} searches at {} trials", n, kTrials), seconds / kTogether * 1e6));
  }
}
#endif

}  // namespace

int main(int argc, char** argv) {
  std::int32_t seeds = 20;
  return bench::main_of(
      argc, argv, "bench_tpe", "microseconds per TPE ask",
      [&](bench::Arguments& arguments) { arguments.number("--seeds", seeds, "histories", 1, 10000); },
      [&](const bench::Options& options, bench::Report& report) {
        check();
#if QUARRY_HAS_CUDA
        if (options.device.kind == DeviceKind::cuda) return time_gpu(options.device, report);
#endif
        QUARRY_CHECK(options.device.kind == DeviceKind::cpu, "this build has no CUDA backend");
        time_cpu(static_cast<std::uint32_t>(seeds), false, report);
        time_cpu(static_cast<std::uint32_t>(seeds), true, report);
      });
}
