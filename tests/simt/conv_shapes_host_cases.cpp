// SPDX-License-Identifier: MIT
// Sizes, launch shapes and engines of convolutions: pure functions; and what is refused.
#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet_device.h"
#include "quarry/ops/batch_norm_device.h"
#include "quarry/ops/conv_engines.h"
#include "tests/simt/conv_net_reference.h"

namespace quarry {
namespace {

using test::conv_shape;

void expect_grid(const gpu::LaunchShape& shape, unsigned x, unsigned y, unsigned z) {
  simt::expect(shape.grid.x == x && shape.grid.y == y && shape.grid.z == z && shape.block.x == 128,
               "grid %u x %u x %u of %u threads, not %u x %u x %u", shape.grid.x, shape.grid.y, shape.grid.z,
               shape.block.x, x, y, z);
}

SIMT_CASE(conv_launches_of_resnet18) {
  const ConvShape stem = conv_shape(3, 64, 3, 1, 32, 32, 32), last = conv_shape(512, 512, 3, 1, 4, 4, 32),
                  half = conv_shape(64, 128, 3, 2, 32, 32, 32);
  simt::expect(conv_input_size(stem) == 32 * 32 * 32 * 8 && conv_output_size(stem) == 32 * 32 * 32 * 64 &&
                   conv_weight_size(stem) == 64 * 9 * 8,
               "sizes of the stem");
  simt::expect(conv_tiles(stem) == 256 && conv_statistics_size(stem) == 256 * 2 * 64, "tiles of the stem");
  simt::expect(conv_scratch(stem, 10) == std::size_t{8} * 10 * 64 * 9 * 8 * 4 && conv_scratch(last, 10) == 0,
               "scratch");
  expect_grid(cuda::conv_forward_launch(stem, 10), 256, 1, 10);
  expect_grid(cuda::conv_weight_gradient_launch(stem, 10), 2, 1, 80);
  expect_grid(cuda::conv_forward_launch(last, 3), 4, 8, 3);
  expect_grid(cuda::conv_input_gradient_launch(half, 7), 256, 1, 7);
  expect_grid(cuda::conv_forward_launch(half, 7), 64, 2, 7);
  expect_grid(cuda::conv_weight_gradient_launch(last, 3), 72, 8, 3);
}

SIMT_CASE(conv_engines_by_precision_and_device) {
  const ConvShape layer = conv_shape(64, 64, 3, 1, 32, 32, 32);
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
    for (const int major : {8, 9, 12}) {
      const ConvEngine bf16 = conv_engine(layer, pass, ConvPrecision::bf16, major, 0),
                       fp32 = conv_engine(layer, pass, ConvPrecision::fp32, major, 0);
      simt::expect(bf16 == ConvEngine::bf16_mma && fp32 == ConvEngine::fp32_fma, "engines of %d.0", major);
    }
  }
  simt::expect(to_string(ConvEngine::bf16_mma) == "bf16_mma" && to_string(ConvEngine::fp32_fma) == "fp32_fma" &&
                   to_string(ConvEngine::cudnn) == "cudnn",
               "names");
  try {
    conv_engine(layer, ConvPass::forward, ConvPrecision::bf16, 7, 5);
  } catch (const Error& e) {
    simt::expect(e.kind() == ErrorKind::usage && std::strstr(e.what(), "8.0 or later, and this one has 7.5") != nullptr,
                 "%s", e.what());
    return;
  }
  simt::expect(false, "an engine for compute capability 7.5");
}

template <class F>
void expect_refused(const F& call, const char* part) {
  try {
    call();
  } catch (const Error& e) {
    return simt::expect(std::strstr(e.what(), part) != nullptr, "refused by '%s', which has no '%s'", e.what(), part);
  }
  simt::expect(false, "not refused: %s", part);
}

SIMT_CASE(conv_refuses_shapes_that_cannot_be) {
  gpu::Session session(0);
  const auto forward = [&](const ConvShape& shape) {
    cuda::conv_forward(session, ConvPrecision::fp32, shape, {}, nullptr, nullptr, nullptr, nullptr);
  };
  ConvShape s = conv_shape(8, 8, 3, 1, 4, 4, 2);
  forward(s);  // no members: nothing to do
  s.out_width = 5;
  expect_refused([&] { forward(s); }, "4 x 4 pixels do not become 4 x 5");
  s = conv_shape(8, 8, 3, 1, 4, 4, 2);
  s.split_rows = 33;
  expect_refused([&] { forward(s); }, "pieces of 33");
  expect_refused([&] { forward(conv_shape(0, 8, 3, 1, 4, 4, 2)); }, "0 to 8 channels");
  expect_refused([&] { forward(conv_shape(64, 8, 3, 1, 1024, 1024, 32)); }, "a member has 2147483648");
  expect_refused([&] { cuda::drop_factors(session, {1, 1, 8, nullptr, nullptr, 0, 1.0, true, nullptr}); }, "dropout 1");
}

SIMT_CASE(conv_problems_for_cudnn) {
  using Problem = gpu::ConvolutionProblem;
  const Problem p =
      convolution_problem(conv_shape(3, 16, 3, 2, 9, 7, 5), ConvPass::input_gradient, ConvPrecision::bf16);
  simt::expect(p.images == 5 && p.in_height == 9 && p.in_width == 7 && p.in_channels == 8 && p.out_channels == 16 &&
                   p.kernel == 3 && p.stride == 2 && p.layout == Problem::Layout::positions &&
                   p.precision == Problem::Precision::bf16 && p.pass == Problem::Pass::input_gradient,
               "%s", gpu::to_string(p).c_str());
  ConvShape odd = conv_shape(3, 12, 3, 1, 4, 4, 2);
  expect_refused([&] { convolution_problem(odd, ConvPass::forward, ConvPrecision::fp32); }, "12 out channels");
  odd = conv_shape(3, 16, 3, 1, 4, 4, 2);
  odd.padding = 0;
  expect_refused([&] { convolution_problem(odd, ConvPass::forward, ConvPrecision::fp32); }, "padding 0 of a 3x3");
}

/// The planner's number is what the fleet takes, rows aside.
SIMT_CASE(conv_fleet_memory_is_known_beforehand) {
  const ResNetPlan plan = test::tiny_plan({3, 6, 5}, 16, 4, 0.5);
  const std::vector<cuda::ConvNetMember> members(3, {{0.1f, 0.1f}, 0, 0, false, 0, 0});
  const ImagePool pool{nullptr, nullptr, 3, 6, 5, nullptr, nullptr};
  for (const ConvMeans means : {ConvMeans(ConvPrecision::fp32), ConvMeans(ConvPrecision::bf16),
                                ConvMeans(ConvPrecision::bf16, ConvChoice::cudnn)}) {
    gpu::Session session(0);
    const cuda::ConvFleetNet net(session, plan, means, 4, pool, members);
    const std::size_t takes = session.memory_in_use(), planned = cuda::ConvFleetNet::memory(plan, means, 4, 3, 2);
    simt::expect(takes <= planned && planned < takes + 256 * 200, "%zu bytes, planned %zu", takes, planned);
  }
  gpu::Session session(0);
  expect_refused(
      [&] {
        cuda::ConvFleetNet(session, plan, ConvPrecision::fp32, 4, {nullptr, nullptr, 3, 5, 5}, members);
      },
      "the network takes images of 3 x 6 x 5, the pool has 3 x 5 x 5");
}

}  // namespace
}  // namespace quarry
