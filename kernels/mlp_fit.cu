// SPDX-License-Identifier: MIT
// Training of whole networks, one per thread block: initialisation, shuffles, dropout, every epoch's batches,
// validation, pruning and the final evaluations in one launch. Blocks take jobs from a queue. The host's counterpart
// is Fit in src/nn/mlp_fleet.cpp; results are the same bit for bit.
//
// Predicted, not measured. A step of the network 60-48-48-48-2, batch 32, by counting: 23,000 warp instructions that
// multiply and add (20,000 would do without partly filled tiles) of 35,000 in all, 3,000 vector loads from shared
// memory. One block: about 11,000 cycles, 6 us at 1.75 GHz, bound by the latency of its chain of products. Two blocks
// per multiprocessor: 8,700 cycles of issue per step or, if a vector load occupies the path to the registers for 4
// cycles even where its threads read one address, 12,000; 132 multiprocessors then make 19 to 26 million steps/s.
// Dropout adds 280 instructions per warp tile of 16 units, 2,500 per step.
#include "kernels/mlp_block_fit.h"

namespace quarry {
namespace block {

/// By thread 0, after the epoch and its validation: the record and the pruning rule.
QUARRY_BLOCK_FUNCTION void judge_epoch(const MlpFitJob& job, FitState& state, std::int32_t epoch) {
  const double current = state.loss;
  job.epoch_losses[epoch] = current;
  if (state.best != state.best || current < state.best) state.best = current;  // a NaN is skipped
  if (job.prune_above == nullptr || epoch >= job.n_prune_above) return;
  const double threshold = job.prune_above[epoch], loss = job.prune_on_current ? current : state.best;
  state.pruned = threshold == threshold && !(loss <= threshold);
}

QUARRY_BLOCK_FUNCTION Dropout epoch_dropout(const MlpFitJob& job, std::int32_t epoch) {
  const bool drop =
      job.dropout_epochs == DropoutEpochs::all || (job.dropout_epochs == DropoutEpochs::first && epoch == 0);
  return make_dropout(drop ? *job.network.dropout : 0, job.dropout_key);
}

/// By thread 0, after the batches of an epoch.
QUARRY_BLOCK_FUNCTION void finish_epoch(FitState& state) {
  if (!state.finite && state.diverged_epoch < 0) state.diverged_epoch = state.epochs_run;
  state.finite = 1;
  ++state.epochs_run;
}

/// Packed parameters out; whether all are finite. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void write_parameters(const Fit<Space>& fit) {
  bool finite = true;
  for (std::int32_t i = thread(); i < fit.net.map.packed; i += kThreads) {
    const float x = *fit.net.parameter(i);
    finite = finite && x - x == 0;
    fit.job.network.parameters[i] = plain_nan(x);
  }
  if (!finite) atomicAnd(&fit.state.finite_parameters, 0);
  __syncthreads();
}

/// By thread 0: the state of a job that starts.
QUARRY_BLOCK_FUNCTION void start_state(const MlpFitJob& job, FitState& state) {
  const bool adam = job.optimizer == Optimizer::adam;
  Update& update = state.update;
  update.adam = adam;
  update.moments = adam || job.momentum != 0;
  update.minus_lr = -static_cast<float>(job.lr);
  update.weight_decay = static_cast<float>(job.weight_decay);
  update.momentum = static_cast<float>(job.momentum);
  update.one_minus_beta1 = static_cast<float>(1 - job.beta1);
  update.beta2 = static_cast<float>(job.beta2);
  update.one_minus_beta2 = static_cast<float>(1 - job.beta2);
  update.epsilon = static_cast<float>(job.epsilon);
  state.batch = job.batch_size < job.n_train ? job.batch_size : job.n_train;
  state.used = job.drop_last ? job.n_train / state.batch * state.batch : job.n_train;
  state.beta1_power = state.beta2_power = 1;
  state.best = kNaN;
  state.steps = 0;
  state.epochs_run = state.pruned = 0;
  state.diverged_epoch = -1;
  state.finite = state.finite_parameters = 1;
}

/// By thread 0, after an evaluation: of an epoch, or (final) of the trained network.
QUARRY_BLOCK_FUNCTION void record_evaluation(const MlpFitJob& job, FitState& state, bool final, bool training_rows,
                                             std::int32_t n) {
  if (!final) return judge_epoch(job, state, state.epochs_run - 1);
  const double accuracy = n == 0 ? 0 : static_cast<double>(state.correct) / static_cast<double>(n);
  if (training_rows) {
    job.result->train_loss = state.loss;
    job.result->train_accuracy = accuracy;
  } else {
    job.result->validation_loss = state.loss;
    job.result->validation_accuracy = accuracy;
  }
}

/// By thread 0, when all else is written.
QUARRY_BLOCK_FUNCTION void write_result(const MlpFitJob& job, const FitState& state) {
  MlpFitResult& result = *job.result;
  result.steps = state.steps;
  result.epochs_run = state.epochs_run;
  result.diverged_epoch = state.diverged_epoch;
  result.pruned = state.pruned;
  result.diverged = !(result.train_loss - result.train_loss == 0) || !state.finite_parameters;
}

/// One job from the first epoch to the result. The round after the last epoch shuffles once more and evaluates.
template <class Space>
QUARRY_BLOCK_FUNCTION void fit_network(const Fit<Space>& fit) {
  const MlpFitJob& job = fit.job;
  FitState& state = fit.state;
  start_parameters(fit);
  for (bool final = false; !final;) {
    const std::int32_t epoch = state.epochs_run;
    final = epoch == job.epochs || state.pruned;
    if (thread() == 0) state.dropout = epoch_dropout(job, epoch);
    shuffle(fit, static_cast<std::uint32_t>(epoch));  // its barriers come before the state changes
    if (!final) {
      train_batches(fit);
      if (thread() == 0) finish_epoch(state);
    }
    for (int list = final ? 0 : 1; list < (final || job.validate_every_epoch ? 2 : 1); ++list) {
      const std::int32_t n = list == 0 ? state.used : job.n_validation;
      evaluate(fit, list == 0 ? fit.state.order : job.validation, n);
      if (thread() == 0) record_evaluation(job, state, final, list == 0, n);
    }
    __syncthreads();
  }
  write_parameters(fit);
  if (thread() == 0) write_result(job, state);
}

/// A job whose network lies at `memory` and its order and sort keys at `order` and `keys`.
template <class Space>
QUARRY_BLOCK_FUNCTION void run_at(Space space, const MlpFitJob& job, const MlpBlockNeeds& needs, FitState& state,
                                  float* order, float* keys) {
  if (thread() == 0) {
    state.map =
        map_network(job.network.sizes, *job.network.n_layers, needs, reinterpret_cast<MlpBlockLayer*>(space.at(0)));
    state.order = reinterpret_cast<std::int32_t*>(order);
    state.keys = reinterpret_cast<std::uint64_t*>(keys);
    start_state(job, state);
  }
  __syncthreads();
  fit_network(Fit<Space>{{space, state.map, state.rows}, job, state});
}

/// Finds room for a job: network and order in shared memory, or the order in the block's workspace, or both there.
QUARRY_BLOCK_FUNCTION void run_job(const MlpFitJob& job, FitState& state, std::int64_t shared_words, float* workspace) {
  const bool adam = job.optimizer == Optimizer::adam;
  const MlpBlockNeeds needs = {true, adam || job.momentum != 0, adam,
                               job.batch_size > kBlockRows && job.n_train > kBlockRows, false};
  const MlpBlockMap map = map_network(job.network.sizes, *job.network.n_layers, needs, nullptr);
  const std::int64_t with_order = words_with_order(map, job.n_train);
  const bool network_shared = map.words <= shared_words, order_shared = with_order <= shared_words;
  float* const memory = network_shared ? SharedSpace::at(0) : workspace;
  const bool order_beside = order_shared || !network_shared;  // else the workspace holds it, and there is one
  float* const keys = order_beside ? memory + map.scratch : workspace;
  float* const order =
      order_beside ? memory + with_order - round_up4(job.n_train) : workspace + 2 * permutation_keys(job.n_train);
  if (network_shared) {
    run_at(SharedSpace{}, job, needs, state, order, keys);
  } else {
    run_at(GlobalSpace{workspace}, job, needs, state, order, keys);
  }
}

__global__ void __launch_bounds__(kThreads, 2)
    mlp_fit_kernel(const MlpFitJob* jobs, std::int32_t n_jobs, std::int32_t* ticket, std::int64_t shared_words,
                   float* workspace, std::int64_t slice_words) {
  QUARRY_SHARED(FitState, state, );
  for (;;) {
    if (thread() == 0) state.job = atomicAdd(ticket, 1);
    __syncthreads();
    const std::int32_t job = state.job;
    __syncthreads();  // before the state is another job's
    if (job >= n_jobs) break;
    if (jobs[job].active) run_job(jobs[job], state, shared_words, workspace + blockIdx.x * slice_words);
  }
}

}  // namespace block

namespace cuda {

void mlp_fit(gpu::Session& session, const MlpFleetPlan& plan, const MlpFitJob* jobs, std::int32_t n_jobs,
             std::int32_t* ticket, void* workspace) {
  if (n_jobs == 0) return;
  session.fill(ticket, 0, sizeof *ticket);
  gpu::launch(session, "mlp_fit", plan.shape, &block::mlp_fit_kernel, jobs, n_jobs, ticket,
              static_cast<std::int64_t>(plan.shape.shared_bytes / sizeof(float)), static_cast<float*>(workspace),
              static_cast<std::int64_t>(plan.workspace_bytes / plan.shape.grid.x / sizeof(float)));
}

}  // namespace cuda
}  // namespace quarry
