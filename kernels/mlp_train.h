// SPDX-License-Identifier: MIT
// Training an epoch and evaluating, over a lane type L. Included only by the .cpp of one instruction set.
#pragma once

#include "kernels/mlp_parts.h"

namespace quarry {
namespace {

/// A network at work: its plan, parameters and scratch.
template <class L>
struct Network {
  using T = typename L::T;
  const MlpPlan& plan;
  const T* w;
  T* s;

  int d() const { return plan.layers[0].in; }
  int classes() const { return plan.layers[plan.n_layers - 1].out; }
  /// Input of layer l, [in][32].
  T* input(int l) const { return s + (l == 0 ? plan.x : plan.layers[l - 1].activations); }
  T* output(int l) const { return s + plan.layers[l].activations; }
  T* logits() const { return output(plan.n_layers - 1); }
  T* delta(int which) const { return s + plan.delta + which * plan.widest * kLanes; }

  void layer_forward(int l) const {
    const MlpLayer& layer = plan.layers[l];
    const Finish finish = l + 1 < plan.n_layers ? Finish::relu : Finish::linear;
    product<L>({w + layer.weights, layer.stride, input(l), layer.in, w + layer.bias, finish, nullptr, T(1), output(l)},
               layer.out, layer.columns_are_outputs);
  }
  void forward() const {
    for (int l = 0; l < plan.n_layers; ++l) layer_forward(l);
  }
  /// Reads the rows' inputs.
  void read_inputs(const MlpRows<T>& data, const RowBlock& block) const {
    read_rows<L>(block, data.features, d(), !plan.layers[0].columns_are_outputs, s + plan.x_rows, s + plan.x);
  }
  /// Reads labels or targets and says which lanes are present.
  LossBlock<L> read_answers(const MlpRows<T>& data, Loss loss, const RowBlock& block) const {
    T* const label = s + plan.lanes;
    T* const valid = label + kLanes;
    T* const target = s + plan.targets;
    for (int i = 0; i < kLanes; ++i) {
      valid[i] = i < block.n ? T(1) : T(0);
      label[i] = i < block.n && data.labels != nullptr ? static_cast<T>(data.labels[block.at[i]]) : T(-1);
    }
    const bool soft = loss != Loss::mse && data.labels == nullptr;
    if (loss == Loss::mse || soft) {
      for (int c = 0; c < classes(); ++c) {
        for (int i = 0; i < kLanes; ++i) {
          target[c * kLanes + i] = i < block.n ? data.targets[block.at[i] * classes() + c] : T(0);
        }
      }
    }
    return {loss, classes(), logits(), label, valid, target, soft, delta(0), delta(1)};
  }
};

/// One batch of training: blocks of 32 rows forward and backward, then the update (in the last block's backward pass).
template <class L>
struct Step {
  using T = typename L::T;
  const Network<L>& net;
  MlpEpoch<T>& e;
  std::uint32_t number;  ///< of the step since the start of the training
  std::int64_t first_row;
  int rows;
  T scale;  ///< of dropout; 1 without
  const T* adam;
  bool first_block = true, last_block = true;
  int block_rows = 0;

  bool alone() const { return first_block && last_block; }

  void forward(std::int64_t offset) const {
    const MlpPlan& plan = net.plan;
    alignas(64) std::uint32_t positions[kLanes];
    if (e.dropout.threshold != 0) {
      for (int i = 0; i < kLanes; ++i) positions[i] = static_cast<std::uint32_t>(offset + i);
    }
    for (int l = 0; l < plan.n_layers; ++l) {
      net.layer_forward(l);
      if (e.dropout.threshold != 0 && l + 1 < plan.n_layers) {
        drop_units<L>(e.dropout, positions, block_rows, number, l, plan.layers[l].out, net.output(l), scale);
      }
    }
  }

  /// Gradient at the input of layer l > 0 from the gradient at its output, by the weights before the update.
  void input_gradient(int l, const T* from, T* to) const {
    const MlpLayer& layer = net.plan.layers[l];
    product<L>({net.w + layer.weights, layer.stride, from, layer.out, nullptr, Finish::masked, net.input(l), scale, to},
               layer.in, !layer.columns_are_outputs);
  }

