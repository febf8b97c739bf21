// SPDX-License-Identifier: MIT
// cuDNN of the fake device: convolutions by loops on the host, over tensors as cuDNN is told of them, queued like
// kernels. Its plans ask for all the workspace that they may, and write to both ends of it, so that one that is too
// small is found; sums are in an order of its own.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "quarry/core/bfloat16.h"
#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_convolution_check.h"
#include "tests/simt/fake_gpu.h"

namespace quarry::gpu {
namespace {

using Pass = ConvolutionProblem::Pass;

/// Place of a tensor's number by image, channel, y, x.
class Place {
 public:
  Place(const ConvolutionTensor& tensor, bool positions) {
    const std::vector<std::int64_t>& s = tensor.strides;
    image_ = s[positions ? 4 : 0];
    channel_ = s[1];
    y_ = s[2];
    x_ = s[3];
  }
  std::int64_t operator()(std::int64_t image, std::int64_t channel, std::int64_t y, std::int64_t x) const {
    return image * image_ + channel * channel_ + y * y_ + x * x_;
  }

 private:
  std::int64_t image_, channel_, y_, x_;
};

/// Calls visit(place in the input, in the weights, in the output) for every product; the last product comes first.
template <class F>
void each_product(const ConvolutionProblem& p, const F& visit) {
  const ConvolutionTensors tensors = convolution_tensors(p);
  const bool positions = p.layout == ConvolutionProblem::Layout::positions;
  const Place input(tensors.input, positions), output(tensors.output, positions), weights(tensors.weights, false);
  const std::int32_t padding = (p.kernel - 1) / 2;
  for (std::int32_t y = (p.in_height - 1) / p.stride; y >= 0; --y) {
    for (std::int32_t x = (p.in_width - 1) / p.stride; x >= 0; --x) {
      for (std::int32_t ky = p.kernel - 1; ky >= 0; --ky) {
        const std::int32_t in_y = y * p.stride + ky - padding;
        if (in_y < 0 || in_y >= p.in_height) continue;
        for (std::int32_t kx = p.kernel - 1; kx >= 0; --kx) {
          const std::int32_t in_x = x * p.stride + kx - padding;
          if (in_x < 0 || in_x >= p.in_width) continue;
          for (std::int32_t image = p.images - 1; image >= 0; --image) {
            for (std::int32_t o = p.out_channels - 1; o >= 0; --o) {
              for (std::int32_t i = p.in_channels - 1; i >= 0; --i) {
                visit(input(image, i, in_y, in_x), weights(o, i, ky, kx), output(image, o, y, x));
              }
            }
          }
        }
      }
    }
  }
}

std::size_t numbers_of(const ConvolutionTensor& tensor) {
  std::int64_t n = 1;
  for (const std::int64_t size : tensor.sizes) n *= size;
  return static_cast<std::size_t>(n);
}

template <class T>
void convolve(const ConvolutionProblem& p, const ConvolutionOperands& of) {
  const auto *first = static_cast<const T*>(of.first), *second = static_cast<const T*>(of.second);
  const ConvolutionTensors tensors = convolution_tensors(p);
  const ConvolutionTensor& made = p.pass == Pass::forward          ? tensors.output
                                  : p.pass == Pass::input_gradient ? tensors.input
                                                                   : tensors.weights;
  std::vector<float> sums(numbers_of(made), 0.0f);
  const auto add = [&](std::int64_t to, std::int64_t a, std::int64_t b) {
    sums[static_cast<std::size_t>(to)] += to_float(first[a]) * to_float(second[b]);
  };
  each_product(p, [&](std::int64_t in, std::int64_t w, std::int64_t out) {
    switch (p.pass) {
      case Pass::forward:
        return add(out, in, w);
      case Pass::input_gradient:
        return add(in, out, w);
      case Pass::weight_gradient:
        return add(w, in, out);
    }
  });
  std::transform(sums.begin(), sums.end(), static_cast<T*>(of.result), from_float<T>);
}

void check_loads() {
  if (!fake_gpu().cudnn_fault.empty()) device_error("{}", fake_gpu().cudnn_fault);
}

}  // namespace

struct Convolutions::Impl {
  Session& session;
  std::int64_t number;
};

std::string convolution_library() {
  check_loads();
  return "0.1.2";
}

ConvolutionPlan plan_convolution(const ConvolutionProblem& problem, const std::string&) {
  ConvolutionPlan plan;
  plan.problem = problem;
  plan.workspace = most_workspace(problem);
  plan.name = fmt::format("cuDNN {} engine {}", convolution_library(), static_cast<int>(problem.pass));
  return plan;
}

Convolutions::Convolutions(Session& session) {
  static std::atomic<std::int64_t> last{0};
  check_loads();
  impl_.reset(new Impl{session, ++last});
}
Convolutions::~Convolutions() = default;

std::string Convolutions::device_properties() const {
  return "{}";
}

ConvolutionPlan Convolutions::plan(const ConvolutionProblem& problem) {
  ConvolutionPlan plan = plan_convolution(problem, device_properties());
  plan.maker = impl_->number;
  return plan;
}

void Convolutions::execute(const ConvolutionPlan& plan, std::span<const ConvolutionOperands> networks,
                           std::span<const Scratch> workspaces) {
  check_execution(plan, impl_->number, networks, workspaces);
  for (std::size_t i = 0; i < workspaces.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      QUARRY_CHECK(workspaces[i].data != workspaces[j].data, "queues {} and {} have one workspace", j, i);
    }
  }
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const auto work = [problem = plan.problem, bytes = plan.workspace, of = networks[i],
                       workspace = workspaces[i % workspaces.size()]] {
      constexpr std::size_t kEnd = 256;
      std::memset(workspace.data, 0xa5, kEnd);
      std::memset(static_cast<unsigned char*>(workspace.data) + bytes - kEnd, 0xa5, kEnd);
      if (problem.precision == ConvolutionProblem::Precision::bf16) {
        convolve<Bfloat16>(problem, of);
      } else {
        convolve<float>(problem, of);
      }
    };
    impl_->session.launch({"convolution of cuDNN", {}, nullptr, nullptr, work});
  }
}

}  // namespace quarry::gpu
