// SPDX-License-Identifier: MIT
// Parts of a training in a thread block (mlp_fit.cu): parameters, shuffles, the batches of an epoch, evaluations.
#pragma once

#include <limits>

#include "kernels/mlp_block_backward.h"
#include "kernels/mlp_block_loss.h"
#include "quarry/nn/mlp_device.h"

namespace quarry::block {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What a block knows of its job; in shared memory, written by thread 0 between barriers.
struct FitState {
  std::int32_t job;
  MlpBlockMap map;
  Rows rows;
  std::int32_t* order;  ///< [n_train], in either memory
  std::uint64_t* keys;  ///< [permutation_keys(n_train)], over the scratch or in global memory
  Update update;
  Dropout dropout;           ///< of this step
  float loss_factor;         ///< of this batch
  std::int32_t batch, used;  ///< rows of a batch, rows of an epoch
  double beta1_power, beta2_power;
  double best;           ///< smallest validation loss so far
  double loss;           ///< of the last evaluation
  std::int64_t correct;  ///< of the last evaluation
  std::int64_t steps;
  std::int32_t epochs_run, diverged_epoch, pruned;
  std::int32_t finite;  ///< every row's loss in this epoch
  std::int32_t finite_parameters;
};
static_assert(sizeof(FitState) <= kBlockStateBytes);

template <class Space>
struct Fit {
  Network<Space> net;
  const MlpFitJob& job;
  FitState& state;
};

QUARRY_BLOCK_FUNCTION int thread() {
  return static_cast<int>(threadIdx.x);
}

/// Fresh or given parameters and zero moments; pads are zero. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void start_parameters(const Fit<Space>& fit) {
  const Network<Space>& net = fit.net;
  for (int i = net.map.parameters + thread(); i < net.map.scratch; i += kThreads) *net.memory.at(i) = 0;
  __syncthreads();
  for (int group = thread(); group * 4 < net.map.packed; group += kThreads) {
    const PhiloxBlock block = random_block(fit.job.init_key, static_cast<std::uint64_t>(group));
    int l = net.map.n_layers - 1;
    while (net.layers()[l].packed > group * 4) --l;
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int packed = group * 4 + i;
      if (packed >= net.map.packed) break;
      if (l + 1 < net.map.n_layers && net.layers()[l + 1].packed == packed) ++l;
      const double bound = 1.0 / std::sqrt(static_cast<double>(net.layers()[l].in));
      const double u = (static_cast<double>(block.word[i]) + 0.5) * 0x1.0p-32;
      const double fresh = (2 * u - 1) * bound;
      *net.parameter(packed) =
          static_cast<float>(fit.job.initial_parameters == nullptr ? fresh : fit.job.initial_parameters[packed]);
    }
  }
  __syncthreads();
}

/// Sorts m keys (a power of two) upwards: Batcher's bitonic network. Ends with a barrier.
QUARRY_BLOCK_FUNCTION void sort_keys(std::uint64_t* keys, std::int32_t m) {
  for (std::int32_t run = 2; run <= m; run *= 2) {
    for (std::int32_t apart = run / 2; apart > 0; apart /= 2) {
      for (std::int32_t t = thread(); t < m / 2; t += kThreads) {
        const std::int32_t i = 2 * t - (t & (apart - 1)), j = i + apart;
        const std::uint64_t a = keys[i], b = keys[j];
        if ((a > b) == ((i & run) == 0)) {
          keys[i] = b;
          keys[j] = a;
        }
      }
      __syncthreads();
    }
  }
}

/// The training rows in the order of permutation `step` (random_permutation). Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void shuffle(const Fit<Space>& fit, std::uint32_t step) {
  const std::int32_t n = fit.job.n_train, m = static_cast<std::int32_t>(permutation_keys(n));
  for (std::int32_t i = thread(); i < m; i += kThreads) {
    const auto at = static_cast<std::uint32_t>(i);
    fit.state.keys[i] = i < n ? (std::uint64_t{random_u32(fit.job.order_key, at, step)} << 32) | at : ~std::uint64_t{0};
  }
  __syncthreads();
  sort_keys(fit.state.keys, m);
  for (std::int32_t i = thread(); i < n; i += kThreads) {
    fit.state.order[i] = fit.job.train[static_cast<std::uint32_t>(fit.state.keys[i])];
  }
  __syncthreads();
}

template <class Space>
QUARRY_BLOCK_FUNCTION LossColumns loss_columns(const Network<Space>& net, const MlpFitJob& job, int lane) {
  const MlpBlockLayer last = net.last();
  const float* const target =
      job.loss == Loss::mse ? job.targets + static_cast<std::int64_t>(net.rows.row[lane]) * last.out : nullptr;
  return {job.loss,
          last.out,
          net.rows.label[lane],
          net.memory.at(last.output + lane),
          target,
          net.memory.at(net.probabilities(0) + lane),
          net.memory.at(net.probabilities(1) + lane)};
}

