// SPDX-License-Identifier: MIT
// cuDNN on a real GPU, where there is one: its convolutions beside loops in double precision, small integers exactly
// and other numbers within the rounding of the sums, and the same bits twenty times over.
#include <cmath>

#include "quarry/core/gpu_convolution.h"
#include "quarry/ops/conv_engines.h"
#include "tests/simt/conv_reference.h"

namespace quarry {
namespace {

using gpu::ConvolutionPlan;
using gpu::Convolutions;
using gpu::Session;
using test::conv_shape;
using test::Guarded;
using test::Images;
using test::Values;

constexpr int kRepeats = 20;

struct Tensors {
  Images in, out;
  std::vector<double> w;
};

template <class T>
Tensors make_tensors(const ConvShape& s, Values kind) {
  return {test::make_images<T>(s.batch, s.in_channels, s.in_height, s.in_width, 1, kind),
          test::make_images<T>(s.batch, s.out_channels, s.out_height, s.out_width, 2, kind),
          test::make_values<T>(std::int64_t{s.out_channels} * s.in_channels * s.kernel * s.kernel, 3, kind)};
}

template <class T>
std::vector<T> packed(const Images& images, std::int32_t batch) {
  std::vector<T> values;
  test::append_images(values, images, batch);
  return values;
}
template <class T>
std::vector<T> packed(const ConvShape& s, const std::vector<double>& w) {
  std::vector<T> values;
  test::append_weights(values, s, w);
  return values;
}

/// The result of a pass; the same each time.
template <class T>
std::vector<T> run(const ConvShape& s, ConvPass pass, const Tensors& tensors) {
  Session session(0);
  Convolutions convolutions(session);
  const ConvolutionPlan plan = convolutions.plan(convolution_problem(s, pass, test::precision_of<T>()));
  const Guarded<T> in(session, packed<T>(tensors.in, s.batch)), out(session, packed<T>(tensors.out, s.batch)),
      w(session, packed<T>(s, tensors.w));
  const gpu::Buffer<unsigned char> workspace(session, plan.workspace);
  const std::int64_t size = pass == ConvPass::forward          ? conv_output_size(s)
                            : pass == ConvPass::input_gradient ? conv_input_size(s)
                                                               : conv_weight_size(s);
  std::vector<T> first;
  for (int i = 0; i < kRepeats; ++i) {
    const Guarded<T> result(session, static_cast<std::size_t>(size));
    const gpu::ConvolutionOperands operands{pass == ConvPass::input_gradient ? out.data() : in.data(),
                                            pass == ConvPass::weight_gradient ? out.data() : w.data(), result.data()};
    const gpu::Scratch scratch{workspace.data(), workspace.size()};
    convolutions.execute(plan, {&operands, 1}, {&scratch, 1});
    const std::vector<T> got = result.read("cuDNN");
    if (i == 0) first = got;
    test::expect_same_bytes(got, 0, first, 0, got.size(), plan.name.c_str());
  }
  return first;
}

template <class T>
void expect_weights(const ConvShape& s, const std::vector<T>& got, const Tensors& tensors, double share) {
  const std::vector<double> want = test::conv_weight_gradient(s, tensors.in, tensors.out, false),
                            scale = test::conv_weight_gradient(s, tensors.in, tensors.out, true);
  test::each_weight(s, [&](std::size_t place, std::int32_t number) {
    const double is = static_cast<double>(to_float(got[place]));
    if (number < 0) return simt::expect(is == 0, "weight gradients: padding at %zu holds %g", place, is);
    const auto i = static_cast<std::size_t>(number);
    if (share == 0) return test::expect_close(is, test::rounded<T>(want[i]), 0, 0, "weight gradients", place);
    const double store = sizeof(T) == 4 ? 0 : std::ldexp(std::abs(want[i]), -8);
    test::expect_close(is, want[i], scale[i] + store / share, share, "weight gradients", place);
  });
}

template <class T>
void check(const ConvShape& s, ConvPass pass, Values kind) {
  const Tensors tensors = make_tensors<T>(s, kind);
  const std::vector<T> got = run<T>(s, pass, tensors);
  const double share = kind == Values::integers ? 0 : sizeof(T) == 4 ? 1e-6 : 1e-5;  // tensor cores may truncate
  switch (pass) {
    case ConvPass::forward:
      return test::expect_images(got, 0, test::conv_forward(s, tensors.in, tensors.w, false),
                                 test::conv_forward(s, tensors.in, tensors.w, true), s.batch, share, "outputs");
    case ConvPass::input_gradient:
      return test::expect_images(got, 0, test::conv_input_gradient(s, tensors.out, tensors.w, false),
                                 test::conv_input_gradient(s, tensors.out, tensors.w, true), s.batch, share,
                                 "input gradients");
    case ConvPass::weight_gradient:
      return expect_weights(s, got, tensors, share);
  }
}

template <class T>
void check_all(ConvPass pass) {
  const ConvShape shapes[] = {conv_shape(3, 16, 3, 1, 8, 8, 32), conv_shape(16, 24, 3, 2, 9, 7, 5),
                              conv_shape(16, 32, 1, 2, 8, 8, 32), conv_shape(64, 64, 3, 1, 4, 4, 32)};
  for (const ConvShape& s : shapes) {
    for (const Values kind : {Values::integers, Values::reals}) check<T>(s, pass, kind);
  }
}

SIMT_CASE(cudnn_forward_fp32) {
  check_all<float>(ConvPass::forward);
}
SIMT_CASE(cudnn_forward_bf16) {
  check_all<Bfloat16>(ConvPass::forward);
}
SIMT_CASE(cudnn_input_gradient_fp32) {
  check_all<float>(ConvPass::input_gradient);
}
SIMT_CASE(cudnn_input_gradient_bf16) {
  check_all<Bfloat16>(ConvPass::input_gradient);
}
SIMT_CASE(cudnn_weight_gradient_fp32) {
  check_all<float>(ConvPass::weight_gradient);
}
SIMT_CASE(cudnn_weight_gradient_bf16) {
  check_all<Bfloat16>(ConvPass::weight_gradient);
}

/// A plan that was made without the device is the one made on it.
SIMT_CASE(cudnn_plans_do_not_need_the_device) {
  Session session(0);
  Convolutions convolutions(session);
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
    const gpu::ConvolutionProblem problem =
        convolution_problem(conv_shape(64, 128, 3, 2, 32, 32, 32), pass, ConvPrecision::bf16);
    const ConvolutionPlan here = convolutions.plan(problem),
                          away = gpu::plan_convolution(problem, convolutions.device_properties());
    simt::expect(here.name == away.name && here.workspace == away.workspace, "%s here, %s away", here.name.c_str(),
                 away.name.c_str());
  }
}

}  // namespace
}  // namespace quarry
