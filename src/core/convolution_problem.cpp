// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"

namespace quarry::gpu {
namespace {

using Pass = ConvolutionProblem::Pass;
using Layout = ConvolutionProblem::Layout;
using Precision = ConvolutionProblem::Precision;

void expect(bool holds, std::string_view field, std::int64_t value, std::string_view wanted) {
  if (!holds) usage_error("a convolution with {} {}: expected {}", field, value, wanted);
}

void check(const ConvolutionProblem& p) {
  constexpr std::int32_t most = 1 << 20;
  const auto size = [](std::string_view field, std::int32_t value) {
    expect(value > 0 && value <= most, field, value, "1 to 1048576");
  };
  const auto channels = [](std::string_view field, std::int32_t value) {
    expect(value > 0 && value <= most && value % 8 == 0, field, value, "a multiple of 8 up to 1048576, zeros added");
  };
  size("images", p.images);
  size("in_height", p.in_height);
  size("in_width", p.in_width);
  channels("in_channels", p.in_channels);
  channels("out_channels", p.out_channels);
  expect(p.kernel == 1 || p.kernel == 3, "kernel", p.kernel, "1 or 3");
  expect(p.stride == 1 || p.stride == 2, "stride", p.stride, "1 or 2");
  expect(p.pass >= Pass::forward && p.pass <= Pass::weight_gradient, "pass", static_cast<int>(p.pass), "0, 1 or 2");
  expect(p.precision == Precision::fp32 || p.precision == Precision::bf16, "precision", static_cast<int>(p.precision),
         "0 or 1");
  expect(p.layout == Layout::positions || p.layout == Layout::images, "layout", static_cast<int>(p.layout), "0 or 1");
  const std::int64_t pixels = std::int64_t{p.in_height} * p.in_width, row = std::max(p.in_channels, p.out_channels);
  constexpr std::int64_t numbers = std::int64_t{1} << 31;
  expect(pixels < numbers && pixels * p.images < numbers && pixels * p.images * row < numbers, "images", p.images,
         fmt::format("fewer: in_height {} x in_width {} x images x {} channels must be less than 2^31 numbers",
                     p.in_height, p.in_width, row));
  expect(std::int64_t{9} * p.in_channels * p.out_channels < numbers, "out_channels", p.out_channels,
         "weights of less than 2^31 numbers");
}

ConvolutionTensor activations(const ConvolutionProblem& p, std::int64_t channels, std::int64_t height,
                              std::int64_t width) {
  if (p.layout == Layout::images) {
    return {{p.images, channels, height, width}, {height * width * channels, 1, width * channels, channels}};
  }
  const std::int64_t pixel = p.images * channels;
  return {{1, channels, height, width, p.images}, {height * width * pixel, 1, width * pixel, pixel, channels}};
}

}  // namespace

ConvolutionTensors convolution_tensors(const ConvolutionProblem& problem) {
  check(problem);
  const ConvolutionProblem& p = problem;
  const std::int64_t tap = p.in_channels;
  ConvolutionTensor weights{{p.out_channels, p.in_channels, p.kernel, p.kernel},
                            {p.kernel * p.kernel * tap, 1, p.kernel * tap, tap}};
  if (p.layout == Layout::positions) {
    weights.sizes.push_back(1);
    weights.strides.push_back(tap);
  }
  return {activations(p, p.in_channels, p.in_height, p.in_width), weights,
          activations(p, p.out_channels, (p.in_height - 1) / p.stride + 1, (p.in_width - 1) / p.stride + 1)};
}

std::size_t most_workspace(const ConvolutionProblem& problem) {
  const ConvolutionTensors tensors = convolution_tensors(problem);
  std::int64_t numbers = 0;
  for (const ConvolutionTensor* tensor : {&tensors.input, &tensors.weights, &tensors.output}) {
    std::int64_t of_one = 1;
    for (const std::int64_t size : tensor->sizes) of_one *= size;
    numbers += of_one;
  }
  const std::size_t number = problem.precision == Precision::bf16 ? 2 : 4;
  return static_cast<std::size_t>(numbers) * number + (std::size_t{1} << 20);
}

std::string to_string(const ConvolutionProblem& p) {
  constexpr const char* kPasses[] = {"forward", "input gradient", "weight gradient"};
  return fmt::format("{} -> {} channels, {}x{}, stride {}, {} images of {} x {}, {}, {}{}", p.in_channels,
                     p.out_channels, p.kernel, p.kernel, p.stride, p.images, p.in_height, p.in_width,
                     p.precision == Precision::bf16 ? "bf16" : "fp32", kPasses[static_cast<int>(p.pass)],
                     p.layout == Layout::images ? ", images outermost" : "");
}

}  // namespace quarry::gpu
