// SPDX-License-Identifier: MIT
// Index lists of the pool: flags by kernel, compaction by the libraries.
#include "kernels/simt.h"
#include "quarry/al/pool_device.h"
#include "quarry/core/error.h"

namespace quarry {
namespace {

constexpr unsigned kThreads = 256;

gpu::LaunchShape one_thread_each(std::int64_t n) {
  return {{static_cast<unsigned>((n + kThreads - 1) / kThreads)}, {kThreads}};
}

/// keep[i] = whether from[i] is not in taken [m], ascending.
__global__ void flag_absent(const std::int32_t* from, std::int64_t n, const std::int32_t* taken, std::int64_t m,
                            std::uint8_t* keep) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  std::int64_t low = 0, high = m;  // the first entry that is not below from[i] lies in low ... high
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (taken[middle] < from[i]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  keep[i] = low == m || taken[low] != from[i];
}

__global__ void clear_flags(const std::int32_t* positions, std::int32_t count, std::uint8_t* keep) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) keep[positions[i]] = 0;
}

constexpr std::size_t flag_bytes(std::int64_t n) {
  return (static_cast<std::size_t>(n) + 255) / 256 * 256;
}

/// The flags at the front of the scratch, the rest for the libraries.
struct Rooms {
  std::uint8_t* keep;
  gpu::Scratch rest;
};
Rooms split(gpu::Scratch scratch, std::int64_t n) {
  QUARRY_CHECK(scratch.bytes >= cuda::pool_scratch(n), "{} bytes of scratch for a list of {} indices", scratch.bytes,
               n);
  auto* const bytes = static_cast<std::uint8_t*>(scratch.data);
  return {bytes, {bytes + flag_bytes(n), scratch.bytes - flag_bytes(n)}};
}

}  // namespace

std::size_t cuda::pool_scratch(std::int64_t n) {
  return flag_bytes(n) + gpu::scan_scratch(n);
}

void cuda::index_difference(gpu::Session& session, const std::int32_t* from, std::int64_t n, const std::int32_t* taken,
                            std::int64_t m, std::int32_t* remaining, std::int32_t* n_remaining, gpu::Scratch scratch) {
  const Rooms rooms = split(scratch, n);
  if (n > 0) gpu::launch(session, "flag_absent", one_thread_each(n), flag_absent, from, n, taken, m, rooms.keep);
  gpu::select_flagged(session, from, rooms.keep, remaining, n_remaining, n, rooms.rest);
}

void cuda::pool_acquire(gpu::Session& session, const std::int32_t* unlabelled, std::int64_t n,
                        const std::int32_t* picks, std::int32_t count, std::int32_t* added, std::int32_t* remaining,
                        std::int32_t* n_remaining, gpu::Scratch scratch) {
  QUARRY_CHECK(count >= 0 && count <= n, "{} picks from {} instances", count, n);
  const Rooms rooms = split(scratch, n);
  gpu::gather(session, unlabelled, picks, added, count);
  if (n > 0) session.fill(rooms.keep, 1, static_cast<std::size_t>(n));
  if (count > 0) gpu::launch(session, "clear_flags", one_thread_each(count), clear_flags, picks, count, rooms.keep);
  gpu::select_flagged(session, unlabelled, rooms.keep, remaining, n_remaining, n, rooms.rest);
}

}  // namespace quarry
