// SPDX-License-Identifier: MIT
// How fast are the fleet's convolutions beside cuDNN? Every distinct layer of ResNet-18, batch 32, each pass, in fp32
// and bf16: our engine for all members in one launch, and cuDNN a member at a time on a few queues, in our layout and
// in the one it likes best. cuDNN takes its first deterministic engine of full precision
// (quarry/core/gpu_convolution.h).
//
//   bench_conv_engines [--members M] [--engine NAME...] [--no-graphs] [--device cuda] [--json]
//
// --engine: fp32_fma, bf16_mma, cudnn (our layout), cudnn_images (its own); default all. Results of small integers are
// compared with ours before anything is timed: both have to be exact. Times are wall-clock, of 20 repeats as one CUDA
// graph; --no-graphs queues single launches instead, and so counts what the host takes. GFLOP/s count nominal
// multiply-adds as two, padding included.
#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "benchmarks/bench_cli.h"
#include "quarry/core/bfloat16.h"
#include "quarry/core/gpu.h"
#include "quarry/core/rng.h"
#include "quarry/ops/conv_engines.h"
#include "tests/support/conv_layers.h"

namespace quarry::bench {
namespace {

using Layout = gpu::ConvolutionProblem::Layout;

struct Settings {
  std::int32_t members = 10;
  std::vector<std::string> engines;
  bool no_graphs = false;

  bool wants(const std::string& engine) const {
    return engines.empty() || std::find(engines.begin(), engines.end(), engine) != engines.end();
  }
};

#if QUARRY_HAS_CUDA
constexpr int kRepeats = 20;

enum class Side { input, weights, output };

/// What a pass reads and makes.
struct Roles {
  Side first, second, result;
};
Roles roles_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return {Side::input, Side::weights, Side::output};
    case ConvPass::input_gradient:
      return {Side::output, Side::weights, Side::input};
    case ConvPass::weight_gradient:
      return {Side::input, Side::output, Side::weights};
  }
  QUARRY_CHECK(false, "pass {}", static_cast<int>(pass));
}

/// Numbers of a member.
std::size_t size_of(const ConvShape& s, Side side) {
  return static_cast<std::size_t>(side == Side::input     ? conv_input_size(s)
                                  : side == Side::weights ? conv_weight_size(s)
                                                          : conv_output_size(s));
}

/// Integers -2..2 of all members in our layout, zero where channels are padding.
template <class T>
std::vector<T> numbers(const ConvShape& s, Side side, std::int32_t members) {
  const std::int32_t channels = side == Side::output ? s.out_channels : s.in_channels;
  std::vector<T> values(size_of(s, side) * static_cast<std::size_t>(members));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool there = static_cast<std::int32_t>(i % static_cast<std::size_t>(padded_channels(channels))) < channels;
    const std::uint64_t number = random_below(static_cast<std::uint64_t>(side), 5, i);
    values[i] = from_float<T>(there ? static_cast<float>(number) - 2 : 0.0f);
  }
  return values;
}

/// Activations [member][position][image][channel] to [member][image][position][channel], or back.
template <class T>
std::vector<T> turned(const ConvShape& s, Side side, const std::vector<T>& values, bool back) {
  const bool input = side == Side::input;
  const auto channels = static_cast<std::size_t>(padded_channels(input ? s.in_channels : s.out_channels));
  const auto positions = static_cast<std::size_t>(input ? s.in_height * s.in_width : s.out_height * s.out_width);
  const auto images = static_cast<std::size_t>(s.batch);
  std::vector<T> result(values.size());
  for (std::size_t m = 0; m < values.size() / size_of(s, side); ++m) {
    for (std::size_t p = 0; p < positions; ++p) {
      for (std::size_t i = 0; i < images; ++i) {
        const std::size_t ours = ((m * positions + p) * images + i) * channels;
        const std::size_t theirs = ((m * images + i) * positions + p) * channels;
        std::copy_n(values.data() + (back ? theirs : ours), channels, result.data() + (back ? ours : theirs));
      }
    }
  }
  return result;
}

/// A pass of a layer for all members on the device, of tensors of type T.
template <class T>
class Work {
 public:
  static constexpr ConvPrecision kPrecision = sizeof(T) == 4 ? ConvPrecision::fp32 : ConvPrecision::bf16;

