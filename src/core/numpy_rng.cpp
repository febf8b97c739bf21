// SPDX-License-Identifier: MIT
#include "quarry/core/numpy_rng.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quarry/core/error.h"
#include "src/core/weighted_choice.h"

namespace quarry {
namespace {

constexpr std::size_t kWords = 624;
constexpr std::size_t kShift = 397;

}  // namespace

void NumpyRandom::reseed(std::uint32_t seed) {
  for (std::size_t i = 0; i < kWords; ++i) {
    state_[i] = seed;
    seed = 1812433253u * (seed ^ (seed >> 30)) + static_cast<std::uint32_t>(i + 1);
  }
  position_ = static_cast<int>(kWords);
  drawn_ = 0;
  has_cached_normal_ = false;
  cached_normal_ = 0;
}

void NumpyRandom::refill() {
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
  }
  position_ = 0;
}

std::uint32_t NumpyRandom::next_u32() {
  if (position_ == static_cast<int>(kWords)) refill();
  ++drawn_;
  std::uint32_t y = state_[static_cast<std::size_t>(position_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

void NumpyRandom::skip_to(std::uint64_t place) {
  QUARRY_CHECK(drawn_ <= place, "a stream at word {} cannot go back to word {}", drawn_, place);
  while (drawn_ < place) next_u32();
}

double NumpyRandom::uniform() {
  const std::uint32_t a = next_u32() >> 5, b = next_u32() >> 6;
  return (a * 67108864.0 + b) / 9007199254740992.0;
}

double NumpyRandom::normal() {
  if (has_cached_normal_) {
    has_cached_normal_ = false;
    return cached_normal_;
  }
  double u, v, r2;
  do {
    u = 2.0 * uniform() - 1.0;
    v = 2.0 * uniform() - 1.0;
    r2 = u * u + v * v;
  } while (r2 >= 1.0 || r2 == 0.0);
  const double f = std::sqrt(-2.0 * std::log(r2) / r2);
  cached_normal_ = f * u;
  has_cached_normal_ = true;
  return f * v;
}

std::uint32_t NumpyRandom::bounded(std::uint32_t max) {
  if (max == 0) return 0;
  std::uint32_t mask = max;
  for (int shift = 1; shift <= 16; shift *= 2) mask |= mask >> shift;
  for (;;) {
    const std::uint32_t value = next_u32() & mask;
    if (value <= max) return value;
  }
}

std::vector<std::int32_t> NumpyRandom::permutation(std::int32_t n) {
  QUARRY_CHECK(n >= 0, "a permutation of {} entries", n);
  std::vector<std::int32_t> result(static_cast<std::size_t>(n));
  std::iota(result.begin(), result.end(), 0);
  shuffle(std::span(result));
  return result;
}

std::vector<std::int32_t> NumpyRandom::choice_without_replacement(std::int32_t n, std::int32_t k) {
  QUARRY_CHECK(k >= 0 && k <= n, "cannot choose {} of {} without replacement", k, n);
  std::vector<std::int32_t> result = permutation(n);
  result.resize(static_cast<std::size_t>(k));
  return result;
}

std::vector<std::int32_t> NumpyRandom::choice_weighted(std::span<const double> weights, std::int32_t k) {
  return choose_by(normalised_weights(weights), k, [this] { return uniform(); });
}

std::vector<std::int32_t> NumpyRandom::choice_weighted_distinct(std::span<const double> weights, std::int32_t k) {
  return choose_weighted_distinct(weights, k, [this] { return uniform(); });
}

}  // namespace quarry
