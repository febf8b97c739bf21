// SPDX-License-Identifier: MIT
// Fleets of convolutional networks: M residual networks trained side by side on rows of one image set, each with its
// own hyperparameters, random keys and rows. A member's result is a function of its ConvMemberSpec and the data alone:
// on one backend and build it does not depend, bit for bit, on the fleet or on the number of workers. (Between
// backends, and between instruction sets, the order of sums differs: within tolerance only.)
//
// Training of one member (spec 4): cross-entropy, mean over the batch; SGD: g' = g + wd w; v = g' at the first step,
// else momentum v + g'; w -= lr(e) v; on every parameter, those of batch normalisation and the bias included.
// Batch normalisation: epsilon 1e-5, biased variance to normalise; running = 0.9 running + 0.1 batch with the unbiased
// variance; evaluation uses the running statistics.
// Initialisation: PyTorch's default: weights (and the linear bias) uniform in +-1/sqrt(fan_in); gamma 1, beta 0, mean
// 0, variance 1.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/progress.h"
#include "quarry/data/images.h"
#include "quarry/nn/mlp_fleet.h"  // Evaluation
#include "quarry/nn/resnet.h"
#include "quarry/ops/conv_precision.h"

namespace quarry {

/// Which batches an epoch of n rows has (spec 4.4, 4.5). With "fill" the order is one permutation after another until
/// every batch is full.
enum class BatchRule {
  fill,       ///< floor(n / b) + 1 full batches: the published study
  fill_last,  ///< ceil(n / b) full batches
  drop_last,  ///< floor(n / b) full batches; if n <= b one batch of n
  keep_last,  ///< ceil(n / b) batches, the last one short
};

/// Batches of an epoch.
std::int64_t batches_per_epoch(std::int64_t rows, std::int32_t batch_size, BatchRule rule);

/// Rows (positions 0..n-1 of the member's `train`) of an epoch, batch after batch. Permutation q of epoch e is
/// random_permutation(order_key, e * permutations_per_epoch + q).
std::vector<std::int32_t> epoch_order(std::uint64_t order_key, std::int32_t epoch, std::int32_t rows,
                                      std::int32_t batch_size, BatchRule rule);

enum class LrSchedule { constant, warmup_cosine };

/// lr(e) / lr of epoch e (0-based) of `epochs`. warmup_cosine: for e < warmup: start + (1 - start) e / warmup; then
/// (1 + cos(pi (e - warmup) / (epochs - warmup))) / 2 (spec 4.3).
double lr_factor(LrSchedule schedule, std::int32_t epoch, std::int32_t epochs, std::int32_t warmup_epochs,
                 double warmup_start);

/// Everything that determines one member. Training augmentation: augment_draw(augment_key, slot of the epoch's order,
/// epoch); of a validation row: augment_draw(augment_key, place in `validation`, 2^32 - 1), the same in every epoch.
/// Dropout: ops/conv_dropout.h.
struct ConvMemberSpec {
  ResNetSpec network;
  double lr = 0.01, weight_decay = 5e-4, momentum = 0.9;
  LrSchedule schedule = LrSchedule::warmup_cosine;
  std::int32_t epochs = 200, warmup_epochs = 10;
  double warmup_start = 0.01;
  std::int32_t batch_size = 32;
  BatchRule batches = BatchRule::fill;
  bool augment = true;              ///< training rows: padded crop and flip (ops/augment.h)
  bool augment_validation = false;  ///< validation rows too, once (the published search)
  std::uint64_t init_key = 0, order_key = 0, augment_key = 0, dropout_key = 0;  ///< Philox keys (stream_key)
  /// Rows of the pool part, at least 1; no batch may leave a single value per channel in the last stage.
  std::vector<std::int32_t> train;
  std::vector<std::int32_t> validation;  ///< rows, may be empty
  bool validate_every_epoch = false;     ///< record the validation result after each epoch
  bool keep_network = true;              ///< return parameters and buffers
  /// Of training and of the validation that goes with it. Look at check_conv_precision first.
  ConvPrecision precision = ConvPrecision::fp32;
  ConvChoice convolution = ConvChoice::table;  ///< cudnn: on a GPU alone
};

struct ConvMemberResult {
  std::vector<float> parameters, buffers;    ///< packed as ResNetPlan says; empty without keep_network
  std::vector<Evaluation> epoch_validation;  ///< if validate_every_epoch
  Evaluation validation;                     ///< after the last epoch; loss = mean negative log-likelihood
  double train_loss = 0;                     ///< mean over the rows of the last epoch, as they were trained on
  std::int32_t epochs_run = 0;
  std::int64_t steps = 0;
  bool diverged = false;             ///< a parameter, a buffer or a training loss is not finite
  std::int32_t diverged_epoch = -1;  ///< first epoch with a training loss that is not finite, or -1
};

/// What trains here, "oneDNN 2.6.3, fp32, instruction set 1023" and the like: bits are equal under one name alone, so
/// it is recorded with every run.
std::string_view conv_engine_name(ConvPrecision precision = ConvPrecision::fp32);

/// Error: usage, if this build or this CPU does not train in that precision; it says what to do.
void check_conv_precision(ConvPrecision precision);

/// What is told and asked while a fleet trains; results do not depend on it.
struct FleetWatch {
  const std::atomic<bool>* stop = nullptr;  ///< looked at before every step; once it is set, Interrupted is thrown
  std::function<void()> epoch_done;         ///< called after each epoch of each member, by any worker
};

/// Trains every member on rows of `data.train`, members spread over the context's workers.
/// A diverging member is a result, not an error; it is trained to its end all the same.
/// Errors: a check fails on shapes, rows or hyperparameters out of range; those of check_conv_precision. Throws
/// Interrupted: see FleetWatch.
std::vector<ConvMemberResult> train_conv_fleet(Context& context, const ImageDataset& data,
                                               std::span<const ConvMemberSpec> members, const FleetWatch& watch = {});

/// One trained network, ready to score images.
struct TrainedConvNet {
  ResNetSpec spec;
  std::vector<float> parameters, buffers;
};

/// Evaluation mode in fp32, no augmentation, rows of one part: logits [n][C] and features [n][F] (the pooled values
/// before the linear layer); either pointer may be null. Every row of the part if `rows` is empty. Over the context's
/// workers.
void conv_forward(Context& context, const TrainedConvNet& network, const ImageDataset& data, const ImagePart& part,
                  std::span<const std::int32_t> rows, float* logits, float* features);

/// BALD by Monte-Carlo dropout in fp32, batch normalisation in evaluation mode; the mask of (pass, layer, channel) is
/// the same for all images of a pass (spec 14.2). scores [n]; streaming, no [T][n][C] tensor.
void conv_bald(Context& context, const TrainedConvNet& network, const ImageDataset& data, const ImagePart& part,
               std::span<const std::int32_t> rows, std::int32_t passes, std::uint64_t mc_key, float* scores);

}  // namespace quarry
