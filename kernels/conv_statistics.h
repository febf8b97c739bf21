// SPDX-License-Identifier: MIT
// The tile of conv_forward, and the statistics that it leaves behind (quarry/ops/conv_device.h).
#pragma once

#include <cmath>

#include "kernels/conv_layer.h"

namespace quarry::conv {

constexpr int kRows = 128, kRowParts = 2, kColumnParts = kColumns / 8;

/// A thread's numbers of a tile: rows 8 apart, columns in twos.
using Sums = float[kRowParts][kColumnParts][4];

/// Of each column the sum over the tile's rows, in all threads: lanes by halving, then the warps in order.
__device__ inline void sum_columns(float (&columns)[kColumnParts][2], float (&shared)[kWarps][kColumns]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  QUARRY_UNROLL
  for (int j = 0; j < kColumnParts; ++j) {
    QUARRY_UNROLL
    for (int c = 0; c < 2; ++c) {
      float sum = columns[j][c];
      sum += __shfl_xor_sync(0xffffffffu, sum, 4);
      sum += __shfl_xor_sync(0xffffffffu, sum, 8);
      sum += __shfl_xor_sync(0xffffffffu, sum, 16);
      if (lane < 4) shared[warp][8 * j + 2 * lane + c] = sum;
    }
  }
  __syncthreads();
  QUARRY_UNROLL
  for (int j = 0; j < kColumnParts; ++j) {
    QUARRY_UNROLL
    for (int c = 0; c < 2; ++c) {
      const int column = 8 * j + 2 * (lane % 4) + c;
      columns[j][c] = ((shared[0][column] + shared[1][column]) + shared[2][column]) + shared[3][column];
    }
  }
  __syncthreads();  // before the next sums
}

/// Mean and squared deviations of each column over the rows that hold images. acc holds what was stored, 0 elsewhere.
__device__ inline void write_statistics(const Sums& acc, const Layer& layer, int model, int images, int rows,
                                        float* statistics) {
  QUARRY_SHARED(float, shared, [kWarps][kColumns]);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const int first_row = static_cast<int>(blockIdx.x) * kRows;
  const int behind = first_row + kRows < rows ? first_row + kRows : rows;
  const int present =
      fleet::rows_present(behind, layer.batch, images) - fleet::rows_present(first_row, layer.batch, images);
  const float share = present == 0 ? 0.0f : 1.0f / static_cast<float>(present);
  float mean[kColumnParts][2], squares[kColumnParts][2];
  QUARRY_UNROLL
  for (int j = 0; j < kColumnParts; ++j) {
    QUARRY_UNROLL
    for (int c = 0; c < 2; ++c) mean[j][c] = (acc[0][j][c] + acc[0][j][c + 2]) + (acc[1][j][c] + acc[1][j][c + 2]);
  }
  sum_columns(mean, shared);
  bool here[2 * kRowParts];
  QUARRY_UNROLL
  for (int r = 0; r < 2 * kRowParts; ++r) {
    const int row = first_row + thread / kWarp * 16 * kRowParts + 8 * r + lane / 4;
    here[r] = row < rows && row % layer.batch < images;
  }
  QUARRY_UNROLL
  for (int j = 0; j < kColumnParts; ++j) {
    QUARRY_UNROLL
    for (int c = 0; c < 2; ++c) {
      mean[j][c] *= share;
      squares[j][c] = 0;
      QUARRY_UNROLL
      for (int r = 0; r < 2 * kRowParts; ++r) {
        const float off = acc[r / 2][j][r % 2 * 2 + c] - mean[j][c];
        if (here[r]) squares[j][c] = std::fma(off, off, squares[j][c]);
      }
    }
  }
  sum_columns(squares, shared);
  if (thread / 4 != 0) return;  // one row of lanes holds every column
  float* const out = statistics + (std::int64_t{model} * gridDim.x + blockIdx.x) * 2 * layer.out_channels;
  QUARRY_UNROLL
  for (int j = 0; j < kColumnParts; ++j) {
    const int column = static_cast<int>(blockIdx.y) * kColumns + 8 * j + 2 * lane;
    if (column >= layer.out_channels) continue;
    store_two(out + column, mean[j][0], mean[j][1]);
    store_two(out + layer.out_channels + column, squares[j][0], squares[j][1]);
  }
}

}  // namespace quarry::conv
