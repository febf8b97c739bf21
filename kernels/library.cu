// SPDX-License-Identifier: MIT
// Sort, scan, select, fill, iota and gather by CUB and Thrust: the only file that includes them, for they take long to
// compile. Thrust is asked only for algorithms that return nothing to the host: with par_nosync those do not wait.
#include <cuda_runtime.h>
#include <thrust/execution_policy.h>
#include <thrust/fill.h>
#include <thrust/gather.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>

#include <cub/device/device_partition.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>
#include <new>

#include "quarry/core/gpu_library.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_library_check.h"
#include "src/core/gpu_recent.h"

namespace quarry::gpu {
namespace {

/// Runs a CUB algorithm, algorithm(storage, bytes, stream): asks for its scratch first, then does the work.
template <class Algorithm>
void run_cub(Session& session, Scratch scratch, const char* name, const Algorithm& algorithm) {
  const auto stream = static_cast<cudaStream_t>(session.native_stream());
  std::size_t needed = 0;
  recent_launches().add(name);
  check_runtime(algorithm(nullptr, needed, stream), name);
  check_scratch(scratch, needed);
  check_runtime(algorithm(scratch.data, needed, stream), name);
}

/// Thrust's temporary memory from a Scratch, front to back; nothing is ever given back.
class ArenaAllocator {
 public:
  using value_type = char;
  explicit ArenaAllocator(Scratch scratch) : next_(static_cast<char*>(scratch.data)), left_(scratch.bytes) {}
  char* allocate(std::ptrdiff_t bytes) {
    constexpr std::size_t kAlignment = 256;
    const std::size_t size = (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
    if (size > left_) throw std::bad_alloc();
    char* const here = next_;
    next_ += size;
    left_ -= size;
    return here;
  }
  void deallocate(char*, std::size_t) {}

 private:
  char* next_;
  std::size_t left_;
};

/// Runs a Thrust algorithm, algorithm(policy).
template <class Algorithm>
void run_thrust(Session& session, Scratch scratch, const char* name, const Algorithm& algorithm) {
  const auto stream = static_cast<cudaStream_t>(session.native_stream());
  ArenaAllocator arena(scratch);
  recent_launches().add(name);
  try {
    algorithm(thrust::cuda::par_nosync(arena).on(stream));
  } catch (const thrust::system_error& error) {  // its code is a cudaError_t
    check_runtime(error.code().value(), name);
    throw;
  } catch (const std::bad_alloc&) {
    fail("{}: {} bytes of scratch are too few", name, scratch.bytes);
  }
}

template <class T>
void sum(Session& session, const T* values, T* sums, std::int64_t n, Scratch scratch, bool inclusive) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, scan_scratch(n));
  const auto count = static_cast<int>(n);
  run_cub(session, scratch, "cub::DeviceScan", [=](void* storage, std::size_t& bytes, cudaStream_t stream) {
    return inclusive ? cub::DeviceScan::InclusiveSum(storage, bytes, values, sums, count, stream)
                     : cub::DeviceScan::ExclusiveSum(storage, bytes, values, sums, count, stream);
  });
}

}  // namespace

void sort_keys_descending(Session& session, const std::uint64_t* keys, std::uint64_t* sorted, std::int64_t n,
                          Scratch scratch) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, sort_scratch(n));
  run_cub(session, scratch, "cub::DeviceRadixSort", [=](void* storage, std::size_t& bytes, cudaStream_t stream) {
    return cub::DeviceRadixSort::SortKeysDescending(storage, bytes, keys, sorted, static_cast<int>(n), 0, 64, stream);
  });
}

void sort_pairs(Session& session, std::uint64_t* keys, std::int32_t* values, std::int64_t n, Scratch scratch) {
  check_count(n);
  if (n == 0) return;
  check_scratch(scratch, sort_scratch(n));
  run_thrust(session, scratch, "thrust::stable_sort_by_key",
             [=](const auto& policy) { thrust::stable_sort_by_key(policy, keys, keys + n, values); });
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
  run_cub(session, scratch, "cub::DeviceSelect", [=](void* storage, std::size_t& bytes, cudaStream_t stream) {
    return cub::DeviceSelect::Flagged(storage, bytes, values, flags, selected, count, static_cast<int>(n), stream);
  });
}

void partition_flagged(Session& session, const std::int32_t* values, const std::uint8_t* flags, std::int32_t* parted,
                       std::int32_t* count, std::int64_t n, Scratch scratch) {
  check_count(n);
  if (n == 0) return session.fill(count, 0, sizeof *count);
  check_scratch(scratch, scan_scratch(n));
  run_cub(session, scratch, "cub::DevicePartition", [=](void* storage, std::size_t& bytes, cudaStream_t stream) {
    return cub::DevicePartition::Flagged(storage, bytes, values, flags, parted, count, static_cast<int>(n), stream);
  });
}

void fill(Session& session, std::int32_t* values, std::int32_t value, std::int64_t n) {
  check_count(n);
  run_thrust(session, {}, "thrust::fill", [=](const auto& policy) { thrust::fill(policy, values, values + n, value); });
}
void fill(Session& session, float* values, float value, std::int64_t n) {
  check_count(n);
  run_thrust(session, {}, "thrust::fill", [=](const auto& policy) { thrust::fill(policy, values, values + n, value); });
}
void iota(Session& session, std::int32_t* values, std::int32_t first, std::int64_t n) {
  check_count(n);
  run_thrust(session, {}, "thrust::sequence",
             [=](const auto& policy) { thrust::sequence(policy, values, values + n, first); });
}
void gather(Session& session, const std::int32_t* from, const std::int32_t* map, std::int32_t* to, std::int64_t n) {
  check_count(n);
  run_thrust(session, {}, "thrust::gather",
             [=](const auto& policy) { thrust::gather(policy, map, map + n, from, to); });
}

}  // namespace quarry::gpu
