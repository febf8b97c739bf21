// SPDX-License-Identifier: MIT
// A member's settings as a job of the device, and a job's result as a member's.
#pragma once

#include "quarry/core/error.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry {

/// All but what lies in device memory, and reports: validate_every_epoch needs a place for them.
inline MlpFitJob settings_of(const MemberSpec& member) {
  QUARRY_CHECK(member.early_stopping == EarlyStopping::none && member.train_report == TrainReport::evaluated,
               "the kernels have neither early stopping nor running train losses");
  MlpFitJob job;
  job.n_train = static_cast<std::int32_t>(member.train.size());
  job.n_validation = static_cast<std::int32_t>(member.validation.size());
  job.loss = member.loss;
  job.optimizer = member.optimizer;
  job.dropout_epochs = member.dropout_epochs;
  job.lr = member.lr;
  job.weight_decay = member.weight_decay;
  job.momentum = member.momentum;
  job.beta1 = member.beta1;
  job.beta2 = member.beta2;
  job.epsilon = member.epsilon;
  job.epochs = member.epochs;
  job.batch_size = member.batch_size;
  job.drop_last = member.drop_last;
  job.weight_by_size = member.weight_by_size;
  job.prune_on_current = member.prune_on_current;
  job.init_key = member.init_key;
  job.order_key = member.order_key;
  job.dropout_key = member.dropout_key;
  return job;
}

/// Without parameters and epoch losses.
inline MemberResult<float> result_of(const MlpFitResult& fit) {
  MemberResult<float> result;
  result.train = {fit.train_loss, fit.train_accuracy};
  result.validation = {fit.validation_loss, fit.validation_accuracy};
  result.epochs_run = fit.epochs_run;
  result.steps = fit.steps;
  result.pruned = fit.pruned != 0;
  result.diverged = fit.diverged != 0;
  result.diverged_epoch = fit.diverged_epoch;
  return result;
}

}  // namespace quarry
