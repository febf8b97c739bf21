// SPDX-License-Identifier: MIT
// How long does a BADGE pick take? Exact rejection sampling against a pass per pick, on pools of n rows of `width`
// features and `classes` probabilities, clustered and iid. Picks are checked before anything is timed: on a GPU they
// are those of the CPU.
//
//   bench_badge [--n N...] [--width F] [--classes C] [--picks K] [--write FOLDER] [--device D] [--json]
//
// --write puts the probabilities there as NPY files, for benchmarks/peers/selection.py. Wall-clock, one worker on a
// CPU.
#include <set>

#include "benchmarks/bench_picks.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/gpu.h"
#include "quarry/ops/badge.h"
#include "quarry/ops/select_device.h"

namespace quarry::bench {
namespace {

struct Problem {
  std::int64_t n = 0, width = 512, classes = 10;
  std::vector<float> features, probabilities;
};
constexpr std::uint64_t kKey = 5;

PickRunner<BadgeSampling> on_cpu(const Problem& problem) {
  return cpu_runner<BadgeSampling>([&problem](Context& context, BadgeSampling sampling, std::span<std::int32_t> picks) {
    badge(context, {sampling, kKey, 0}, matrix(problem.probabilities.data(), problem.n, problem.classes),
          matrix(problem.features.data(), problem.n, problem.width), picks);
  });
}

PickRunner<BadgeSampling> make_runner(const Problem& problem, Device device, [[maybe_unused]] std::int32_t most) {
#if QUARRY_HAS_CUDA
  if (device.kind == DeviceKind::cuda) {
    const auto gpu = std::make_shared<GpuPicks>(device, most);
    const auto features = std::make_shared<gpu::Buffer<float>>(gpu::upload<float>(gpu->session(), problem.features));
    const auto probabilities =
        std::make_shared<gpu::Buffer<float>>(gpu::upload<float>(gpu->session(), problem.probabilities));
    return gpu_runner<BadgeSampling>(gpu, [=, &problem](BadgeSampling sampling, std::int32_t count) {
      BadgeJob job;
      job.probabilities = probabilities->data();
      job.features = features->data();
      job.n = problem.n;
      job.classes = problem.classes;
      job.width = problem.width;
      job.key = kKey;
      job.sampling = sampling;
      job.picks = gpu->picks();
      job.count = count;
      job.any_finite = gpu->any_finite();
      job.scratch = gpu->scratch(cuda::badge_scratch(job.n, job.classes, job.width, count, sampling));
      cuda::badge(gpu->session(), &job, 1);
    });
  }
#endif
  QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  return on_cpu(problem);
}

struct Settings : PoolSettings {
  std::int64_t classes = 10;
};

void check(const PickRunner<BadgeSampling>& runner, const Problem& problem, std::int32_t picks) {
  const Picks drawn = runner.pick(BadgeSampling::rejection, picks);
  QUARRY_CHECK(std::set<std::int32_t>(drawn.begin(), drawn.end()).size() == drawn.size(), "a candidate twice");
  const std::int32_t few = std::min(picks, 20);
  const PickRunner<BadgeSampling> cpu = on_cpu(problem);
  for (const BadgeSampling sampling : {BadgeSampling::rejection, BadgeSampling::plain}) {
    QUARRY_CHECK(runner.pick(sampling, few) == cpu.pick(sampling, few), "the picks differ from the CPU's");
  }
}

void time_pool(const Settings& s, std::int64_t n, bool clustered, const Options& options, Report& report) {
  const char* name = clustered ? "clustered" : "iid";
  const Problem problem{n, s.width, s.classes, make_features(clustered, n, s.width, 1),
                        make_probabilities(n, s.classes)};
  if (!s.write.empty()) write_npy(s.write + "/" + name + "_probabilities.npy", problem.probabilities, n, s.classes);
  const auto runner = make_runner(problem, options.device, s.picks);
  check(runner, problem, s.picks);
  const std::int32_t few = std::min(s.picks, 40);
  const double rejection = runner.seconds(BadgeSampling::rejection, s.picks);
  const double plain = runner.seconds(BadgeSampling::plain, few) - runner.seconds(BadgeSampling::plain, 1);
  const auto row = [&](const char* what, double total, std::int32_t picks) {
    report.row(s.row(name, what, n, picks, total));
  };
  row("badge_rejection", rejection, s.picks);
  row("badge_plain", plain, few - 1);
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings s;
  return main_of(
      argc, argv, "bench_badge", "microseconds per BADGE pick",
      [&](Arguments& arguments) {
        s.add_to(arguments);
        arguments.number("--classes", s.classes, "classes", 2, 1 << 16);
      },
      [&](const Options& options, Report& report) {
        s.each([&](std::int64_t n, bool clustered) { time_pool(s, n, clustered, options, report); });
      });
}
