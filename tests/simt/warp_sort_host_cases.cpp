// SPDX-License-Identifier: MIT
// The warp's argsort beside NumPy's: the goldens hold ties, runs, and keys that drive quicksort into its heaps.
#include <vector>

#include "kernels/warp_sort.h"
#include "tests/hpo/support.h"
#include "tests/simt/cases.h"

namespace quarry::cuda {
namespace {

__global__ void sort_kernel(const double* x, std::int32_t n, std::int32_t* keys, std::int32_t* lists) {
  warp_argsort({x, keys, lists, lists + n}, n);
}

SIMT_CASE_SEEDS(warp_sort_orders_equal_keys_as_numpy, 2) {
  gpu::Session session(0);
  const Json golden = read_golden("numpy_argsort.json");
  for (const Json& one : golden.at("cases").items()) {
    std::vector<double> x;
    std::vector<std::int32_t> expected;
    for (const Json& key : one.at("keys").items()) x.push_back(key.number());
    for (const Json& place : one.at("order").items()) expected.push_back(static_cast<std::int32_t>(place.integer()));
    const auto keys = gpu::upload<double>(session, x);
    const gpu::Buffer<std::int32_t> order(session, x.size()), lists(session, 2 * x.size());
    gpu::launch(session, "sort", {{1, 1, 1}, {32, 1, 1}}, sort_kernel, keys.data(), static_cast<std::int32_t>(x.size()),
                order.data(), lists.data());
    std::vector<std::int32_t> sorted(x.size());
    gpu::download<std::int32_t>(session, order.data(), sorted);
    simt::expect_equal<std::int32_t>(sorted, expected, "order");
  }
}

}  // namespace
}  // namespace quarry::cuda
