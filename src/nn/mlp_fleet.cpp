// SPDX-License-Identifier: MIT
#include "quarry/nn/mlp_fleet.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "src/nn/mlp_members.h"
#include "src/nn/mlp_plan.h"

namespace quarry {
namespace {

/// Rows of an epoch that are used: without drop_last all; with it whole batches only, unless there is just one.
std::int64_t rows_used(const MemberSpec& spec) {
  const auto n = static_cast<std::int64_t>(spec.train.size());
  return spec.drop_last && n > spec.batch_size ? n / spec.batch_size * spec.batch_size : n;
}

std::int64_t steps_per_epoch(const MemberSpec& spec) {
  return (rows_used(spec) + spec.batch_size - 1) / spec.batch_size;
}

/// Early stopping of one fit: told the validation loss after every epoch, says when it is over.
class Stopper {
 public:
  explicit Stopper(const MemberSpec& spec) : spec_(spec) {}
  bool watches() const { return spec_.early_stopping != EarlyStopping::none; }
  /// After epoch e (0-based). A loss that is not a number neither improves nor exceeds.
  bool over(std::int32_t epoch, double loss) {
    if (epoch < spec_.stopping_warmup) return false;
    const bool published = spec_.early_stopping == EarlyStopping::published;
    const bool worse = published ? loss > smallest_ : !(loss < smallest_);
    if (loss < smallest_) smallest_ = loss;
    if (!worse && !published) first_worse_ = kNone;
    if (worse && first_worse_ == kNone) first_worse_ = epoch;
    return first_worse_ != kNone && epoch - first_worse_ >= spec_.patience;
  }

 private:
  static constexpr std::int32_t kNone = -1;
  const MemberSpec& spec_;
  double smallest_ = std::numeric_limits<double>::infinity();
  std::int32_t first_worse_ = kNone;
};

/// One member from first to last epoch, on one worker.
template <class T>
class Fit {
 public:
  Fit(const MlpOps<T>& ops, Arena& arena, const MlpData<T>& data, const MemberSpec& spec)
      : ops_(ops), data_(data), spec_(spec), shape_(spec.sizes), scope_(arena) {
    const auto parameters = static_cast<std::size_t>(shape_.plan().parameters);
    parameters_ = arena.take<T>(parameters);
    scratch_ = arena.take<T>(static_cast<std::size_t>(shape_.plan().scratch));
    const bool adam = spec.optimizer == Optimizer::adam;
    if (adam || spec.momentum != 0) moment1_ = arena.take<T>(parameters);
    if (adam) moment2_ = arena.take<T>(parameters);
    if (adam) adam_steps_ = arena.take<T>(2 * static_cast<std::size_t>(steps_per_epoch(spec)));
    std::fill(moment1_.begin(), moment1_.end(), T(0));
    std::fill(moment2_.begin(), moment2_.end(), T(0));
    keys_ = arena.take<std::uint64_t>(spec.train.size());
    order_ = arena.take<std::int32_t>(spec.train.size());
    if (spec.initial_parameters.empty()) {
      shape_.initialise(spec.init_key, parameters_.data());
    } else {
      shape_.unpack(std::span<const double>(spec.initial_parameters), parameters_.data());
    }
  }

  MemberResult<T> run() {
    MemberResult<T> result;
    double best = std::numeric_limits<double>::quiet_NaN();
    Stopper stopper(spec_);
    bool stopped = false;
    for (std::int32_t epoch = 0; epoch < spec_.epochs && !result.pruned && !stopped; ++epoch) {
      if (!train_epoch(epoch, result.steps) && result.diverged_epoch < 0) result.diverged_epoch = epoch;
      result.steps += steps_per_epoch(spec_);
      ++result.epochs_run;
      if (!spec_.validate_every_epoch && !stopper.watches()) continue;
      const double current = evaluate(spec_.validation).loss;
      stopped = stopper.watches() && stopper.over(epoch, current);
      if (!spec_.validate_every_epoch) continue;
      result.epoch_losses.push_back(current);
      best = std::fmin(best, current);  // a NaN is skipped
      result.pruned = above_threshold(epoch, spec_.prune_on_current ? current : best);
    }
    if (spec_.train_report == TrainReport::running) {
      result.train = {running_loss_ / static_cast<double>(result.steps), running_accuracy_};
    } else {
      shuffle(static_cast<std::uint32_t>(result.epochs_run));
      result.train = evaluate(order_.first(static_cast<std::size_t>(rows_used(spec_))));
    }
    result.validation = evaluate(spec_.validation);
    result.parameters.resize(static_cast<std::size_t>(parameter_count(spec_.sizes)));
    shape_.pack(parameters_.data(), result.parameters.data());
    result.diverged =
        !std::isfinite(result.train.loss) ||
        !std::all_of(result.parameters.begin(), result.parameters.end(), [](T x) { return std::isfinite(x); });
    return result;
  }

 private:
  MlpRows<T> rows(std::span<const std::int32_t> rows) const {
    return {data_.features.data, data_.labels.empty() ? nullptr : data_.labels.data(), data_.targets.data, rows.data(),
            static_cast<std::int64_t>(rows.size())};
  }

  void shuffle(std::uint32_t step) {
    random_permutation(spec_.order_key, step, static_cast<std::uint32_t>(order_.size()), keys_.data(), order_.data());
    for (std::int32_t& row : order_) row = spec_.train[static_cast<std::size_t>(row)];
  }

