// SPDX-License-Identifier: MIT
// Warp intrinsics. Every lane of a mask must come to the same call with the same mask; a lane may only read lanes of
// the mask. None of them orders memory but __syncwarp.
#pragma once

#include <bit>
#include <cstring>
#include <type_traits>

#include "tests/simt/emulator/executor.h"

#define SIMT_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace simt {

// Combiners: see WarpCall. Defined in warp.cpp.
void combine_shuffle_index(WarpCall* const* lanes);
void combine_shuffle_up(WarpCall* const* lanes);
void combine_shuffle_down(WarpCall* const* lanes);
void combine_shuffle_xor(WarpCall* const* lanes);
void combine_ballot(WarpCall* const* lanes);
void combine_match(WarpCall* const* lanes);
void combine_add(WarpCall* const* lanes);
void combine_and(WarpCall* const* lanes);
void combine_or(WarpCall* const* lanes);
void combine_xor(WarpCall* const* lanes);
void combine_min(WarpCall* const* lanes);
void combine_max(WarpCall* const* lanes);

inline std::uint64_t call_warp(const char* name, void (*combine)(WarpCall* const*), unsigned mask, std::uint64_t value,
                               unsigned source, int width, Site site) {
  WarpCall call{name, combine, mask, value, source, static_cast<unsigned>(width), 0, site, 0, nullptr};
  warp_call(call);
  return call.result;
}

template <class T>
T shuffle(const char* name, void (*combine)(WarpCall* const*), unsigned mask, T value, unsigned source, int width,
          Site site) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = call_warp(name, combine, mask, bits, source, width, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace simt

inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_HERE) {
  simt::call_warp("__syncwarp", nullptr, mask, 0, 0, 32, {file, line});
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, SIMT_HERE) {
  return simt::shuffle("__shfl_sync", simt::combine_shuffle_index, mask, value, static_cast<unsigned>(lane), width,
                       {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, SIMT_HERE) {
  return simt::shuffle("__shfl_up_sync", simt::combine_shuffle_up, mask, value, distance, width, {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, SIMT_HERE) {
  return simt::shuffle("__shfl_down_sync", simt::combine_shuffle_down, mask, value, distance, width, {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, SIMT_HERE) {
  return simt::shuffle("__shfl_xor_sync", simt::combine_shuffle_xor, mask, value, static_cast<unsigned>(lanes), width,
                       {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_HERE) {
  return static_cast<unsigned>(
      simt::call_warp("__ballot_sync", simt::combine_ballot, mask, predicate != 0, 0, 32, {file, line}));
}
inline int __any_sync(unsigned mask, int predicate, SIMT_HERE) {
  return simt::call_warp("__any_sync", simt::combine_ballot, mask, predicate != 0, 0, 32, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SIMT_HERE) {
  return simt::call_warp("__all_sync", simt::combine_ballot, mask, predicate != 0, 0, 32, {file, line}) == mask;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, SIMT_HERE) {
  static_assert(std::is_integral_v<T>);
  return static_cast<unsigned>(simt::call_warp("__match_any_sync", simt::combine_match, mask,
                                               static_cast<std::uint64_t>(value), 0, 32, {file, line}));
}

// 32-bit integers, as in CUDA. The combiners work on 64 bits, which hold both kinds without loss.
#define SIMT_REDUCE(T, operation)                                                                                     \
  inline T __reduce_##operation##_sync(unsigned mask, T value, SIMT_HERE) {                                           \
    const auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));                                   \
    return static_cast<T>(                                                                                            \
        simt::call_warp("__reduce_" #operation "_sync", simt::combine_##operation, mask, wide, 0, 32, {file, line})); \
  }
SIMT_REDUCE(unsigned, add)
SIMT_REDUCE(unsigned, min)
SIMT_REDUCE(unsigned, max)
SIMT_REDUCE(unsigned, and)
SIMT_REDUCE(unsigned, or)
SIMT_REDUCE(unsigned, xor)
SIMT_REDUCE(int, add)
SIMT_REDUCE(int, min)
SIMT_REDUCE(int, max)
#undef SIMT_REDUCE

inline void __syncthreads(SIMT_HERE) {
  simt::block_barrier("__syncthreads", simt::Vote::none, false, {file, line});
}
inline int __syncthreads_and(int predicate, SIMT_HERE) {
  return simt::block_barrier("__syncthreads_and", simt::Vote::all, predicate != 0, {file, line});
}
inline int __syncthreads_or(int predicate, SIMT_HERE) {
  return simt::block_barrier("__syncthreads_or", simt::Vote::any, predicate != 0, {file, line});
}
inline int __syncthreads_count(int predicate, SIMT_HERE) {
  return simt::block_barrier("__syncthreads_count", simt::Vote::count, predicate != 0, {file, line});
}
