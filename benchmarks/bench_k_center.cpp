// SPDX-License-Identifier: MIT
// How long does a k-center pick take? Lazy against a pass per pick, on pools of n rows of `width` features, clustered
// and iid, after `labelled` labelled rows. The picks of both methods are compared before anything is timed.
//
//   bench_k_center [--n N...] [--width F] [--picks K] [--labelled M] [--write FOLDER] [--device D] [--json]
//
// --write puts the pools there as NPY files, for benchmarks/peers/selection.py. Times are wall-clock, one worker on a
// CPU.
#include "benchmarks/bench_cli.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/context.h"
#include "quarry/ops/k_center.h"
#include "quarry/ops/select_device.h"

namespace quarry::bench {
namespace {

struct Problem {
  std::int64_t n = 0, width = 512, labelled = 100;
  std::vector<float> features, centres;
};
using Picks = std::vector<std::int32_t>;

/// One pool on one device: picks, and seconds of a call.
class Runner {
 public:
  virtual ~Runner() = default;
  virtual Picks pick(KCenterMethod method, std::int32_t count) = 0;
  virtual double seconds(KCenterMethod method, std::int32_t count) = 0;
};

class CpuRunner final : public Runner {
 public:
  explicit CpuRunner(const Problem& problem) : problem_(problem), context_({}, 1) {}
  Picks pick(KCenterMethod method, std::int32_t count) override {
    Picks picks(static_cast<std::size_t>(count));
    k_center(context_, {method}, matrix(problem_.features.data(), problem_.n, problem_.width),
             matrix(problem_.centres.data(), problem_.labelled, problem_.width), picks, {});
    return picks;
  }
  double seconds(KCenterMethod method, std::int32_t count) override {
    return best_seconds(3, [&] { pick(method, count); });
  }

 private:
  const Problem& problem_;
  Context context_;
};

#if QUARRY_HAS_CUDA
class GpuRunner final : public Runner {
 public:
  GpuRunner(const Problem& problem, Device device, std::int32_t most)
      : problem_(problem),
        session_(device.ordinal),
        features_(gpu::upload<float>(session_, problem.features)),
        centres_(gpu::upload<float>(session_, problem.centres)),
        picks_(session_, static_cast<std::size_t>(most)),
        any_finite_(session_, 1) {}
  Picks pick(KCenterMethod method, std::int32_t count) override {
    enqueue(method, count);
    Picks picks(static_cast<std::size_t>(count));
    gpu::download<std::int32_t>(session_, picks_.data(), picks);
    return picks;
  }
  double seconds(KCenterMethod method, std::int32_t count) override {
    return best_seconds(5, [&] {
      enqueue(method, count);
      session_.synchronize();
    });
  }

 private:
  void enqueue(KCenterMethod method, std::int32_t count) {
    const std::size_t bytes = cuda::k_center_scratch(problem_.n, problem_.width, problem_.labelled, count, method);
    if (scratch_.size() < bytes) scratch_ = gpu::Buffer<std::byte>(session_, bytes);
    KCenterJob job;
    job.candidates = features_.data();
    job.n = problem_.n;
    job.width = problem_.width;
    job.labelled = centres_.data();
    job.m = problem_.labelled;
    job.picks = picks_.data();
    job.count = count;
    job.any_finite = any_finite_.data();
    job.scratch = scratch_.data();
    cuda::k_center(session_, method, &job, 1);
  }
  const Problem& problem_;
  gpu::Session session_;
  gpu::Buffer<float> features_, centres_;
  gpu::Buffer<std::int32_t> picks_, any_finite_;
  gpu::Buffer<std::byte> scratch_;
};
#endif

std::unique_ptr<Runner> make_runner(const Problem& problem, Device device, [[maybe_unused]] std::int32_t most) {
#if QUARRY_HAS_CUDA
  if (device.kind == DeviceKind::cuda) return std::make_unique<GpuRunner>(problem, device, most);
#endif
  QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  return std::make_unique<CpuRunner>(problem);
}

struct Settings {
  std::vector<std::int64_t> n = {50000};
  std::int64_t width = 512, labelled = 100;
  std::int32_t picks = 200;
  std::string write;
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
  QUARRY_CHECK(runner->pick(KCenterMethod::lazy, few) == runner->pick(KCenterMethod::plain, few),
               "the lazy picks differ from the plain ones");
  // Differences of two runs leave out the distances to the labelled set, which are a row of their own.
  const double initial = runner->seconds(KCenterMethod::lazy, 1);
  const double lazy = runner->seconds(KCenterMethod::lazy, s.picks) - initial;
  const double plain = runner->seconds(KCenterMethod::plain, few) - runner->seconds(KCenterMethod::plain, 1);
  const auto row = [&](const char* what, double total, std::int32_t picks) {
    const double bytes = static_cast<double>(n) * static_cast<double>(s.width) * 4;
    report.row(Json::object()
                   .set("pool", name)
                   .set("what", what)
                   .set("n", n)
                   .set("width", s.width)
                   .set("picks", picks)
                   .set("total_ms", total * 1e3)
                   .set("us_per_pick", total * 1e6 / picks)
                   .set("GB_per_s_of_the_plain_algorithm", bytes * picks / total * 1e-9));
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
      [&](CLI::App& app) {
        app.add_option("--n", s.n, "pool sizes")->check(CLI::Range(2, 1 << 30))->capture_default_str();
        app.add_option("--width", s.width, "features")->check(CLI::Range(1, 1 << 20))->capture_default_str();
        app.add_option("--picks", s.picks, "picks")->check(CLI::Range(2, 1 << 20))->capture_default_str();
        app.add_option("--labelled", s.labelled, "labelled rows")->check(CLI::Range(1, 1 << 24))->capture_default_str();
        app.add_option("--write", s.write, "folder for the pools as NPY files");
      },
      [&](const Options& options, Report& report) {
        for (const std::int64_t n : s.n) {
          for (const bool clustered : {true, false}) time_pool(s, n, clustered, options, report);
        }
      });
}