  Work(gpu::Session& session, const ConvShape& shape, ConvPass pass, std::int32_t members, Layout layout)
      : session_(session), shape_(shape), pass_(pass), roles_(roles_of(pass)), members_(members), layout_(layout) {
    first_ = gpu::upload<T>(session, operand(roles_.first));
    second_ = gpu::upload<T>(session, operand(roles_.second));
    const std::size_t size = size_of(shape, roles_.result) * static_cast<std::size_t>(members);
    result_ = gpu::Buffer<T>(session, size);
    gradient_ = gpu::Buffer<float>(session, pass == ConvPass::weight_gradient ? size : 0);
    images_ =
        gpu::upload<std::int32_t>(session, std::vector<std::int32_t>(static_cast<std::size_t>(members), shape.batch));
    scratch_ = gpu::Buffer<unsigned char>(session, conv_scratch(shape, members));
  }

  void queue_ours() {
    const FleetImages fleet{members_, images_.data()};
    if (pass_ == ConvPass::forward) {
      cuda::conv_forward(session_, kPrecision, shape_, fleet, first_.data(), second_.data(), result_.data(), nullptr);
    } else if (pass_ == ConvPass::input_gradient) {
      cuda::conv_input_gradient(session_, kPrecision, shape_, fleet, first_.data(), second_.data(), result_.data(),
                                false);
    } else {
      cuda::conv_weight_gradient(session_, kPrecision, shape_, fleet, first_.data(), second_.data(), gradient_.data(),
                                 scratch_.data());
    }
  }
  void queue_cudnn(gpu::Convolutions& convolutions, const gpu::ConvolutionPlan& plan,
                   std::span<const gpu::Scratch> workspaces) {
    std::vector<gpu::ConvolutionOperands> networks;
    for (std::size_t m = 0; m < static_cast<std::size_t>(members_); ++m) {
      networks.push_back({first_.data() + m * size_of(shape_, roles_.first),
                          second_.data() + m * size_of(shape_, roles_.second),
                          result_.data() + m * size_of(shape_, roles_.result)});
    }
    convolutions.execute(plan, networks, workspaces);
  }

  /// What the last call made, of all members, in our layout, as T.
  std::vector<T> ours() {
    if (pass_ != ConvPass::weight_gradient) return theirs();
    std::vector<float> wide(gradient_.size());
    gpu::download<float>(session_, gradient_.data(), wide);
    std::vector<T> values(wide.size());
    std::transform(wide.begin(), wide.end(), values.begin(), from_float<T>);
    return values;
  }
  std::vector<T> theirs() {
    std::vector<T> values(result_.size());
    gpu::download<T>(session_, result_.data(), values);
    const bool activations = layout_ == Layout::images && roles_.result != Side::weights;
    return activations ? turned(shape_, roles_.result, values, true) : values;
  }

 private:
  std::vector<T> operand(Side side) const {
    std::vector<T> values = numbers<T>(shape_, side, members_);
    return layout_ == Layout::images && side != Side::weights ? turned(shape_, side, values, false) : values;
  }

  gpu::Session& session_;
  const ConvShape shape_;
  const ConvPass pass_;
  const Roles roles_;
  const std::int32_t members_;
  const Layout layout_;
  gpu::Buffer<T> first_, second_, result_;
  gpu::Buffer<float> gradient_;
  gpu::Buffer<std::int32_t> images_;
  gpu::Buffer<unsigned char> scratch_;
};

/// Seconds of one call of `queue`.
double seconds_of_call(gpu::Session& session, bool graphs, const std::function<void()>& queue) {
  const auto all = [&] {
    for (int i = 0; i < kRepeats; ++i) queue();
  };
  if (!graphs) {
    return best_seconds(5,
                        [&] {
                          all();
                          session.synchronize();
                        }) /
           kRepeats;
  }
  const auto graph = session.record(all);
  return best_seconds(5,
                      [&] {
                        session.run(*graph);
                        session.synchronize();
                      }) /
         kRepeats;
}

class Comparison {
 public:
  Comparison(const Settings& settings, gpu::Session& session, Report& report)
      : settings_(settings), session_(session), report_(report) {
    if (settings.wants("cudnn") || settings.wants("cudnn_images")) {
      convolutions_ = std::make_unique<gpu::Convolutions>(session);
    }
  }

