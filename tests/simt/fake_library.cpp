// SPDX-License-Identifier: MIT
// The CUDA libraries of the fake device: the standard library, queued like kernels. Unlike the libraries themselves
// they use all the scratch that their size functions ask for, and write to all the room that their contracts ask for,
// so that a caller who lends too little, or relies on what is unspecified, is found.
#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "quarry/core/gpu_library.h"
#include "src/core/gpu_library_check.h"

namespace quarry::gpu {
namespace {

constexpr std::int32_t kUnspecified = -0x5a5a5a5a;

void queue(Session& session, const char* name, std::function<void()> work) {
  session.launch({name, {}, nullptr, nullptr, std::move(work)});
}

void spoil(Scratch scratch, std::size_t bytes) {
  std::memset(scratch.data, 0xa5, bytes);
}

template <class T>
void sum(Session& session, const T* values, T* sums, std::int64_t n, Scratch scratch, bool inclusive) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, scan_scratch(n));
  queue(session, "scan", [=] {
    using Unsigned = std::make_unsigned_t<T>;  // wraps around without undefined behaviour
    Unsigned total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const Unsigned next = total + static_cast<Unsigned>(values[i]);
      sums[i] = static_cast<T>(inclusive ? next : total);
      total = next;
    }
    spoil(scratch, scan_scratch(n));
  });
}

template <class T>
void fill_with(Session& session, T* values, T value, std::int64_t n) {
  check_count(n);
  if (n == 0) return;
  queue(session, "fill", [=] { std::fill(values, values + n, value); });
}

/// Flagged values to out, in order; the others to `others` if that is not null.
std::int64_t part(const std::int32_t* values, const std::uint8_t* flags, std::int64_t n, std::int32_t* out,
                  std::vector<std::int32_t>* others) {
  std::int64_t taken = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (flags[i] != 0) {
      out[taken++] = values[i];
    } else if (others != nullptr) {
      others->push_back(values[i]);
    }
  }
  return taken;
}

}  // namespace

void sort_keys_descending(Session& session, const std::uint64_t* keys, std::uint64_t* sorted, std::int64_t n,
                          Scratch scratch) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, sort_scratch(n));
  queue(session, "sort_keys_descending", [=] {
    std::copy(keys, keys + n, sorted);
    std::sort(sorted, sorted + n, std::greater<>());
    spoil(scratch, sort_scratch(n));
  });
}

void sort_pairs(Session& session, std::uint64_t* keys, std::int32_t* values, std::int64_t n, Scratch scratch) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, sort_scratch(n));
  queue(session, "sort_pairs", [=] {
    std::vector<std::pair<std::uint64_t, std::int32_t>> pairs;
    for (std::int64_t i = 0; i < n; ++i) pairs.emplace_back(keys[i], values[i]);
    std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      keys[i] = pairs[i].first;
      values[i] = pairs[i].second;
    }
    spoil(scratch, sort_scratch(n));
  });
}

void exclusive_sum(Session& session, const std::int32_t* values, std::int32_t* sums, std::int64_t n, Scratch scratch) {
  sum(session, values, sums, n, scratch, false);
}
void exclusive_sum(Session& session, const std::int64_t* values, std::int64_t* sums, std::int64_t n, Scratch scratch) {
  sum(session, values, sums, n, scratch, false);
}
void inclusive_sum(Session& session, const std::int32_t* values, std::int32_t* sums, std::int64_t n, Scratch scratch) {
  sum(session, values, sums, n, scratch, true);
}
void inclusive_sum(Session& session, const std::int64_t* values, std::int64_t* sums, std::int64_t n, Scratch scratch) {
  sum(session, values, sums, n, scratch, true);
}

void select_flagged(Session& session, const std::int32_t* values, const std::uint8_t* flags, std::int32_t* selected,
                    std::int32_t* count, std::int64_t n, Scratch scratch) {
  check_count(n);
  if (n == 0) return session.fill(count, 0, sizeof *count);
  check_scratch(scratch, scan_scratch(n));
  queue(session, "select_flagged", [=] {
    const std::int64_t taken = part(values, flags, n, selected, nullptr);
    std::fill(selected + taken, selected + n, kUnspecified);
    *count = static_cast<std::int32_t>(taken);
    spoil(scratch, scan_scratch(n));
  });
}

void partition_flagged(Session& session, const std::int32_t* values, const std::uint8_t* flags, std::int32_t* parted,
                       std::int32_t* count, std::int64_t n, Scratch scratch) {
  check_count(n);
  if (n == 0) return session.fill(count, 0, sizeof *count);
  check_scratch(scratch, scan_scratch(n));
  queue(session, "partition_flagged", [=] {
    std::vector<std::int32_t> others;
    const std::int64_t taken = part(values, flags, n, parted, &others);
    std::copy(others.rbegin(), others.rend(), parted + taken);
    *count = static_cast<std::int32_t>(taken);
    spoil(scratch, scan_scratch(n));
  });
}

void fill(Session& session, std::int32_t* values, std::int32_t value, std::int64_t n) {
  fill_with(session, values, value, n);
}
void fill(Session& session, float* values, float value, std::int64_t n) {
  fill_with(session, values, value, n);
}
void iota(Session& session, std::int32_t* values, std::int32_t first, std::int64_t n) {
  check_count(n);
  if (n > 0) queue(session, "iota", [=] { std::iota(values, values + n, first); });
}
void gather(Session& session, const std::int32_t* from, const std::int32_t* map, std::int32_t* to, std::int64_t n) {
  check_count(n);
  if (n == 0) return;
  queue(session, "gather", [=] {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[map[i]];
  });
}

struct Blas::Impl {
  Session& session;
  Buffer<unsigned char> workspace;
};

Blas::Blas(Session& session)
    : impl_(new Impl{session, Buffer<unsigned char>(session, blas_workspace(session.device()))}) {}
Blas::~Blas() = default;

Session& Blas::session() const {
  return impl_->session;
}

void Blas::multiply_transposed(const float* a, const float* b, float* c, std::int32_t m, std::int32_t n, std::int32_t k,
                               bool accumulate) {
  QUARRY_CHECK(m > 0 && n > 0 && k > 0, "a product of shape {} x {} x {}", m, n, k);
  queue(impl_->session, "multiply_transposed", [=] {
    constexpr std::int64_t kParts = 8;  // any order of the sum will do, and this one is vectorised
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const float *x = a + i * k, *y = b + j * k;
        float parts[kParts] = {};
        std::int64_t f = 0;
        for (; f + kParts <= k; f += kParts) {
          for (std::int64_t p = 0; p < kParts; ++p) parts[p] += x[f + p] * y[f + p];
        }
        for (; f < k; ++f) parts[f % kParts] += x[f] * y[f];
        const float total = std::accumulate(parts, parts + kParts, 0.0f);
        c[i * n + j] = accumulate ? c[i * n + j] + total : total;
      }
    }
  });
}

}  // namespace quarry::gpu
