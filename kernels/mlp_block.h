// SPDX-License-Identifier: MIT
// What a thread block does with a network: reading rows, forward, losses, backward, updates. Device functions of
// mlp_fit.cu and mlp_score.cu; the canonical order is that of quarry/ops/mlp.h, the memory that of kernels/mlp_map.h.
//
// A block has 256 threads and works on 32 batch rows. The products run in tiles of a warp: 32 rows x 16 units (forward
// and input gradient) or 32 inputs x 16 outputs (weight gradient), 4 x 4 sums per thread. Per 16 fused multiply-adds a
// thread loads two vectors of 4 words. Of the 8 threads that a shared-memory pass serves, all read one vector of
// weights and 8 neighbouring vectors of activations (products), or vectors 36 words apart (weight gradient): no bank
// conflict. Every function is called by all threads, contains no barrier, and needs one before what follows, unless it
// says otherwise.
//
// Space is the address space of the network: shared memory, or a slice of global memory for networks beyond it.
#pragma once

#include "kernels/mlp_map.h"
#include "kernels/simt.h"
#include "quarry/core/exact_math.h"
#include "quarry/core/rng.h"
#include "quarry/ops/mlp.h"

#define QUARRY_BLOCK_FUNCTION __device__ __forceinline__

namespace quarry::block {

inline constexpr int kThreads = kBlockThreads, kWarps = kThreads / 32;
inline constexpr int kProductUnits = 16, kGradientInputs = 32, kGradientOutputs = 16;  ///< of a warp's tile
inline constexpr unsigned kWholeWarp = 0xffffffffu;

struct SharedSpace {
  QUARRY_BLOCK_FUNCTION static float* at(int offset) {
    QUARRY_DYNAMIC_SHARED(float, pool);
    return pool + offset;
  }
};

struct GlobalSpace {
  float* base;
  QUARRY_BLOCK_FUNCTION float* at(int offset) const { return base + offset; }
};

struct alignas(16) Quad {
  float v[4];
};
QUARRY_BLOCK_FUNCTION Quad load4(const float* p) {
  return *reinterpret_cast<const Quad*>(p);
}
QUARRY_BLOCK_FUNCTION void store4(float* p, const Quad& x) {
  *reinterpret_cast<Quad*>(p) = x;
}

/// Tiles that cover n.
QUARRY_BLOCK_FUNCTION int tiles(int n, int size) {
  return (n + size - 1) / size;
}

/// The rows that a block holds; in shared memory.
struct Rows {
  std::int32_t n;                         ///< present; the others repeat row 0 of the data and have no part in any sum
  std::int32_t label[kBlockRows];         ///< -1: absent row, or no labels
  std::int32_t row[kBlockRows];           ///< of the data set; 0 for absent rows
  std::uint32_t dropout_row[kBlockRows];  ///< coordinate of a row's masks
};

/// In shared memory.
struct Dropout {
  std::uint64_t key;
  std::uint32_t threshold, step;  ///< threshold 0: none
  float scale;
};

QUARRY_BLOCK_FUNCTION Dropout make_dropout(double rate, std::uint64_t key) {
  const auto threshold = static_cast<std::uint32_t>(std::floor(rate * 0x1.0p32));
  return {key, threshold, 0, static_cast<float>(threshold == 0 ? 1.0 : 1.0 / (1.0 - rate))};
}

/// NaNs become the positive quiet NaN.
QUARRY_BLOCK_FUNCTION float plain_nan(float x) {
  return x != x ? ScalarLane<float>::from_bits(ExactMath<float>::kNan) : x;
}

template <class Space>
struct Network {
  Space memory;
  const MlpBlockMap& map;
  Rows& rows;