  void bias_gradient(const MlpLayer& layer, const T* delta, const T* columns, T* g) const {
    const int padded = static_cast<int>(round16(layer.out));
    if (alone() && layer.columns_are_outputs) {  // rows of `columns` are the lanes: the tree runs for N units at once
      for (int c = 0; c < padded; c += L::N) {
        typename L::V v[kLanes / 2];
        for (int i = 0; i < 16; ++i) {
          v[i] = L::add(L::load(columns + i * padded + c), L::load(columns + (i + 16) * padded + c));
        }
        for (int step = 8; step > 0; step /= 2) {
          for (int i = 0; i < step; ++i) v[i] = L::add(v[i], v[i + step]);
        }
        L::store(g + c, v[0]);
      }
      return;
    }
    T* const lanes = net.s + net.plan.bias_lanes + (layer.bias_lanes) * kLanes;
    const T* const valid = net.s + net.plan.lanes + kLanes;
    for (int n = 0; n < layer.out; ++n) {
      for (int i = 0; i < kLanes; i += L::N) {
        const auto present = L::lt(L::set(0), L::load(valid + i));
        auto x = L::select(present, L::load(delta + n * kLanes + i), L::set(0));
        if (!first_block) x = L::add(L::load(lanes + n * kLanes + i), x);
        L::store(lanes + n * kLanes + i, x);
      }
      g[n] = lane_tree<L>(lanes + n * kLanes);
    }
    for (int n = layer.out; n < padded; ++n) g[n] = 0;
  }

  void layer_backward(int l, T* delta) const {
    const MlpPlan& plan = net.plan;
    const MlpLayer& layer = plan.layers[l];
    const bool outputs = layer.columns_are_outputs;
    T* columns = net.s + plan.columns;
    if (outputs) {
      units_to_columns<L>(delta, layer.out, columns, layer.stride);
      for (std::ptrdiff_t i = block_rows * layer.stride; i < kLanes * layer.stride; ++i) columns[i] = 0;
    } else if (l == 0) {
      columns = net.s + plan.x_rows;
    } else {
      units_to_columns<L>(net.input(l), layer.in, columns, layer.stride);
    }
    const bool fused = last_block && e.optimizer == Optimizer::sgd && e.moment1 == nullptr;
    T* const g = net.s + plan.gradient;
    bias_gradient(layer, delta, columns, g + layer.bias);
    outer<L>({outputs ? net.input(l) : delta, columns, layer.stride, block_rows, e.parameters + layer.weights,
              g + layer.weights, layer.stride, !first_block, fused, -e.lr, e.weight_decay},
             layer.rows, layer.columns);
    if (!last_block) return;
    for (int r = 0; r < layer.rows && !fused; ++r) {
      const std::int64_t at = layer.weights + std::int64_t{r} * layer.stride;
      update<L>(e, adam, at, layer.columns, g + at);
    }
    update<L>(e, adam, layer.bias, round16(layer.out), g + layer.bias);
  }

