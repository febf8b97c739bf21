// SPDX-License-Identifier: MIT
// The backward pass of a thread block and its updates (see kernels/mlp_block.h).
#pragma once

#include "kernels/mlp_block.h"

namespace quarry::block {

/// Tile of 16 inputs x 32 rows of the gradient at the input of a layer: weights x `from`, through ReLU and dropout.
template <class Space>
QUARRY_BLOCK_FUNCTION void input_gradient_tile(const Network<Space>& net, const MlpBlockLayer& layer, int from, int to,
                                               float scale, int tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int k = tile * kProductUnits + lane / 8 * 4, r = lane % 8 * 4;
  if (k >= layer.in) return;
  float sum[4][4] = {};
  const float* w = net.memory.at(layer.weights + k * layer.stride);
  const float* g = net.memory.at(from + r);
  int n = 0;
  for (; n + 4 <= layer.out; n += 4) {
    Quad weights[4];
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) weights[i] = load4(w + i * layer.stride);
    QUARRY_UNROLL
    for (int j = 0; j < 4; ++j) {
      multiply_add(sum, {{weights[0].v[j], weights[1].v[j], weights[2].v[j], weights[3].v[j]}},
                   load4(g + j * kUnitStride));
    }
    w += 4;
    g += 4 * kUnitStride;
  }
  for (; n < layer.out; ++n) {
    multiply_add(sum, {{w[0], w[layer.stride], w[2 * layer.stride], w[3 * layer.stride]}}, load4(g));
    ++w;
    g += kUnitStride;
  }
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    const Quad a = load4(net.memory.at(layer.input + (k + i) * kUnitStride + r));
    Quad y;
    QUARRY_UNROLL
    for (int c = 0; c < 4; ++c) y.v[c] = a.v[c] <= 0.0f ? 0.0f : sum[i][c] * scale;
    store4(net.memory.at(to + (k + i) * kUnitStride + r), y);
  }
}

/// Hyperparameters as the update takes them; in shared memory.
struct Update {
  bool adam, moments;  ///< moments: adam, or sgd with momentum
  float minus_lr, weight_decay, momentum;
  float one_minus_beta1, beta2, one_minus_beta2, epsilon;
  float adam_minus_rate, adam_root;  ///< of this step: -lr / c1, sqrt(c2)
};

/// The weight after the step; g is its gradient.
QUARRY_BLOCK_FUNCTION float updated(const Update& u, float w, float g, float& moment1, float& moment2) {
  const float d = std::fma(u.weight_decay, w, g);
  if (!u.moments) return std::fma(u.minus_lr, d, w);
  if (!u.adam) {
    moment1 = std::fma(u.momentum, moment1, d);
    return std::fma(u.minus_lr, moment1, w);
  }
  moment1 = std::fma(u.one_minus_beta1, d - moment1, moment1);
  moment2 = std::fma(u.beta2, moment2, u.one_minus_beta2 * d * d);
  return std::fma(u.adam_minus_rate, moment1 / (std::sqrt(moment2) / u.adam_root + u.epsilon), w);
}

/// 4 weights from offset `at` by their gradients.
template <class Space>
QUARRY_BLOCK_FUNCTION void update4(const Network<Space>& net, const Update& u, int at, const Quad& g) {
  Quad w = load4(net.memory.at(at)), m1 = {}, m2 = {};
  float* const moment1 = net.memory.at(at + net.map.moment1 - net.map.parameters);
  float* const moment2 = net.memory.at(at + net.map.moment2 - net.map.parameters);
  if (u.moments) m1 = load4(moment1);
  if (u.adam) m2 = load4(moment2);
  QUARRY_UNROLL
  for (int c = 0; c < 4; ++c) w.v[c] = updated(u, w.v[c], g.v[c], m1.v[c], m2.v[c]);
  store4(net.memory.at(at), w);
  if (u.moments) store4(moment1, m1);
  if (u.adam) store4(moment2, m2);
}

/// Place of a block of rows in its batch.
struct Place {
  bool first, last;
};

/// Tile of 32 inputs x 16 outputs of a layer: gradient over the rows in order, then the update after the last block.
/// A thread has inputs 8 apart: what 8 threads read together then lies in different banks.
template <class Space>
QUARRY_BLOCK_FUNCTION void weight_tile(const Network<Space>& net, const Update& u, const MlpBlockLayer& layer,
                                       int delta, Place place, int tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int across = tiles(layer.out, kGradientOutputs);
  const int k = tile / across * kGradientInputs + lane % 8, o = tile % across * kGradientOutputs + lane / 8 * 4;
  if (k >= layer.in || o >= layer.out) return;
  const int to_gradient = net.map.gradient - net.map.parameters;
  const float *x[4], *d = net.memory.at(delta + o * kUnitStride);
  float sum[4][4] = {};
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int input = k + 8 * i < layer.in ? k + 8 * i : layer.in - 1;
    x[i] = net.memory.at(layer.input + input * kUnitStride);
    if (place.first || k + 8 * i >= layer.in) continue;
    const Quad start = load4(net.memory.at(layer.weights + input * layer.stride + o + to_gradient));
    QUARRY_UNROLL
    for (int c = 0; c < 4; ++c) sum[i][c] = start.v[c];
  }
  const int rows = net.rows.n;
  int b = 0;
  for (; b + 4 <= rows; b += 4) {
    Quad xs[4], ds[4];
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) {
      xs[i] = load4(x[i] + b);
      ds[i] = load4(d + i * kUnitStride + b);
    }
    QUARRY_UNROLL
    for (int j = 0; j < 4; ++j) {
      multiply_add(sum, {{xs[0].v[j], xs[1].v[j], xs[2].v[j], xs[3].v[j]}},
                   {{ds[0].v[j], ds[1].v[j], ds[2].v[j], ds[3].v[j]}});
    }
  }
  for (; b < rows; ++b) {
    multiply_add(sum, {{x[0][b], x[1][b], x[2][b], x[3][b]}},
                 {{d[b], d[kUnitStride + b], d[2 * kUnitStride + b], d[3 * kUnitStride + b]}});
  }
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    if (k + 8 * i >= layer.in) continue;
    const int at = layer.weights + (k + 8 * i) * layer.stride + o;
    const Quad g = {{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}};
    if (place.last) {
      update4(net, u, at, g);
    } else {
      store4(net.memory.at(at + to_gradient), g);
    }
  }
}

