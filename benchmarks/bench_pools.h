// SPDX-License-Identifier: MIT
// Pools that the selection benchmarks choose from: clustered and iid features, class probabilities, and NPY files of
// them for the rivals.
#pragma once

#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry::bench {

inline float bell(std::uint64_t key, std::uint64_t element) {
  const PhiloxBlock block = random_block(key, element);
  float sum = -2;
  for (std::uint32_t word : block.word) sum += uniform_float(word);
  return sum * 1.7f;
}

/// Clustered: 10 clusters whose spread falls off over the features as 1 / sqrt(1 + f / 8), so the effective rank is
/// far below the width, as it is in networks; iid: the worst case.
inline std::vector<float> make_features(bool clustered, std::int64_t n, std::int64_t width, std::uint64_t key) {
  std::vector<float> x(static_cast<std::size_t>(n * width));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto cluster = random_below(key, 10, static_cast<std::uint64_t>(i), 1);
    for (std::int64_t f = 0; f < width; ++f) {
      const float noise = bell(key, static_cast<std::uint64_t>(i * width + f) + (std::uint64_t{1} << 40));
      const float scale = clustered ? 1 / std::sqrt(1 + static_cast<float>(f) / 8) : 1.0f;
      const float center = clustered ? 2 * bell(99, cluster * 65536 + static_cast<std::uint64_t>(f)) : 0.0f;
      x[static_cast<std::size_t>(i * width + f)] = scale * (center + noise);
    }
  }
  return x;
}

inline std::vector<float> make_probabilities(std::int64_t n, std::int64_t classes) {
  std::vector<float> p(static_cast<std::size_t>(n * classes));
  for (std::int64_t i = 0; i < n; ++i) {
    float sum = 0;
    float* row = p.data() + i * classes;
    for (std::int64_t c = 0; c < classes; ++c) {
      row[c] = std::exp(2 * bell(7, static_cast<std::uint64_t>(i * classes + c)));
      sum += row[c];
    }
    for (std::int64_t c = 0; c < classes; ++c) row[c] /= sum;
  }
  return p;
}

inline void write_npy(const std::string& path, const std::vector<float>& data, std::int64_t rows,
                      std::int64_t columns) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size() & 255)
       << static_cast<char>(header.size() >> 8) << header;
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size() * sizeof(float)));
  QUARRY_CHECK(file.good(), "cannot write {}", path);
}

}  // namespace quarry::bench
