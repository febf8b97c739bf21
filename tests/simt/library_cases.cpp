// SPDX-License-Identifier: MIT
// The stand-ins of the libraries beside plain loops: what callers are tested with has to keep the contract too.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "quarry/core/gpu_library.h"
#include "quarry/core/rng.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

const std::vector<std::int64_t> kSizes = {1, 2, 31, 32, 33, 127, 1000};

/// n numbers below `distinct`.
template <class T>
std::vector<T> numbers(std::int64_t n, std::uint64_t key, std::uint32_t distinct) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < n; ++i) {
    values.push_back(static_cast<T>(random_u32(key, static_cast<std::uint64_t>(i)) % distinct));
  }
  return values;
}

/// Keys of which every fifth repeats the one before.
std::vector<std::uint64_t> wide_keys(std::int64_t n) {
  std::vector<std::uint64_t> keys;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t high = random_u32(1, static_cast<std::uint64_t>(i));
    keys.push_back(i % 5 == 4 ? keys.back() : high << 32 | random_u32(2, static_cast<std::uint64_t>(i)));
  }
  return keys;
}

struct Device {
  gpu::Session session{0};
  gpu::Buffer<unsigned char> room;

  template <class T>
  gpu::Buffer<T> put(const std::vector<T>& values) {
    return gpu::upload<T>(session, values);
  }
  template <class T>
  std::vector<T> get(const gpu::Buffer<T>& buffer) {
    std::vector<T> values(buffer.size());
    gpu::download<T>(session, buffer.data(), values);
    return values;
  }
  template <class T>
  void expect(const gpu::Buffer<T>& got, const std::vector<T>& want, const char* what) {
    simt::expect_equal<T>(get(got), want, what);
  }
  gpu::Scratch scratch(std::size_t bytes) {
    room = gpu::Buffer<unsigned char>(session, bytes);
    return {room.data(), bytes};
  }
};

SIMT_CASE(library_sorts_keys_from_the_largest) {
  Device device;
  for (const std::int64_t n : kSizes) {
    std::vector<std::uint64_t> keys = wide_keys(n);
    const auto in = device.put(keys);
    const gpu::Buffer<std::uint64_t> out(device.session, keys.size());
    gpu::sort_keys_descending(device.session, in.data(), out.data(), n, device.scratch(gpu::sort_scratch(n)));
    device.expect(in, keys, "the keys stay");
    std::sort(keys.begin(), keys.end(), std::greater<>());
    device.expect(out, keys, "sorted");
  }
}

SIMT_CASE(library_sort_of_pairs_is_stable) {
  Device device;
  for (const std::int64_t n : kSizes) {
    const auto keys = numbers<std::uint64_t>(n, 3, 7);
    std::vector<std::int32_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0);
    const auto device_keys = device.put(keys);
    const auto device_order = device.put(order);
    gpu::sort_pairs(device.session, device_keys.data(), device_order.data(), n, device.scratch(gpu::sort_scratch(n)));
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
    });
    device.expect(device_order, order, "values");
    std::vector<std::uint64_t> sorted = keys;
    std::sort(sorted.begin(), sorted.end());
    device.expect(device_keys, sorted, "keys");
  }
}

template <class T>
void check_sums() {
  Device device;
  for (const std::int64_t n : kSizes) {
    const std::vector<T> values = numbers<T>(n, 4, 1000);
    const auto in = device.put(values);
    const gpu::Buffer<T> inclusive(device.session, values.size()), exclusive(device.session, values.size());
    const gpu::Scratch scratch = device.scratch(gpu::scan_scratch(n));
    gpu::inclusive_sum(device.session, in.data(), inclusive.data(), n, scratch);
    gpu::exclusive_sum(device.session, in.data(), exclusive.data(), n, scratch);
    std::vector<T> expected(values.size());
    std::inclusive_scan(values.begin(), values.end(), expected.begin());
    device.expect(inclusive, expected, "inclusive");
    std::exclusive_scan(values.begin(), values.end(), expected.begin(), T{0});
    device.expect(exclusive, expected, "exclusive");
    gpu::exclusive_sum(device.session, in.data(), in.data(), n, scratch);
    device.expect(in, expected, "in place");
  }
}
SIMT_CASE(library_sums_of_32_bits) {
  check_sums<std::int32_t>();
}
SIMT_CASE(library_sums_of_64_bits) {
  check_sums<std::int64_t>();
}
SIMT_CASE(library_sums_wrap_around) {
  constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
  Device device;
  const auto in = device.put(std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::max(), 1, 5});
  gpu::inclusive_sum(device.session, in.data(), in.data(), 3, device.scratch(gpu::scan_scratch(3)));
  device.expect(in, {-(kLowest + 1), kLowest, kLowest + 5}, "sums");
}

