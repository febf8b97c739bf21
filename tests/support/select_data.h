// SPDX-License-Identifier: MIT
// Made-up candidates for tests of selection.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/rng.h"
#include "quarry/core/tensor.h"

namespace quarry::test {

struct Rows {
  std::int64_t n = 0, width = 0;
  std::vector<float> data;
  MatrixView<const float> view() const { return matrix<const float>(data.data(), n, width); }
  float* row(std::int64_t i) { return data.data() + i * width; }
};

/// Roughly normal numbers: a sum of four uniforms, centred.
inline float bell(std::uint64_t key, std::uint64_t element, std::uint32_t step = 0) {
  const PhiloxBlock block = random_block(key, element, step);
  float sum = -2;
  for (std::uint32_t word : block.word) sum += uniform_float(word);
  return sum * 1.7f;
}

enum class Shape { iid, clustered, integers, duplicates, zeros };
inline constexpr Shape kShapes[] = {Shape::iid, Shape::clustered, Shape::integers, Shape::duplicates, Shape::zeros};

/// duplicates: every row about three times; clustered: 10 centres of unequal weight and width.
inline Rows make_rows(Shape shape, std::int64_t n, std::int64_t width, std::uint64_t key) {
  Rows rows{n, width, std::vector<float>(static_cast<std::size_t>(n * width))};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto element = static_cast<std::uint64_t>(
        shape == Shape::duplicates ? static_cast<std::int64_t>(random_below(key, static_cast<std::uint64_t>(n / 3 + 1),
                                                                            static_cast<std::uint64_t>(i), 77))
                                   : i);
    const auto u = static_cast<float>(random_uniform(key, element, 5));
    const auto cluster = static_cast<std::uint64_t>(u * u * 10);
    for (std::int64_t f = 0; f < width; ++f) {
      const float noise = bell(key, element * 4096 + static_cast<std::uint64_t>(f));
      float& x = rows.row(i)[f];
      switch (shape) {
        case Shape::iid:
        case Shape::duplicates:
          x = noise;
          break;
        case Shape::clustered:
          x = 4 * bell(key + 1, cluster * 4096 + static_cast<std::uint64_t>(f)) +
              noise / static_cast<float>(cluster + 1);
          break;
        case Shape::integers:
          x = std::floor(noise * 2);
          break;
        case Shape::zeros:
          x = 0;
          break;
      }
    }
  }
  return rows;
}

/// Rows of class probabilities: a softmax of bell-shaped logits.
inline Rows make_probabilities(std::int64_t n, std::int64_t classes, std::uint64_t key, float scale = 1.5f) {
  Rows rows{n, classes, std::vector<float>(static_cast<std::size_t>(n * classes))};
  for (std::int64_t i = 0; i < n; ++i) {
    float sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      float& p = rows.row(i)[c];
      p = std::exp(scale * bell(key, static_cast<std::uint64_t>(i * classes + c), 9));
      sum += p;
    }
    for (std::int64_t c = 0; c < classes; ++c) rows.row(i)[c] /= sum;
  }
  return rows;
}

/// Sets QUARRY_SIMD for a scope, or leaves it as it was.
class SimdScope {
 public:
  explicit SimdScope(const char* level) {
    if (const char* old = std::getenv("QUARRY_SIMD")) old_ = old;
    setenv("QUARRY_SIMD", level, 1);
  }
  ~SimdScope() {
    if (old_) {
      setenv("QUARRY_SIMD", old_->c_str(), 1);
    } else {
      unsetenv("QUARRY_SIMD");
    }
  }
  SimdScope(const SimdScope&) = delete;
  SimdScope& operator=(const SimdScope&) = delete;

 private:
  std::optional<std::string> old_;
};

/// The instruction sets this machine can run, narrow to wide.
inline std::vector<const char*> simd_names() {
  std::vector<const char*> names = {"portable"};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) names.push_back("avx2");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) names.push_back("avx512");
#endif
  return names;
}

}  // namespace quarry::test
