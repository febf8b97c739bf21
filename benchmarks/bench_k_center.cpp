// SPDX-License-Identifier: MIT
// How long does a k-center pick take? Lazy against a pass per pick, on pools of n rows of `width` features, clustered
// and iid, after `labelled` labelled rows. The picks of both methods are compared before anything is timed.
//
//   bench_k_center [--n N...] [--width F] [--picks K] [--labelled M] [--write FOLDER] [--device D] [--json]
//
// --write puts the pools there as NPY files, for benchmarks/peers/selection.py. Times are wall-clock, one worker on a
// CPU.
#include "benchmarks/bench_picks.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/gpu.h"
#include "quarry/ops/k_center.h"
#include "quarry/ops/select_device.h"

namespace quarry::bench {
namespace {

struct Problem {
  std::int64_t n = 0, width = 512, labelled = 100;
  std::vector<float> features, centres;
};
PickRunner<KCenterMethod> on_cpu(const Problem& problem) {
  return cpu_runner<KCenterMethod>([&problem](Context& context, KCenterMethod method, std::span<std::int32_t> picks) {
    k_center(context, {method}, matrix(problem.features.data(), problem.n, problem.width),
             matrix(problem.centres.data(), problem.labelled, problem.width), picks, {});
  });
}

PickRunner<KCenterMethod> make_runner(const Problem& problem, Device device, [[maybe_unused]] std::int32_t most) {
#if QUARRY_HAS_CUDA
  if (device.kind == DeviceKind::cuda) {
    const auto gpu = std::make_shared<GpuPicks>(device, most);
    const auto features = std::make_shared<gpu::Buffer<float>>(gpu::upload<float>(gpu->session(), problem.features));
    const auto centres = std::make_shared<gpu::Buffer<float>>(gpu::upload<float>(gpu->session(), problem.centres));
    return gpu_runner<KCenterMethod>(gpu, [=, &problem](KCenterMethod method, std::int32_t count) {
      KCenterJob job;
      job.candidates = features->data();
      job.n = problem.n;
      job.width = problem.width;
      job.labelled = centres->data();
      job.m = problem.labelled;
      job.picks = gpu->picks();
      job.count = count;
      job.any_finite = gpu->any_finite();
      job.scratch = gpu->scratch(cuda::k_center_scratch(job.n, job.width, job.m, count, method));
      cuda::k_center(gpu->session(), method, &job, 1);
    });
  }
#endif
  QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  return on_cpu(problem);
}

struct Settings : PoolSettings {
  std::int64_t labelled = 100;
};

void time_pool(const Settings& s, std::int64_t n, bool clustered, const Options& options, Report& report) {
  const char* name = clustered ? "clustered" : "iid";
  const Problem problem{n, s.width, s.labelled, make_features(clustered, n, s.width, 1),
                        make_features(clustered, s.labelled, s.width, 2)};
  if (!s.write.empty()) {
    write_npy(s.write + "/" + name + "_features.npy", problem.features, n, s.width);
    write_npy(s.write + "/" + name + "_labelled.npy", problem.centres, s.labelled, s.width);
  }
  const auto runner = make_runner(problem, options.device, s.picks);
  const std::int32_t few = std::min(s.picks, 40);  // a pass per pick takes its time
  QUARRY_CHECK(runner.pick(KCenterMethod::lazy, few) == runner.pick(KCenterMethod::plain, few),
               "the lazy picks differ from the plain ones");
  // Differences of two runs leave out the distances to the labelled set, which are a row of their own.
  const double initial = runner.seconds(KCenterMethod::lazy, 1);
  const double lazy = runner.seconds(KCenterMethod::lazy, s.picks) - initial;
  const double plain = runner.seconds(KCenterMethod::plain, few) - runner.seconds(KCenterMethod::plain, 1);
  const auto row = [&](const char* what, double total, std::int32_t picks) {
    const double bytes = static_cast<double>(n) * static_cast<double>(s.width) * 4;
    report.row(s.row(name, what, n, picks, total).set("GB_per_s_of_the_plain_algorithm", bytes * picks / total * 1e-9));
  };
  row("k_center_initial", initial, 1);
  row("k_center_lazy", lazy, s.picks - 1);
  row("k_center_plain", plain, few - 1);
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings s;
  return main_of(
      argc, argv, "bench_k_center", "microseconds per k-center pick",
      [&](Arguments& arguments) {
        s.add_to(arguments);
        arguments.number("--labelled", s.labelled, "labelled rows", 1, 1 << 24);
      },
      [&](const Options& options, Report& report) {
        s.each([&](std::int64_t n, bool clustered) { time_pool(s, n, clustered, options, report); });
      });
}
