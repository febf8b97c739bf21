// SPDX-License-Identifier: MIT
// The warp's argsort beside numpy_argsort, which NumPy's goldens vouch for: ties, and keys that drive quicksort into
// its heaps.
#include <vector>

#include "kernels/warp_sort.h"
#include "quarry/core/rng.h"
#include "tests/simt/cases.h"

namespace quarry::cuda {
namespace {

/// Every partition of these leaves nearly everything on one side (tests/goldens/hpo/make_tpe_goldens.py).
constexpr std::int32_t kLopsided[] = {0,  30, 2,  60, 4,  32, 6,  60, 8,  34, 10, 60, 12, 36, 14, 60, 16, 38, 18, 60,
                                      20, 40, 22, 60, 24, 42, 26, 60, 28, 0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20,
                                      22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 60, 60, 60, 60, 60, 60, 60, 60, 60};

__global__ void sort_kernel(const double* x, std::int32_t n, std::int32_t* keys, std::int32_t* lists) {
  warp_argsort({x, keys, lists, lists + n}, n);
}

void expect_order(gpu::Session& session, const std::vector<double>& x) {
  const auto n = static_cast<std::int32_t>(x.size());
  const auto keys = gpu::upload<double>(session, x);
  const gpu::Buffer<std::int32_t> order(session, x.size()), lists(session, 2 * x.size());
  gpu::launch(session, "sort", {{1, 1, 1}, {32, 1, 1}}, sort_kernel, keys.data(), n, order.data(), lists.data());
  std::vector<std::int32_t> sorted(x.size()), expected(x.size());
  gpu::download<std::int32_t>(session, order.data(), sorted);
  numpy_argsort(x.data(), n, expected.data());
  simt::expect_equal<std::int32_t>(sorted, expected, "order");
}

SIMT_CASE(warp_sort_orders_equal_keys_as_numpy) {
  gpu::Session session(0);
  for (const std::uint64_t n : {1u, 2u, 16u, 17u, 34u, 35u, 51u, 150u}) {
    for (const std::uint64_t distinct : {1u, 2u, 5u, 1000u}) {
      std::vector<double> x;
      for (std::uint64_t i = 0; i < n; ++i) x.push_back(static_cast<double>(random_below(n, distinct, i)));
      expect_order(session, x);
    }
  }
}

SIMT_CASE(warp_sort_of_lopsided_partitions) {
  gpu::Session session(0);
  expect_order(session, std::vector<double>(std::begin(kLopsided), std::end(kLopsided)));
}

}  // namespace
}  // namespace quarry::cuda