  QUARRY_BLOCK_FUNCTION MlpBlockLayer* layers() const { return reinterpret_cast<MlpBlockLayer*>(memory.at(0)); }
  QUARRY_BLOCK_FUNCTION MlpBlockLayer layer(int l) const { return layers()[l]; }
  QUARRY_BLOCK_FUNCTION MlpBlockLayer last() const { return layers()[map.n_layers - 1]; }
  /// Softmax and what goes with it: two arrays [C][36].
  QUARRY_BLOCK_FUNCTION int probabilities(int which) const {
    return map.probabilities + which * static_cast<int>(round_up4(last().out)) * kUnitStride;
  }
  /// Gradient at the output of layer l.
  QUARRY_BLOCK_FUNCTION int delta(int l) const {
    return l + 1 == map.n_layers ? map.probabilities : layers()[l].output + map.to_delta;
  }
  /// Word of a packed parameter.
  QUARRY_BLOCK_FUNCTION float* parameter(std::int32_t packed) const {
    int l = map.n_layers - 1;
    while (layers()[l].packed > packed) --l;
    const MlpBlockLayer at = layer(l);
    const std::int32_t i = packed - at.packed, weights = at.in * at.out;
    return memory.at(i < weights ? at.weights + i % at.in * at.stride + i / at.in : bias_of(at) + i - weights);
  }
};

/// Rows first ... first + n of the list `rows` (null: the row numbers themselves), at most 32; labels may be null.
/// Their dropout coordinates: place, place + 1, ... or, if that is negative, the row numbers. 8 threads read a row: a
/// warp reads 32 bytes of 4 rows at a time and writes to 32 different banks.
template <class Space>
QUARRY_BLOCK_FUNCTION void read_rows(const Network<Space>& net, const float* features, const std::int32_t* labels,
                                     const std::int32_t* rows, std::int32_t first, std::int32_t n, std::int32_t place) {
  const int slot = static_cast<int>(threadIdx.x) / 8;
  const bool present = slot < n;
  const std::int32_t row = !present ? 0 : rows != nullptr ? rows[first + slot] : first + slot;
  const int d = net.layers()[0].in;
  const float* const from = features + static_cast<std::int64_t>(row) * d;
  float* const to = net.memory.at(net.map.input) + slot;
  for (int k = static_cast<int>(threadIdx.x) % 8; k < d; k += 8) to[k * kUnitStride] = from[k];
  if (threadIdx.x % 8 == 0) {
    net.rows.row[slot] = row;
    net.rows.label[slot] = present && labels != nullptr ? labels[row] : -1;
    net.rows.dropout_row[slot] = static_cast<std::uint32_t>(place < 0 ? row : place + slot);
  }
  if (threadIdx.x == 0) net.rows.n = n < kBlockRows ? n : kBlockRows;
}

/// sum[i][c] = fma(a[i], b[c], sum[i][c]).
QUARRY_BLOCK_FUNCTION void multiply_add(float (&sum)[4][4], const Quad& a, const Quad& b) {
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    QUARRY_UNROLL
    for (int c = 0; c < 4; ++c) sum[i][c] = std::fma(a.v[i], b.v[c], sum[i][c]);
  }
}

/// Units o ... o + 3 (after layer `number`) of rows r ... r + 3.
QUARRY_BLOCK_FUNCTION void drop(const Dropout& dropout, const std::uint32_t* dropout_row, int number, int o, int r,
                                float (&sum)[4][4]) {
  QUARRY_UNROLL
  for (int c = 0; c < 4; ++c) {
    const PhiloxBlock words = philox(philox_key(dropout.key), dropout_row[r + c], static_cast<std::uint32_t>(o / 4),
                                     dropout.step, static_cast<std::uint32_t>(number));
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) sum[i][c] = words.word[i] >= dropout.threshold ? sum[i][c] * dropout.scale : 0.0f;
  }
}

/// Tile of 16 outputs x 32 rows of layer `number`: bias + weights x input, ReLU and dropout (null: none) if hidden.
template <class Space>
QUARRY_BLOCK_FUNCTION void forward_tile(const Network<Space>& net, const MlpBlockLayer& layer, int number, bool hidden,
                                        const Dropout* dropout, int tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int o = tile * kProductUnits + lane / 8 * 4, r = lane % 8 * 4;
  if (o >= layer.out) return;
  const Quad bias = load4(net.memory.at(bias_of(layer) + o));
  float sum[4][4];
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    QUARRY_UNROLL
    for (int c = 0; c < 4; ++c) sum[i][c] = bias.v[i];
  }
  const float* w = net.memory.at(layer.weights + o);
  const float* x = net.memory.at(layer.input + r);
  for (int k = 0; k < layer.in; ++k) {
    multiply_add(sum, load4(w), load4(x));
    w += layer.stride;
    x += kUnitStride;
  }
  if (hidden) {
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) {
      QUARRY_UNROLL
      for (int c = 0; c < 4; ++c) sum[i][c] = 0.0f > sum[i][c] ? 0.0f : sum[i][c];
    }
    if (dropout != nullptr && dropout->threshold != 0) drop(*dropout, net.rows.dropout_row, number, o, r, sum);
  }
  float* const y = net.memory.at(layer.output + o * kUnitStride + r);
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) store4(y + i * kUnitStride, {{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}});
}

/// Output o of a linear layer for 32 rows: a warp each, where outputs are too few for tiles.
template <class Space>
QUARRY_BLOCK_FUNCTION void forward_unit(const Network<Space>& net, const MlpBlockLayer& layer, int o) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const float* w = net.memory.at(layer.weights + o);
  const float* x = net.memory.at(layer.input + lane);
  float sum = *net.memory.at(bias_of(layer) + o);
  for (int k = 0; k < layer.in; ++k) {
    sum = std::fma(*w, *x, sum);
    w += layer.stride;
    x += kUnitStride;
  }
  *net.memory.at(layer.output + o * kUnitStride + lane) = sum;
}

/// Layers from ... L - 1, with a barrier after each.
template <class Space>
QUARRY_BLOCK_FUNCTION void forward(const Network<Space>& net, int from, const Dropout* dropout) {
  for (int l = from; l < net.map.n_layers; ++l) {
    const MlpBlockLayer layer = net.layer(l);
    const bool hidden = l + 1 < net.map.n_layers, narrow = !hidden && layer.out <= kWarps;
    const int items = narrow ? layer.out : tiles(layer.out, kProductUnits);
    for (int item = static_cast<int>(threadIdx.x) / 32; item < items; item += kWarps) {
      if (narrow) {
        forward_unit(net, layer, item);
      } else {
        forward_tile(net, layer, l, hidden, dropout, item);
      }
    }
    __syncthreads();
  }
}

}  // namespace quarry::block
