// SPDX-License-Identifier: MIT
#include "quarry/data/generators.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <span>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"

namespace quarry {
namespace {

constexpr std::uint32_t kDataSeed = 42;
constexpr std::uint32_t kSeparateHoneypotSeed = 43;

double sigma(const ToyOptions& options, double ordinary) {
  const double value = options.noise.value_or(ordinary);
  if (!std::isfinite(value) || value < 0)
    usage_error("data.noise is {}; expected a finite number of at least 0", value);
  return value;
}

std::uint32_t honeypot_seed(const ToyOptions& options) {
  return options.separate_honeypot_noise ? kSeparateHoneypotSeed : kDataSeed;
}

/// numpy.linspace: index times step; the last value is the end itself.
std::vector<double> equally_spaced(double end, std::size_t n) {
  const double step = end / static_cast<double>(n - 1);
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<double>(i) * step;
  values.back() = end;
  return values;
}

void add(ToyPoints& points, double x, double y, std::int32_t label) {
  points.x.push_back(x);
  points.x.push_back(y);
  points.labels.push_back(label);
}

/// The points in the order of a shuffle of their indices.
ToyPoints shuffled(const ToyPoints& points, NumpyRandom& random) {
  std::vector<std::size_t> order(points.labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(std::span(order));
  ToyPoints result;
  for (const std::size_t i : order) add(result, points.x[2 * i], points.x[2 * i + 1], points.labels[i]);
  return result;
}

ToyPoints half_circles(std::size_t per_class, double noise) {
  const std::vector<double> angles = equally_spaced(std::numbers::pi, per_class);
  ToyPoints points;
  for (const double angle : angles) add(points, std::cos(angle), std::sin(angle), 0);
  for (const double angle : angles) add(points, 1 - std::cos(angle), 1 - std::sin(angle) - 0.5, 1);
  NumpyRandom random(kDataSeed);
  points = shuffled(points, random);
  for (double& value : points.x) value += random.normal(0, noise);
  return points;
}

/// Gaussian clouds of class 0, 1, ... , one after the other, then shuffled.
ToyPoints clouds(std::span<const std::array<double, 2>> centers, std::size_t per_cloud, double noise,
                 std::uint32_t seed) {
  NumpyRandom random(seed);
  ToyPoints points;
  for (std::size_t c = 0; c < centers.size(); ++c) {
    for (std::size_t i = 0; i < per_cloud; ++i) {
      const double x = random.normal(centers[c][0], noise);
      const double y = random.normal(centers[c][1], noise);
      add(points, x, y, static_cast<std::int32_t>(c));
    }
  }
  return shuffled(points, random);
}

/// Appends honeypots; their labels are 0, 1, 0, 1, ... in the order of generation.
void append_honeypots(ToyPoints& points, std::span<const double> x) {
  points.honeypot.assign(points.labels.size(), 0);
  for (std::size_t i = 0; 2 * i < x.size(); ++i) {
    add(points, x[2 * i], x[2 * i + 1], static_cast<std::int32_t>(i % 2));
    points.honeypot.push_back(1);
  }
}

}  // namespace

ToyPoints make_moons(const ToyOptions& options) {
  return half_circles(300, sigma(options, options.seed_version ? 0.075 : 0.25));
}

ToyPoints make_adversarial_moons(const ToyOptions& options) {
  constexpr std::size_t kHoneypots = 100;
  ToyPoints points = half_circles(250, sigma(options, options.seed_version ? 0.075 : 0.25));
  const double step = 2 * std::numbers::pi / kHoneypots;
  NumpyRandom random(honeypot_seed(options));
  std::vector<double> ring;
  for (std::size_t k = 0; k < kHoneypots; ++k) {
    const double angle = static_cast<double>(k) * step;
    ring.push_back(0.5 + 2.5 * std::cos(angle) + random.normal(0, 0.1));
    ring.push_back(0.25 + 2.5 * std::sin(angle) + random.normal(0, 0.1));
  }
  append_honeypots(points, ring);
  return points;
}

ToyPoints make_blobs(const ToyOptions& options) {
  constexpr std::array<std::array<double, 2>, 2> kClean = {{{0, 0}, {0, 2}}};
  constexpr std::array<std::array<double, 2>, 1> kTrap = {{{1, 1}}};
  ToyPoints points = clouds(kClean, 100, sigma(options, 0.25), kDataSeed);
  append_honeypots(points, clouds(kTrap, 200, 0.375, honeypot_seed(options)).x);
  return points;
}

ToyPoints make_diverging_sine(const ToyOptions& options) {
  const double slope = options.seed_version ? 0.3 : 0.15;
  const double noise = sigma(options, options.seed_version ? 0.5 : 0.2);
  const std::vector<double> x = equally_spaced(options.seed_version ? 10 : 6, 250);
  NumpyRandom random(kDataSeed);
  ToyPoints points;
  for (const double t : x) add(points, t, std::sin(2 * t) + slope * t + random.normal(0, noise), 0);
  for (const double t : x) add(points, t, std::sin(2 * t) - slope * t + random.normal(0, noise), 1);
  return points;
}

}  // namespace quarry
