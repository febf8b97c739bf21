// SPDX-License-Identifier: MIT
// How long do scores take? Entropy of n rows of class probabilities, and BALD of n pool rows by Monte-Carlo dropout
// passes of a perceptron. Scores on a GPU are compared with the CPU's, bit for bit, before anything is timed.
//
//   bench_entropy_bald [--n N...] [--classes C] [--passes T] [--device D] [--json]
//
// Wall-clock, one worker on a CPU. Bytes are those the entropy kernel has to move; FLOPs those of the forward passes.
#include <cstring>

#include "benchmarks/bench_cli.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/context.h"
#include "quarry/core/gpu.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/ops/scores.h"
#include "quarry/ops/select_device.h"

namespace quarry::bench {
namespace {

constexpr std::uint64_t kMcKey = 11;

struct Problem {
  std::int64_t n = 0, classes = 10;
  std::int32_t passes = 100;
  std::vector<float> probabilities, rows;
  TrainedMlp<float> network;
};
using Scores = std::vector<float>;

Problem make_problem(std::int64_t n, std::int64_t classes, std::int32_t passes) {
  Problem problem{n, classes, passes, make_probabilities(n, classes), make_features(true, n, 60, 3), {}};
  problem.network.sizes = {60, 48, 48, 48, 2};
  problem.network.dropout = 0.1;
  for (std::int64_t i = 0; i < parameter_count(problem.network.sizes); ++i) {
    problem.network.parameters.push_back(0.1f * bell(17, static_cast<std::uint64_t>(i)));
  }
  return problem;
}

class Runner {
 public:
  virtual ~Runner() = default;
  virtual Scores entropy() = 0;
  virtual Scores bald() = 0;
  virtual double entropy_seconds() = 0;
  virtual double bald_seconds() = 0;
};

class CpuRunner final : public Runner {
 public:
  explicit CpuRunner(const Problem& problem)
      : problem_(problem), context_({}, 1), scores_(static_cast<std::size_t>(problem.n)) {}
  Scores entropy() override {
    entropy_scores(context_, matrix(problem_.probabilities.data(), problem_.n, problem_.classes), scores_);
    return scores_;
  }
  Scores bald() override {
    mlp_bald<float>(context_, problem_.network, matrix(problem_.rows.data(), problem_.n, 60), {}, problem_.passes,
                    kMcKey, scores_.data());
    return scores_;
  }
  double entropy_seconds() override {
    return best_seconds(5, [&] { entropy(); });
  }
  double bald_seconds() override {
    return best_seconds(2, [&] { bald(); });
  }

 private:
  const Problem& problem_;
  Context context_;
  Scores scores_;
};

#if QUARRY_HAS_CUDA
class GpuRunner final : public Runner {
 public:
  GpuRunner(const Problem& problem, Device device)
      : problem_(problem),
        session_(device.ordinal),
        probabilities_(gpu::upload<float>(session_, problem.probabilities)),
        rows_(gpu::upload<float>(session_, problem.rows)),
        parameters_(gpu::upload<float>(session_, problem.network.parameters)),
        sizes_(gpu::upload<std::int32_t>(session_, problem.network.sizes)),
        n_layers_(gpu::upload<std::int32_t>(session_, std::vector<std::int32_t>{4})),
        dropout_(gpu::upload<double>(session_, std::vector<double>{problem.network.dropout})),
        scores_(session_, static_cast<std::size_t>(problem.n)) {
    cuda::MlpBounds bounds;
    bounds.inputs = 60;
    bounds.outputs = 2;
    bounds.hidden_layers = 3;
    bounds.hidden_width = 48;
    plan_ = cuda::plan_mlp_score(session_.device(), 1, static_cast<std::int32_t>(problem.n), bounds);
    workspace_ = gpu::Buffer<std::byte>(session_, plan_.workspace_bytes);
    MlpScoreJob job;
    job.features = rows_.data();
    job.n_rows = static_cast<std::int32_t>(problem.n);
    job.network = {sizes_.data(), n_layers_.data(), dropout_.data(), parameters_.data()};
    job.score = MlpScore::bald;
    job.passes = problem.passes;
    job.mc_key = kMcKey;
    job.scores = scores_.data();
    job_ = gpu::upload<MlpScoreJob>(session_, std::vector<MlpScoreJob>{job});
  }
  Scores entropy() override {
    return scores_of([&] { enqueue_entropy(); });
  }
  Scores bald() override {
    return scores_of([&] { enqueue_bald(); });
  }
  double entropy_seconds() override {
    return seconds([&] { enqueue_entropy(); });
  }
  double bald_seconds() override {
    return seconds([&] { enqueue_bald(); });
  }