void check_flags(std::int64_t n, std::uint32_t distinct) {
  Device device;
  const auto values = numbers<std::int32_t>(n, 5, 100000);
  const auto flags = numbers<std::uint8_t>(n, 6, distinct);
  const auto device_values = device.put(values);
  const auto device_flags = device.put(flags);
  const gpu::Buffer<std::int32_t> selected(device.session, values.size()), parted(device.session, values.size());
  const gpu::Buffer<std::int32_t> counts(device.session, 2);
  const gpu::Scratch scratch = device.scratch(gpu::scan_scratch(n));
  gpu::select_flagged(device.session, device_values.data(), device_flags.data(), selected.data(), counts.data(), n,
                      scratch);
  gpu::partition_flagged(device.session, device_values.data(), device_flags.data(), parted.data(), counts.data() + 1, n,
                         scratch);
  std::vector<std::int32_t> yes, no;
  for (std::size_t i = 0; i < values.size(); ++i) (flags[i] != 0 ? yes : no).push_back(values[i]);
  const auto taken = static_cast<std::int32_t>(yes.size());
  device.expect(counts, {taken, taken}, "counts");
  std::vector<std::int32_t> front = device.get(selected);
  front.resize(yes.size());
  simt::expect_equal<std::int32_t>(front, yes, "selected");
  yes.insert(yes.end(), no.rbegin(), no.rend());
  device.expect(parted, yes, "parted");
}
SIMT_CASE(library_selects_and_parts_what_is_flagged) {
  for (const std::int64_t n : kSizes) {
    for (const std::uint32_t distinct : {1u, 2u, 9u}) check_flags(n, distinct);  // none, half and most are flagged
  }
}

SIMT_CASE(library_calls_with_nothing_to_do) {
  Device device;
  gpu::Session& session = device.session;
  const auto counts = device.put(std::vector<std::int32_t>{7, 7});
  gpu::select_flagged(session, nullptr, nullptr, nullptr, counts.data(), 0, {});
  gpu::partition_flagged(session, nullptr, nullptr, nullptr, counts.data() + 1, 0, {});
  gpu::sort_keys_descending(session, nullptr, nullptr, 0, {});
  gpu::sort_pairs(session, nullptr, nullptr, 0, {});
  gpu::inclusive_sum(session, static_cast<const std::int32_t*>(nullptr), nullptr, 0, {});
  gpu::fill(session, static_cast<float*>(nullptr), 1.0f, 0);
  gpu::iota(session, nullptr, 0, 0);
  gpu::gather(session, nullptr, nullptr, nullptr, 0);
  device.expect(counts, {0, 0}, "counts");
}

SIMT_CASE(library_fills_counts_and_gathers) {
  Device device;
  for (const std::int64_t n : kSizes) {
    const auto size = static_cast<std::size_t>(n);
    const gpu::Buffer<std::int32_t> up(device.session, size), gathered(device.session, size);
    const gpu::Buffer<std::int32_t> same(device.session, size);
    const gpu::Buffer<float> floats(device.session, size);
    gpu::iota(device.session, up.data(), -5, n);
    gpu::fill(device.session, same.data(), 42, n);
    gpu::fill(device.session, floats.data(), 0.5f, n);
    const auto map = numbers<std::int32_t>(n, 8, static_cast<std::uint32_t>(n));
    const auto device_map = device.put(map);
    gpu::gather(device.session, up.data(), device_map.data(), gathered.data(), n);
    std::vector<std::int32_t> expected(size);
    std::iota(expected.begin(), expected.end(), -5);
    device.expect(up, expected, "iota");
    for (std::size_t i = 0; i < size; ++i) expected[i] = map[i] - 5;
    device.expect(gathered, expected, "gathered");
    device.expect(same, std::vector<std::int32_t>(size, 42), "fill of integers");
    device.expect(floats, std::vector<float>(size, 0.5f), "fill of floats");
  }
}

/// a [m][k] times b [n][k] transposed, and the sums of |a b|, in double.
struct Product {
  std::vector<double> value, size;
};
Product reference(const std::vector<float>& a, const std::vector<float>& b, std::size_t m, std::size_t n,
                  std::size_t k) {
  Product c{std::vector<double>(m * n), std::vector<double>(m * n)};
  for (std::size_t i = 0; i < m * n; ++i) {
    for (std::size_t f = 0; f < k; ++f) {
      const double term = static_cast<double>(a[i / n * k + f]) * static_cast<double>(b[i % n * k + f]);
      c.value[i] += term;
      c.size[i] += std::fabs(term);
    }
  }
  return c;
}

