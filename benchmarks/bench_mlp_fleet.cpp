// SPDX-License-Identifier: MIT
// How many training steps per second does a fleet of perceptrons make? A study trains 6 networks side by side (the
// folds of a trial); 24 studies train 144. Each network trains 200 epochs on 175 rows in batches of 32 with dropout,
// plain SGD, the double-softmax loss. The first members are compared with the CPU's, bit for bit, before anything is
// timed.
//
//   bench_mlp_fleet [--studies S...] [--epochs E] [--workers W] [--device D] [--json]
//
// Wall-clock of the whole fleet from its specs to its results (on a GPU with upload and download).
#include <cstring>

#include "benchmarks/bench_cli.h"
#include "benchmarks/bench_pools.h"
#include "quarry/core/context.h"
#include "quarry/core/gpu.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry::bench {
namespace {

constexpr std::int32_t kFolds = 6, kRows = 175;

struct Net {
  const char* name;
  std::vector<std::int32_t> sizes;
};

struct Set {
  std::vector<float> features;
  std::vector<std::int32_t> labels;
  MlpData<float> view(std::int32_t width) const {
    return {matrix(features.data(), static_cast<std::int64_t>(labels.size()), width), labels};
  }
};

Set make_set(std::int32_t width, std::int32_t classes) {
  Set set{make_features(true, kRows, width, 21), {}};
  for (std::int32_t i = 0; i < kRows; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(
        random_below(22, static_cast<std::uint64_t>(classes), static_cast<std::uint64_t>(i))));
  }
  return set;
}

std::vector<MemberSpec> make_members(const Net& net, std::int32_t n, std::int32_t epochs) {
  std::vector<MemberSpec> members(static_cast<std::size_t>(n));
  for (std::size_t m = 0; m < members.size(); ++m) {
    MemberSpec& spec = members[m];
    spec.sizes = net.sizes;
    spec.loss = Loss::ce_on_probs;
    spec.lr = 0.05;
    spec.weight_decay = 1e-4;
    spec.dropout = 0.1;
    spec.epochs = epochs;
    spec.init_key = 3 * m + 1;
    spec.order_key = 3 * m + 2;
    spec.dropout_key = 3 * m + 3;
    for (std::int32_t i = 0; i < kRows; ++i) spec.train.push_back(i);
  }
  return members;
}

/// Trains on one device.
class Trainer {
 public:
  Trainer(Device device, int workers) : context_({}, workers) {
#if QUARRY_HAS_CUDA
    if (device.kind == DeviceKind::cuda) {
      session_ = std::make_unique<gpu::Session>(device.ordinal);
      return;
    }
#endif
    QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  }
  std::vector<MemberResult<float>> train(const MlpData<float>& data, const std::vector<MemberSpec>& members) {
#if QUARRY_HAS_CUDA
    if (session_ != nullptr) return cuda::train_fleet(*session_, data, members);
#endif
    return train_fleet<float>(context_, data, members);
  }

 private:
  Context context_;
  std::unique_ptr<gpu::Session> session_;
};

void check(Trainer& trainer, const MlpData<float>& data, const Net& net) {
  const std::vector<MemberSpec> members = make_members(net, 2, 3);
  const auto got = trainer.train(data, members);
  Context cpu({}, 1);
  const auto expected = train_fleet<float>(cpu, data, members);
  for (std::size_t m = 0; m < members.size(); ++m) {
    QUARRY_CHECK(std::memcmp(got[m].parameters.data(), expected[m].parameters.data(),
                             expected[m].parameters.size() * sizeof(float)) == 0,
                 "member {} of {} differs from the CPU's", m, net.name);
  }
}

struct Settings {
  std::vector<std::int32_t> studies = {1, 24};
  std::int32_t epochs = 200;
  int workers = 0;
};

void time_fleets(const Settings& s, const Options& options, Report& report) {
  const Net nets[] = {
      {"2-16-2", {2, 16, 2}}, {"60-48-48-48-2", {60, 48, 48, 48, 2}}, {"180-96x5-3", {180, 96, 96, 96, 96, 96, 3}}};
  Trainer trainer(options.device, s.workers);
  for (const Net& net : nets) {
    const Set set = make_set(net.sizes.front(), net.sizes.back());
    const MlpData<float> data = set.view(net.sizes.front());
    check(trainer, data, net);
    for (const std::int32_t studies : s.studies) {
      const std::vector<MemberSpec> members = make_members(net, studies * kFolds, s.epochs);
      std::int64_t steps = 0;
      const double seconds = best_seconds(3, [&] {
        steps = 0;
        for (const auto& result : trainer.train(data, members)) steps += result.steps;
      });
      const auto n = static_cast<double>(members.size());
      report.row(Json::object()
                     .set("net", net.name)
                     .set("studies", studies)
                     .set("members", static_cast<std::int64_t>(members.size()))
                     .set("steps_per_s", static_cast<double>(steps) / seconds)
                     .set("us_per_step_of_one_member", seconds * 1e6 * n / static_cast<double>(steps))
                     .set("seconds", seconds));
    }
  }
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings s;
  return main_of(
      argc, argv, "bench_mlp_fleet", "training steps per second of fleets of perceptrons",
      [&](Arguments& arguments) {
        arguments.numbers("--studies", s.studies, "studies side by side, 6 networks each", 1, 10000);
        arguments.number("--epochs", s.epochs, "epochs", 1, 100000);
        arguments.number("--workers", s.workers, "CPU workers, 0: one per core", 0, 1024);
      },
      [&](const Options& options, Report& report) { time_fleets(s, options, report); });
}
