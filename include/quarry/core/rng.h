// SPDX-License-Identifier: MIT
// Random numbers as a pure function of logical coordinates, the same on host and device.
//
// Generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//   key     = hash64(seed, purpose, key_p)
//   counter = (element low, element high, step, draw)
// Nothing about the position in a fleet, a thread or a launch enters, so results cannot depend on them.
// What goes into key_p for each purpose is part of a preset; docs/random_numbers.md has the table.
#pragma once

#include <array>
#include <cstdint>

#include "quarry/core/host_device.h"

namespace quarry {

/// What a stream of random numbers is for. The numbers are part of the result contract: never renumber.
enum class RngPurpose : std::uint32_t {
  init = 1,          ///< initial weights
  order = 2,         ///< order of the training rows of an epoch
  dropout = 3,       ///< dropout masks while training
  augment = 4,       ///< image augmentation
  split = 5,         ///< train/validation splits, folds
  initial_pool = 6,  ///< initially labelled instances
  subset = 7,        ///< candidate subsets of large pools
  tie = 8,           ///< choice among equal scores
  mc = 9,            ///< dropout masks while scoring (BALD)
  badge = 10,        ///< k-means++ draws
  tpe = 11,          ///< TPE draws
  random = 12,       ///< the random strategy
  search = 13,       ///< random search and start-up trials
  data = 14,         ///< data sets made by quarry
  report = 15,       ///< sign patterns of a report's tests
  keychain = 16,     ///< instances that a pass of Keychain repeats or leaves out
};

struct PhiloxKey {
  std::uint32_t low = 0, high = 0;
};

struct PhiloxBlock {
  std::uint32_t word[4];
};

/// splitmix64's finaliser: a bijection of 64-bit integers with good avalanche.
QUARRY_HD constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Order-dependent hash of 64-bit integers.
QUARRY_HD constexpr std::uint64_t hash_combine(std::uint64_t hash, std::uint64_t value) {
  return mix64((hash ^ value) + 0x9e3779b97f4a7c15ULL);
}

/// The 64-bit key of a stream: hash64(seed, purpose, key_p) of the design.
QUARRY_HD constexpr std::uint64_t stream_key(std::uint64_t seed, RngPurpose purpose, std::uint64_t key_p = 0) {
  return hash_combine(hash_combine(hash_combine(0, seed), static_cast<std::uint64_t>(purpose)), key_p);
}

QUARRY_HD constexpr PhiloxKey philox_key(std::uint64_t key) {
  return {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

/// Philox4x32-10 of one counter.
QUARRY_HD constexpr PhiloxBlock philox(PhiloxKey key, std::uint32_t c0, std::uint32_t c1, std::uint32_t c2,
                                       std::uint32_t c3) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key.low;
    const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key.high;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    key.low += 0x9E3779B9u;
    key.high += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// The block of four words at logical coordinates (element, step, draw).
QUARRY_HD constexpr PhiloxBlock random_block(std::uint64_t key, std::uint64_t element, std::uint32_t step = 0,
                                             std::uint32_t draw = 0) {
  return philox(philox_key(key), static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32), step,
                draw);
}

QUARRY_HD constexpr std::uint32_t random_u32(std::uint64_t key, std::uint64_t element, std::uint32_t step = 0,
                                             std::uint32_t draw = 0) {
  return random_block(key, element, step, draw).word[0];
}

QUARRY_HD constexpr std::uint64_t random_u64(std::uint64_t key, std::uint64_t element, std::uint32_t step = 0,
                                             std::uint32_t draw = 0) {
  const PhiloxBlock block = random_block(key, element, step, draw);
  return (std::uint64_t{block.word[1]} << 32) | block.word[0];
}

/// Uniform in [0, 1) with 53 bits.
QUARRY_HD constexpr double random_uniform(std::uint64_t key, std::uint64_t element, std::uint32_t step = 0,
                                          std::uint32_t draw = 0) {
  return static_cast<double>(random_u64(key, element, step, draw) >> 11) * 0x1.0p-53;
}

/// Uniform float in [0, 1) from one word: 24 bits.
QUARRY_HD constexpr float uniform_float(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1.0p-24f;
}

/// Uniform integer in [0, bound), bound >= 1, by multiplication of 64 random bits; the bias is below bound / 2^64.
QUARRY_HD constexpr std::uint64_t random_below(std::uint64_t key, std::uint64_t bound, std::uint64_t element,
                                               std::uint32_t step = 0, std::uint32_t draw = 0) {
  const std::uint64_t x = random_u64(key, element, step, draw);
  // high 64 bits of x * bound, without a 128-bit type
  const std::uint64_t xl = x & 0xffffffffu, xh = x >> 32, bl = bound & 0xffffffffu, bh = bound >> 32;
  const std::uint64_t mid = xh * bl + ((xl * bl) >> 32);
  const std::uint64_t mid2 = xl * bh + (mid & 0xffffffffu);
  return xh * bh + (mid >> 32) + (mid2 >> 32);
}

/// The permutation of 0..n-1 that sorts the keys (random word of i, i): data-parallel, no sequential swaps.
/// `scratch` and `out` hold n entries each. Defined for n <= 2^32.
void random_permutation(std::uint64_t key, std::uint32_t step, std::uint32_t n, std::uint64_t* scratch,
                        std::int32_t* out);

}  // namespace quarry
