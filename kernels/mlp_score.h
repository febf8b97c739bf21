// SPDX-License-Identifier: MIT
// Prediction, MC-dropout scoring and softmax, over a lane type L. Included only by the .cpp of one instruction set.
#pragma once

#include "kernels/mlp_train.h"

namespace quarry {
namespace {

/// NaNs become the positive quiet NaN: which NaN an operation returns depends on operand order.
template <class L>
inline typename L::V plain_nan(typename L::V x) {
  return L::select(L::is_nan(x), L::from_bits(L::iset(ExactMath<typename L::T>::kNan)), x);
}

/// [units][32] -> rows of `out` [.][n].
template <class L>
inline void write_rows(typename L::T* units, int n, typename L::T* columns, int rows, typename L::T* out) {
  const std::int64_t stride = round16(n);
  units_to_columns<L>(units, n, columns, stride);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < n; c += L::N) {
      L::store_partial(out + std::int64_t{r} * n + c, n - c, plain_nan<L>(L::load(columns + r * stride + c)));
    }
  }
}

template <class L>
void predict(const MlpPrediction<typename L::T>& p) {
  const Network<L> net{*p.plan, p.parameters, p.scratch};
  const MlpLayer& last = p.plan->layers[p.plan->n_layers - 1];
  typename L::T* const columns = p.scratch + p.plan->columns;
  for (std::int64_t row = 0; row < p.data.n; row += kLanes) {
    const RowBlock block = row_block(p.data.rows, row, p.data.n - row);
    net.read_inputs(p.data, block);
    net.forward();
    if (p.logits != nullptr) write_rows<L>(net.logits(), last.out, columns, block.n, p.logits + row * last.out);
    if (p.penultimate != nullptr) {
      write_rows<L>(net.input(p.plan->n_layers - 1), last.in, columns, block.n, p.penultimate + row * last.in);
    }
  }
}

/// sum over c of q[c] log(q[c] + epsilon), negated.
template <class L>
inline typename L::V entropy_lanes(const typename L::T* q, int classes, typename L::V epsilon) {
  typename L::V sum = L::set(0);
  for (int c = 0; c < classes; ++c) {
    const typename L::V x = L::load(q + c * kLanes);
    sum = L::fma(x, exact_log_lanes<L>(L::add(x, epsilon)), sum);
  }
  return L::sub(L::set(0), sum);
}

/// One pass from the first hidden layer on (kept in `first`): logits with fresh masks.
template <class L>
inline void stochastic_pass(const Network<L>& net, const MlpDropout& dropout, const std::uint32_t* row, int rows,
                            int pass, const typename L::T* first, typename L::T scale) {
  const MlpPlan& plan = net.plan;
  typename L::T* const a = net.output(0);
  for (int i = 0; i < plan.layers[0].out * kLanes; i += L::N) L::store(a + i, L::load(first + i));
  for (int l = 0; l + 1 < plan.n_layers; ++l) {
    if (l > 0) net.layer_forward(l);
    if (dropout.threshold != 0) {
      drop_units<L>(dropout, row, rows, static_cast<std::uint32_t>(pass), l, plan.layers[l].out, net.output(l), scale);
    }
  }
  if (plan.n_layers > 1) net.layer_forward(plan.n_layers - 1);
}

template <class L>
void bald(const MlpBald<typename L::T>& b) {
  using T = typename L::T;
  using V = typename L::V;
  const Network<L> net{*b.plan, b.parameters, b.scratch};
  const int classes = net.classes();
  const T scale = dropout_scale<L>(b.dropout);
  T* const p = net.delta(0);     // [C][32]
  T* const mean = net.delta(1);  // [C][32]
  T* const first = b.scratch + b.plan->columns;
  T* const entropy = b.scratch + b.plan->lanes;
  const V passes = L::set(static_cast<T>(b.passes));
  const V epsilon = L::set(b.log_epsilon ? ExactMath<T>::kSmallest : T(0));
  for (std::int64_t at = 0; at < b.data.n; at += kLanes) {
    const RowBlock block = row_block(b.data.rows, at, b.data.n - at);
    alignas(64) std::uint32_t row[kLanes];
    for (int i = 0; i < kLanes; ++i) row[i] = static_cast<std::uint32_t>(block.at[i]);
    net.read_inputs(b.data, block);
    net.layer_forward(0);
    for (int i = 0; i < b.plan->layers[0].out * kLanes; i += L::N) L::store(first + i, L::load(net.output(0) + i));
    for (int i = 0; i < classes * kLanes; i += L::N) L::store(mean + i, L::set(0));
    for (int i = 0; i < kLanes; i += L::N) L::store(entropy + i, L::set(0));
    for (int pass = 0; pass < b.passes; ++pass) {
      stochastic_pass<L>(net, b.dropout, row, block.n, pass, first, scale);
      for (int i = 0; i < kLanes; i += L::N) {
        softmax_lanes<L>(net.logits() + i, classes, p + i);
        for (int c = 0; c < classes; ++c) {
          T* const m = mean + c * kLanes + i;
          L::store(m, L::add(L::load(m), L::load(p + c * kLanes + i)));
        }
        L::store(entropy + i, L::add(L::load(entropy + i), entropy_lanes<L>(p + i, classes, epsilon)));
      }
    }
    for (int i = 0; i < kLanes; i += L::N) {
      for (int c = 0; c < classes; ++c) {
        T* const m = mean + c * kLanes + i;
        L::store(m, L::div(L::load(m), passes));
      }
      const V score = L::sub(entropy_lanes<L>(mean + i, classes, epsilon), L::div(L::load(entropy + i), passes));
      L::store_partial(b.scores + at + i, block.n - i, plain_nan<L>(score));
    }
  }
}

template <class L>
void softmax_rows(const MlpSoftmax<typename L::T>& s) {
  const int classes = static_cast<int>(s.classes);
  typename L::T* const columns = s.scratch;
  typename L::T* const x = s.scratch + kLanes * round16(classes);
  for (std::int64_t row = 0; row < s.n; row += kLanes) {
    const RowBlock block = row_block(nullptr, row, s.n - row);
    read_rows<L>(block, s.logits, classes, true, columns, x);
    for (int i = 0; i < kLanes; i += L::N) softmax_lanes<L>(x + i, classes, x + i);
    write_rows<L>(x, classes, columns, block.n, s.probabilities + row * classes);
  }
}

template <class L>
constexpr MlpOps<typename L::T> make_ops() {
  return {&train_epoch<L>, &evaluate<L>, &predict<L>, &bald<L>, &softmax_rows<L>};
}

}  // namespace
}  // namespace quarry
