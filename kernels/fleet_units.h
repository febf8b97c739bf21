// SPDX-License-Identifier: MIT
// Tensors of a fleet for kernels that work number by number: units of 16 bytes, and the way of a block of 128 threads
// over rows (positions x images) and channels: each thread keeps its unit of channels and takes every lanes-th row.
#pragma once

#include <cstdint>

#include "kernels/simt.h"
#include "quarry/core/bfloat16.h"
#include "quarry/ops/conv_device.h"

namespace quarry::fleet {

constexpr int kThreads = 128;

template <class T>
struct Unit {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
};

__device__ inline void load_unit(const float* from, float (&out)[4]) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  out[0] = four.x;
  out[1] = four.y;
  out[2] = four.z;
  out[3] = four.w;
}
__device__ inline void load_unit(const Bfloat16* from, float (&out)[8]) {
  const uint4 four = *reinterpret_cast<const uint4*>(from);
  const unsigned words[4] = {four.x, four.y, four.z, four.w};
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    out[2 * i] = to_float(Bfloat16{static_cast<std::uint16_t>(words[i])});
    out[2 * i + 1] = to_float(Bfloat16{static_cast<std::uint16_t>(words[i] >> 16)});
  }
}
__device__ inline void store_unit(float* to, const float (&in)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(in[0], in[1], in[2], in[3]);
}
__device__ inline void store_unit(Bfloat16* to, const float (&in)[8]) {
  unsigned words[4];
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    words[i] = to_bfloat16(in[2 * i]).bits | static_cast<unsigned>(to_bfloat16(in[2 * i + 1]).bits) << 16;
  }
  *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}
/// kCount floats from a multiple of 16 bytes.
template <int kCount>
__device__ inline void load_floats(const float* from, float (&out)[kCount]) {
  QUARRY_UNROLL
  for (int i = 0; i < kCount; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(from + i);
    out[i] = four.x;
    out[i + 1] = four.y;
    out[i + 2] = four.z;
    out[i + 3] = four.w;
  }
}

/// Units that a block has side by side, at most.
constexpr int kSide = 8;

/// A thread's place: blockIdx.x counts slabs of rows, blockIdx.y groups of kSide units.
struct Lane {
  int channel;  ///< first of the thread's unit; behind the last channel where there is none
  int row, step, row_behind;
  int side, place;  ///< units of this block's group, and which of them is the thread's
  int lane;
};

template <class T>
__device__ inline Lane lane_of(int channels, int rows, int slab) {
  const int thread = static_cast<int>(threadIdx.x), units = channels / Unit<T>::kCount, first = blockIdx.y * kSide;
  const int side = units - first < kSide ? units - first : kSide, lanes = kThreads / side;
  const int lane = thread / side, place = thread % side, begin = static_cast<int>(blockIdx.x) * slab;
  const int behind = begin + slab < rows ? begin + slab : rows;
  const int channel = (first + place) * Unit<T>::kCount;
  return {channel, lane < lanes ? begin + lane : behind, lanes, behind, side, place, lane};
}

/// Rows before `row` that hold images.
__device__ inline int rows_present(int row, int batch, int images) {
  const int pixels = row / batch, rest = row - pixels * batch;
  return pixels * images + (rest < images ? rest : images);
}

inline gpu::LaunchShape lane_shape(int channels, int unit, int rows, int slab, int members) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((rows + slab - 1) / slab);
  shape.grid.y = static_cast<unsigned>((channels / unit + kSide - 1) / kSide);
  shape.grid.z = static_cast<unsigned>(members);
  shape.block.x = kThreads;
  return shape;
}

/// Calls run(T{}) with the number type of the precision.
template <class F>
void with_numbers(ConvPrecision precision, const F& run) {
  if (precision == ConvPrecision::bf16) {
    run(Bfloat16{});
  } else {
    run(float{});
  }
}

}  // namespace quarry::fleet
