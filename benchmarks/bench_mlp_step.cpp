// SPDX-License-Identifier: MIT
// How long is one training step of an MLP (32 rows, float, plain SGD with weight decay, cross-entropy on logits), one
// core, and what share of this core's FMA peak is that?
//
// A step is all of it: reading 32 rows by index, forward, (dropout,) loss, backward, update. FLOPs per row are
// 6 P - 2 d h1 with P weights (no biases): forward 2 P, weight gradient 2 P, input gradient 2 (P - d h1). Masks,
// softmax, biases and the update count as no FLOPs. Times are processor time of the thread.
//
// usage: bench_mlp_step [--peer-json FILE]   (FILE: what benchmarks/peers/mlp_step.py --json wrote)
#include <cmath>
#include <cstring>

#include "benchmarks/bench.h"
#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "tests/support/mlp_cases.h"

namespace quarry {
namespace {

using testing::MlpSet;

constexpr std::int32_t kSteps = 64, kRows = 32;

struct Net {
  const char* name;
  std::vector<std::int32_t> sizes;
  double floor, goal;  ///< ratio to PyTorch's eager step
};

double flops_per_step(const std::vector<std::int32_t>& sizes) {
  double weights = 0;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) weights += static_cast<double>(sizes[l]) * sizes[l + 1];
  return kRows * (6 * weights - 2.0 * sizes[0] * sizes[1]);
}

MemberSpec spec_of(const Net& net, double dropout) {
  MemberSpec spec = testing::member(net.sizes, kSteps * kRows);
  spec.lr = 0.05;
  spec.weight_decay = 1e-4;
  spec.dropout = dropout;
  return spec;
}

/// The first steps against plain double loops, and all of them against the portable level, bit for bit.
bool check(const MemberSpec& spec, const MlpSet<float>& set, SimdLevel level) {
  const std::vector<double> start = testing::fresh_parameters(spec);
  const auto got = testing::run_epoch<float>(level, spec, set.view(), start);
  testing::NaiveMlp naive(spec, start);
  const testing::NaiveData data = set.naive();
  double worst = 0;
  for (std::int32_t s = 0; s < 4; ++s) {
    testing::Doubles gradient(start.size(), 0);
    const double loss = naive.batch(data, testing::some_rows(kRows, s * kRows), s, &gradient);
    worst = std::max(worst, std::fabs(loss - got.losses[static_cast<std::size_t>(s)]));
    naive.update(gradient);
  }
  const auto portable = testing::run_epoch<float>(SimdLevel::portable, spec, set.view(), start);
  return worst <= 1e-5 && portable.parameters == got.parameters && portable.losses == got.losses;
}

bench::Timing time_step(const MemberSpec& spec, const MlpSet<float>& set, SimdLevel level) {
  const MlpShape shape(spec.sizes);
  Buffer<float> parameters(static_cast<std::size_t>(shape.plan().parameters));
  Buffer<float> scratch(static_cast<std::size_t>(shape.plan().scratch));
  shape.initialise(spec.init_key, parameters.data());
  MlpEpoch<float> epoch;
  epoch.plan = &shape.plan();
  epoch.data = {set.features.data(), set.labels.data(), nullptr, spec.train.data(), kSteps * kRows};
  epoch.lr = static_cast<float>(spec.lr);
  epoch.weight_decay = static_cast<float>(spec.weight_decay);
  epoch.dropout = mlp_dropout(spec.dropout, spec.dropout_key);
  epoch.parameters = parameters.data();
  epoch.scratch = scratch.data();
  const MlpOps<float>& ops = mlp_ops<float>(level);
  const double step_flops = flops_per_step(spec.sizes);
  const int repeats = step_flops > 1e6 ? 400 : 3000;
  bench::Timing t = bench::measure(repeats, [&] {
    ops.train_epoch(epoch);
    epoch.first_step += kSteps;
  });
  t.best /= kSteps;
  t.median /= kSteps;
  return t;
}

int run(const char* peer_file) {
  const Net nets[] = {{"2-16-2", {2, 16, 2}, 200, 300},
                      {"60-48-48-48-2", {60, 48, 48, 48, 2}, 18, 24},
                      {"180-96x5-3", {180, 96, 96, 96, 96, 96, 3}, 6, 7}};
  Json peers;
  if (peer_file != nullptr) {
    peers = Json::parse(read_file(peer_file), peer_file);
    std::printf("peer: PyTorch %s, one thread, processor time\n", peers.at("torch").string().c_str());
  }
  const SimdLevel level = simd_level();
  const double peak = bench::fma_peak(level);
  std::printf("%s, %s, FMA peak of this core %.1f GFLOP/s\n", bench::cpu_name().c_str(), to_string(level).data(),
              peak * 1e-9);
  std::printf("%-15s %-7s %9s %9s %6s %9s %6s", "net", "dropout", "best us", "median us", "noise", "GFLOP/s", "peak");
  std::printf(peer_file != nullptr ? " %10s %7s %10s %7s %10s %7s\n" : "\n", "eager us", "ratio", "compile us", "ratio",
              "vmap us", "ratio");
  for (const Net& net : nets) {
    const MlpSet<float> set(kSteps * kRows, net.sizes.front(), net.sizes.back());
    for (const double dropout : {0.0, 0.1}) {
      const MemberSpec spec = spec_of(net, dropout);
      if (!check(spec, set, level)) {
        std::fprintf(stderr, "%s: the result is wrong; nothing was timed\n", net.name);
        return 1;
      }
      const bench::Timing t = time_step(spec, set, level);
      const double rate = flops_per_step(net.sizes) / t.median;
      std::printf("%-15s %-7.2g %9.3f %9.3f %5.1f%% %9.1f %5.1f%%", net.name, dropout, t.best * 1e6, t.median * 1e6,
                  t.noise * 100, rate * 1e-9, peak > 0 ? rate / peak * 100 : 0.0);
      if (peer_file != nullptr) {
        const Json& peer = peers.at("nets").at(net.name).at(dropout > 0 ? "dropout" : "plain");
        for (const char* kind : {"eager", "compile", "vmap"}) {
          const double us = peer.at(kind).number();
          std::printf(" %10.1f %6.1fx", us, us / (t.median * 1e6));
        }
        std::printf("  (eager: floor %gx, goal %gx)", net.floor, net.goal);
      }
      std::printf("\n");
    }
  }
  return 0;
}

}  // namespace
}  // namespace quarry

int main(int argc, char** argv) {
  const bool peer = argc == 3 && std::strcmp(argv[1], "--peer-json") == 0;
  if (argc != 1 && !peer) {
    std::fprintf(stderr, "usage: bench_mlp_step [--peer-json FILE]\n");
    return 2;
  }
  return quarry::run(peer ? argv[2] : nullptr);
}
