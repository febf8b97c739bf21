// SPDX-License-Identifier: MIT
// train_conv_fleet on a GPU.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/progress.h"
#include "quarry/nn/conv_fleet_device.h"

namespace quarry::cuda {
namespace {

using Rows = std::vector<std::int32_t>;

void check_rows(const ImageDataset& data, const ConvMemberSpec& spec, const Rows& rows) {
  for (const std::int32_t row : rows) {
    QUARRY_CHECK(row >= 0 && row < data.train.n, "row {} of a pool of {} images", row, data.train.n);
    const std::int32_t label = data.train.labels[static_cast<std::size_t>(row)];
    QUARRY_CHECK(label >= 0 && label < spec.network.classes, "label {} of image {} for a network of {} outputs", label,
                 row, spec.network.classes);
  }
}

/// Rows of the smallest batch of an epoch.
std::int64_t smallest_batch(const ConvMemberSpec& spec) {
  const auto n = static_cast<std::int64_t>(spec.train.size()), size = std::int64_t{spec.batch_size};
  const bool full = spec.batches == BatchRule::fill || spec.batches == BatchRule::fill_last;
  if (full || (spec.batches == BatchRule::drop_last && n > size)) return size;
  return n < size ? n : (n % size == 0 ? size : n % size);
}

void check_member(const ImageDataset& data, const ConvMemberSpec& spec) {
  const ImageShape &want = spec.network.input, &have = data.shape;
  QUARRY_CHECK(want.channels == have.channels && want.height == have.height && want.width == have.width,
               "the network takes images of {} x {} x {}, the data has {} x {} x {}", want.channels, want.height,
               want.width, have.channels, have.height, have.width);
  QUARRY_CHECK(spec.epochs >= 0 && spec.batch_size >= 1, "{} epochs, batch size {}", spec.epochs, spec.batch_size);
  QUARRY_CHECK(!spec.train.empty(), "a member has no training rows");
  const ResNetPlan plan = plan_resnet(spec.network);
  const ConvLayer& last = plan.layers[static_cast<std::size_t>(plan.blocks.back().conv2)];
  QUARRY_CHECK(
      smallest_batch(spec) * last.out_height * last.out_width >= 2,
      "a batch of one image leaves one value per channel in the last stage, too few for a variance; use another "
      "batch size than {} for {} rows, or fill the last batch",
      spec.batch_size, spec.train.size());
  check_rows(data, spec, spec.train);
  check_rows(data, spec, spec.validation);
}

/// Whether two members can train side by side.
bool together(const ConvMemberSpec& a, const ConvMemberSpec& b) {
  return a.network.kind == b.network.kind && a.network.classes == b.network.classes &&
         a.network.dropout == b.network.dropout && a.precision == b.precision && a.convolution == b.convolution &&
         a.batch_size == b.batch_size && a.epochs == b.epochs && a.augment_validation == b.augment_validation;
}

ConvNetMember net_member(const ConvMemberSpec& spec) {
  ConvNetMember member;
  for (std::int32_t e = 0; e < spec.epochs; ++e) {
    member.rates.push_back(
        static_cast<float>(spec.lr * lr_factor(spec.schedule, e, spec.epochs, spec.warmup_epochs, spec.warmup_start)));
  }
  member.weight_decay = static_cast<float>(spec.weight_decay);
  member.momentum = static_cast<float>(spec.momentum);
  member.augment = spec.augment;
  member.augment_key = spec.augment_key;
  member.dropout_key = spec.dropout_key;
  return member;
}

Rows rows_of_epoch(const ConvMemberSpec& spec, std::int32_t epoch) {
  Rows rows =
      epoch_order(spec.order_key, epoch, static_cast<std::int32_t>(spec.train.size()), spec.batch_size, spec.batches);
  for (std::int32_t& row : rows) row = spec.train[static_cast<std::size_t>(row)];
  return rows;
}

/// Members that train side by side.
class Group {
 public:
  Group(gpu::Session& session, const ImagePool& pool, ResNetPlan plan, const ConvFleetOptions& options,
        std::vector<const ConvMemberSpec*> specs)
      : specs_(std::move(specs)),
        plan_(std::move(plan)),
        options_(options),
        net_(session, plan_, {specs_.front()->precision, specs_.front()->convolution}, specs_.front()->batch_size, pool,
             net_members(), options.graphs),
        results_(specs_.size()) {}

