// SPDX-License-Identifier: MIT
// Smallest distances by matrix products: kTile candidates x kTile centres at a time by cuBLAS, then one warp per
// candidate takes the minimum of its row.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/distance_device.h"

namespace quarry {
namespace {

// Fixed: the shape of a product decides in which order cuBLAS adds. 4 MiB of products stay in the L2 cache.
constexpr std::int64_t kTile = 1024;
constexpr std::int32_t kWarp = 32;
constexpr std::int32_t kRowsPerBlock = 8;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// norms[r] = |row r|^2: one warp per row, sums by lane in feature order, then a tree over the lanes.
__global__ void row_norms(const float* rows, std::int64_t n, std::int64_t width, float* norms) {
  const std::int32_t lane = threadIdx.x % kWarp;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= n) return;  // a whole warp
  float sum = 0;
  for (std::int64_t f = lane; f < width; f += kWarp) sum = std::fma(rows[row * width + f], rows[row * width + f], sum);
  for (std::int32_t step = kWarp / 2; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (lane == 0) norms[row] = sum;
}

/// Takes a tile of products x.y into the smallest distances of its `rows` candidates; `columns` centres are there.
__global__ void nearest_of_products(const float* products, const float* candidate_norms, const float* center_norms,
                                    std::int32_t rows, std::int32_t columns, float* nearest) {
  const std::int32_t lane = threadIdx.x % kWarp;
  const std::int32_t row = blockIdx.x * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= rows) return;                            // a whole warp
  float best = lane == 0 ? nearest[row] : kInfinity;  // read by the lane that writes it: a shuffle orders no memory
  for (std::int32_t j = lane; j < columns; j += kWarp) {
    const float distance = std::fma(-2.0f, products[row * kTile + j], candidate_norms[row] + center_norms[j]);
    const float clamped = distance < 0 ? 0.0f : distance;  // NaN and infinity are below nothing
    if (clamped < best) best = clamped;
  }
  for (std::int32_t step = kWarp / 2; step > 0; step /= 2) {
    const float other = __shfl_down_sync(0xffffffffu, best, step);
    if (other < best) best = other;
  }
  if (lane == 0) nearest[row] = best;
}

constexpr std::int64_t tiles_of(std::int64_t rows) {
  return (rows + kTile - 1) / kTile;
}
constexpr std::int64_t round_up(std::int64_t floats) {
  return (floats + 63) / 64 * 64;
}
constexpr std::int64_t rows_in_tile(std::int64_t rows, std::int64_t tile) {
  return std::min(kTile, rows - tile * kTile);
}
gpu::LaunchShape warp_per_row(std::int64_t rows) {
  return {{static_cast<unsigned>((rows + kRowsPerBlock - 1) / kRowsPerBlock)}, {kRowsPerBlock * kWarp}};
}

/// Rows of a matrix in tiles of kTile rows; the last one is completed with zeros in `padded` [kTile][width].
class TiledRows {
 public:
  TiledRows(gpu::Session& session, const float* rows, std::int64_t n, std::int64_t width, float* padded)
      : rows_(rows), n_(n), width_(width), padded_(padded) {
    const std::int64_t rest = n % kTile;
    if (rest == 0) return;
    const auto size = static_cast<std::size_t>(rest * width), whole = static_cast<std::size_t>(kTile * width);
    session.copy_within(padded, rows + (n - rest) * width, size * sizeof(float));
    session.fill(padded + size, 0, (whole - size) * sizeof(float));
  }
  const float* tile(std::int64_t t) const { return rows_in_tile(n_, t) < kTile ? padded_ : rows_ + t * kTile * width_; }

 private:
  const float* rows_;
  std::int64_t n_, width_;
  float* padded_;
};

}  // namespace

std::size_t cuda::nearest_center_gemm_scratch(std::int64_t n, std::int64_t m, std::int64_t width) {
  const std::int64_t floats = kTile * kTile + 2 * kTile * width + round_up(n) + round_up(m);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

void cuda::nearest_center_gemm(gpu::Blas& blas, const float* candidates, std::int64_t n, const float* centers,
                               std::int64_t m, std::int64_t width, float* nearest, gpu::Scratch scratch) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  QUARRY_CHECK(n >= 0 && m >= 0 && n < kMost && m < kMost && width >= 1 && width < kMost,
               "{} candidates, {} centres, width {}", n, m, width);
  if (n == 0 || m == 0) return;
  QUARRY_CHECK(scratch.bytes >= nearest_center_gemm_scratch(n, m, width), "{} bytes of scratch where {} are needed",
               scratch.bytes, nearest_center_gemm_scratch(n, m, width));
  gpu::Session& session = blas.session();
  float* const products = static_cast<float*>(scratch.data);
  float* const candidate_room = products + kTile * kTile;
  float* const center_room = candidate_room + kTile * width;
  float* const candidate_norms = center_room + kTile * width;
  float* const center_norms = candidate_norms + round_up(n);
  gpu::launch(session, "row_norms", warp_per_row(n), row_norms, candidates, n, width, candidate_norms);
  gpu::launch(session, "row_norms", warp_per_row(m), row_norms, centers, m, width, center_norms);
  const TiledRows candidate_tiles(session, candidates, n, width, candidate_room);
  const TiledRows center_tiles(session, centers, m, width, center_room);
  for (std::int64_t j = 0; j < tiles_of(m); ++j) {
    for (std::int64_t i = 0; i < tiles_of(n); ++i) {
      blas.multiply_transposed(candidate_tiles.tile(i), center_tiles.tile(j), products, kTile, kTile,
                               static_cast<std::int32_t>(width));
      const auto rows = static_cast<std::int32_t>(rows_in_tile(n, i));
      gpu::launch(session, "nearest_of_products", warp_per_row(rows), nearest_of_products, products,
                  candidate_norms + i * kTile, center_norms + j * kTile, rows,
                  static_cast<std::int32_t>(rows_in_tile(m, j)), nearest + i * kTile);
    }
  }
}

}  // namespace quarry
