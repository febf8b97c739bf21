// SPDX-License-Identifier: MIT
#include "quarry/ops/conv_engines.h"

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// A line of the table; the first that fits is taken. Engines for single shapes or kinds of device go above the
/// general ones.
struct Entry {
  ConvEngine engine;
  ConvPrecision precision;
  int least_major, most_major;
  bool (*fits)(const ConvShape& shape, ConvPass pass);
};

bool any_layer(const ConvShape&, ConvPass) {
  return true;
}

constexpr int kNewest = 1000;
constexpr Entry kTable[] = {
    {ConvEngine::bf16_mma, ConvPrecision::bf16, 8, kNewest, any_layer},
    {ConvEngine::fp32_fma, ConvPrecision::fp32, 8, kNewest, any_layer},
};

}  // namespace

ConvEngine conv_engine(const ConvShape& shape, ConvPass pass, ConvPrecision precision, int major, int minor) {
  for (const Entry& entry : kTable) {
    if (entry.precision == precision && entry.least_major <= major && major <= entry.most_major &&
        entry.fits(shape, pass)) {
      return entry.engine;
    }
  }
  usage_error(
      "convolutions in {} need a GPU of compute capability 8.0 or later, and this one has {}.{}; run this study on the "
      "CPU (--device cpu)",
      precision == ConvPrecision::bf16 ? "bf16" : "fp32", major, minor);
}

std::string_view to_string(ConvEngine engine) {
  switch (engine) {
    case ConvEngine::fp32_fma:
      return "fp32_fma";
    case ConvEngine::bf16_mma:
      return "bf16_mma";
    case ConvEngine::cudnn:
      return "cudnn";
  }
  QUARRY_CHECK(false, "engine {}", static_cast<int>(engine));
}

gpu::ConvolutionProblem convolution_problem(const ConvShape& shape, ConvPass pass, ConvPrecision precision) {
  QUARRY_CHECK(shape.out_channels % 8 == 0 && shape.padding == (shape.kernel - 1) / 2,
               "{} out channels and padding {} of a {}x{} filter for cuDNN", shape.out_channels, shape.padding,
               shape.kernel, shape.kernel);
  using Problem = gpu::ConvolutionProblem;
  Problem problem;
  problem.images = shape.batch;
  problem.in_height = shape.in_height;
  problem.in_width = shape.in_width;
  problem.in_channels = padded_channels(shape.in_channels);
  problem.out_channels = shape.out_channels;
  problem.kernel = shape.kernel;
  problem.stride = shape.stride;
  problem.precision = precision == ConvPrecision::bf16 ? Problem::Precision::bf16 : Problem::Precision::fp32;
  problem.pass = pass == ConvPass::forward          ? Problem::Pass::forward
                 : pass == ConvPass::input_gradient ? Problem::Pass::input_gradient
                                                    : Problem::Pass::weight_gradient;
  return problem;
}

}  // namespace quarry
