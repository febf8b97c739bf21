// SPDX-License-Identifier: MIT
// Multi-layer perceptrons on a GPU: jobs that train or score a whole network each, described in device memory so that
// a kernel can write them (a search on the device does). The bits are those of quarry/ops/mlp.h.
//
// Every pointer in a job is a device pointer. Jobs of one launch may differ in everything.
#pragma once

#include <cstdint>
#include <span>

#include "quarry/core/gpu.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry {

/// A network whose shape only the device may know.
struct MlpDeviceNetwork {
  const std::int32_t* sizes = nullptr;     ///< {d, h1, ..., hk, C}
  const std::int32_t* n_layers = nullptr;  ///< one number: k + 1
  const double* dropout = nullptr;         ///< one number
  float* parameters = nullptr;             ///< packed as in MemberSpec: W [out][in], b [out] per layer
};

/// MemberResult without its arrays.
struct MlpFitResult {
  double train_loss = 0, train_accuracy = 0, validation_loss = 0, validation_accuracy = 0;
  std::int64_t steps = 0;
  std::int32_t epochs_run = 0, diverged_epoch = -1;
  std::int32_t pruned = 0, diverged = 0;
};

/// MemberSpec for the device.
struct MlpFitJob {
  const float* features = nullptr;  ///< [.][d]
  const std::int32_t* labels = nullptr;
  const float* targets = nullptr;  ///< [.][C], mse only
  const std::int32_t *train = nullptr, *validation = nullptr;
  std::int32_t n_train = 0, n_validation = 0;
  MlpDeviceNetwork network;  ///< parameters: out
  Loss loss = Loss::ce_on_logits;
  Optimizer optimizer = Optimizer::sgd;
  DropoutEpochs dropout_epochs = DropoutEpochs::all;
  double lr = 0.1, weight_decay = 0, momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  std::int32_t epochs = 0, batch_size = 32;
  std::int32_t drop_last = 0, validate_every_epoch = 0, weight_by_size = 1, prune_on_current = 0;
  std::uint64_t init_key = 0, order_key = 0, dropout_key = 0;
  const double* prune_above = nullptr;  ///< [n_prune_above]; null: never pruned
  std::int32_t n_prune_above = 0;
  const double* initial_parameters = nullptr;  ///< packed; null: a fresh initialisation
  double* epoch_losses = nullptr;              ///< [epochs]: out, if validate_every_epoch
  MlpFitResult* result = nullptr;              ///< out
  std::int32_t active = 1;                     ///< 0: the job is left out and nothing of it is written
};

enum class MlpScore : std::int32_t { none, entropy, margin, least_confidence, bald };

/// Scores rows with a trained network. Outputs may be null.
struct MlpScoreJob {
  const float* features = nullptr;     ///< [.][d]
  const std::int32_t* rows = nullptr;  ///< null: 0, 1, ...
  std::int32_t n_rows = 0;
  MlpDeviceNetwork network;
  float* logits = nullptr;         ///< [n][C]
  float* probabilities = nullptr;  ///< [n][C], first softmax
  float* penultimate = nullptr;    ///< [n][h]
  MlpScore score = MlpScore::none;
  std::int32_t passes = 0;      ///< bald
  std::uint64_t mc_key = 0;     ///< bald
  std::int32_t bald_clamp = 0;  ///< bald: negative finite scores count as 0
  float* scores = nullptr;      ///< [n]: quarry/ops/scores.h on the first softmax, mlp_bald for bald
};

namespace cuda {

/// What the jobs of a launch have at most; known before their shapes are.
struct MlpBounds {
  std::int32_t inputs = 1, outputs = 1;
  std::int32_t hidden_layers = 0, hidden_width = 0;
  std::int32_t train_rows = 1, batch_size = 32;
  bool momentum = false, adam = false;
};

/// Launch shape and memory of a fleet: pure functions of device and bounds. A network that does not fit the shared
/// memory of a block works in `workspace` instead, with the same results.
struct MlpFleetPlan {
  gpu::LaunchShape shape;
  std::size_t workspace_bytes = 0;  ///< of all blocks together; 0 if every network within the bounds fits
  MlpBounds bounds;
};
MlpFleetPlan plan_mlp_fit(const gpu::DeviceInfo& device, std::int32_t n_jobs, const MlpBounds& bounds);
MlpFleetPlan plan_mlp_score(const gpu::DeviceInfo& device, std::int32_t n_jobs, std::int32_t most_rows,
                            const MlpBounds& bounds);

/// Trains n_jobs networks. jobs [n_jobs], ticket [1] (scratch), workspace [plan.workspace_bytes] on the device.
/// Asynchronous. One thread block trains one network from the first to the last epoch; blocks take jobs from a queue.
void mlp_fit(gpu::Session& session, const MlpFleetPlan& plan, const MlpFitJob* jobs, std::int32_t n_jobs,
             std::int32_t* ticket, void* workspace);
/// Scores; most_rows is the largest n_rows of the jobs.
void mlp_score(gpu::Session& session, const MlpFleetPlan& plan, const MlpScoreJob* jobs, std::int32_t n_jobs,
               std::int32_t most_rows, void* workspace);

/// train_fleet on the device from host data: uploads, trains, downloads. train_fleet(Context&, ...) on a GPU.
std::vector<MemberResult<float>> train_fleet(gpu::Session& session, const MlpData<float>& data,
                                             std::span<const MemberSpec> members);

}  // namespace cuda
}  // namespace quarry
