// SPDX-License-Identifier: MIT
// The parts of an MLP step that are not matrix products: reading rows, dropout, losses, updates. Over a lane type L;
// included only by the .cpp of one instruction set. The formulas and their order: quarry/ops/mlp.h.
#pragma once

#include "kernels/mlp_matrix.h"
#include "quarry/core/exact_math.h"
#include "quarry/ops/mlp.h"

namespace quarry {
namespace {

constexpr std::int64_t round16(std::int64_t n) {
  return (n + 15) / 16 * 16;
}

/// Which rows the lanes of a block hold.
struct RowBlock {
  std::int64_t at[kLanes];  ///< row of the data set per lane; 0 for absent lanes
  int n;                    ///< rows present
};

inline RowBlock row_block(const std::int32_t* rows, std::int64_t first, std::int64_t n) {
  RowBlock block;
  block.n = static_cast<int>(n < kLanes ? n : kLanes);
  for (int i = 0; i < kLanes; ++i) {
    block.at[i] = i >= block.n ? 0 : rows != nullptr ? rows[first + i] : first + i;
  }
  return block;
}

/// Up to 32 rows of a row-major matrix as x_rows [32][round16(d)] and x [round16(d)][32]; absent rows are zero.
template <class L>
inline void read_rows(const RowBlock& block, const typename L::T* matrix, std::int64_t d, bool need_x_rows,
                      typename L::T* x_rows, typename L::T* x) {
  using T = typename L::T;
  if (d <= 4 && !need_x_rows) {  // narrow data: scalar copies beat a transpose
    for (std::int64_t c = 0; c < d; ++c) {
      for (int i = 0; i < kLanes; ++i) x[c * kLanes + i] = i < block.n ? matrix[block.at[i] * d + c] : T(0);
    }
    return;
  }
  const std::int64_t stride = round16(d);
  for (int i = 0; i < kLanes; ++i) {
    const T* const row = matrix + block.at[i] * d;
    const std::int64_t width = i < block.n ? d : 0;
    for (std::int64_t c = 0; c < stride; c += L::N) {
      L::store(x_rows + i * stride + c, L::load_partial(row + (c < width ? c : 0), width - c));
    }
  }
  transpose_panel<L>(x_rows, stride, kLanes, static_cast<int>(stride), x, kLanes);
}

/// In-place dropout of the activations [units][32] after layer `layer`; `row` holds 32 row coordinates.
template <class L>
inline void drop_units(const MlpDropout& dropout, const std::uint32_t* row, int n_rows, std::uint32_t step, int layer,
                       int units, typename L::T* a, typename L::T scale) {
  using T = typename L::T;
  alignas(64) std::uint32_t words[4][kLanes] = {};
  for (int u = 0; u < units; u += 4) {
    Philox32::block(dropout.key, row, static_cast<std::uint32_t>(u / 4), step, static_cast<std::uint32_t>(layer),
                    n_rows, words);
    for (int w = 0; w < 4 && u + w < units; ++w) {
      T* const unit = a + (u + w) * kLanes;
      for (int i = 0; i < kLanes; i += L::N) {
        const auto keep = L::at_least(words[w] + i, dropout.threshold);
        L::store(unit + i, L::select(keep, L::mul(L::load(unit + i), L::set(scale)), L::set(T(0))));
      }
    }
  }
}

template <class L>
inline typename L::T dropout_scale(const MlpDropout& dropout) {
  return static_cast<typename L::T>(dropout.threshold == 0 ? 1.0 : 1.0 / (1.0 - dropout.rate));
}

/// One vector of rows: softmax of z [classes][32] into p [classes][32] (may be z); also max and sum.
template <class L>
struct SoftmaxSums {
  typename L::V max, sum;
};

template <class L>
inline SoftmaxSums<L> softmax_lanes(const typename L::T* z, int classes, typename L::T* p) {
  using V = typename L::V;
  V m = L::load(z);
  for (int c = 1; c < classes; ++c) {
    const V x = L::load(z + c * kLanes);
    m = L::select(L::lt(m, x), x, m);
  }
  V sum = L::set(0);
  for (int c = 0; c < classes; ++c) {
    const V e = exact_exp_lanes<L>(L::sub(L::load(z + c * kLanes), m));
    sum = c == 0 ? e : L::add(sum, e);
    L::store(p + c * kLanes, e);
  }
  for (int c = 0; c < classes; ++c) L::store(p + c * kLanes, L::div(L::load(p + c * kLanes), sum));
  return {m, sum};
}

/// z[label] per lane.
template <class L>
inline typename L::V pick(const typename L::T* z, int classes, typename L::V label) {
  using T = typename L::T;
  typename L::V x = L::set(0);
  for (int c = 0; c < classes; ++c) {
    x = L::select(L::eq(label, L::set(static_cast<T>(c))), L::load(z + c * kLanes), x);
  }
  return x;
}

/// Arg max of [n][32] per lane, lowest index on ties, the first NaN counting as the largest.
template <class L>
inline typename L::V arg_max(const typename L::T* z, int n) {
  using V = typename L::V;
  using T = typename L::T;
  V best = L::load(z), index = L::set(0);
  for (int c = 1; c < n; ++c) {
    const V x = L::load(z + c * kLanes);
    const V larger = L::select(L::le(x, best), index, L::set(static_cast<T>(c)));
    index = L::select(L::is_nan(best), index, larger);
    best = L::select(L::is_nan(best), best, L::select(L::le(x, best), best, x));
  }
  return index;
}

/// What a loss needs and gives for one block of rows. Buffers are [classes][32] or [32].
template <class L>
struct LossBlock {
  using T = typename L::T;
  Loss loss;
  int classes;
  const T* z;       ///< logits
  const T* label;   ///< -1 for absent rows
  const T* valid;   ///< 1 or 0
  const T* target;  ///< mse, and cross-entropies of distributions
  bool soft;        ///< a cross-entropy with the distribution `target`, not a label
  T* p;             ///< softmax(z) (cross-entropies)
  T* q;             ///< softmax(p) (ce_on_probs)
};

/// A row's loss in two halves: cross-entropy = log(sum) - below; mse = sum (of squares), below unused.
template <class L>
struct RowLoss {
  typename L::V sum, below;
};

/// Rows i ... i + N of the block; fills b.p and b.q.
template <class L>
inline RowLoss<L> row_loss(const LossBlock<L>& b, int i) {
  using V = typename L::V;
  if (b.loss == Loss::mse) {
    V sum = L::set(0);
    for (int c = 0; c < b.classes; ++c) {
      const V e = L::sub(L::load(b.z + c * kLanes + i), L::load(b.target + c * kLanes + i));
      sum = L::fma(e, e, sum);
    }
    return {sum, L::set(0)};
  }
  const typename L::T* scores = b.z;
  SoftmaxSums<L> s = softmax_lanes<L>(b.z + i, b.classes, b.p + i);
  if (b.loss == Loss::ce_on_probs) {
    scores = b.p;
    s = softmax_lanes<L>(b.p + i, b.classes, b.q + i);
  }
  if (!b.soft) return {s.sum, L::sub(pick<L>(scores + i, b.classes, L::load(b.label + i)), s.max)};
  V below = L::set(0);
  for (int c = 0; c < b.classes; ++c) {
    below = L::fma(L::load(b.target + c * kLanes + i), L::sub(L::load(scores + c * kLanes + i), s.max), below);
  }
  return {s.sum, below};
}

/// The loss itself, 0 for absent rows.
template <class L>
inline typename L::V loss_value(const LossBlock<L>& b, int i, const RowLoss<L>& row) {
  const typename L::V value = b.loss == Loss::mse ? row.sum : L::sub(exact_log_lanes<L>(row.sum), row.below);
  return L::select(L::lt(L::set(0), L::load(b.valid + i)), value, L::set(0));
}

/// 0 where the row's loss is finite or the row absent, else NaN; without the logarithm.
template <class L>
inline typename L::V loss_defect(const LossBlock<L>& b, int i, const RowLoss<L>& row) {
  const typename L::V x = L::sub(row.sum, row.below);  // sum >= 0 and below <= 0: finite exactly if both are
  return L::select(L::lt(L::set(0), L::load(b.valid + i)), L::sub(x, x), L::set(0));
}

/// Gradient of the batch's mean loss at z after row_loss; factor = 1 / rows, mse 2 / (rows C). Absent rows: 0.
template <class L>
inline void loss_gradient(const LossBlock<L>& b, int i, typename L::T factor, typename L::T* gradient) {
  using V = typename L::V;
  using T = typename L::T;
  const V zero = L::set(0), one = L::set(1), f = L::set(factor), label = L::load(b.label + i);
  const auto present = L::lt(zero, L::load(b.valid + i));
  const auto mean_gradient = [&](const T* probability, int c) {
    const V y =
        b.soft ? L::load(b.target + c * kLanes + i) : L::select(L::eq(label, L::set(static_cast<T>(c))), one, zero);
    return L::mul(L::sub(L::load(probability + c * kLanes + i), y), f);
  };
  V t = zero;
  if (b.loss == Loss::ce_on_probs) {
    for (int c = 0; c < b.classes; ++c) t = L::fma(L::load(b.p + c * kLanes + i), mean_gradient(b.q, c), t);
  }
  for (int c = 0; c < b.classes; ++c) {
    V g;
    if (b.loss == Loss::mse) {
      g = L::mul(L::sub(L::load(b.z + c * kLanes + i), L::load(b.target + c * kLanes + i)), f);
    } else if (b.loss == Loss::ce_on_logits) {
      g = mean_gradient(b.p, c);
    } else {
      g = L::mul(L::load(b.p + c * kLanes + i), L::sub(mean_gradient(b.q, c), t));
    }
    L::store(gradient + c * kLanes + i, L::select(present, g, zero));
  }
}

/// sgd or adam on n working parameters (and the rest of their last vector) with gradient g.
template <class L>
inline void update(const MlpEpoch<typename L::T>& e, const typename L::T* adam, std::int64_t at, std::int64_t n,
                   const typename L::T* g) {
  using V = typename L::V;
  const V decay = L::set(e.weight_decay), minus_lr = L::set(-e.lr);
  for (std::int64_t i = at; i < at + n; i += L::N, g += L::N) {
    const V w = L::load(e.parameters + i);
    const V d = L::fma(decay, w, L::load(g));
    if (e.optimizer == Optimizer::sgd) {
      V v = d;
      if (e.moment1 != nullptr) {
        v = L::fma(L::set(e.momentum), L::load(e.moment1 + i), d);
        L::store(e.moment1 + i, v);
      }
      L::store(e.parameters + i, L::fma(minus_lr, v, w));
    } else {
      const V m0 = L::load(e.moment1 + i);
      const V m = L::fma(L::set(e.one_minus_beta1), L::sub(d, m0), m0);
      const V v = L::fma(L::set(e.beta2), L::load(e.moment2 + i), L::mul(L::mul(L::set(e.one_minus_beta2), d), d));
      L::store(e.moment1 + i, m);
      L::store(e.moment2 + i, v);
      const V denominator = L::add(L::div(L::sqrt(v), L::set(adam[1])), L::set(e.epsilon));
      L::store(e.parameters + i, L::fma(L::set(-adam[0]), L::div(m, denominator), w));
    }
  }
}

}  // namespace
}  // namespace quarry
