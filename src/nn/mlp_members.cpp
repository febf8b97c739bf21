// SPDX-License-Identifier: MIT
#include "src/nn/mlp_members.h"

#include <algorithm>
#include <numeric>

#include "quarry/core/error.h"
#include "src/nn/mlp_plan.h"

namespace quarry {
namespace {

template <class T>
void check_rows(const MlpData<T>& data, const MemberSpec& spec, std::span<const std::int32_t> rows, const char* what) {
  const std::int32_t classes = spec.sizes.back();
  for (const std::int32_t row : rows) {
    QUARRY_CHECK(row >= 0 && row < data.features.extent[0], "{} row {} is not a row of the data ({} rows)", what, row,
                 data.features.extent[0]);
    if (spec.loss == Loss::mse || data.labels.empty()) continue;
    const std::int32_t label = data.labels[static_cast<std::size_t>(row)];
    QUARRY_CHECK(label >= 0 && label < classes, "label {} of row {} is not in 0 ... {} (outputs of the network)", label,
                 row, classes - 1);
  }
}

/// Work of a member, up to a factor.
double cost(const MemberSpec& spec) {
  return static_cast<double>(parameter_count(spec.sizes)) * spec.epochs *
         static_cast<double>(spec.train.size() + (spec.validate_every_epoch ? spec.validation.size() / 3 : 0));
}

}  // namespace

template <class T>
void check_member(const MlpData<T>& data, const MemberSpec& spec) {
  check_sizes(spec.sizes);
  QUARRY_CHECK(spec.sizes.front() == data.features.extent[1], "the network has {} inputs, the data {} features",
               spec.sizes.front(), data.features.extent[1]);
  QUARRY_CHECK(spec.epochs >= 0, "epochs is {}; it must be at least 0", spec.epochs);
  QUARRY_CHECK(spec.batch_size >= 1, "batch size is {}; it must be at least 1", spec.batch_size);
  QUARRY_CHECK(spec.dropout >= 0 && spec.dropout < 1, "dropout is {}; it must be in [0, 1)", spec.dropout);
  QUARRY_CHECK(spec.momentum >= 0, "momentum is {}; it must be at least 0", spec.momentum);
  if (spec.optimizer == Optimizer::adam) {
    QUARRY_CHECK(spec.beta1 >= 0 && spec.beta1 < 1, "beta1 is {}; it must be in [0, 1)", spec.beta1);
    QUARRY_CHECK(spec.beta2 >= 0 && spec.beta2 < 1, "beta2 is {}; it must be in [0, 1)", spec.beta2);
    QUARRY_CHECK(spec.epsilon >= 0, "epsilon is {}; it must be at least 0", spec.epsilon);
    QUARRY_CHECK(spec.momentum == 0, "momentum {} is for sgd; adam has beta1", spec.momentum);
  }
  QUARRY_CHECK(!spec.train.empty(), "a member has no training rows");
  const auto rows = static_cast<std::size_t>(data.features.extent[0]);
  if (spec.loss == Loss::mse || (data.labels.empty() && data.targets.data != nullptr)) {
    QUARRY_CHECK(data.targets.data != nullptr && data.targets.extent[0] == data.features.extent[0] &&
                     data.targets.extent[1] == spec.sizes.back(),
                 "a loss without labels needs targets [{}][{}], got [{}][{}]", rows, spec.sizes.back(),
                 data.targets.extent[0], data.targets.extent[1]);
  } else {
    QUARRY_CHECK(data.labels.size() == rows, "{} labels for {} rows", data.labels.size(), rows);
  }
  QUARRY_CHECK(spec.early_stopping == EarlyStopping::none ||
                   (!spec.validation.empty() && spec.patience >= 0 && spec.stopping_warmup >= 0),
               "early stopping with {} validation rows, a patience of {} and a warm-up of {} epochs",
               spec.validation.size(), spec.patience, spec.stopping_warmup);
  QUARRY_CHECK(spec.train_report == TrainReport::evaluated || spec.dropout_epochs == DropoutEpochs::none,
               "a running train loss is of networks trained without dropout");
  check_rows(data, spec, spec.train, "training");
  check_rows(data, spec, spec.validation, "validation");
  QUARRY_CHECK(spec.initial_parameters.empty() ||
                   static_cast<std::int64_t>(spec.initial_parameters.size()) == parameter_count(spec.sizes),
               "{} initial parameters for a network of {}", spec.initial_parameters.size(),
               parameter_count(spec.sizes));
}

template void check_member(const MlpData<float>&, const MemberSpec&);
template void check_member(const MlpData<double>&, const MemberSpec&);

std::vector<std::size_t> longest_first(std::span<const MemberSpec> members) {
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return cost(members[a]) > cost(members[b]); });
  return order;
}

}  // namespace quarry
