// SPDX-License-Identifier: MIT
// How long does one member of a convolutional fleet take per image on the CPU, one thread: a training step (32 images:
// gather, crop and flip from bytes, forward, backward, update), and an evaluation?
//
// GFLOP/s count nominal multiply-adds as two (nn/resnet.h): a library that skips padding may exceed the peak, which is
// the FMA peak in fp32 of this core measured in the same run. Times are processor time of the thread. In bf16 too,
// where the CPU has it.
//
// usage: bench_conv_step [--json] [--peer-json FILE]   (FILE: what benchmarks/peers/conv_step.py --json wrote)
#include <cmath>
#include <numeric>

#include "benchmarks/bench_cli.h"
#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "src/nn/conv_engine.h"
#include "src/nn/image_batch.h"
#include "tests/support/conv_cases.h"

namespace quarry::bench {
namespace {

constexpr std::int32_t kRows = 32;

class Problem {
 public:
  Problem(ResNetKind kind, ConvPrecision precision)
      : data_(testing::striped_set(32, 10, 256, 1)),
        reader_(data_),
        plan_(plan_resnet({kind, data_.shape, 10, 0})),
        precision_(precision),
        engine_(make_conv_engine(plan_, precision)) {
    load(*engine_);
  }

  const ResNetPlan& plan() const { return plan_; }

  /// The losses of two steps against plain code.
  void check() {
    const auto reference = make_reference_engine<float>(plan_, precision_);
    load(*reference);
    // In bf16 what two engines round apart in float becomes neighbours of 8 bits.
    const double tolerance = precision_ == ConvPrecision::bf16 ? 1e-2 : 1e-4;
    for (int step = 0; step < 2; ++step) {
      const double ours = train(*engine_), plain = train(*reference);
      if (!(std::fabs(ours - plain) <= tolerance * plain)) {
        fail("{}: loss {} where plain code has {}; nothing was timed", to_string(plan_.spec.kind), ours, plain);
      }
    }
  }

  double train() { return train(*engine_); }
  void evaluate() {
    read(*engine_);
    engine_->evaluate(kRows, nullptr, logits_, nullptr);
  }

 private:
  void load(ConvEngine<float>& engine) const {
    engine.load(initial_parameters(plan_, 3).data(), initial_buffers(plan_).data());
  }
  void read(ConvEngine<float>& engine) {
    float* const images = engine.images(kRows);
    for (std::int32_t i = 0; i < kRows; ++i) {
      reader_.read(data_.train, i, augment_draw(5, static_cast<std::uint64_t>(i), 0),
                   images + i * data_.shape.pixels());
      labels_[i] = data_.train.labels[static_cast<std::size_t>(i)];
    }
  }
  double train(ConvEngine<float>& engine) {
    read(engine);
    engine.train(kRows, labels_, nullptr, losses_);
    engine.update(1e-4f, 5e-4f, 0.9f);  // small steps: what two engines round apart must not grow
    return std::accumulate(losses_, losses_ + kRows, 0.0) / kRows;
  }

  const ImageDataset data_;
  const ImageReader reader_;
  const ResNetPlan plan_;
  const ConvPrecision precision_;
  const std::unique_ptr<ConvEngine<float>> engine_;
  std::int32_t labels_[kRows] = {};
  double losses_[kRows] = {};
  float logits_[kRows * 10] = {};
};

bool trains_in(ConvPrecision precision) {
  try {
    check_conv_precision(precision);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Json row_of(ResNetKind kind, ConvPrecision precision, bool training, Problem& problem, double peak) {
  const int repeats = kind == ResNetKind::resnet18 ? 5 : 40;
  const Timing t =
      training ? measure(repeats, [&] { problem.train(); }) : measure(repeats, [&] { problem.evaluate(); });
  const std::int64_t macs = training ? training_macs(problem.plan()) : forward_macs(problem.plan());
  const double rate = 2.0 * static_cast<double>(macs) * kRows / t.median;
  Json row = Json::object();
  row.set("network", std::string(to_string(kind))).set("what", training ? "training step" : "evaluation");
  row.set("engine", std::string(conv_engine_name(precision)));
  row.set("milliseconds", t.median * 1e3).set("noise", t.noise).set("images_per_second", kRows / t.median);
  row.set("gflops", rate * 1e-9).set("peak_gflops", peak * 1e-9).set("share_of_peak", peak > 0 ? rate / peak : 0.0);
  return row;
}

void run(const Options& options, const std::string& peer_file, Report& report) {
  if (options.device.kind != DeviceKind::cpu && options.device_name != "auto") {
    device_error("bench_conv_step measures the CPU; leave --device out, or say cpu");
  }
  Json peers;
  if (!peer_file.empty()) peers = Json::parse(read_file(peer_file), peer_file);
  const double peak = fma_peak(simd_level());
  for (const ResNetKind kind : {ResNetKind::resnet8, ResNetKind::resnet18}) {
    for (const ConvPrecision precision : {ConvPrecision::fp32, ConvPrecision::bf16}) {
      if (!trains_in(precision)) continue;
      Problem problem(kind, precision);
      problem.check();
      for (const bool training : {true, false}) {
        Json row = row_of(kind, precision, training, problem, peak);
        if (!peer_file.empty() && precision == ConvPrecision::fp32) {  // theirs are fp32
          const double theirs = peers.at("nets").at(to_string(kind)).at(training ? "train" : "evaluate").number();
          row.set("torch", peers.at("torch").string()).set("torch_milliseconds", theirs);
          row.set("ratio", theirs / row.at("milliseconds").number());
        }
        report.row(row);
      }
    }
  }
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  std::string peer_file;
  return quarry::bench::main_of(
      argc, argv, "bench_conv_step", "Training steps and evaluations of residual networks on one CPU thread",
      [&](quarry::bench::Arguments& arguments) {
        arguments.text("--peer-json", peer_file, "what benchmarks/peers/conv_step.py --json wrote");
      },
      [&](const quarry::bench::Options& options, quarry::bench::Report& report) {
        quarry::bench::run(options, peer_file, report);
      });
}
