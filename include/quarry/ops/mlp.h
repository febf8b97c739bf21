// SPDX-License-Identifier: MIT
// Multi-layer perceptrons, one network at a time: train an epoch, evaluate, predict, score by MC dropout.
// These are the ops under nn/mlp_fleet.h. Plain structs over packed buffers: the instruction-set files that
// implement them see no owners and no containers, and a CUDA block kernel can take the same structs.
//
// Letters: L linear layers, d = width[0], C = width[L], 32 lanes = the rows of a block.
//
// Canonical order (the bits are a contract; portable, AVX2 and AVX-512 agree, CUDA has to):
//   forward       z[n] = b[n], then z[n] = fma(w[n][k], x[k], z[n]) for k = 0, 1, ...
//   ReLU          a = 0 > z ? 0 : z                       (a NaN stays a NaN)
//   dropout       a = keep ? a * scale : 0, scale = T(1 / (1 - p)); keep = word >= threshold, threshold = floor(p 2^32)
//                 word = Philox(key; row, u / 4, step, l)[u % 4] of unit u after layer l (0-based); training: row =
//                 position in the batch, step = number of the step since the start; scoring: row of the data set, pass
//   max, softmax  m = z[0], then m = z[c] > m ? z[c] : m; e[c] = exp(z[c] - m); s = e[0] + e[1] + ...; p[c] = e[c] / s
//   ce_on_logits  loss = log(s) - (z[y] - m); g[c] = (p[c] - [c = y]) * T(1 / rows)
//   ce_on_probs   the same with p in the place of z gives loss and g; t = fma(p[c], g[c], t) from 0;
//                 g[c] = p[c] * (g[c] - t)
//   distributions (CPU only) both cross-entropies with target[c] instead of [c = y], and fma(target[c], z[c] - m, ...)
//                 from 0 over c instead of z[y] - m; a distribution sums to 1
//   mse           e = z[c] - target[c], loss = fma(e, e, loss) from 0; g[c] = e * T(2 / (rows C)); mean over rows and C
//   backward      dx[k] = fma(w[n][k], g[n], dx[k]) from 0 for n = 0, 1, ...; dx[k] = a[k] <= 0 ? 0 : dx[k] * scale
//                 (scale 1 without dropout; w before this step's update)
//   weights       g(w[n][k]) = fma(g[n], x[k], ...) from 0 over the rows of the batch in order
//   bias, loss    sums of scalars over a batch: lane r mod 32 adds row r in order (absent rows of the last block: g =
//   0),
//                 then lane i += lane i + 16, + 8, + 4, + 2, + 1
//   sgd           d = fma(wd, w, g); with momentum v = fma(mu, v, d), else v = d; w = fma(-lr, v, w)
//   adam          d = fma(wd, w, g); m = fma(T(1 - beta1), d - m, m); v = fma(beta2, v, (T(1 - beta2) * d) * d)
//                 w = fma(-T(lr / c1), m / (sqrt(v) / T(sqrt(c2)) + eps), w), c1 = 1 - beta1^t and c2 = 1 - beta2^t in
//                 double by repeated products
// Rows of a batch are taken in blocks of 32; absent rows of the last block have zero inputs. NaNs come out as the
// positive quiet NaN.
#pragma once

#include <cstdint>

#include "quarry/core/device.h"

