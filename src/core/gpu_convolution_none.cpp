// SPDX-License-Identifier: MIT
// The door to cuDNN in a build without it: everything is refused.
#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"

namespace quarry::gpu {
namespace {

[[noreturn]] void refuse() {
  device_error(
      "this build has no cuDNN; install cuDNN 9.11 or later with its headers (packages libcudnn9-dev-cuda-13 and "
      "cuda-toolkit) and build with QUARRY_CUDNN=ON");
}

}  // namespace

struct Convolutions::Impl {};

std::string convolution_library() {
  refuse();
}
ConvolutionPlan plan_convolution(const ConvolutionProblem&, const std::string&) {
  refuse();
}
Convolutions::Convolutions(Session&) {
  refuse();
}
Convolutions::~Convolutions() = default;
std::string Convolutions::device_properties() const {
  refuse();
}
ConvolutionPlan Convolutions::plan(const ConvolutionProblem&) {
  refuse();
}
void Convolutions::execute(const ConvolutionPlan&, std::span<const ConvolutionOperands>, std::span<const Scratch>) {
  refuse();
}

}  // namespace quarry::gpu
