// SPDX-License-Identifier: MIT
#include "quarry/study/fits.h"

#include "quarry/study/fit_keys.h"

namespace quarry {

Hyperparameters fixed_hyperparameters(const RunConfig& config) {
  return {config.hidden, config.lr, config.weight_decay, config.momentum, config.dropout};
}

Space study_space(const RunConfig& config) {
  Space space = mlp_study_space();
  const auto bound = [](Parameter& p, double low, double high) {
    p.low = low;
    p.high = high;
  };
  if (!config.tune_dropout) space.parameters.erase(space.parameters.begin() + space.find("drop_rate"));
  std::int32_t widths = 0;
  for (Parameter& p : space.parameters) {
    if (p.name == "lr") {
      bound(p, config.lr_low, config.lr_high);
      p.log = config.lr_scale == Scale::log;
    }
    if (p.name == "weight_decay") bound(p, config.weight_decay_low, config.weight_decay_high);
    if (p.name == "drop_rate") bound(p, config.drop_rate_low, config.drop_rate_high);
    if (p.name == "depth") bound(p, config.depth_low, config.depth_high);
    if (p.name.starts_with("width_")) {
      bound(p, config.width_low, config.width_high);
      ++widths;
    }
  }
  // As many widths as the deepest network has.
  const auto first_width = static_cast<std::ptrdiff_t>(space.find("width_0"));
  const auto at = [&](std::int32_t i) { return space.parameters.begin() + first_width + i; };
  if (widths > config.depth_high) space.parameters.erase(at(config.depth_high), at(widths));
  for (std::int32_t i = widths; i < config.depth_high; ++i) {
    Parameter width = *at(i - 1);
    width.name = fmt::format("width_{}", i);
    width.parent = "depth";
    width.parent_at_least = i + 1;
    space.parameters.insert(at(i), width);
  }
  return space;
}

Hyperparameters hyperparameters_of(const Space& space, std::span<const double> point, const RunConfig& config) {
  Hyperparameters h;
  h.lr = space.value("lr", point);
  h.weight_decay = space.value("weight_decay", point);
  h.dropout = config.tune_dropout ? space.value("drop_rate", point) : config.dropout;
  h.momentum = config.momentum;
  const auto depth = static_cast<std::int32_t>(space.value("depth", point));
  for (std::int32_t i = 0; i < depth; ++i)
    h.hidden.push_back(static_cast<std::int32_t>(space.value(fmt::format("width_{}", i), point)));
  return h;
}

std::int64_t steps_per_epoch(std::int64_t rows, std::int32_t batch_size, bool drop_last) {
  if (rows <= batch_size) return 1;
  return drop_last ? rows / batch_size : (rows + batch_size - 1) / batch_size;
}

MemberSpec make_member(const RunConfig& config, std::int32_t n_features, std::int32_t n_classes,
                       const Hyperparameters& hyperparameters, const FitPlace& place, const FitRows& rows) {
  MemberSpec member;
  member.sizes.push_back(n_features);
  for (std::int32_t width : hyperparameters.hidden) member.sizes.push_back(width);
  member.sizes.push_back(n_classes);
  member.loss = config.loss;
  member.optimizer = config.optimizer;
  member.lr = hyperparameters.lr;
  member.weight_decay = hyperparameters.weight_decay;
  member.momentum = hyperparameters.momentum;
  member.dropout = hyperparameters.dropout;
  member.dropout_epochs = config.dropout_epochs;
  member.batch_size = config.batch_size;
  member.weight_by_size = config.weight_by_size;
  member.early_stopping = config.early_stopping;
  member.patience = config.patience;
  member.stopping_warmup = config.stopping_warmup;
  member.train_report = config.train_report;
  member.train = rows.train;
  member.validation = rows.validation;
  // The study drops the last batch iff int(n_initial (1 - share)) + added > batch size (spec 4.3, B15).
  const auto counted =
      static_cast<std::int64_t>(static_cast<double>(rows.unviolated) * (1 - config.val_share)) + rows.added;
  member.drop_last = config.drop_last && counted > config.batch_size;
  member.epochs = config.epochs;
  if (config.updates > 0) {
    const std::int64_t per_epoch =
        steps_per_epoch(static_cast<std::int64_t>(rows.train.size()), config.batch_size, member.drop_last);
    member.epochs = static_cast<std::int32_t>((config.updates + per_epoch - 1) / per_epoch);
  }

  const FitKeys keys = fit_keys(static_cast<std::uint64_t>(config.seed), config.initial_weights == SeedPolicy::per_use,
                                place.iteration, place.trial, place.fold, static_cast<std::int32_t>(place.model));
  member.init_key = keys.init;
  member.order_key = keys.order;
  member.dropout_key = keys.dropout;
  return member;
}

}  // namespace quarry