 private:
  void enqueue_entropy() {
    const ScoreJob job{probabilities_.data(), problem_.n, problem_.classes, ProbabilityScore::entropy, scores_.data()};
    cuda::probability_scores(session_, &job, 1);
  }
  void enqueue_bald() {
    cuda::mlp_score(session_, plan_, job_.data(), 1, static_cast<std::int32_t>(problem_.n), workspace_.data());
  }
  template <class Enqueue>
  Scores scores_of(const Enqueue& enqueue) {
    enqueue();
    Scores scores(static_cast<std::size_t>(problem_.n));
    gpu::download<float>(session_, scores_.data(), scores);
    return scores;
  }
  /// Per call, of 20 enqueued together: what a loop on the device pays.
  template <class Enqueue>
  double seconds(const Enqueue& enqueue) {
    constexpr int kTogether = 20;
    return best_seconds(5,
                        [&] {
                          for (int i = 0; i < kTogether; ++i) enqueue();
                          session_.synchronize();
                        }) /
           kTogether;
  }
  const Problem& problem_;
  gpu::Session session_;
  gpu::Buffer<float> probabilities_, rows_, parameters_;
  gpu::Buffer<std::int32_t> sizes_, n_layers_;
  gpu::Buffer<double> dropout_;
  gpu::Buffer<float> scores_;
  gpu::Buffer<std::byte> workspace_;
  gpu::Buffer<MlpScoreJob> job_;
  cuda::MlpFleetPlan plan_;
};
#endif

std::unique_ptr<Runner> make_runner(const Problem& problem, Device device) {
#if QUARRY_HAS_CUDA
  if (device.kind == DeviceKind::cuda) return std::make_unique<GpuRunner>(problem, device);
#endif
  QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  return std::make_unique<CpuRunner>(problem);
}

void check(const Scores& got, const Scores& expected, const char* what) {
  QUARRY_CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0,
               "the {} scores differ from the CPU's", what);
}

struct Settings {
  std::vector<std::int64_t> n = {3000, 50000};
  std::int64_t classes = 10;
  std::int32_t passes = 100;
};

void time_scores(const Settings& s, std::int64_t n, const Options& options, Report& report) {
  const Problem problem = make_problem(n, s.classes, s.passes);
  const auto runner = make_runner(problem, options.device);
  CpuRunner cpu(problem);
  check(runner->entropy(), cpu.entropy(), "entropy");
  check(runner->bald(), cpu.bald(), "BALD");
  const double entropy = runner->entropy_seconds(), bald = runner->bald_seconds();
  const auto rows = static_cast<double>(n);
  double weights = 0;
  for (std::size_t l = 0; l + 1 < problem.network.sizes.size(); ++l) {
    weights += static_cast<double>(problem.network.sizes[l]) * problem.network.sizes[l + 1];
  }
  const auto row = [&](const char* what, double seconds, double gbytes, double gflop) {
    report.row(Json::object()
                   .set("what", what)
                   .set("n", n)
                   .set("us", seconds * 1e6)
                   .set("GB_per_s", gbytes / seconds)
                   .set("GFLOP_per_s", gflop / seconds));
  };
  row("entropy", entropy, rows * static_cast<double>(s.classes + 1) * 4e-9, 0);
  row("bald", bald, 0, 2 * weights * rows * s.passes * 1e-9);
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings s;
  return main_of(
      argc, argv, "bench_entropy_bald", "microseconds to score a pool by entropy and by BALD",
      [&](Arguments& arguments) {
        arguments.numbers("--n", s.n, "pool sizes", 1, 1 << 24);
        arguments.number("--classes", s.classes, "classes (entropy)", 1, 1 << 16);
        arguments.number("--passes", s.passes, "passes (BALD)", 1, 1 << 16);
      },
      [&](const Options& options, Report& report) {
        for (const std::int64_t n : s.n) time_scores(s, n, options, report);
      });
}