namespace quarry {

enum class Loss {
  ce_on_logits,  ///< cross-entropy of softmax(z)
  ce_on_probs,   ///< the study's double softmax: cross-entropy of softmax(softmax(z))
  mse,           ///< mean over rows and outputs of (z - target)^2, identity output
};
enum class Optimizer { sgd, adam };

/// One linear layer in the working layout. Its weights are a matrix of `rows` x `stride`, columns along the vector
/// axis: columns are the outputs if `columns_are_outputs` (then rows are the inputs), else the inputs. The bias
/// follows as one more row of round_up(out, 16). Columns beyond the layer's width hold no information.
struct MlpLayer {
  std::int32_t in = 0, out = 0;
  std::int32_t rows = 0, columns = 0, stride = 0;
  bool columns_are_outputs = false;
  std::int64_t weights = 0, bias = 0;  ///< offsets in the working parameters
  std::int64_t activations = 0;        ///< offset in the scratch of its output [round_up(out, 16)][32]
  std::int64_t bias_lanes = 0;         ///< first row of the layer in MlpPlan::bias_lanes
};

/// Shape and memory map of one network; made by make_mlp_plan (src/nn/mlp_plan.h). Offsets count elements and are
/// multiples of 16.
struct MlpPlan {
  const MlpLayer* layers = nullptr;
  std::int32_t n_layers = 0;
  std::int64_t parameters = 0;  ///< elements of the working parameters, and of each optimizer moment
  std::int64_t scratch = 0;     ///< elements of scratch
  // scratch offsets
  std::int64_t x = 0;           ///< inputs [round_up(d, 16)][32]
  std::int64_t x_rows = 0;      ///< inputs [32][round_up(d, 16)]
  std::int64_t delta = 0;       ///< gradient at a layer's output [widest][32], two of them
  std::int64_t columns = 0;     ///< transposed operand of the weight gradient [32][widest]
  std::int64_t gradient = 0;    ///< gradient, in the layout of the parameters
  std::int64_t bias_lanes = 0;  ///< bias gradients by lane [sum of out][32]
  std::int64_t lanes = 0;       ///< three vectors of 32: label, valid, loss
  std::int64_t targets = 0;     ///< [round_up(C, 16)][32]
  std::int64_t widest = 0;      ///< widest layer, inputs included, rounded up to 16
};

/// Rows to run over: features [.][d], labels or targets [.][C] by row of the data set. Mean squared error reads the
/// targets; a cross-entropy reads the labels or, if they are null, the targets as distributions over the classes.
template <class T>
struct MlpRows {
  const T* features = nullptr;
  const std::int32_t* labels = nullptr;
  const T* targets = nullptr;
  const std::int32_t* rows = nullptr;  ///< rows in order; null: 0, 1, ...
  std::int64_t n = 0;
};

struct MlpDropout {
  std::uint64_t key = 0;
  std::uint32_t threshold = 0;  ///< floor(p 2^32); 0: no dropout
  double rate = 0;
};

/// One epoch: the batches of `data.rows` in order, batch_size rows each, the last one maybe shorter.
template <class T>
struct MlpEpoch {
  const MlpPlan* plan = nullptr;
  MlpRows<T> data;
  Loss loss = Loss::ce_on_logits;
  Optimizer optimizer = Optimizer::sgd;
  std::int32_t batch_size = 32;
  T lr = 0, weight_decay = 0, momentum = 0;
  T one_minus_beta1 = 0, beta2 = 0, one_minus_beta2 = 0, epsilon = 0;
  const T* adam_steps = nullptr;  ///< per step: lr / c1, sqrt(c2)
  MlpDropout dropout;
  std::uint32_t first_step = 0;  ///< number of the epoch's first step
  T* parameters = nullptr;       ///< working layout
  T* moment1 = nullptr;          ///< momentum or Adam's m; null if unused
  T* moment2 = nullptr;          ///< Adam's v
  T* scratch = nullptr;
  double* step_losses = nullptr;  ///< mean loss of each batch, if asked for
  bool finite = true;             ///< out: every row's training loss was finite
};

/// Evaluation-mode loss and accuracy over data.rows.
template <class T>
struct MlpEvaluation {
  const MlpPlan* plan = nullptr;
  MlpRows<T> data;
  Loss loss = Loss::ce_on_logits;
  std::int32_t batch_size = 32;
  bool weight_by_size = true;  ///< mean over all rows as one batch, else plain mean of the batch means
  const T* parameters = nullptr;
  T* scratch = nullptr;
  double mean_loss = 0;      ///< out
  std::int64_t correct = 0;  ///< out: rows whose arg max of the output equals that of the label or target
};

/// Evaluation-mode outputs: logits [n][C] and penultimate activations [n][.], either may be null.
template <class T>
struct MlpPrediction {
  const MlpPlan* plan = nullptr;
  MlpRows<T> data;
  const T* parameters = nullptr;
  T* scratch = nullptr;
  T* logits = nullptr;
  T* penultimate = nullptr;
};

/// BALD score per row: m[c] = (sum over passes of p[c]) / passes; score = h(m) - (sum over passes of h(p)) / passes,
/// h(q) = -(sum over c by fma from 0 of q[c] * log(q[c] + smallest normal number)), or + 0 without `log_epsilon`.
template <class T>
struct MlpBald {
  const MlpPlan* plan = nullptr;
  MlpRows<T> data;
  const T* parameters = nullptr;
  MlpDropout dropout;
  std::int32_t passes = 1;
  T* scratch = nullptr;
  T* scores = nullptr;  ///< [n]
  bool log_epsilon = true;
};

/// softmax of n rows of C logits; may be in place. scratch: 2 * 32 * round_up(C, 16) elements.
template <class T>
struct MlpSoftmax {
  const T* logits = nullptr;
  T* probabilities = nullptr;
  std::int64_t n = 0, classes = 0;
  T* scratch = nullptr;
};

/// The ops of one SIMD level. Deterministic: bitwise, at every level.
template <class T>
struct MlpOps {
  void (*train_epoch)(MlpEpoch<T>&);
  void (*evaluate)(MlpEvaluation<T>&);
  void (*predict)(const MlpPrediction<T>&);
  void (*bald)(const MlpBald<T>&);
  void (*softmax)(const MlpSoftmax<T>&);
};

/// float and double. Error: failed if this build lacks the level.
template <class T>
const MlpOps<T>& mlp_ops(SimdLevel level);

}  // namespace quarry
