// SPDX-License-Identifier: MIT
// Softmax, losses and their gradients for one batch row per lane of a warp (see kernels/mlp_block.h). A column is what
// one row has of a [unit][36] array: element c lies c * kUnitStride words on.
#pragma once

#include "kernels/mlp_block.h"

namespace quarry::block {

struct SoftmaxSums {
  float max, sum;
};

/// softmax of the column z into the column p (may be z).
QUARRY_BLOCK_FUNCTION SoftmaxSums softmax(const float* z, int classes, float* p) {
  float m = z[0];
  for (int c = 1; c < classes; ++c) m = m < z[c * kUnitStride] ? z[c * kUnitStride] : m;
  float sum = 0;
  for (int c = 0; c < classes; ++c) {
    const float e = exact_exp(z[c * kUnitStride] - m);
    sum = sum + e;
    p[c * kUnitStride] = e;
  }
  for (int c = 0; c < classes; ++c) p[c * kUnitStride] = p[c * kUnitStride] / sum;
  return {m, sum};
}

/// Arg max of n numbers `stride` apart, lowest index on ties, the first NaN counting as the largest.
QUARRY_BLOCK_FUNCTION int arg_max(const float* z, int n, int stride) {
  float best = z[0];
  int index = 0;
  for (int c = 1; c < n && best == best; ++c) {
    const float x = z[c * stride];
    if (x <= best) continue;
    best = x;
    index = c;
  }
  return index;
}

/// What the loss of one row needs and gives.
struct LossColumns {
  Loss loss;
  int classes, label;
  const float* z;       ///< column of logits
  const float* target;  ///< [classes], mse
  float *p, *q;         ///< columns: softmax(z) (cross-entropies), softmax(p) (ce_on_probs)
};

/// A loss in two halves: cross-entropy = log(sum) - below; mse = sum (of squares), below = 0.
struct RowLoss {
  float sum, below;
};

/// Fills p and q too.
QUARRY_BLOCK_FUNCTION RowLoss row_loss(const LossColumns& b) {
  if (b.loss == Loss::mse) {
    float sum = 0;
    for (int c = 0; c < b.classes; ++c) {
      const float e = b.z[c * kUnitStride] - b.target[c];
      sum = std::fma(e, e, sum);
    }
    return {sum, 0};
  }
  const float* scores = b.z;
  SoftmaxSums s = softmax(b.z, b.classes, b.p);
  if (b.loss == Loss::ce_on_probs) {
    scores = b.p;
    s = softmax(b.p, b.classes, b.q);
  }
  return {s.sum, scores[b.label * kUnitStride] - s.max};
}

QUARRY_BLOCK_FUNCTION float loss_value(Loss loss, const RowLoss& row) {
  return loss == Loss::mse ? row.sum : exact_log(row.sum) - row.below;
}

/// Gradient of the batch's mean loss at z after row_loss, into p; factor = 1 / rows, mse 2 / (rows C).
QUARRY_BLOCK_FUNCTION void loss_gradient(const LossColumns& b, float factor) {
  const auto mean_gradient = [&](const float* probability, int c) {
    return (probability[c * kUnitStride] - (c == b.label ? 1.0f : 0.0f)) * factor;
  };
  float t = 0;
  if (b.loss == Loss::ce_on_probs) {
    for (int c = 0; c < b.classes; ++c) t = std::fma(b.p[c * kUnitStride], mean_gradient(b.q, c), t);
  }
  for (int c = 0; c < b.classes; ++c) {
    float& g = b.p[c * kUnitStride];
    if (b.loss == Loss::mse) {
      g = (b.z[c * kUnitStride] - b.target[c]) * factor;
    } else if (b.loss == Loss::ce_on_logits) {
      g = mean_gradient(b.p, c);
    } else {
      g = g * (mean_gradient(b.q, c) - t);
    }
  }
}

/// Lane i += lane i + 16, 8, 4, 2, 1; the sum is lane 0's. By a whole warp.
QUARRY_BLOCK_FUNCTION float lane_tree(float x) {
  QUARRY_UNROLL
  for (int step = 16; step > 0; step /= 2) x = x + __shfl_down_sync(kWholeWarp, x, step);
  return x;
}

}  // namespace quarry::block
