// SPDX-License-Identifier: MIT
// NumPy's legacy random streams (numpy.random.RandomState), bit for bit, so that the published splits,
// initial pools and index lists come out exactly. Used where a config says rng = "numpy" and for the toy data
// sets.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace quarry {

/// MT19937 with NumPy's legacy seeding and distributions (NumPy 1.x `RandomState`, `mtrand.pyx`).
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) { reseed(seed); }
  /// Knuth recurrence, 624 words, position at the end; drops a cached normal.
  void reseed(std::uint32_t seed);

  std::uint32_t next_u32();
  /// Words drawn since the seeding: the place in the stream, for those who go on later (a cached normal apart).
  std::uint64_t drawn() const { return drawn_; }
  /// Draws until drawn() is `place`. Error: a check fails if it is further already.
  void skip_to(std::uint64_t place);
  /// random_sample(): (a >> 5, b >> 6) / 2^53.
  double uniform();
  /// uniform(low, high): low + (high - low) * random_sample().
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// standard_normal(): Marsaglia's polar method with a cached second value.
  double normal();
  double normal(double mean, double sd) { return mean + sd * normal(); }
  /// Uniform integer in [0, max] by masked rejection; draws nothing for max = 0.
  std::uint32_t bounded(std::uint32_t max);
  /// shuffle(x): Fisher-Yates from the end.
  template <class T>
  void shuffle(std::span<T> x) {
    for (std::size_t i = x.size(); i-- > 1;) {
      const std::size_t j = bounded(static_cast<std::uint32_t>(i));
      std::swap(x[i], x[j]);
    }
  }
  /// permutation(n): a shuffled 0..n-1.
  std::vector<std::int32_t> permutation(std::int32_t n);
  /// choice(n, k, replace=False): the first k entries of permutation(n).
  std::vector<std::int32_t> choice_without_replacement(std::int32_t n, std::int32_t k);
  /// choice(n, k, p=weights / sum): right-sided search of uniforms in the normalised cumulative sum.
  std::vector<std::int32_t> choice_weighted(std::span<const double> weights, std::int32_t k);
  /// choice(n, k, replace=False, p=weights / sum): rounds of such searches until k different ones are found.
  /// Error: a check fails if fewer than k weights are positive.
  std::vector<std::int32_t> choice_weighted_distinct(std::span<const double> weights, std::int32_t k);

 private:
  void refill();
  std::array<std::uint32_t, 624> state_{};
  int position_ = 624;
  std::uint64_t drawn_ = 0;
  bool has_cached_normal_ = false;
  double cached_normal_ = 0;
};

}  // namespace quarry