  std::vector<ConvMemberResult> run() {
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      look_at_stop();
      net_.load(static_cast<std::int32_t>(m), initial_parameters(plan_, specs_[m]->init_key), initial_buffers(plan_));
    }
    for (std::int32_t e = 0; e < specs_.front()->epochs; ++e) {
      look_at_stop();
      epoch(e);
      for (std::size_t m = 0; m < specs_.size(); ++m) count(1);
    }
    std::vector<bool> all(specs_.size());
    for (std::size_t m = 0; m < specs_.size(); ++m) all[m] = results_[m].epoch_validation.empty();
    const std::vector<Evaluation> last = validate(all);
    for (std::size_t m = 0; m < specs_.size(); ++m) finish(m, last[m]);
    return std::move(results_);
  }

  /// The group will be trained again.
  void take_back() { count(-counted_); }

 private:
  void look_at_stop() const {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) throw Interrupted{};
  }
  void count(std::int64_t epochs) {
    counted_ += epochs;
    if (options_.epochs_done && epochs != 0) options_.epochs_done(epochs);
  }

  std::vector<ConvNetMember> net_members() const {
    std::vector<ConvNetMember> members;
    for (const ConvMemberSpec* spec : specs_) members.push_back(net_member(*spec));
    return members;
  }

  void epoch(std::int32_t e) {
    std::vector<Rows> orders;
    for (const ConvMemberSpec* spec : specs_) orders.push_back(rows_of_epoch(*spec, e));
    net_.train_epoch(e, orders);
    std::vector<bool> wanted;
    bool any = false;
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      results_[m].steps +=
          (static_cast<std::int64_t>(orders[m].size()) + specs_[m]->batch_size - 1) / specs_[m]->batch_size;
      wanted.push_back(specs_[m]->validate_every_epoch);
      any = any || wanted.back();
    }
    if (!any && e + 1 < specs_.front()->epochs) return;
    const std::vector<ConvNetProgress> progress = net_.progress();
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      results_[m].train_loss = progress[m].loss_sum / static_cast<double>(orders[m].size());
      results_[m].diverged_epoch = progress[m].diverged_epoch;
    }
    if (!any) return;
    const std::vector<Evaluation> found = validate(wanted);
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      if (wanted[m]) results_[m].epoch_validation.push_back(found[m]);
    }
  }

  std::vector<Evaluation> validate(const std::vector<bool>& wanted) {
    std::vector<Rows> rows;
    for (std::size_t m = 0; m < specs_.size(); ++m) rows.push_back(wanted[m] ? specs_[m]->validation : Rows());
    net_.evaluate(rows, specs_.front()->augment_validation);
    const std::vector<ConvNetProgress> progress = net_.progress();
    std::vector<Evaluation> found(specs_.size());
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      const auto n = static_cast<double>(rows[m].size());
      if (n > 0) found[m] = {progress[m].loss_sum / n, progress[m].correct / n};
    }
    return found;
  }

  void finish(std::size_t m, const Evaluation& last) {
    ConvMemberResult& result = results_[m];
    result.epochs_run = specs_[m]->epochs;
    result.validation = result.epoch_validation.empty() ? last : result.epoch_validation.back();
    result.parameters.resize(static_cast<std::size_t>(plan_.n_parameters));
    result.buffers.resize(static_cast<std::size_t>(plan_.n_buffers));
    net_.store(static_cast<std::int32_t>(m), result.parameters, result.buffers);
    const auto finite = [](float x) { return std::isfinite(x); };
    result.diverged = result.diverged_epoch >= 0 ||
                      !std::all_of(result.parameters.begin(), result.parameters.end(), finite) ||
                      !std::all_of(result.buffers.begin(), result.buffers.end(), finite);
    if (specs_[m]->keep_network) return;
    result.parameters = {};
    result.buffers = {};
  }

  const std::vector<const ConvMemberSpec*> specs_;
  const ResNetPlan plan_;
  const ConvFleetOptions& options_;
  ConvFleetNet net_;
  std::vector<ConvMemberResult> results_;
  std::int64_t counted_ = 0;  ///< epochs, of all members together
};

