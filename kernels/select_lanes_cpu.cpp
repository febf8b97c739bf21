// SPDX-License-Identifier: MIT
// The portable inner loops, the choice of an instruction set, and packing.
#include <cmath>
#include <limits>

#include "kernels/badge_rules.h"
#include "kernels/select_lanes.h"

namespace {

struct Lanes {
  static constexpr int kRows = 1;
  float v[32];

  static Lanes zero() { return broadcast(0); }
  static Lanes load(const float* p) {
    Lanes x;
    for (int i = 0; i < 32; ++i) x.v[i] = p[i];
    return x;
  }
  static Lanes broadcast(float value) {
    Lanes x;
    for (float& lane : x.v) lane = value;
    return x;
  }
  static Lanes fma(const Lanes& x, const Lanes& y, Lanes z) {
    for (int i = 0; i < 32; ++i) z.v[i] = std::fma(x.v[i], y.v[i], z.v[i]);
    return z;
  }
  void store(float* p) const {
    for (int i = 0; i < 32; ++i) p[i] = v[i];
  }
  Lanes operator-(Lanes other) const {
    for (int i = 0; i < 32; ++i) other.v[i] = v[i] - other.v[i];
    return other;
  }
  bool any_below(const Lanes& limit) const {
    bool any = false;
    for (int i = 0; i < 32; ++i) any |= v[i] < limit.v[i];
    return any;
  }
  /// x where it is below the limit (never where it is NaN), else the limit.
  static Lanes lower(const Lanes& x, Lanes limit) {
    for (int i = 0; i < 32; ++i) limit.v[i] = x.v[i] < limit.v[i] ? x.v[i] : limit.v[i];
    return limit;
  }
  static float smallest(const Lanes& x, const Lanes& limit) {
    const Lanes y = lower(x, limit);
    float least = y.v[0];
    for (float lane : y.v) least = lane < least ? lane : least;
    return least;
  }
  static Lanes gradient_distance(Lanes qq, const Lanes& hh, double norm, const double* norms) {
    for (int i = 0; i < 32; ++i) {
      qq.v[i] = quarry::badge_rules::gradient_distance(qq.v[i], hh.v[i], norm, norms[i]);
    }
    return qq;
  }
};

#include "kernels/select_lanes.inl"

}  // namespace

namespace quarry::select {

const LaneKernels kPortableLanes = {distance_rows, distance_tiles, gradient_rows, gradient_tiles, square_norms};

const LaneKernels& lane_kernels(SimdLevel level) {
  switch (level) {
    case SimdLevel::avx512:
      return kAvx512Lanes;
    case SimdLevel::avx2:
      return kAvx2Lanes;
    case SimdLevel::portable:
      break;
  }
  return kPortableLanes;
}

void put_lane(const float* point, std::int64_t width, std::int64_t lane, float* tile) {
  for (std::int64_t f = 0; f < width; ++f) tile[f * kLanes + lane] = point[f];
}

namespace {

/// Rows of one tile, 16 features at a time so that both sides stay in the first-level cache.
void pack_tile(const float* rows, std::int64_t present, std::int64_t width, float* tile) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t begin = 0; begin < width; begin += kBlock) {
    const std::int64_t end = width - begin < kBlock ? width : begin + kBlock;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const float* row = rows + lane * width;
      for (std::int64_t f = begin; f < end; ++f) {
        tile[f * kLanes + lane] = lane < present ? row[f] : std::numeric_limits<float>::quiet_NaN();
      }
    }
  }
}

}  // namespace

void pack_tiles(Context& context, MatrixView<const float> rows, float* tiles) {
  const std::int64_t n = rows.extent[0], width = rows.extent[1];
  for_chunks(context, tile_count(n), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int64_t left = n - t * kLanes;
      pack_tile(rows.data + t * kLanes * width, left < kLanes ? left : kLanes, width, tiles + t * width * kLanes);
    }
  });
}

}  // namespace quarry::select
