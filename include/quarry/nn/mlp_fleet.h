// SPDX-License-Identifier: MIT
// Fleets of multi-layer perceptrons: M networks trained side by side, each with its own shape, hyperparameters,
// random keys and rows. A member's result is a function of its MemberSpec and the data alone: it does not depend,
// bit for bit, on the fleet, the worker, the SIMD level or the device it was trained on.
//
// Network: Linear(d, h1) ReLU [Dropout Linear ReLU]* Dropout Linear(hk, C); output activation by loss.
//   No hidden layer is allowed too (sizes = {d, C}); then there is no dropout.
// Initialisation: weights and biases uniform in +-1/sqrt(fan_in), PyTorch's default for linear layers.
// Parameters of a member are packed layer by layer: W [out][in] row-major, then b [out].
//
// Canonical order of operations (what "bit for bit" means; the CUDA kernel repeats it):
//   * dot products over inputs and over the batch by fma in index order, starting from the bias (forward) or zero;
//   * sums over the batch of scalars (loss, bias gradients): row r adds to lane r mod 32 in row order, then the
//     32 lanes are added as a fixed tree, lane i += lane i + 16, 8, 4, 2, 1; absent rows count as zero;
//   * sums over classes in class order; exp and log are quarry's own (core/exact_math.h); division and square
//     root are IEEE; no denormal is flushed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/tensor.h"
#include "quarry/ops/mlp.h"

namespace quarry {

enum class DropoutEpochs { all, first, none };  ///< epochs in which dropout is active (spec B2)

/// When a fit ends before its last epoch, by the validation loss after each epoch past the warm-up (spec 12).
enum class EarlyStopping {
  none,
  patience,   ///< `patience` epochs after the first of a row of epochs none of which improved the smallest loss
  published,  ///< B25: `patience` epochs after the first loss above the smallest, whatever comes after it
};

/// What MemberResult::train is.
enum class TrainReport {
  evaluated,  ///< an evaluation after the last epoch
  running,    ///< B25: plain mean of the losses of all batches of all epochs, each before its update; accuracy over
              ///< those of the last epoch. Without dropout.
};

/// Rows a fleet trains on; all members share it and differ in their index lists.
template <class T>
struct MlpData {
  MatrixView<const T> features;          ///< [N][d]
  std::span<const std::int32_t> labels;  ///< [N]; class of each row (cross-entropy)
  MatrixView<const T> targets = {};      ///< [N][C]; Loss::mse; cross-entropy without labels: distributions
};

/// Everything that determines one member.
struct MemberSpec {
  std::vector<std::int32_t> sizes;  ///< {d, h1, ..., hk, C}, each >= 1
  Loss loss = Loss::ce_on_logits;
  Optimizer optimizer = Optimizer::sgd;
  double lr = 0.1;
  double weight_decay = 0;                            ///< coupled (L2), applied to biases too
  double momentum = 0;                                ///< sgd: v = momentum v + g, w -= lr v
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< adam
  double dropout = 0;                                 ///< in [0, 1); inverted dropout, scale 1 / (1 - p)
  DropoutEpochs dropout_epochs = DropoutEpochs::all;
  std::int32_t epochs = 200;
  std::int32_t batch_size = 32;
  bool drop_last = false;  ///< skip the rows beyond the last full batch of an epoch (never the only batch)
  std::uint64_t init_key = 0, order_key = 0, dropout_key = 0;  ///< Philox keys (stream_key)
  std::vector<std::int32_t> train;                             ///< rows of MlpData, at least 1
  std::vector<std::int32_t> validation;                        ///< rows, may be empty
  bool validate_every_epoch = false;                           ///< record the validation loss after each epoch
  bool weight_by_size = true;  ///< evaluation loss: mean over rows; false: plain mean of batch means (B17)
  /// Stop after epoch e (0-based) when min(validation losses so far) > prune_above[e]; NaN or missing = no check.
  /// NaN losses are skipped in the minimum; a NaN that is compared counts as above every threshold.
  std::vector<double> prune_above;
  EarlyStopping early_stopping = EarlyStopping::none;
  std::int32_t patience = 20, stopping_warmup = 100;  ///< early stopping: epochs
  TrainReport train_report = TrainReport::evaluated;
  bool prune_on_current = false;  ///< compare the current validation loss instead of the smallest so far
  /// Start from these packed parameters instead of a fresh initialisation, if not empty.
  std::vector<double> initial_parameters;
};

struct Evaluation {
  double loss = 0;      ///< by the member's loss
  double accuracy = 0;  ///< arg max of the output, lowest class on ties; the first NaN counts as the largest value
};

template <class T>
struct MemberResult {
  std::vector<T> parameters;         ///< packed
  std::vector<double> epoch_losses;  ///< validation loss per epoch, if validate_every_epoch
  Evaluation train, validation;      ///< after the last epoch, evaluation mode
  std::int32_t epochs_run = 0;
  std::int64_t steps = 0;
  bool pruned = false;
  bool diverged = false;             ///< a parameter or the final train loss is not finite
  std::int32_t diverged_epoch = -1;  ///< first epoch with a row whose training loss was not finite, or -1
};

/// Trains every member, members spread over the context's workers.
/// The final train evaluation sees the rows in the order of permutation step = epochs_run with the same drop_last
/// rule (the published programs evaluate the shuffled training loader).
/// Errors: a check fails on sizes, rows or hyperparameters out of range. A diverging member is a result, not an error.
template <class T>
std::vector<MemberResult<T>> train_fleet(Context& context, const MlpData<T>& data, std::span<const MemberSpec> members);

/// Number of packed parameters of a shape.
std::int64_t parameter_count(std::span<const std::int32_t> sizes);

/// Width of the penultimate layer (last hidden, or d without hidden layers).
std::int32_t penultimate_width(std::span<const std::int32_t> sizes);

/// One trained network, ready to score rows.
template <class T>
struct TrainedMlp {
  std::vector<std::int32_t> sizes;
  std::vector<T> parameters;
  double dropout = 0;  ///< rate of its dropout layers, for MC-dropout scoring
  Loss loss = Loss::ce_on_logits;
};

/// Evaluation-mode forward pass over the rows listed (every row if `rows` is empty and n_rows = features.extent[0]).
/// logits [n][C]; penultimate [n][h] after ReLU; either pointer may be null. Rows over the context's workers.
template <class T>
void mlp_forward(Context& context, const TrainedMlp<T>& network, MatrixView<const T> features,
                 std::span<const std::int32_t> rows, T* logits, T* penultimate);

/// BALD by Monte-Carlo dropout (Houlsby et al. 2011; Gal, Islam, Ghahramani 2017): H[mean_t p_t] - mean_t H[p_t],
/// natural logs, streaming over t in order: no [T][n][C] tensor. p_t is the first softmax. Mask of (pass t, layer,
/// row of the data set, unit) by coordinates, so a row's score does not depend on the other rows.
/// log(p + epsilon) with epsilon the smallest normal float, as the published program; log(p) without log_epsilon, as
/// its first version: NaN where a class has p = 0 in some pass. scores [n].
template <class T>
void mlp_bald(Context& context, const TrainedMlp<T>& network, MatrixView<const T> features,
              std::span<const std::int32_t> rows, std::int32_t passes, std::uint64_t mc_key, T* scores,
              bool log_epsilon = true);

/// Row-wise softmax of logits [n][C] in the canonical order; in place allowed.
template <class T>
void softmax_rows(Context& context, MatrixView<const T> logits, T* probabilities);

}  // namespace quarry