/// `failure` (may be empty): what the allocation that failed said.
[[noreturn]] void no_memory(std::size_t one, std::size_t free, const std::string& failure) {
  device_error(
      "a residual network takes {} bytes of GPU memory to train, and of the {} that are free a tenth stays free; use a "
      "smaller training.batch_size, or --device cpu{}{}",
      one, free, failure.empty() ? "" : ": ", failure);
}

/// Members that there is room for at a time: in memory, most of it left to them, and in the kernels' grids.
std::size_t members_at_a_time(gpu::Session& session, const ConvMemberSpec& spec) {
  session.synchronize();  // what was released is free only then
  const std::size_t one = conv_member_memory(spec), free = session.memory_free();
  const std::size_t most = free / 10 * 9;
  if (one > most) no_memory(one, free, "");
  const ResNetPlan plan = plan_resnet(spec.network);
  const auto workspaces = [&](std::int32_t members) {
    return most_conv_workspace(plan, {spec.precision, spec.convolution}, spec.batch_size, members);
  };
  constexpr auto kWide = static_cast<std::int32_t>(gpu::kConvolutionQueues);  // wider fleets have no more of them
  const std::size_t alone = one - workspaces(1), of_wide = workspaces(kWide);
  const bool is_wide = kWide * alone + of_wide <= most;
  const auto in_grids = static_cast<std::size_t>(most_fleet_members(plan, spec.batch_size));
  return std::min(is_wide ? (most - of_wide) / alone : most / one, in_grids);
}

std::vector<ConvMemberResult> train(Group&& group) {
  try {
    return group.run();
  } catch (const gpu::Failure& failure) {
    if (failure.code() == gpu::kOutOfMemory) group.take_back();
    throw;
  }
}

}  // namespace

void train_conv_fleet(gpu::Session& session, const ImageDataset& data, const ImagePool& pool,
                      std::span<const ConvMemberSpec> members, const ConvFleetOptions& options,
                      const std::function<void(std::size_t member, ConvMemberResult)>& done) {
  for (const ConvMemberSpec& spec : members) check_member(data, spec);
  std::vector<bool> trained(members.size(), false);
  std::size_t most = members.size();  // less once an allocation has failed
  for (std::size_t first = 0; first < members.size();) {
    if (trained[first]) {
      ++first;
      continue;
    }
    const std::size_t room = std::min(most, members_at_a_time(session, members[first]));
    std::vector<std::size_t> who;
    std::vector<const ConvMemberSpec*> specs;
    for (std::size_t m = first; m < members.size() && who.size() < room; ++m) {
      if (trained[m] || !together(members[first], members[m])) continue;
      who.push_back(m);
      specs.push_back(&members[m]);
    }
    std::vector<ConvMemberResult> results;
    try {
      results = train(Group(session, pool, plan_resnet(members[first].network), options, std::move(specs)));
    } catch (const gpu::Failure& failure) {
      if (failure.code() != gpu::kOutOfMemory) throw;
      if (who.size() == 1) no_memory(conv_member_memory(members[first]), session.memory_free(), failure.what());
      most = who.size() / 2;
      continue;
    }
    for (std::size_t i = 0; i < who.size(); ++i) {
      trained[who[i]] = true;
      done(who[i], std::move(results[i]));
    }
  }
}

}  // namespace quarry::cuda
