// SPDX-License-Identifier: MIT
#include "quarry/data/generators.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>

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

[[noreturn]] void no_such_version(std::string_view set, ToyVersion version, std::string_view versions) {
  usage_error("the data set '{}' has no data.version '{}'; expected {}", set,
              toy_versions()[static_cast<std::size_t>(version)], versions);
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

using Point = std::array<double, 2>;

/// Gaussian clouds of class 0, 1, ... , one after the other, then shuffled.
ToyPoints clouds(std::span<const Point> centers, std::size_t per_cloud, double noise, std::uint32_t seed) {
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

/// Honeypots on a ring of radius 2.5 around the middle of the moons.
ToyPoints with_ring(ToyPoints points, std::size_t n, double noise, const ToyOptions& options) {
  const double step = 2 * std::numbers::pi / static_cast<double>(n);
  NumpyRandom random(honeypot_seed(options));
  std::vector<double> ring;
  for (std::size_t k = 0; k < n; ++k) {
    const double angle = static_cast<double>(k) * step;
    ring.push_back(0.5 + 2.5 * std::cos(angle) + random.normal(0, noise));
    ring.push_back(0.25 + 2.5 * std::sin(angle) + random.normal(0, noise));
  }
  append_honeypots(points, ring);
  return points;
}

/// Honeypots in a cloud.
ToyPoints with_cloud(ToyPoints points, Point center, std::size_t n, double noise, const ToyOptions& options) {
  const std::array<Point, 1> one = {center};
  append_honeypots(points, clouds(one, n, noise, honeypot_seed(options)).x);
  return points;
}

}  // namespace

std::span<const std::string_view> toy_versions() {
  static constexpr std::array<std::string_view, 10> kNames = {"final",   "keychain", "seed",    "june_22", "july_10",
                                                              "july_12", "july_14",  "july_15", "july_16", "july_17"};
  return kNames;
}

ToyPoints make_moons(const ToyOptions& options) {
  switch (options.version) {
    case ToyVersion::final:
      return half_circles(300, sigma(options, 0.25));
    case ToyVersion::keychain:
    case ToyVersion::seed:
      return half_circles(300, sigma(options, 0.075));
    case ToyVersion::july_17:
      return half_circles(250, sigma(options, 0.05));
    default:
      no_such_version("moons", options.version, "final, keychain, seed or july_17");
  }
}

ToyPoints make_adversarial_moons(const ToyOptions& options) {
  const auto moons = [&](std::size_t per_class, double noise) {
    return half_circles(per_class, sigma(options, noise));
  };
  switch (options.version) {
    case ToyVersion::final:
      return with_ring(moons(250, 0.25), 100, 0.1, options);
    case ToyVersion::keychain:
    case ToyVersion::seed:
      return with_ring(moons(250, 0.075), 100, 0.1, options);
    case ToyVersion::july_12:
      return with_ring(moons(300, 0.15), 200, 0.15, options);
    case ToyVersion::july_14:
      return with_ring(moons(300, 0.05), 200, 0.15, options);
    case ToyVersion::july_15:
      return with_cloud(moons(200, 0.1), {4, 3}, 100, 1, options);
    case ToyVersion::july_16:
      return with_ring(moons(200, 0.05), 100, 0.1, options);
    default:
      no_such_version("adversarial_moons", options.version,
                      "final, keychain, seed, july_12, july_14, july_15 or july_16");
  }
}

ToyPoints make_blobs(const ToyOptions& options) {
  constexpr std::array<Point, 2> kClean = {{{0, 0}, {0, 2}}}, kOld = {{{0, 0}, {1, 2}}};
  switch (options.version) {
    case ToyVersion::final:
    case ToyVersion::keychain:
    case ToyVersion::seed:
      return with_cloud(clouds(kClean, 100, sigma(options, 0.25), kDataSeed), {1, 1}, 200, 0.375, options);
    case ToyVersion::july_15:
      return with_cloud(clouds(kOld, 200, sigma(options, 0.2), kDataSeed), {0, 1.5}, 100, 0.3, options);
    default:
      no_such_version("blobs", options.version, "final, keychain, seed or july_15");
  }
}

ToyPoints make_toy(const ToyOptions& options) {
  const bool moons = options.version == ToyVersion::july_10;
  if (!moons && options.version != ToyVersion::june_22) no_such_version("toy", options.version, "june_22 or july_10");
  NumpyRandom random(kDataSeed);
  const auto drawn = [&](double low, double high) { return low + (high - low) * random.uniform(); };
  std::array<Point, 2> clean;
  for (Point& center : clean) center = {drawn(-0.2, 0.2), drawn(-0.2, 0.2)};
  const double low = moons ? 0 : 0.1, high = moons ? 6 : 1;
  const Point trap = {drawn(low, high), drawn(low, high)};
  ToyPoints points =
      moons ? half_circles(200, sigma(options, 0.2)) : clouds(clean, 200, sigma(options, 0.05), kDataSeed);
  points = with_cloud(std::move(points), trap, 100, moons ? 0.2 : 0.05, options);
  for (std::size_t i = 400; i < points.labels.size(); ++i)
    points.labels[i] = static_cast<std::int32_t>(random.bounded(1));
  return points;
}

ToyPoints make_diverging_sine(const ToyOptions& options) {
  const bool seed = options.version == ToyVersion::seed;
  if (!seed && options.version != ToyVersion::final && options.version != ToyVersion::keychain)
    no_such_version("diverging_sine", options.version, "final, keychain or seed");
  const double slope = seed ? 0.3 : 0.15;
  const double noise = sigma(options, seed ? 0.5 : 0.2);
  const std::vector<double> x = equally_spaced(seed ? 10 : 6, 250);
  NumpyRandom random(kDataSeed);
  ToyPoints points;
  for (const double t : x) add(points, t, std::sin(2 * t) + slope * t + random.normal(0, noise), 0);
  for (const double t : x) add(points, t, std::sin(2 * t) - slope * t + random.normal(0, noise), 1);
  return points;
}

}  // namespace quarry
