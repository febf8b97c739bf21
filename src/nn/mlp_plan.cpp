// SPDX-License-Identifier: MIT
#include "src/nn/mlp_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry {
namespace {

constexpr std::int32_t kMaxWidth = 1 << 20;

std::int32_t round16(std::int32_t n) {
  return (n + 15) / 16 * 16;
}

/// Columns along the vector axis: whichever orientation needs fewer vectors of 16; the outputs on a tie.
MlpLayer orient(std::int32_t in, std::int32_t out) {
  MlpLayer layer;
  layer.in = in;
  layer.out = out;
  const std::int64_t by_outputs = std::int64_t{in} * round16(out), by_inputs = std::int64_t{out} * round16(in);
  layer.columns_are_outputs = by_outputs <= by_inputs;
  layer.rows = layer.columns_are_outputs ? in : out;
  layer.columns = layer.columns_are_outputs ? out : in;
  layer.stride = round16(layer.columns);
  return layer;
}

}  // namespace

void check_sizes(std::span<const std::int32_t> sizes) {
  QUARRY_CHECK(sizes.size() >= 2, "a network needs an input and an output width, got {} widths", sizes.size());
  for (const std::int32_t size : sizes) {
    QUARRY_CHECK(size >= 1 && size <= kMaxWidth, "layer width {} is not in 1 ... {}", size, kMaxWidth);
  }
}

MlpDropout mlp_dropout(double rate, std::uint64_t key) {
  return {key, static_cast<std::uint32_t>(std::floor(rate * 0x1.0p32)), rate};
}

std::int64_t parameter_count(std::span<const std::int32_t> sizes) {
  check_sizes(sizes);
  std::int64_t count = 0;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) count += (std::int64_t{sizes[l]} + 1) * sizes[l + 1];
  return count;
}

std::int32_t penultimate_width(std::span<const std::int32_t> sizes) {
  check_sizes(sizes);
  return sizes[sizes.size() - 2];
}

MlpShape::MlpShape(std::span<const std::int32_t> sizes) {
  check_sizes(sizes);
  std::int64_t next = 0, bias_rows = 0;
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    MlpLayer layer = orient(sizes[l], sizes[l + 1]);
    layer.weights = next;
    layer.bias = next + std::int64_t{layer.rows} * layer.stride;
    layer.bias_lanes = bias_rows;
    next = layer.bias + round16(layer.out);
    bias_rows += layer.out;
    layers_.push_back(layer);
  }
  plan_.parameters = next;
  plan_.widest = round16(*std::max_element(sizes.begin(), sizes.end()));
  std::int64_t scratch = 0;
  const auto take = [&scratch](std::int64_t n) {
    const std::int64_t at = scratch;
    scratch += n;
    return at;
  };
  plan_.x = take(std::int64_t{round16(sizes.front())} * 32);
  plan_.x_rows = take(std::int64_t{round16(sizes.front())} * 32);
  for (MlpLayer& layer : layers_) layer.activations = take(std::int64_t{round16(layer.out)} * 32);
  plan_.delta = take(2 * plan_.widest * 32);
  plan_.columns = take(plan_.widest * 32);
  plan_.gradient = take(plan_.parameters);
  plan_.bias_lanes = take(bias_rows * 32);
  plan_.lanes = take(3 * 32);
  plan_.targets = take(std::int64_t{round16(sizes.back())} * 32);
  plan_.scratch = scratch;
  plan_.layers = layers_.data();
  plan_.n_layers = static_cast<std::int32_t>(layers_.size());
}

template <class F>
void MlpShape::for_each(F f) const {
  std::int64_t packed = 0;
  for (const MlpLayer& layer : layers_) {
    for (std::int32_t n = 0; n < layer.out; ++n) {
      for (std::int32_t k = 0; k < layer.in; ++k) {
        const std::int64_t row = layer.columns_are_outputs ? k : n, column = layer.columns_are_outputs ? n : k;
        f(packed++, layer.weights + row * layer.stride + column);
      }
    }
    for (std::int32_t n = 0; n < layer.out; ++n) f(packed++, layer.bias + n);
  }
}

template <class From, class T>
void MlpShape::unpack(std::span<const From> packed, T* working) const {
  std::fill(working, working + plan_.parameters, T(0));
  for_each([&](std::int64_t from, std::int64_t to) {
    working[to] = static_cast<T>(packed[static_cast<std::size_t>(from)]);
  });
}

template <class T>
void MlpShape::pack(const T* working, T* packed) const {
  for_each([&](std::int64_t to, std::int64_t from) {
    const T x = working[from];
    packed[to] = std::isnan(x) ? std::numeric_limits<T>::quiet_NaN() : x;
  });
}

template <class T>
void MlpShape::initialise(std::uint64_t key, T* working) const {
  std::fill(working, working + plan_.parameters, T(0));
  PhiloxBlock block{};
  double bound = 0;
  std::size_t layer = 0;
  std::int64_t end = 0;  // of the packed parameters of `layer` - 1
  for_each([&](std::int64_t i, std::int64_t to) {
    if (i == end) {
      const MlpLayer& next = layers_[layer++];
      bound = 1.0 / std::sqrt(static_cast<double>(next.in));
      end += (std::int64_t{next.in} + 1) * next.out;
    }
    if (i % 4 == 0) block = random_block(key, static_cast<std::uint64_t>(i / 4));
    const double u = (static_cast<double>(block.word[i % 4]) + 0.5) * 0x1.0p-32;
    working[to] = static_cast<T>((2 * u - 1) * bound);
  });
}

template void MlpShape::unpack<double, float>(std::span<const double>, float*) const;
template void MlpShape::unpack<double, double>(std::span<const double>, double*) const;
template void MlpShape::unpack<float, float>(std::span<const float>, float*) const;
template void MlpShape::pack<float>(const float*, float*) const;
template void MlpShape::pack<double>(const double*, double*) const;
template void MlpShape::initialise<float>(std::uint64_t, float*) const;
template void MlpShape::initialise<double>(std::uint64_t, double*) const;

}  // namespace quarry
