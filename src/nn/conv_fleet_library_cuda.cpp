// SPDX-License-Identifier: MIT
#include <zlib.h>

#include <algorithm>
#include <span>
#include <tuple>

#include "quarry/core/error.h"
#include "src/nn/conv_fleet_library.h"

namespace quarry::cuda {
namespace {

bool same(const gpu::ConvolutionProblem& a, const gpu::ConvolutionProblem& b) {
  const auto key = [](const gpu::ConvolutionProblem& p) {
    return std::tie(p.images, p.in_height, p.in_width, p.in_channels, p.out_channels, p.kernel, p.stride, p.precision,
                    p.pass, p.layout);
  };
  return key(a) == key(b);
}

/// Numbers of a member in the operands and the result of a pass.
struct Sizes {
  std::int64_t first, second, result;
};
Sizes sizes_of(const ConvShape& shape, ConvPass pass) {
  const std::int64_t in = conv_input_size(shape), weights = conv_weight_size(shape), out = conv_output_size(shape);
  switch (pass) {
    case ConvPass::forward:
      return {in, weights, out};
    case ConvPass::input_gradient:
      return {out, weights, in};
    case ConvPass::weight_gradient:
      return {in, out, weights};
  }
  QUARRY_CHECK(false, "pass {}", static_cast<int>(pass));
}

}  // namespace

std::vector<gpu::ConvolutionProblem> library_problems(const ResNetPlan& plan, ConvPrecision precision,
                                                      std::int32_t batch) {
  std::vector<gpu::ConvolutionProblem> problems;
  for (const ConvLayer& layer : plan.layers) {
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
      if (&layer == &plan.layers.front() && pass == ConvPass::input_gradient) continue;
      const gpu::ConvolutionProblem problem = convolution_problem(conv_shape(layer, batch), pass, precision);
      const auto is_it = [&](const gpu::ConvolutionProblem& known) { return same(known, problem); };
      if (std::none_of(problems.begin(), problems.end(), is_it)) problems.push_back(problem);
    }
  }
  return problems;
}

std::string library_name(gpu::Session& session, std::span<const gpu::ConvolutionProblem> problems) {
  gpu::Convolutions convolutions(session);
  std::string choices;
  for (const gpu::ConvolutionProblem& problem : problems) {
    choices += fmt::format("{}: {}\n", to_string(problem), convolutions.plan(problem).name);
  }
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(choices.data()), choices.size());
  return fmt::format("cuDNN {}, choices {:08x}", gpu::convolution_library(), crc);
}

LibraryConvolutions::LibraryConvolutions(gpu::Session& session, const ResNetPlan& plan, const NetSize& size)
    : size_(size), convolutions_(session) {
  std::size_t workspace = 0;
  for (const gpu::ConvolutionProblem& problem : library_problems(plan, size.means.precision, size.batch)) {
    plans_.push_back(convolutions_.plan(problem));
    workspace = std::max(workspace, plans_.back().workspace);
  }
  const std::size_t queues = std::min(static_cast<std::size_t>(size.members), gpu::kConvolutionQueues);
  for (std::size_t queue = 0; queue < queues; ++queue) {
    memory_.emplace_back(session, workspace);
    workspaces_.push_back({memory_.back().data(), workspace});
  }
}

const gpu::ConvolutionPlan& LibraryConvolutions::plan_of(const gpu::ConvolutionProblem& problem) const {
  const auto found = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const gpu::ConvolutionPlan& plan) { return same(plan.problem, problem); });
  QUARRY_CHECK(found != plans_.end(), "no plan for {}", to_string(problem));
  return *found;
}

void LibraryConvolutions::run(const ConvShape& shape, ConvPass pass, const void* first, const void* second,
                              void* result) {
  const std::int64_t number = size_.means.precision == ConvPrecision::bf16 ? 2 : 4;
  const Sizes sizes = sizes_of(shape, pass);
  std::vector<gpu::ConvolutionOperands> members;
  for (std::int64_t m = 0; m < size_.members; ++m) {
    members.push_back({static_cast<const unsigned char*>(first) + m * sizes.first * number,
                       static_cast<const unsigned char*>(second) + m * sizes.second * number,
                       static_cast<unsigned char*>(result) + m * sizes.result * number});
  }
  convolutions_.execute(plan_of(convolution_problem(shape, pass, size_.means.precision)), members, workspaces_);
}

void LibraryConvolutions::release() {
  workspaces_.clear();
  memory_.clear();
}

}  // namespace quarry::cuda
