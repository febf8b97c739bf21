// SPDX-License-Identifier: MIT
// The only door to the CUDA libraries: sort, scan, select and partition (CUB), fill, iota, gather and sort by key
// (Thrust), matrix products (cuBLAS).
//
// No CUDA header is needed to use it. Two implementations exist and the linker takes one:
//   kernels/library.cu, src/core/gpu_blas.cpp   the libraries
//   tests/simt/fake_library.cpp                 the standard library, on the queue of the fake device
// A build without CUDA has none: nothing there calls it.
//
// Every pointer is a device pointer, every count is below 2^31, and every call is queued: it returns at once, reads
// nothing back and never synchronises. Results depend on the inputs alone. Inputs and outputs must not overlap unless
// said otherwise. Scratch belongs to the call until it is reached in the queue; its size is a pure function.
// Errors of every call: a check fails on a negative or too large count, or on scratch that is too small;
// gpu::Failure if the device refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "quarry/core/gpu.h"

namespace quarry::gpu {

/// Device memory lent to one call, aligned to 256 bytes.
struct Scratch {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Scratch of the calls below for n elements. Upper bounds of what CUB asks for on any device: asking CUB itself needs
/// a device. The calls compare them with CUB's own figure.
constexpr std::size_t sort_scratch(std::int64_t n) {  // a second set of keys and values, digit counts, look-back
  return static_cast<std::size_t>(n) * 14 + (std::size_t{1} << 18) * (1 + static_cast<std::size_t>(n >> 28));
}
constexpr std::size_t scan_scratch(std::int64_t n) {  // one state of at most 16 bytes per tile of at least 64
  return static_cast<std::size_t>(n) / 4 + (std::size_t{1} << 16);
}

/// sorted [n] = keys [n], largest first. Scratch: sort_scratch(n).
void sort_keys_descending(Session& session, const std::uint64_t* keys, std::uint64_t* sorted, std::int64_t n,
                          Scratch scratch);
/// Sorts keys [n] in place, smallest first, and values [n] with them; equal keys keep their order.
/// Scratch: sort_scratch(n).
void sort_pairs(Session& session, std::uint64_t* keys, std::int32_t* values, std::int64_t n, Scratch scratch);

/// sums[i] = values[0] + ... + values[i - 1] (exclusive) or ... + values[i] (inclusive), wrapping around on overflow;
/// sums may be values. Scratch: scan_scratch(n).
void exclusive_sum(Session& session, const std::int32_t* values, std::int32_t* sums, std::int64_t n, Scratch scratch);
void exclusive_sum(Session& session, const std::int64_t* values, std::int64_t* sums, std::int64_t n, Scratch scratch);
void inclusive_sum(Session& session, const std::int32_t* values, std::int32_t* sums, std::int64_t n, Scratch scratch);
void inclusive_sum(Session& session, const std::int64_t* values, std::int64_t* sums, std::int64_t n, Scratch scratch);

/// The values whose flag [n] is not 0, in order, to selected (room for n); how many to *count, on the device. What
/// lies behind them is unspecified. Scratch: scan_scratch(n).
void select_flagged(Session& session, const std::int32_t* values, const std::uint8_t* flags, std::int32_t* selected,
                    std::int32_t* count, std::int64_t n, Scratch scratch);
/// All values to parted [n]: those flagged first, in order, then the others in reverse order; how many are flagged to
/// *count, on the device. Scratch: scan_scratch(n).
void partition_flagged(Session& session, const std::int32_t* values, const std::uint8_t* flags, std::int32_t* parted,
                       std::int32_t* count, std::int64_t n, Scratch scratch);

void fill(Session& session, std::int32_t* values, std::int32_t value, std::int64_t n);
void fill(Session& session, float* values, float value, std::int64_t n);
/// values[i] = first + i.
void iota(Session& session, std::int32_t* values, std::int32_t first, std::int64_t n);
/// to[i] = from[map[i]], i < n.
void gather(Session& session, const std::int32_t* from, const std::int32_t* map, std::int32_t* to, std::int64_t n);

/// Workspace of a Blas on a device: what cuBLAS recommends.
constexpr std::size_t blas_workspace(const DeviceInfo& device) {
  return (std::size_t{device.major >= 9 ? 32u : 4u} << 20);
}

/// Matrix products of one session. Construction loads cuBLAS, allocates blas_workspace bytes and may block; make it
/// before a cycle. Destruction may block. Products never do.
class Blas {
 public:
  /// Errors: device, if cuBLAS is missing or of another major version than this build: names the package.
  explicit Blas(Session& session);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  Session& session() const;

  /// c [m][n] = a [m][k] b^T, b [n][k], all row-major; accumulate adds to c. float products and sums (no TF32). The
  /// order of a sum is cuBLAS's choice from m, n and k: equal bits are promised between calls of one shape on one
  /// kind of device with one cuBLAS, so a caller whose results must not depend on how many rows there are keeps to
  /// one shape. Errors: a check fails unless m, n and k are positive.
  void multiply_transposed(const float* a, const float* b, float* c, std::int32_t m, std::int32_t n, std::int32_t k,
                           bool accumulate = false);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quarry::gpu
