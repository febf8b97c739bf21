// SPDX-License-Identifier: MIT
// Distances by matrix products beside float64, within the bound of the sums, and beside the CPU's own distances.
#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/rng.h"
#include "quarry/ops/distance_device.h"
#include "quarry/ops/k_center.h"
#include "tests/simt/cases.h"
#include "tests/simt/emulator/sanitizer.h"

namespace quarry {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Points {
  std::int64_t n, width;
  std::vector<float> values;
  const float* row(std::int64_t i) const { return values.data() + i * width; }
};

Points random_points(std::int64_t n, std::int64_t width, std::uint64_t key) {
  Points points{n, width, {}};
  for (std::int64_t i = 0; i < n * width; ++i) {
    points.values.push_back(static_cast<float>(random_uniform(key, static_cast<std::uint64_t>(i)) - 0.3));
  }
  return points;
}
Points integer_points(std::int64_t n, std::int64_t width, std::uint64_t key) {
  Points points{n, width, {}};
  for (std::int64_t i = 0; i < n * width; ++i) {
    points.values.push_back(static_cast<float>(random_u32(key, static_cast<std::uint64_t>(i)) % 17) - 8);
  }
  return points;
}

std::vector<float> on_device(const Points& candidates, const Points& centers, std::vector<float> nearest) {
  gpu::fake_gpu().info.major = 8;  // a small workspace
  gpu::Session session(0);
  gpu::Blas blas(session);
  const auto x = gpu::upload<float>(session, candidates.values), y = gpu::upload<float>(session, centers.values);
  const auto result = gpu::upload<float>(session, nearest);
  const std::size_t bytes = cuda::nearest_center_gemm_scratch(candidates.n, centers.n, candidates.width);
  const gpu::Buffer<unsigned char> scratch(session, bytes);
  const auto blocking = session.counters().blocking;
  cuda::nearest_center_gemm(blas, x.data(), candidates.n, y.data(), centers.n, candidates.width, result.data(),
                            {scratch.data(), bytes});
  simt::expect(session.counters().blocking == blocking, "distances blocked");
  gpu::download<float>(session, result.data(), nearest);
  return nearest;
}
std::vector<float> on_device(const Points& candidates, const Points& centers) {
  return on_device(candidates, centers, std::vector<float>(static_cast<std::size_t>(candidates.n), kInfinity));
}

/// Where the smallest distance may lie when every sum over w terms is off by u sqrt(w) times the sum of their sizes.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = low;
};
Range allowed(const float* x, const Points& centers) {
  const double u = std::ldexp(1, -24), root = std::sqrt(static_cast<double>(centers.width));
  Range range;
  for (std::int64_t j = 0; j < centers.n; ++j) {
    double distance = 0, norms = 0, products = 0, product = 0;
    for (std::int64_t f = 0; f < centers.width; ++f) {
      const double a = x[f], b = centers.row(j)[f];
      distance += (a - b) * (a - b);
      norms += a * a + b * b;
      products += std::fabs(a * b);
      product += a * b;
    }
    const double bound = u * (root * (norms + 2 * products) + 2 * norms + 2 * std::fabs(product) + distance);
    range.low = std::min(range.low, distance - bound);
    range.high = std::min(range.high, distance + bound);
  }
  return range;
}

void check_bounds(std::int64_t n, std::int64_t m, std::int64_t width) {
  const Points candidates = random_points(n, width, 1), centers = random_points(m, width, 2);
  const std::vector<float> got = on_device(candidates, centers);
  std::vector<float> cpu(got.size(), kInfinity);
  Context context;
  nearest_center(context, matrix(candidates.values.data(), n, width), matrix(centers.values.data(), m, width), cpu);
  for (std::int64_t i = 0; i < n; ++i) {
    const Range range = allowed(candidates.row(i), centers);
    const double d = got[static_cast<std::size_t>(i)], d_cpu = cpu[static_cast<std::size_t>(i)];
    simt::expect(d >= range.low && d <= range.high, "distance %d is %g, not in %g .. %g", static_cast<int>(i), d,
                 range.low, range.high);
    simt::expect(std::fabs(d - d_cpu) <= range.high - range.low, "distance %d is %g, the CPU's is %g",
                 static_cast<int>(i), d, d_cpu);
  }
}
SIMT_CASE(distances_by_products_are_within_their_bound) {
  check_bounds(1, 1, 1);
  check_bounds(9, 33, 5);
  check_bounds(33, 31, 64);
}
SIMT_CASE(distances_by_products_of_wide_features) {
  check_bounds(40, 70, 100);
}

// One tile of candidates, two of centres: a race shows there as well, and each CUDA thread costs under its detector.
constexpr std::int64_t kManyCandidates = simt::kRaceDetector ? 40 : 1030;

SIMT_CASE(distances_by_products_over_tiles_are_exact_for_integers) {
  const Points candidates = integer_points(kManyCandidates, 3, 3), centers = integer_points(1027, 3, 4);
  const std::vector<float> got = on_device(candidates, centers);
  std::vector<float> want(got.size(), kInfinity);
  Context context;
  nearest_center(context, matrix(candidates.values.data(), candidates.n, 3), matrix(centers.values.data(), 1027, 3),
                 want);
  simt::expect_equal<float>(got, want, "distances");
}

SIMT_CASE(distances_by_products_do_not_depend_on_other_rows) {
  const Points centers = random_points(20, 9, 5);
  Points many = random_points(kManyCandidates, 9, 6);
  const std::vector<float> all = on_device(many, centers);
  many.values.erase(many.values.begin(), many.values.end() - 14 * 9);
  many.n = 14;
  const std::vector<float> last = on_device(many, centers);
  simt::expect_equal<float>(last, std::vector<float>(all.end() - 14, all.end()), "distances");
}

SIMT_CASE(distances_that_are_not_finite_change_nothing) {
  Points candidates = integer_points(4, 2, 7), centers = integer_points(3, 2, 8);
  candidates.values[2] = kInfinity;                                // candidate 1
  candidates.values[4] = std::numeric_limits<float>::quiet_NaN();  // candidate 2
  centers.values[1] = -kInfinity;                                  // centre 0
  candidates.values[6] = candidates.values[7] = 3e19f;             // candidate 3: its norm overflows
  std::vector<float> want = {kInfinity, kInfinity, 6, 7};
  for (std::int64_t j = 1; j < 3; ++j) {
    const float a = candidates.values[0] - centers.row(j)[0], b = candidates.values[1] - centers.row(j)[1];
    want[0] = std::min(want[0], a * a + b * b);
  }
  simt::expect_equal<float>(on_device(candidates, centers, {kInfinity, kInfinity, 6, 7}), want, "distances");
}

SIMT_CASE(distances_keep_what_is_nearer_and_are_never_negative) {
  Points one{1, 3, {0.1f, 0.7f, -0.3f}};
  simt::expect_equal<float>(on_device(one, integer_points(5, 3, 9), {0.125f}), std::vector<float>{0.125f}, "kept");
  Points shifted = random_points(64, 33, 10);
  for (float& x : shifted.values) x += 50;  // distances of 0 whose products are rounded
  for (const float d : on_device(shifted, shifted)) simt::expect(d >= 0, "a distance of %g", static_cast<double>(d));
}

SIMT_CASE(distances_of_nothing) {
  const Points none{0, 3, {}}, some = integer_points(2, 3, 11);
  simt::expect_equal<float>(on_device(some, none, {1, 2}), std::vector<float>{1, 2}, "no centre");
  simt::expect_equal<float>(on_device(none, some, {}), std::vector<float>{}, "no candidate");
}

}  // namespace
}  // namespace quarry
