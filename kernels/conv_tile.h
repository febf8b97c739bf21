// SPDX-License-Identifier: MIT
// Matrix products of a thread block of four warps, float by fma or Bfloat16 by tensor cores, from tiles in shared
// memory of the same bytes: a chunk is 64 bytes along the summed axis. A tile lies as
//   wide   [row][chunk]    rows of 80 bytes
//   deep   [chunk][64]     rows of 64 numbers and 16 bytes
// so that eight rows begin in different banks. The sums of a warp lie on its lanes as mma.m16n8k16 has them, in both
// engines: acc[i][j][e] is row 16 i + lane / 4 + 8 (e / 2), column 8 j + 2 (lane % 4) + e % 2 of the warp's part.
#pragma once

#include <cmath>

#include "kernels/simt.h"
#include "quarry/core/bfloat16.h"

namespace quarry::conv {

constexpr int kThreads = 128, kWarp = 32, kWarps = kThreads / kWarp;
constexpr int kStages = 3;    ///< chunks on their way
constexpr int kColumns = 64;  ///< of a tile, and rows of a deep one
constexpr int kUnitBytes = 16, kChunkUnits = 4;

template <class T>
struct Tile {
  static constexpr int kUnit = kUnitBytes / static_cast<int>(sizeof(T));
  static constexpr int kChunk = kChunkUnits * kUnit;
  static constexpr int kWidePitch = kChunk + kUnit;
  static constexpr int kDeepPitch = kColumns + kUnit;
  static constexpr int kDeepUnits = kColumns / kUnit;  ///< of a row
};

/// A unit of 16 bytes to shared memory; absent ones are zero.
template <class T>
__device__ inline void bring_unit(T* to, const T* from, bool present) {
  if (present) {
    async_copy<kUnitBytes>(to, from);
  } else {
    *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
  }
}

/// acc += a b over a chunk. a points at the warp's first row, b at its first column; from the first part that lies
/// behind `columns` on, sums stay as they are.
template <bool kDeepA, bool kDeepB, int kRowParts, int kColumnParts>
__device__ inline void multiply_chunk(float (&acc)[kRowParts][kColumnParts][4], const float* a, const float* b,
                                      int columns) {
  using Float = Tile<float>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = 2 * (lane % 4);
  QUARRY_UNROLL
  for (int k = 0; k < Float::kChunk; k += 4) {
    float left[2 * kRowParts][4];
    QUARRY_UNROLL
    for (int r = 0; r < 2 * kRowParts; ++r) {
      if constexpr (kDeepA) {
        QUARRY_UNROLL
        for (int q = 0; q < 4; ++q) left[r][q] = a[(k + q) * Float::kDeepPitch + 8 * r + g];
      } else {
        const float4 four = *reinterpret_cast<const float4*>(a + (8 * r + g) * Float::kWidePitch + k);
        left[r][0] = four.x;
        left[r][1] = four.y;
        left[r][2] = four.z;
        left[r][3] = four.w;
      }
    }
    QUARRY_UNROLL
    for (int j = 0; j < kColumnParts; ++j) {
      if (8 * j >= columns) break;
      float right[2][4];
      if constexpr (kDeepB) {
        QUARRY_UNROLL
        for (int q = 0; q < 4; ++q) {
          const float2 two = *reinterpret_cast<const float2*>(b + (k + q) * Float::kDeepPitch + 8 * j + t);
          right[0][q] = two.x;
          right[1][q] = two.y;
        }
      } else {
        QUARRY_UNROLL
        for (int c = 0; c < 2; ++c) {
          const float4 four = *reinterpret_cast<const float4*>(b + (8 * j + t + c) * Float::kWidePitch + k);
          right[c][0] = four.x;
          right[c][1] = four.y;
          right[c][2] = four.z;
          right[c][3] = four.w;
        }
      }
      QUARRY_UNROLL
      for (int q = 0; q < 4; ++q) {
        QUARRY_UNROLL
        for (int r = 0; r < 2 * kRowParts; ++r) {
          QUARRY_UNROLL
          for (int c = 0; c < 2; ++c) {
            float& sum = acc[r / 2][j][r % 2 * 2 + c];
            sum = std::fma(left[r][q], right[c][q], sum);
          }
        }
      }
    }
  }
}

/// kWhole: without asking for each part whether it lies behind the columns, so that reads run ahead.
template <bool kDeepA, bool kDeepB, bool kWhole, int kRowParts, int kColumnParts>
__device__ inline void multiply_parts(float (&acc)[kRowParts][kColumnParts][4], const Bfloat16* a, const Bfloat16* b,
                                      int columns) {
  using Half = Tile<Bfloat16>;
  static_assert(kColumnParts % 2 == 0, "the columns are read two parts at a time");
  const int lane = static_cast<int>(threadIdx.x) % kWarp, row = lane % 8;
  const int first = lane / 8 % 2 * 8, second = lane / 16 * 8;  // of the matrix whose row this lane names
  QUARRY_UNROLL
  for (int k = 0; k < Half::kChunk; k += 16) {
    unsigned left[kRowParts][4];
    QUARRY_UNROLL
    for (int i = 0; i < kRowParts; ++i) {
      if constexpr (kDeepA) {
        ldmatrix_x4<true>(left[i], a + (k + second + row) * Half::kDeepPitch + 16 * i + first);
      } else {
        ldmatrix_x4<false>(left[i], a + (16 * i + first + row) * Half::kWidePitch + k + second);
      }
    }
    QUARRY_UNROLL
    for (int j = 0; j < kColumnParts; j += 2) {
      if (!kWhole && 8 * j >= columns) break;
      unsigned right[4];
      if constexpr (kDeepB) {
        ldmatrix_x4<true>(right, b + (k + first + row) * Half::kDeepPitch + 8 * j + second);
      } else {
        ldmatrix_x4<false>(right, b + (8 * j + second + row) * Half::kWidePitch + k + first);
      }
      QUARRY_UNROLL
      for (int i = 0; i < kRowParts; ++i) {
        mma_bf16(acc[i][j], left[i], {right[0], right[1]}, acc[i][j]);
        mma_bf16(acc[i][j + 1], left[i], {right[2], right[3]}, acc[i][j + 1]);
      }
    }
  }
}

template <bool kDeepA, bool kDeepB, int kRowParts, int kColumnParts>
__device__ inline void multiply_chunk(float (&acc)[kRowParts][kColumnParts][4], const Bfloat16* a, const Bfloat16* b,
                                      int columns) {
  if (columns >= 8 * kColumnParts) {
    multiply_parts<kDeepA, kDeepB, true>(acc, a, b, columns);
  } else {
    multiply_parts<kDeepA, kDeepB, false>(acc, a, b, columns);
  }
}

/// Two neighbouring numbers to memory at once.
__device__ inline void store_two(float* to, float first, float second) {
  *reinterpret_cast<float2*>(to) = make_float2(first, second);
}
__device__ inline void store_two(Bfloat16* to, float first, float second) {
  *reinterpret_cast<unsigned*>(to) = to_bfloat16(first).bits | static_cast<unsigned>(to_bfloat16(second).bits) << 16;
}

}  // namespace quarry::conv