/// By one warp: gradients of the rows' losses at the logits into probabilities(0), pads zero; the finite flag.
template <class Space>
QUARRY_BLOCK_FUNCTION void training_losses(const Fit<Space>& fit) {
  const int lane = thread() % 32;
  const LossColumns b = loss_columns(fit.net, fit.job, lane);
  bool finite = true;
  if (lane < fit.net.rows.n) {
    const RowLoss row = row_loss(b);
    const float x = row.sum - row.below;  // sum >= 0 and below <= 0: finite exactly if both are
    finite = x - x == 0;
    loss_gradient(b, fit.state.loss_factor);
  }
  for (int c = b.classes; c < static_cast<int>(round_up4(b.classes)); ++c) b.p[c * kUnitStride] = 0;
  const bool all_finite = __all_sync(kWholeWarp, finite) != 0;
  if (lane == 0 && !all_finite) fit.state.finite = 0;
}

/// By thread 0, before a batch of `rows`: what depends on the step.
QUARRY_BLOCK_FUNCTION void prepare_step(const MlpFitJob& job, FitState& state, int classes, int rows) {
  const double terms = static_cast<double>(rows) * (job.loss == Loss::mse ? 0.5 * classes : 1.0);
  state.loss_factor = static_cast<float>(1.0 / terms);
  state.dropout.step = static_cast<std::uint32_t>(state.steps++);
  if (!state.update.adam) return;
  state.beta1_power *= job.beta1;
  state.beta2_power *= job.beta2;
  state.update.adam_minus_rate = -static_cast<float>(job.lr / (1 - state.beta1_power));
  state.update.adam_root = static_cast<float>(std::sqrt(1 - state.beta2_power));
}

/// An epoch's batches in the order. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void train_batches(const Fit<Space>& fit) {
  const std::int32_t used = fit.state.used, batch = fit.state.batch;
  for (std::int32_t row = 0; row < used; row += batch) {
    const std::int32_t rows = used - row < batch ? used - row : batch;
    for (std::int32_t offset = 0; offset < rows; offset += kBlockRows) {
      if (thread() == 0 && offset == 0) prepare_step(fit.job, fit.state, fit.net.last().out, rows);
      read_rows(fit.net, fit.job.features, fit.job.labels, fit.state.order, row + offset, rows - offset, offset);
      __syncthreads();
      forward(fit.net, 0, &fit.state.dropout);
      if (thread() < 32) training_losses(fit);
      __syncthreads();
      backward(fit.net, fit.state.update, fit.state.dropout.scale, {offset == 0, offset + kBlockRows >= rows});
    }
  }
}

/// Evaluation-mode loss and right rows of a list into state.loss and state.correct. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void evaluate(const Fit<Space>& fit, const std::int32_t* list, std::int32_t n) {
  const MlpFitJob& job = fit.job;
  const std::int32_t batch = job.weight_by_size || job.batch_size > n ? n : job.batch_size;
  const int lane = thread() % 32;
  double sum = 0;
  std::int32_t batches = 0, correct = 0;
  for (std::int32_t row = 0; row < n; row += batch, ++batches) {
    const std::int32_t rows = n - row < batch ? n - row : batch;
    float losses = 0;
    for (std::int32_t offset = 0; offset < rows; offset += kBlockRows) {
      read_rows(fit.net, job.features, job.labels, list, row + offset, rows - offset, 0);
      __syncthreads();
      forward(fit.net, 0, nullptr);
      if (thread() < fit.net.rows.n) {
        const LossColumns b = loss_columns(fit.net, job, lane);
        losses = losses + loss_value(job.loss, row_loss(b));
        const int answer = job.loss == Loss::mse ? arg_max(b.target, b.classes, 1) : b.label;
        correct += answer == arg_max(job.loss == Loss::ce_on_probs ? b.p : b.z, b.classes, kUnitStride);
      }
      __syncthreads();
    }
    if (thread() >= 32) continue;
    const double width = job.loss == Loss::mse ? fit.net.last().out : 1;
    sum += static_cast<double>(lane_tree(losses)) / (static_cast<double>(rows) * width);
  }
  if (thread() < 32) {
    for (int step = 16; step > 0; step /= 2) correct += __shfl_down_sync(kWholeWarp, correct, step);
  }
  if (thread() == 0) {
    const double mean = sum / static_cast<double>(batches);
    fit.state.loss = n == 0 ? 0 : mean != mean ? kNaN : mean;
    fit.state.correct = correct;
  }
  __syncthreads();
}

}  // namespace quarry::block