void check_integer_product(std::int32_t m, std::int32_t n, std::int32_t k) {
  Device device;
  gpu::Blas blas(device.session);
  auto a = numbers<float>(m * k, 9, 17), b = numbers<float>(n * k, 10, 17);
  for (float& x : a) x -= 8;
  for (float& x : b) x -= 8;
  const auto left = device.put(a), right = device.put(b);
  const gpu::Buffer<float> product(device.session, static_cast<std::size_t>(m * n));
  const Product c =
      reference(a, b, static_cast<std::size_t>(m), static_cast<std::size_t>(n), static_cast<std::size_t>(k));
  std::vector<float> expected(c.value.begin(), c.value.end());
  blas.multiply_transposed(left.data(), right.data(), product.data(), m, n, k);
  device.expect(product, expected, "product");
  blas.multiply_transposed(left.data(), right.data(), product.data(), m, n, k, true);
  for (float& x : expected) x *= 2;
  device.expect(product, expected, "accumulated");
}
SIMT_CASE(library_products_of_integers_are_exact) {
  gpu::fake_gpu().info.major = 8;  // a small workspace
  check_integer_product(1, 1, 1);
  check_integer_product(3, 5, 7);
  check_integer_product(33, 1, 31);
  check_integer_product(1, 40, 64);
  check_integer_product(70, 65, 33);
}

SIMT_CASE(library_products_round_as_float_sums_do) {
  gpu::fake_gpu().info.major = 8;  // a small workspace
  constexpr std::int32_t kM = 20, kN = 30, kK = 512;
  std::vector<float> a, b;
  for (std::uint64_t i = 0; i < kM * kK; ++i) a.push_back(static_cast<float>(random_uniform(11, i) - 0.5));
  for (std::uint64_t i = 0; i < kN * kK; ++i) b.push_back(static_cast<float>(random_uniform(12, i) - 0.5));
  Device device;
  const auto left = device.put(a), right = device.put(b);
  const gpu::Buffer<float> product(device.session, kM * kN);
  gpu::Blas(device.session).multiply_transposed(left.data(), right.data(), product.data(), kM, kN, kK);
  const Product expected = reference(a, b, kM, kN, kK);
  const std::vector<float> values = device.get(product);
  const double u = std::ldexp(1, -24);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double bound = u * (std::sqrt(kK) * expected.size[i] + std::fabs(expected.value[i]));
    simt::expect(std::fabs(values[i] - expected.value[i]) <= bound, "product %zu is %g, not %g", i,
                 static_cast<double>(values[i]), expected.value[i]);
  }
}

SIMT_CASE(library_calls_are_held_by_graphs_and_never_block) {
  gpu::fake_gpu().info.major = 8;  // a small workspace
  constexpr std::int32_t kN = 300;
  Device device;
  gpu::Session& session = device.session;
  gpu::Blas blas(session);
  const auto keys = device.put(wide_keys(kN));
  const gpu::Buffer<std::uint64_t> sorted(session, kN);
  const gpu::Buffer<std::int32_t> up(session, kN), sums(session, kN), count(session, 1);
  const gpu::Buffer<std::uint8_t> flags(session, kN);
  const gpu::Buffer<float> row(session, kN), square(session, 1);
  const gpu::Scratch room = device.scratch(gpu::sort_scratch(kN));
  const auto blocking = session.counters().blocking;
  const auto graph = session.record([&] {
    gpu::sort_keys_descending(session, keys.data(), sorted.data(), kN, room);
    gpu::iota(session, up.data(), 1, kN);
    gpu::sort_pairs(session, keys.data(), up.data(), kN, room);
    gpu::exclusive_sum(session, up.data(), sums.data(), kN, room);
    session.fill(flags.data(), 1, kN);
    gpu::select_flagged(session, sums.data(), flags.data(), up.data(), count.data(), kN, room);
    gpu::fill(session, row.data(), 2.0f, kN);
    blas.multiply_transposed(row.data(), row.data(), square.data(), 1, 1, kN);
  });
  session.run(*graph);
  session.run(*graph);
  simt::expect(session.counters().blocking == blocking, "a library call blocked");
  device.expect(count, {kN}, "count");
  device.expect(square, {4.0f * kN}, "square");
  std::vector<std::uint64_t> expected = wide_keys(kN);
  std::sort(expected.begin(), expected.end());
  device.expect(keys, expected, "keys");
}

}  // namespace
}  // namespace quarry
