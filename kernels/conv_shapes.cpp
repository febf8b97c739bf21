// SPDX-License-Identifier: MIT
// Sizes of convolutions and their normalisation on a GPU: pure functions of the layer.
#include "quarry/ops/batch_norm_device.h"
#include "quarry/ops/conv_device.h"

namespace quarry {
namespace {

constexpr std::int32_t kTileRows = 128, kTileColumns = 64;

std::int32_t parts(std::int64_t n, std::int32_t size) {
  return static_cast<std::int32_t>((n + size - 1) / size);
}
std::int64_t rows_in(const ConvShape& s) {
  return std::int64_t{s.in_height} * s.in_width * s.batch;
}
std::int64_t rows_out(const ConvShape& s) {
  return std::int64_t{s.out_height} * s.out_width * s.batch;
}
std::int32_t splits(const ConvShape& s) {
  return parts(rows_out(s), s.split_rows);
}

gpu::LaunchShape launch(std::int32_t x, std::int32_t y, std::int32_t z) {
  gpu::LaunchShape shape;
  shape.grid = {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
  shape.block.x = 128;
  return shape;
}

}  // namespace

std::int64_t conv_input_size(const ConvShape& s) {
  return rows_in(s) * padded_channels(s.in_channels);
}
std::int64_t conv_output_size(const ConvShape& s) {
  return rows_out(s) * padded_channels(s.out_channels);
}
std::int64_t conv_weight_size(const ConvShape& s) {
  return std::int64_t{s.out_channels} * s.kernel * s.kernel * padded_channels(s.in_channels);
}
std::int32_t conv_tiles(const ConvShape& s) {
  return parts(rows_out(s), kTileRows);
}
std::int64_t conv_statistics_size(const ConvShape& s) {
  return std::int64_t{2} * conv_tiles(s) * padded_channels(s.out_channels);
}
std::size_t conv_scratch(const ConvShape& s, std::int32_t members) {
  const std::size_t pieces = static_cast<std::size_t>(splits(s));
  return pieces == 1 ? 0 : pieces * static_cast<std::size_t>(members * conv_weight_size(s)) * sizeof(float);
}

std::int64_t batch_norm_slabs(const BatchNormShape& s) {
  return parts(std::int64_t{s.height} * s.width * s.batch, kBatchNormSlab);
}
std::size_t batch_norm_scratch(const BatchNormShape& s, std::int32_t members) {
  return static_cast<std::size_t>(members * padded_channels(s.channels) * (2 * batch_norm_slabs(s) + 3)) *
         sizeof(float);
}

namespace cuda {

gpu::LaunchShape conv_forward_launch(const ConvShape& s, std::int32_t members) {
  return launch(conv_tiles(s), parts(padded_channels(s.out_channels), kTileColumns), members);
}
gpu::LaunchShape conv_input_gradient_launch(const ConvShape& s, std::int32_t members) {
  return launch(parts(rows_in(s), kTileRows), parts(padded_channels(s.in_channels), kTileColumns), members);
}
gpu::LaunchShape conv_weight_gradient_launch(const ConvShape& s, std::int32_t members) {
  const std::int32_t columns = s.kernel * s.kernel * padded_channels(s.in_channels);
  return launch(parts(columns, kTileColumns), parts(s.out_channels, kTileColumns), members * splits(s));
}

}  // namespace cuda
}  // namespace quarry
