// SPDX-License-Identifier: MIT
#include "tests/simt/emulator/matrix.h"

#include <bit>
#include <cmath>
#include <utility>

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
  float a[16][16], b[16][8], sum[16][8];
  for (unsigned k = 0; k < 16; ++k) {
    for (unsigned row = 0; row < 16; ++row) {
      const LaneProduct& lane = brought<LaneProduct>(lanes, 4 * (row % 8) + k % 8 / 2);
      a[row][k] = bfloat16(half(lane.a[row / 8 + 2 * (k / 8)], k % 2));
    }
    for (unsigned column = 0; column < 8; ++column) {
      b[k][column] = bfloat16(half(brought<LaneProduct>(lanes, 4 * column + k % 8 / 2).b[k / 8], k % 2));
    }
  }
  const auto of_sum = [](unsigned lane, unsigned i) {
    return std::pair{lane / 4 + 8 * (i / 2), 2 * (lane % 4) + i % 2};
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const auto [row, column] = of_sum(lane, i);
      sum[row][column] = brought<LaneProduct>(lanes, lane).c[i];
    }
  }
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned k = 0; k < 16; ++k) {
      for (unsigned column = 0; column < 8; ++column) {
        sum[row][column] = std::fma(a[row][k], b[k][column], sum[row][column]);
      }
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 4; ++i) {
      const auto [row, column] = of_sum(lane, i);
      brought<LaneProduct>(lanes, lane).d[i] = sum[row][column];
    }
  }
}

}  // namespace simt
