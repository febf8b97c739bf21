// SPDX-License-Identifier: MIT
// The toy data sets of the online-tuning study, as points in generation order, before split and scaling.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace quarry {

/// Two features per point. Labels are 0 and 1.
struct ToyPoints {
  std::vector<double> x;               ///< [n][2]
  std::vector<std::int32_t> labels;    ///< [n]
  std::vector<std::uint8_t> honeypot;  ///< [n], 1 = the label is meaningless; empty if the set has none
};

struct ToyOptions {
  bool seed_version = false;             ///< parameters of July 2023 instead of August (spec 2.1)
  std::optional<double> noise;           ///< sigma of the clean points; honeypots keep theirs
  bool separate_honeypot_noise = false;  ///< B21: honeypots draw from a stream of their own
};

// Every set is made by NumPy's legacy streams seeded 42 and never depends on a run's seed.
// Errors: usage if the noise is negative or not finite.

/// 600 points, two interleaved half circles, sigma 0.25 (seed version 0.075).
ToyPoints make_moons(const ToyOptions& options);
/// Moons of 500 points, and 100 honeypots on a ring of radius 2.5 around them.
ToyPoints make_adversarial_moons(const ToyOptions& options);
/// Two Gaussian blobs of 100 points, sigma 0.25, and 200 honeypots between them, sigma 0.375.
ToyPoints make_blobs(const ToyOptions& options);
/// 500 points above and below sin(2x), 0 <= x <= 6, that drift apart by 0.15 x each, sigma 0.2
/// (seed version: x <= 10, 0.3 x, sigma 0.5).
ToyPoints make_diverging_sine(const ToyOptions& options);

}  // namespace quarry
