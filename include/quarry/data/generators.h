// SPDX-License-Identifier: MIT
// The toy data sets of the online-tuning study, as points in generation order, before split and scaling.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace quarry {

/// Two features per point. Labels are 0 and 1.
struct ToyPoints {
  std::vector<double> x;               ///< [n][2]
  std::vector<std::int32_t> labels;    ///< [n]
  std::vector<std::uint8_t> honeypot;  ///< [n], 1 = the label is meaningless; empty if the set has none
};

/// A set as it was at some time of the study (spec 2.1 and 3.6): its final, keychain and seed versions, and dates of
/// 2023 before those. Where the study does not tell a number, the generator says what is taken.
enum class ToyVersion { final, keychain, seed, june_22, july_10, july_12, july_14, july_15, july_16, july_17 };
/// Their names, in that order.
std::span<const std::string_view> toy_versions();

struct ToyOptions {
  ToyVersion version = ToyVersion::final;
  std::optional<double> noise;           ///< sigma of the clean points; honeypots keep theirs
  bool separate_honeypot_noise = false;  ///< B21: honeypots draw from a stream of their own
};

// Every set is made by NumPy's legacy streams seeded 42 and never depends on a run's seed.
// Errors: usage if the noise is negative or not finite, or the set has no such version.

/// 600 points, two interleaved half circles, sigma 0.25 (seed and keychain: 0.075; july_17: 500 points, 0.05).
ToyPoints make_moons(const ToyOptions& options);
/// Moons of 500 points, and 100 honeypots on a ring of radius 2.5 around them, sigma 0.1 (moons as above; july_12: 600
/// and 200 points, both sigmas 0.15; july_14: the same with moons of 0.05; july_15: 400 points, 0.1, and 100 in a cloud
/// at (4, 3), 1; july_16: 400 points, 0.05, and 100 on the ring, 0.1. How many of the last two's 500 are honeypots is
/// not known).
ToyPoints make_adversarial_moons(const ToyOptions& options);
/// Two Gaussian blobs of 100 points, sigma 0.25, and 200 honeypots between them, sigma 0.375 (july_15: blobs of 200 at
/// (0, 0) and (1, 2), 0.2, and 100 honeypots at (0, 1.5), 0.3).
ToyPoints make_blobs(const ToyOptions& options);
/// 500 points above and below sin(2x), 0 <= x <= 6, that drift apart by 0.15 x each, sigma 0.2
/// (seed version: x <= 10, 0.3 x, sigma 0.5).
ToyPoints make_diverging_sine(const ToyOptions& options);
/// The study's first set, june_22: two blobs of 200 points, centres drawn from [-0.2, 0.2]^2, sigma 0.05, and a blob of
/// 100 honeypots, centre from [0.1, 1]^2, sigma 0.05, labels by coin flips; july_10: moons of 400 points, sigma 0.2,
/// and honeypots around a centre from [0, 6]^2, 0.2. The study's own draws were not seeded: these are as good as its.
ToyPoints make_toy(const ToyOptions& options);

}  // namespace quarry
