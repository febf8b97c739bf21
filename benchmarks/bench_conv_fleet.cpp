// SPDX-License-Identifier: MIT
// How many images per second does a fleet of residual networks train on? Members have the published recipe: batches of
// 32, padded crop and flip from bytes, SGD with momentum, batch normalisation. Two fleets that share a member have to
// agree in its bits before anything is timed, and its losses with plain code on the CPU within rounding.
//
//   bench_conv_fleet [--members M...] [--network N] [--engine NAME...] [--images I] [--epochs E] [--workers W]
//                    [--device D] [--json]
//
// --engine: fp32, bf16 (ours, by the table), cudnn_fp32, cudnn_bf16 (a network at a time; on a GPU alone); default all
// that there are. Wall-clock of a whole training from its specs to its results, images already on the device; the
// shortest of three. FLOP/s count nominal multiply-adds as two (nn/resnet.h).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/bench_cli.h"
#include "quarry/core/context.h"
#include "quarry/core/gpu.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/conv_fleet_device.h"
#include "tests/support/conv_cases.h"

namespace quarry::bench {
namespace {

struct Engine {
  const char* name;
  ConvPrecision precision;
  ConvChoice convolution;
};
constexpr Engine kEngines[] = {{"fp32", ConvPrecision::fp32, ConvChoice::table},
                               {"bf16", ConvPrecision::bf16, ConvChoice::table},
                               {"cudnn_fp32", ConvPrecision::fp32, ConvChoice::cudnn},
                               {"cudnn_bf16", ConvPrecision::bf16, ConvChoice::cudnn}};

struct Settings {
  std::vector<std::int32_t> members = {1, 5, 10, 20, 40};
  std::string network = "resnet18";
  std::vector<std::string> engines;
  std::int32_t images = 2016, epochs = 2;
  int workers = 0;
};

ResNetKind kind_of(const std::string& name) {
  for (const ResNetKind kind : {ResNetKind::resnet8, ResNetKind::resnet14, ResNetKind::resnet18}) {
    if (name == to_string(kind)) return kind;
  }
  usage_error("--network {}: expected resnet8, resnet14 or resnet18", name);
}

std::vector<ConvMemberSpec> make_members(const Settings& s, const ImageDataset& data, const Engine& engine,
                                         std::int32_t n, std::int32_t images, std::int32_t epochs) {
  std::vector<ConvMemberSpec> members(static_cast<std::size_t>(n));
  for (std::size_t m = 0; m < members.size(); ++m) {
    ConvMemberSpec& spec = members[m];
    spec.network = {kind_of(s.network), data.shape, data.n_classes, 0};
    spec.lr = 1e-4;  // small steps: what two engines round apart must not grow
    spec.schedule = LrSchedule::constant;
    spec.epochs = epochs;
    spec.warmup_epochs = 0;
    spec.batches = BatchRule::drop_last;
    spec.precision = engine.precision;
    spec.convolution = engine.convolution;
    spec.keep_network = false;
    spec.init_key = 4 * m + 1;
    spec.order_key = 4 * m + 2;
    spec.augment_key = 4 * m + 3;
    spec.train = testing::row_range(0, images);
  }
  return members;
}

/// Trains on one device, whose memory has the images.
class Trainer {
 public:
  Trainer(Device device, int workers, const ImageDataset& data) : context_({}, workers), data_(data) {
#if QUARRY_HAS_CUDA
    if (device.kind == DeviceKind::cuda) {
      session_ = std::make_unique<gpu::Session>(device.ordinal);
      images_ = std::make_unique<cuda::DeviceImages>(*session_, data, data.train);
      return;
    }
#endif
    QUARRY_CHECK(device.kind == DeviceKind::cpu, "this build has no CUDA backend");
  }
  std::vector<ConvMemberResult> train(const std::vector<ConvMemberSpec>& members) {
#if QUARRY_HAS_CUDA
    if (session_ != nullptr) {
      std::vector<ConvMemberResult> results(members.size());
      cuda::train_conv_fleet(*session_, data_, images_->pool(), members, {},
                             [&](std::size_t member, ConvMemberResult result) { results[member] = std::move(result); });
      return results;
    }
#endif
    return train_conv_fleet(context_, data_, members);
  }
  bool trains(const Engine& engine) const {
    if (session_ != nullptr) return true;
    if (engine.convolution == ConvChoice::cudnn) return false;
    try {
      check_conv_precision(engine.precision);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

 private:
  Context context_;
  const ImageDataset& data_;
  std::unique_ptr<gpu::Session> session_;
#if QUARRY_HAS_CUDA
  std::unique_ptr<cuda::DeviceImages> images_;
#endif
};

/// Nothing is timed that is wrong.
void check(const Settings& s, Trainer& trainer, const ImageDataset& data, const Engine& engine) {
  std::vector<ConvMemberSpec> members = make_members(s, data, engine, 3, 64, 1);
  for (ConvMemberSpec& member : members) member.keep_network = true;
  const auto together = trainer.train(members);
  const auto alone = trainer.train({members[1]});
  const std::vector<float>&got = together[1].parameters, &expected = alone[0].parameters;
  QUARRY_CHECK(
      got.size() == expected.size() && std::memcmp(got.data(), expected.data(), expected.size() * sizeof(float)) == 0,
      "{}: a member has other bits alone than in a fleet; nothing was timed", engine.name);
  members[1].precision = ConvPrecision::fp32;
  members[1].convolution = ConvChoice::table;
  Context cpu({}, 1);
  const double plain = train_conv_fleet(cpu, data, std::span(&members[1], 1))[0].train_loss;
  const double tolerance = engine.precision == ConvPrecision::bf16 ? 2e-2 : 1e-3;
  QUARRY_CHECK(std::fabs(alone[0].train_loss - plain) <= tolerance * plain,
               "{}: loss {}, but {} on a CPU in fp32; nothing was timed", engine.name, alone[0].train_loss, plain);
}

bool wanted(const Settings& s, const Engine& engine) {
  return s.engines.empty() || std::find(s.engines.begin(), s.engines.end(), engine.name) != s.engines.end();
}

void time_fleets(const Settings& s, const Options& options, Report& report) {
  const ImageDataset data = testing::striped_set(32, 10, s.images, 32);
  Trainer trainer(options.device, s.workers, data);
  for (const Engine& engine : kEngines) {
    if (!wanted(s, engine) || !trainer.trains(engine)) continue;
    check(s, trainer, data, engine);
    for (const std::int32_t n : s.members) {
      const std::vector<ConvMemberSpec> members = make_members(s, data, engine, n, s.images, s.epochs);
      std::int64_t steps = 0;
      const double seconds = best_seconds(3, [&] {
        steps = 0;
        for (const ConvMemberResult& result : trainer.train(members)) steps += result.steps;
      });
      const double images = static_cast<double>(steps) * members[0].batch_size;
      const double flops = 2.0 * static_cast<double>(training_macs(plan_resnet(members[0].network))) * images;
      report.row(Json::object()
                     .set("network", s.network)
                     .set("engine", std::string(engine.name))
                     .set("members", n)
                     .set("images_per_s", images / seconds)
                     .set("ms_per_step_of_all", 1e3 * seconds * n / static_cast<double>(steps))
                     .set("tflops", 1e-12 * flops / seconds)
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
      argc, argv, "bench_conv_fleet", "images per second of fleets of residual networks in training",
      [&](Arguments& arguments) {
        arguments.numbers("--members", s.members, "networks side by side", 1, 10000);
        arguments.text("--network", s.network, "resnet8, resnet14 or resnet18");
        arguments.texts("--engine", s.engines, "what convolves", {"fp32", "bf16", "cudnn_fp32", "cudnn_bf16"});
        arguments.number("--images", s.images, "images of an epoch", 64, 50000);
        arguments.number("--epochs", s.epochs, "epochs", 1, 1000);
        arguments.number("--workers", s.workers, "CPU workers, 0: one per core", 0, 1024);
      },
      [&](const Options& options, Report& report) { time_fleets(s, options, report); });
}