  template <class T>
  void layer(const ConvShape& shape, ConvPass pass) {
    Work<T> work(session_, shape, pass, settings_.members, Layout::positions);
    work.queue_ours();
    const std::vector<T> want = work.ours();
    const gpu::DeviceInfo& device = session_.device();
    const std::string ours(to_string(conv_engine(shape, pass, Work<T>::kPrecision, device.major, device.minor)));
    if (settings_.wants(ours)) row(shape, pass, Work<T>::kPrecision, ours, "", [&] { work.queue_ours(); });
    const std::string theirs(to_string(ConvEngine::cudnn));
    if (settings_.wants(theirs)) cudnn(work, want, shape, pass, Layout::positions, theirs);
    if (settings_.wants(theirs + "_images")) {
      Work<T> other(session_, shape, pass, settings_.members, Layout::images);
      cudnn(other, want, shape, pass, Layout::images, theirs + "_images");
    }
  }

 private:
  template <class T>
  void cudnn(Work<T>& work, const std::vector<T>& want, const ConvShape& shape, ConvPass pass, Layout layout,
             const std::string& engine) {
    gpu::ConvolutionProblem problem = convolution_problem(shape, pass, Work<T>::kPrecision);
    problem.layout = layout;
    const gpu::ConvolutionPlan plan = convolutions_->plan(problem);
    std::vector<gpu::Buffer<unsigned char>> memory;
    std::vector<gpu::Scratch> workspaces;
    for (std::size_t i = 0; i < gpu::kConvolutionQueues; ++i) {
      memory.emplace_back(session_, plan.workspace);
      workspaces.push_back({memory.back().data(), plan.workspace});
    }
    const auto queue = [&] { work.queue_cudnn(*convolutions_, plan, workspaces); };
    queue();
    const std::vector<T> got = work.theirs();
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (to_float(got[i]) == to_float(want[i])) continue;
      fail("{}, {}: [{}] is {}, ours is {}; nothing was timed", gpu::to_string(problem), plan.name, i, to_float(got[i]),
           to_float(want[i]));
    }
    row(shape, pass, Work<T>::kPrecision, engine, plan.name, queue);
  }

  void row(const ConvShape& s, ConvPass pass, ConvPrecision precision, const std::string& engine,
           const std::string& name, const std::function<void()>& queue) {
    constexpr const char* kPasses[] = {"forward", "input_gradient", "weight_gradient"};
    const double seconds = seconds_of_call(session_, !settings_.no_graphs, queue);
    const double macs = static_cast<double>(s.out_height) * s.out_width * s.out_channels * s.in_channels * s.kernel *
                        s.kernel * s.batch * settings_.members;
    report_.row(Json::object()
                    .set("layer", fmt::format("{}->{} {}x{}/{} {}x{}", s.in_channels, s.out_channels, s.kernel,
                                              s.kernel, s.stride, s.in_height, s.in_width))
                    .set("pass", kPasses[static_cast<int>(pass)])
                    .set("precision", precision == ConvPrecision::bf16 ? "bf16" : "fp32")
                    .set("members", settings_.members)
                    .set("engine", engine)
                    .set("microseconds", seconds * 1e6)
                    .set("gflops", 2 * macs / seconds * 1e-9)
                    .set("name", name));
  }

  const Settings& settings_;
  gpu::Session& session_;
  Report& report_;
  std::unique_ptr<gpu::Convolutions> convolutions_;
};
#endif

void run([[maybe_unused]] const Settings& settings, const Options& options, [[maybe_unused]] Report& report) {
  if (options.device.kind != DeviceKind::cuda)
    device_error("convolutions are compared on a GPU alone; quarry doctor says what is missing");
#if QUARRY_HAS_CUDA
  gpu::Session session(options.device.ordinal);
  Comparison comparison(settings, session, report);
  for (const ConvShape& shape : test::distinct_layers(ResNetKind::resnet18, 32)) {
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
      comparison.layer<float>(shape, pass);
      comparison.layer<Bfloat16>(shape, pass);
    }
  }
#endif
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings settings;
  return main_of(
      argc, argv, "bench_conv_engines", "Convolutions of a fleet beside cuDNN",
      [&](Arguments& arguments) {
        arguments.number("--members", settings.members, "networks in the fleet", 1, 64);
        arguments.texts("--engine", settings.engines, "engines to time (default: all)",
                        {"fp32_fma", "bf16_mma", "cudnn", "cudnn_images"});
        arguments.flag("--no-graphs", settings.no_graphs, "queue single launches");
      },
      [&](const Options& options, Report& report) { run(settings, options, report); });
}