  bool train_epoch(std::int32_t number, std::int64_t first_step) {
    shuffle(static_cast<std::uint32_t>(number));
    MlpEpoch<T> epoch;
    epoch.plan = &shape_.plan();
    epoch.data = rows(order_.first(static_cast<std::size_t>(rows_used(spec_))));
    epoch.loss = spec_.loss;
    epoch.optimizer = spec_.optimizer;
    epoch.batch_size = spec_.batch_size;
    epoch.lr = static_cast<T>(spec_.lr);
    epoch.weight_decay = static_cast<T>(spec_.weight_decay);
    epoch.momentum = static_cast<T>(spec_.momentum);
    epoch.one_minus_beta1 = static_cast<T>(1 - spec_.beta1);
    epoch.beta2 = static_cast<T>(spec_.beta2);
    epoch.one_minus_beta2 = static_cast<T>(1 - spec_.beta2);
    epoch.epsilon = static_cast<T>(spec_.epsilon);
    for (std::size_t i = 0; i < adam_steps_.size(); i += 2) {
      beta1_power_ *= spec_.beta1;
      beta2_power_ *= spec_.beta2;
      adam_steps_[i] = static_cast<T>(spec_.lr / (1 - beta1_power_));
      adam_steps_[i + 1] = static_cast<T>(std::sqrt(1 - beta2_power_));
    }
    epoch.adam_steps = adam_steps_.empty() ? nullptr : adam_steps_.data();
    const bool drop =
        spec_.dropout_epochs == DropoutEpochs::all || (spec_.dropout_epochs == DropoutEpochs::first && number == 0);
    if (drop) epoch.dropout = mlp_dropout(spec_.dropout, spec_.dropout_key);
    epoch.first_step = static_cast<std::uint32_t>(first_step);
    epoch.parameters = parameters_.data();
    epoch.moment1 = moment1_.empty() ? nullptr : moment1_.data();
    epoch.moment2 = moment2_.empty() ? nullptr : moment2_.data();
    epoch.scratch = scratch_.data();
    if (spec_.train_report == TrainReport::running) return train_reporting(epoch);
    ops_.train_epoch(epoch);
    return epoch.finite;
  }

  /// The same epoch a batch at a time, each evaluated before its update.
  bool train_reporting(MlpEpoch<T>& epoch) {
    const auto used = static_cast<std::size_t>(rows_used(spec_)), size = static_cast<std::size_t>(spec_.batch_size);
    double correct = 0;
    bool finite = true;
    for (std::size_t begin = 0; begin < used; begin += size) {
      const auto batch = order_.subspan(begin, std::min(size, used - begin));
      const Evaluation before = evaluate(batch);
      running_loss_ += before.loss;
      correct += before.accuracy * static_cast<double>(batch.size());
      epoch.data = rows(batch);
      ops_.train_epoch(epoch);
      finite = finite && epoch.finite;
      ++epoch.first_step;
      if (epoch.adam_steps != nullptr) epoch.adam_steps += 2;
    }
    running_accuracy_ = correct / static_cast<double>(used);
    return finite;
  }

  Evaluation evaluate(std::span<const std::int32_t> which) {
    if (which.empty()) return {};
    MlpEvaluation<T> evaluation;
    evaluation.plan = &shape_.plan();
    evaluation.data = rows(which);
    evaluation.loss = spec_.loss;
    evaluation.batch_size = spec_.batch_size;
    evaluation.weight_by_size = spec_.weight_by_size;
    evaluation.parameters = parameters_.data();
    evaluation.scratch = scratch_.data();
    ops_.evaluate(evaluation);
    return {std::isnan(evaluation.mean_loss) ? std::numeric_limits<double>::quiet_NaN() : evaluation.mean_loss,
            static_cast<double>(evaluation.correct) / static_cast<double>(which.size())};
  }

  bool above_threshold(std::int32_t epoch, double loss) const {
    const auto e = static_cast<std::size_t>(epoch);
    return e < spec_.prune_above.size() && !std::isnan(spec_.prune_above[e]) && !(loss <= spec_.prune_above[e]);
  }

  const MlpOps<T>& ops_;
  const MlpData<T>& data_;
  const MemberSpec& spec_;
  const MlpShape shape_;
  ArenaScope scope_;
  std::span<T> parameters_, scratch_, moment1_, moment2_, adam_steps_;
  std::span<std::uint64_t> keys_;
  std::span<std::int32_t> order_;
  double beta1_power_ = 1, beta2_power_ = 1;
  double running_loss_ = 0, running_accuracy_ = 0;
};

}  // namespace

template <class T>
std::vector<MemberResult<T>> train_fleet(Context& context, const MlpData<T>& data,
                                         std::span<const MemberSpec> members) {
  for (const MemberSpec& member : members) check_member(data, member);
  const std::vector<std::size_t> order = longest_first(members);
  std::vector<MemberResult<T>> results(members.size());
  const MlpOps<T>& ops = mlp_ops<T>(context.simd());
  context.pool().parallel_for(static_cast<std::int64_t>(members.size()), [&](std::int64_t item, int worker) {
    const std::size_t m = order[static_cast<std::size_t>(item)];
    results[m] = Fit<T>(ops, context.arena(worker), data, members[m]).run();
  });
  return results;
}

template std::vector<MemberResult<float>> train_fleet(Context&, const MlpData<float>&, std::span<const MemberSpec>);
template std::vector<MemberResult<double>> train_fleet(Context&, const MlpData<double>&, std::span<const MemberSpec>);

}  // namespace quarry
