// SPDX-License-Identifier: MIT
// ldmatrix and mma by a whole warp. Each lane reads its own row of shared memory, so that a race is seen as one.
#pragma once

#include <cstdint>

#include "tests/simt/emulator/warp.h"

namespace simt {

/// What a lane brings and takes, on its own stack.
struct LaneMatrices {
  std::uint16_t row[8];
  unsigned out[4];
  bool transposed;
};
struct LaneProduct {
  unsigned a[4], b[2];
  float c[4], d[4];
};
// Combiners: see WarpCall; the value is the address of one of these.
void combine_ldmatrix(WarpCall* const* lanes);
void combine_mma(WarpCall* const* lanes);

}  // namespace simt

namespace quarry {

template <bool kTransposed = false>
void ldmatrix_x4(unsigned (&out)[4], const void* row, SIMT_HERE) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
    simt::fault({file, line}, "ldmatrix_x4: a row that does not begin at a multiple of 16 bytes");
  }
  simt::LaneMatrices mine = {};
  for (int i = 0; i < 8; ++i) mine.row[i] = static_cast<const std::uint16_t*>(row)[i];
  mine.transposed = kTransposed;
  simt::call_warp("ldmatrix_x4", &simt::combine_ldmatrix, 0xffffffffu, reinterpret_cast<std::uint64_t>(&mine), 0, 32,
                  {file, line});
  for (int i = 0; i < 4; ++i) out[i] = mine.out[i];
}

/// The sums of a lane go from column to column of a, one rounding a term.
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4], SIMT_HERE) {
  simt::LaneProduct mine = {};
  for (int i = 0; i < 4; ++i) mine.a[i] = a[i];
  for (int i = 0; i < 2; ++i) mine.b[i] = b[i];
  for (int i = 0; i < 4; ++i) mine.c[i] = c[i];
  simt::call_warp("mma_bf16", &simt::combine_mma, 0xffffffffu, reinterpret_cast<std::uint64_t>(&mine), 0, 32,
                  {file, line});
  for (int i = 0; i < 4; ++i) d[i] = mine.d[i];
}

}  // namespace quarry