QUARRY_BLOCK_FUNCTION Quad add4(const Quad& a, const Quad& b) {
  return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}};
}

/// 32 biases of a layer, one per thread of a warp: lane sums, their tree, the update.
template <class Space>
QUARRY_BLOCK_FUNCTION void bias_tile(const Network<Space>& net, const Update& u, const MlpBlockLayer& layer, int delta,
                                     Place place, int tile) {
  const int n = tile * 32 + static_cast<int>(threadIdx.x) % 32;
  if (n >= layer.out) return;
  const float* const d = net.memory.at(delta + n * kUnitStride);
  float* const lanes = net.memory.at(net.map.bias_lanes + (layer.units + n) * kUnitStride);
  Quad q[8];
  QUARRY_UNROLL
  for (int i = 0; i < 8; ++i) {
    q[i] = load4(d + 4 * i);
    QUARRY_UNROLL
    for (int c = 0; c < 4; ++c) q[i].v[c] = 4 * i + c < net.rows.n ? q[i].v[c] : 0.0f;
    if (!place.first) q[i] = add4(load4(lanes + 4 * i), q[i]);
    if (!place.last) store4(lanes + 4 * i, q[i]);
  }
  if (!place.last) return;
  QUARRY_UNROLL
  for (int half = 4; half > 0; half /= 2) {
    QUARRY_UNROLL
    for (int i = 0; i < half; ++i) q[i] = add4(q[i], q[i + half]);
  }
  const float g = (q[0].v[0] + q[0].v[2]) + (q[0].v[1] + q[0].v[3]);
  const int at = bias_of(layer) + n;
  float *const w = net.memory.at(at), *const moment1 = net.memory.at(at + net.map.moment1 - net.map.parameters),
               *const moment2 = net.memory.at(at + net.map.moment2 - net.map.parameters);
  float m1 = u.moments ? *moment1 : 0.0f, m2 = u.adam ? *moment2 : 0.0f;
  *w = updated(u, *w, g, m1, m2);
  if (u.moments) *moment1 = m1;
  if (u.adam) *moment2 = m2;
}

QUARRY_BLOCK_FUNCTION int weight_tiles(const MlpBlockLayer& layer) {
  return tiles(layer.in, kGradientInputs) * tiles(layer.out, kGradientOutputs);
}
QUARRY_BLOCK_FUNCTION int parameter_tiles(const MlpBlockLayer& layer) {
  return weight_tiles(layer) + tiles(layer.out, 32);
}

/// Tile of weights or biases number `item`, counted from the last layer to the first.
template <class Space>
QUARRY_BLOCK_FUNCTION void parameter_tile(const Network<Space>& net, const Update& u, Place place, int item) {
  int l = net.map.n_layers - 1;
  for (int here = parameter_tiles(net.layers()[l]); item >= here; here = parameter_tiles(net.layers()[l])) {
    item -= here;
    --l;
  }
  const MlpBlockLayer& layer = net.layers()[l];
  const int weights = weight_tiles(layer), delta = net.delta(l);
  if (item < weights) {
    weight_tile(net, u, layer, delta, place, item);
  } else {
    bias_tile(net, u, layer, delta, place, item - weights);
  }
}

/// From the gradient at the logits to new weights (gradients, before the batch's last block). The gradients at the
/// inputs of the layers, last to second, are the long chain; warps without a tile of it work on the parameters of
/// layers that the chain has passed, and the rest of the parameters comes at the end. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void backward(const Network<Space>& net, const Update& u, float scale, Place place) {
  int done = 0, ready = 0;  // tiles of parameters
  for (int l = net.map.n_layers - 1; l >= 0; --l) {
    const MlpBlockLayer& layer = net.layers()[l];
    const int products = l == 0 ? 0 : tiles(layer.in, kProductUnits);
    const int idle = tiles(products, kWarps) * kWarps - products;
    const int here = parameter_tiles(layer);
    const int also = l == 0 ? ready + here - done : ready - done < idle ? ready - done : idle;
    for (int item = static_cast<int>(threadIdx.x) / 32; item < products + also; item += kWarps) {
      if (item < products) {
        input_gradient_tile(net, layer, net.delta(l), net.delta(l - 1), scale, item);
      } else {
        parameter_tile(net, u, place, done + item - products);
      }
    }
    done += also;
    ready += here;  // not before: the update of these weights has to wait for who reads them
    __syncthreads();
  }
}

}  // namespace quarry::block