  /// One block; returns a vector that is 0 in every lane if all its losses are finite.
  typename L::V block(const RowBlock& rows_here, std::int64_t offset, T* loss_lanes) {
    net.read_inputs(e.data, rows_here);
    const LossBlock<L> losses = net.read_answers(e.data, e.loss, rows_here);
    block_rows = rows_here.n;
    forward(offset);
    const double terms = static_cast<double>(rows) * (e.loss == Loss::mse ? 0.5 * net.classes() : 1.0);
    typename L::V defect = L::set(0);
    for (int i = 0; i < kLanes; i += L::N) {
      const RowLoss<L> row = row_loss<L>(losses, i);
      defect = L::add(defect, loss_defect<L>(losses, i, row));
      if (loss_lanes != nullptr) {
        L::store(loss_lanes + i, L::add(L::load(loss_lanes + i), loss_value<L>(losses, i, row)));
      }
      loss_gradient<L>(losses, i, static_cast<T>(1.0 / terms), losses.p);
    }
    T* delta = losses.p;
    T* other = losses.q;
    for (int l = net.plan.n_layers - 1; l >= 0; --l) {
      if (l > 0) input_gradient(l, delta, other);
      layer_backward(l, delta);
      T* const swap = delta;
      delta = other;
      other = swap;
    }
    return defect;
  }
};

template <class L>
inline bool all_zero(typename L::V v) {
  const typename L::T x = L::tree(v);  // a NaN in any lane makes the sum NaN
  return x == 0;
}

template <class L>
void train_epoch(MlpEpoch<typename L::T>& e) {
  using T = typename L::T;
  const Network<L> net{*e.plan, e.parameters, e.scratch};
  const T scale = dropout_scale<L>(e.dropout);
  typename L::V defect = L::set(0);
  std::int64_t step = 0;
  for (std::int64_t row = 0; row < e.data.n; row += e.batch_size, ++step) {
    const std::int64_t left = e.data.n - row;
    const int rows = static_cast<int>(left < e.batch_size ? left : e.batch_size);
    Step<L> work{net,
                 e,
                 e.first_step + static_cast<std::uint32_t>(step),
                 row,
                 rows,
                 scale,
                 e.adam_steps == nullptr ? nullptr : e.adam_steps + 2 * step};
    T* loss_lanes = nullptr;
    if (e.step_losses != nullptr) {
      loss_lanes = e.scratch + e.plan->lanes + 2 * kLanes;
      for (int i = 0; i < kLanes; ++i) loss_lanes[i] = 0;
    }
    for (int offset = 0; offset < rows; offset += kLanes) {
      work.first_block = offset == 0;
      work.last_block = offset + kLanes >= rows;
      const RowBlock block = row_block(e.data.rows, row + offset, rows - offset);
      defect = L::add(defect, work.block(block, offset, loss_lanes));
    }
    if (loss_lanes != nullptr) {
      const double terms = static_cast<double>(rows) * (e.loss == Loss::mse ? net.classes() : 1);
      e.step_losses[step] = static_cast<double>(lane_tree<L>(loss_lanes)) / terms;
    }
  }
  e.finite = all_zero<L>(defect);
}

/// Adds a block's losses to `lanes`; returns how many rows are right.
template <class L>
inline std::int64_t evaluate_block(const Network<L>& net, const MlpRows<typename L::T>& data, Loss loss,
                                   const RowBlock& rows, typename L::T* lanes) {
  using V = typename L::V;
  using T = typename L::T;
  net.read_inputs(data, rows);
  const LossBlock<L> b = net.read_answers(data, loss, rows);
  net.forward();
  alignas(64) T correct[kLanes];
  for (int i = 0; i < kLanes; i += L::N) {
    L::store(lanes + i, L::add(L::load(lanes + i), loss_value<L>(b, i, row_loss<L>(b, i))));
    const bool by_target = loss == Loss::mse || b.soft;
    const V answer = by_target ? arg_max<L>(b.target + i, b.classes) : L::load(b.label + i);
    const V guess = arg_max<L>((loss == Loss::ce_on_probs ? b.p : b.z) + i, b.classes);
    L::store(correct + i, L::select(L::eq(answer, guess), L::load(b.valid + i), L::set(0)));
  }
  std::int64_t count = 0;
  for (int i = 0; i < kLanes; ++i) count += correct[i] != 0;
  return count;
}

template <class L>
void evaluate(MlpEvaluation<typename L::T>& e) {
  using T = typename L::T;
  const Network<L> net{*e.plan, e.parameters, e.scratch};
  const std::int64_t batch = e.weight_by_size ? e.data.n : e.batch_size;
  const double width = e.loss == Loss::mse ? net.classes() : 1;
  T* const lanes = e.scratch + e.plan->lanes + 2 * kLanes;
  double sum = 0;
  std::int64_t batches = 0;
  e.correct = 0;
  for (std::int64_t row = 0; row < e.data.n; row += batch, ++batches) {
    const std::int64_t rows = e.data.n - row < batch ? e.data.n - row : batch;
    for (int i = 0; i < kLanes; ++i) lanes[i] = 0;
    for (std::int64_t offset = 0; offset < rows; offset += kLanes) {
      e.correct += evaluate_block<L>(net, e.data, e.loss, row_block(e.data.rows, row + offset, rows - offset), lanes);
    }
    sum += static_cast<double>(lane_tree<L>(lanes)) / (static_cast<double>(rows) * width);
  }
  e.mean_loss = sum / static_cast<double>(batches);
}

}  // namespace
}  // namespace quarry
