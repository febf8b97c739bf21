// SPDX-License-Identifier: MIT
// The door to cuDNN: convolutions of single networks, by the library's graph interface. What our own kernels
// (quarry/ops/conv_device.h) are compared with, in results and in time, and what trains fleets in their place where the
// user chooses so (training.convolution = "cudnn").
//
// No CUDA header is needed to use it. Two implementations exist and the linker takes one:
//   src/core/gpu_cudnn*.cpp            cuDNN, loaded on first use
//   src/core/gpu_convolution_none.cpp  a build without cuDNN: all but convolution_tensors and most_workspace is refused
//
// The choice. cuDNN has many engines for a convolution, and its heuristics order them for a device. Taken is the first
// of mode A, then of the fallback mode, of which cuDNN notes nothing but
//   fp32: that it propagates NaN (so no TF32, no Winograd, no FFT)
//   bf16: the same, and that it uses tensor cores
// above all not that it is nondeterministic, sums in reduced precision, or is compiled while the program runs; and
// whose execution plan cuDNN makes and needs no more workspace than most_workspace. Nothing is timed: the choice is a
// function of the problem, the device's properties and the version of cuDNN, and its name says all that has to be
// recorded. The order of an engine's sums is cuDNN's.
//
// A plan needs no GPU: the properties of one, as text, are enough (Convolutions::device_properties). It is then there
// to be looked at; what is executed is planned with the handle of the session.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quarry/core/gpu_library.h"

namespace quarry::gpu {

/// A convolution of one network: kernel x kernel, square, padding (kernel - 1) / 2, no bias. Out sizes are
/// (in - 1) / stride + 1.
struct ConvolutionProblem {
  enum class Pass : std::int32_t { forward, input_gradient, weight_gradient };
  enum class Precision : std::int32_t { fp32, bf16 };  ///< of all tensors; sums are float
  /// Of activations: that of our fleets, [y][x][image][channel], which cuDNN is told is a volume y x x x image under a
  /// filter kernel x kernel x 1; or cuDNN's own favourite, [image][y][x][channel], to see what the former costs it.
  enum class Layout : std::int32_t { positions, images };

  std::int32_t images = 0, in_height = 0, in_width = 0;
  std::int32_t in_channels = 0, out_channels = 0;  ///< as stored: multiples of 8 (quarry::padded_channels)
  std::int32_t kernel = 3, stride = 1;             ///< 1 or 3, 1 or 2
  Precision precision = Precision::fp32;
  Pass pass = Pass::forward;
  Layout layout = Layout::positions;
};

/// A tensor as cuDNN is told of it: sizes and strides in numbers, in the order image, channel, y, x, or for
/// Layout::positions 1, channel, y, x, image.
struct ConvolutionTensor {
  std::vector<std::int64_t> sizes, strides;
};
/// weights: [out channel][ky][kx][in channel]; sizes in the order out channel, in channel, ky, kx (, 1).
struct ConvolutionTensors {
  ConvolutionTensor input, weights, output;
};
/// Error: usage, naming the field and what it may be, where the problem cannot be.
ConvolutionTensors convolution_tensors(const ConvolutionProblem& problem);

/// Bytes of workspace that an engine may ask for: as much as the three tensors, to turn them round in, and 1 MiB.
/// Errors: as convolution_tensors.
std::size_t most_workspace(const ConvolutionProblem& problem);

/// "64 -> 128 channels, 3x3, stride 2, 32 images of 32 x 32, bf16, forward".
std::string to_string(const ConvolutionProblem& problem);

/// An engine with its execution plan. A value: copies share the plan, which never changes.
struct ConvolutionPlan {
  ConvolutionProblem problem;
  std::string name;                ///< "cuDNN 9.19.0 engine 62 knobs 2=4 13=0": kinds of knobs by cuDNN's numbers
  std::vector<std::string> notes;  ///< what cuDNN notes about the engine's numbers: "tensor cores"
  std::size_t workspace = 0;       ///< bytes of scratch of an execution
  std::int32_t passed_over = 0;    ///< engines before it that wanted more workspace than most_workspace
  std::shared_ptr<void> native;
  std::int64_t maker = 0;  ///< number of the Convolutions that made it and can execute it; 0: none
};

/// cuDNN's version, "9.19.0". Loads it.
/// Error: device, where it is missing, too old or of another major version than this build: names the package.
std::string convolution_library();

/// The plan for a device of these properties, not to be executed. Needs cuDNN and no GPU.
/// Errors: usage as convolution_tensors, or where cuDNN refuses `properties`; device, as convolution_library, or where
/// cuDNN has no engine that may be taken.
ConvolutionPlan plan_convolution(const ConvolutionProblem& problem, const std::string& properties);

/// What an execution reads and makes, by the pass:
///   forward          first: input    second: weights   result: output
///   input_gradient   first: dy       second: weights   result: gradient of the input
///   weight_gradient  first: input    second: dy        result: gradient of the weights, in the precision of the
///                    problem: cuDNN 9.19 has no engine that makes a gradient in float of tensors in bf16
/// Device pointers aligned to 16 bytes; the result is overwritten whole and overlaps nothing.
struct ConvolutionOperands {
  const void *first = nullptr, *second = nullptr;
  void* result = nullptr;
};

/// Queues that the convolutions of several networks may be spread over.
inline constexpr std::size_t kConvolutionQueues = 4;

/// cuDNN for one session: a handle on its device and stream, and a few streams beside it. Construction loads cuDNN and
/// may block; make it before a cycle. Executions never do, and may be recorded.
class Convolutions {
 public:
  /// Error: device, as convolution_library.
  explicit Convolutions(Session& session);
  ~Convolutions();
  Convolutions(const Convolutions&) = delete;
  Convolutions& operator=(const Convolutions&) = delete;

  /// What cuDNN's choice depends on, as the library writes it (JSON).
  std::string device_properties() const;

  /// As plan_convolution for the session's device, to be executed by this object.
  ConvolutionPlan plan(const ConvolutionProblem& problem);

  /// Queues the convolution of each network, number i on queue i mod workspaces.size(). Queue 0 is the session's; the
  /// others begin where it is and it waits for them. Each queue has its workspace, of the plan's bytes. Equal bits are
  /// promised between calls of one plan on one kind of device, whatever the queues and whatever is beside.
  /// Errors: a check fails on a plan of another maker, a null pointer, too small scratch, or no or more than
  /// kConvolutionQueues workspaces; Failure or device if cuDNN refuses, and then some of them may be queued.
  void execute(const ConvolutionPlan& plan, std::span<const ConvolutionOperands> networks,
               std::span<const Scratch> workspaces);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quarry::gpu
