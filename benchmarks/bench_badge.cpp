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

#include "benchmarks/bench_cli.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/context.h"
#include "quarry/ops/badge.h"
#include "quarry/ops/select_device.h"

namespace quarry::bench {
namespace {

struct Problem {
  std::int64_t n = 0, width = 512, classes = 10;
  std::vector<float> features, probabilities;
};
using Picks = std::vector<std::int32_t>;
constexpr std::uint64_t kKey = 5;

class Runner {
 public:
  virtual ~Runner() = default;
  virtual Picks pick(BadgeSampling sampling, std::int32_t count) = 0;
  virtual double seconds(BadgeSampling sampling, std::int32_t count) = 0;
};

class CpuRunner final : public Runner {
 public:
  explicit CpuRunner(const Problem& problem) : problem_(problem), context_({}, 1) {}
  Picks pick(BadgeSampling sampling, std::int32_t count) override {
    Picks picks(static_cast<std::size_t>(count));
    badge(context_, {sampling, kKey, 0}, matrix(problem_.probabilities.data(), problem_.n, problem_.classes),
          matrix(problem_.features.data(), problem_.n, problem_.width), picks);
    return picks;
  }
  double seconds(BadgeSampling sampling, std::int32_t count) override {
    return best_seconds(3, [&] { pick(sampling, count); });
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
        probabilities_(gpu::upload<float>(session_, problem.probabilities)),
        picks_(session_, static_cast<std::size_t>(most)),
        any_finite_(session_, 1) {}
  Picks pick(BadgeSampling sampling, std::int32_t count) override {
    enqueue(sampling, count);
    Picks picks(static_cast<std::size_t>(count));
    gpu::download<std::int32_t>(session_, picks_.data(), picks);
    return picks;
  }
  double seconds(BadgeSampling sampling, std::int32_t count) override {
    return best_seconds(5, [&] {
      enqueue(sampling, count);
      session_.synchronize();
    });
  }

 private:
  void enqueue(BadgeSampling sampling, std::int32_t count) {
    const std::size_t bytes = cuda::badge_scratch(problem_.n, problem_.classes, problem_.width, count, sampling);
    if (scratch_.size() < bytes) scratch_ = gpu::Buffer<std::byte>(session_, bytes);
    BadgeJob job;
    job.probabilities = probabilities_.data();
    job.features = features_.data();
    job.n = problem_.n;
    job.classes = problem_.classes;
    job.width = problem_.width;
    job.key = kKey;
    job.sampling = sampling;
    job.picks = picks_.data();
    job.count = count;
    job.any_finite = any_finite_.data();
    job.scratch = scratch_.data();
    cuda::badge(session_, &job, 1);
  }
  const Problem& problem_;
  gpu::Session session_;
  gpu::Buffer<float> features_, probabilities_;
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
  std::int64_t width = 512, classes = 10;
  std::int32_t picks = 200;
  std::string write;
};

void check(Runner& runner, const Problem& problem, std::int32_t picks) {
  const Picks drawn = runner.pick(BadgeSampling::rejection, picks);
  QUARRY_CHECK(std::set<std::int32_t>(drawn.begin(), drawn.end()).size() == drawn.size(), "a candidate twice");
  const std::int32_t few = std::min(picks, 20);
  CpuRunner cpu(problem);
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
  check(*runner, problem, s.picks);
  const std::int32_t few = std::min(s.picks, 40);
  const double rejection = runner->seconds(BadgeSampling::rejection, s.picks);
  const double plain = runner->seconds(BadgeSampling::plain, few) - runner->seconds(BadgeSampling::plain, 1);
  const auto row = [&](const char* what, double total, std::int32_t picks) {
    report.row(Json::object()
                   .set("pool", name)
                   .set("what", what)
                   .set("n", n)
                   .set("width", s.width)
                   .set("picks", picks)
                   .set("total_ms", total * 1e3)
                   .set("us_per_pick", total * 1e6 / picks));
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
      [&](CLI::App& app) {
        app.add_option("--n", s.n, "pool sizes")->check(CLI::Range(2, 1 << 30))->capture_default_str();
        app.add_option("--width", s.width, "features")->check(CLI::Range(1, 1 << 20))->capture_default_str();
        app.add_option("--classes", s.classes, "classes")->check(CLI::Range(2, 1 << 16))->capture_default_str();
        app.add_option("--picks", s.picks, "picks")->check(CLI::Range(2, 1 << 20))->capture_default_str();
        app.add_option("--write", s.write, "folder for the probabilities as NPY files");
      },
      [&](const Options& options, Report& report) {
        for (const std::int64_t n : s.n) {
          for (const bool clustered : {true, false}) time_pool(s, n, clustered, options, report);
        }
      });
}
