// SPDX-License-Identifier: MIT
// Inner loops of k-center and BADGE: rows against tiles of 32 points. A tile holds its points in lanes,
// [width][32], so that every lane adds up one pair in feature order; the sum of a pair is therefore the same
// whichever side is in the lanes, on every instruction set, and on a GPU with one thread per lane.
#pragma once

#include <cstdint>

#include "quarry/core/context.h"
#include "quarry/core/tensor.h"

namespace quarry::select {

inline constexpr std::int64_t kLanes = 32;
inline constexpr std::int64_t kRowGroup = 4;  ///< rows of one call

constexpr std::int64_t tile_count(std::int64_t points) {
  return (points + kLanes - 1) / kLanes;
}

/// Up to kRowGroup rows of `width` features each.
struct RowGroup {
  const float* row[kRowGroup];
  std::int64_t n;
};

/// Gradient embeddings g = q (x) h: residual rows q of `classes`, feature rows h of `width`, |g|^2 = |q|^2 |h|^2.
struct GradientRows {
  RowGroup q, h;
  double norm[kRowGroup];
};
struct GradientTiles {
  const float *q, *h;  ///< [n][classes][32], [n][width][32]
  const double* norm;  ///< [n][32]
  std::int64_t n, classes, width;
};

/// The functions of one instruction set; all give the same bits. A lane or row that holds a NaN changes nothing.
struct LaneKernels {
  /// nearest[r] = min(nearest[r], |row r - point|^2 over all points of the tiles).
  void (*distance_rows)(const RowGroup& rows, const float* tiles, std::int64_t n_tiles, std::int64_t width,
                        float* nearest);
  /// nearest[t][lane] = min(nearest[t][lane], |point - centre|^2).
  void (*distance_tiles)(const float* centre, const float* tiles, std::int64_t n_tiles, std::int64_t width,
                         float* nearest);
  /// The same two for |g - g'|^2, clamped at zero.
  void (*gradient_rows)(const GradientRows& rows, const GradientTiles& tiles, float* nearest);
  void (*gradient_tiles)(const GradientRows& centre, const GradientTiles& tiles, float* nearest);
  /// norms[r] = |row r|^2 of rows [n][width], with the bits of the dot product above.
  void (*square_norms)(const float* rows, std::int64_t n, std::int64_t width, float* norms);
};

extern const LaneKernels kPortableLanes, kAvx2Lanes, kAvx512Lanes;

const LaneKernels& lane_kernels(SimdLevel level);

/// Writes one point into lane `lane` of a tile.
void put_lane(const float* point, std::int64_t width, std::int64_t lane, float* tile);
/// Packs rows [n][width] into tile_count(n) tiles; absent lanes hold NaN.
void pack_tiles(Context& context, MatrixView<const float> rows, float* tiles);

/// Calls body(begin, end) for chunks of 0..n-1 whose bounds depend on n and `chunk` alone.
template <class Body>
void for_chunks(Context& context, std::int64_t n, std::int64_t chunk, const Body& body) {
  context.pool().parallel_for((n + chunk - 1) / chunk, [&](std::int64_t c, int) {
    const std::int64_t begin = c * chunk;
    body(begin, n - begin < chunk ? n : begin + chunk);
  });
}

}  // namespace quarry::select
