// SPDX-License-Identifier: MIT
#include "tests/simt/emulator/matrix.h"

#include <bit>
#include <cmath>

namespace simt {
namespace {

template <class Lane>
Lane& brought(WarpCall* const* lanes, unsigned lane) {
  return *reinterpret_cast<Lane*>(lanes[lane]->value);
}

float bfloat16(unsigned bits) {
  return std::bit_cast<float>(bits << 16);
}
unsigned half(unsigned pair, unsigned which) {
  return which == 0 ? pair & 0xffffu : pair >> 16;
}

}  // namespace

void combine_ldmatrix(WarpCall* const* lanes) {
  for (unsigned lane = 0; lane < 32; ++lane) {
    LaneMatrices& mine = brought<LaneMatrices>(lanes, lane);
    const unsigned row = lane / 4, column = 2 * (lane % 4);
    for (unsigned m = 0; m < 4; ++m) {
      const auto at = [&](unsigned r, unsigned c) -> unsigned {
        return mine.transposed ? brought<LaneMatrices>(lanes, 8 * m + c).row[r]
                               : brought<LaneMatrices>(lanes, 8 * m + r).row[c];
      };
      mine.out[m] = at(row, column) | at(row, column + 1) << 16;
    }
  }
}

void combine_mma(WarpCall* const* lanes) {
  // Element (row, k) of a is in lane 4 (row % 8) + k % 8 / 2; (k, column) of b in lane 4 column + k % 8 / 2.
  const auto a_at = [&](unsigned row, unsigned k) {
    return bfloat16(half(brought<LaneProduct>(lanes, 4 * (row % 8) + k % 8 / 2).a[row / 8 + 2 * (k / 8)], k % 2));
  };
  const auto b_at = [&](unsigned k, unsigned column) {
    return bfloat16(half(brought<LaneProduct>(lanes, 4 * column + k % 8 / 2).b[k / 8], k % 2));
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    LaneProduct& mine = brought<LaneProduct>(lanes, lane);
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = lane / 4 + 8 * (i / 2), column = 2 * (lane % 4) + i % 2;
      float sum = mine.c[i];
      for (unsigned k = 0; k < 16; ++k) sum = std::fma(a_at(row, k), b_at(k, column), sum);
      mine.d[i] = sum;
    }
  }
}

}  // namespace simt
