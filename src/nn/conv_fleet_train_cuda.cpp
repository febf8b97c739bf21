// SPDX-License-Identifier: MIT
// train_conv_fleet on a GPU.
#include <algorithm>
#include <string>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/progress.h"
#include "quarry/nn/conv_fleet_device.h"
#include "src/nn/conv_fleet_arrays.h"

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

/// Members that train side by side. Everything is put in the queue, what follows included; then the host waits once.
class Group {
 public:
  Group(gpu::Session& session, const ImagePool& pool, ResNetPlan plan, const ConvFleetOptions& options,
        std::vector<const ConvMemberSpec*> specs)
      : session_(session),
        specs_(std::move(specs)),
        plan_(std::move(plan)),
        options_(options),
        notes_(session, slots() * specs_.size()),
        noted_(session, notes_.size()),
        net_(session, plan_, {specs_.front()->precision, specs_.front()->convolution}, specs_.front()->batch_size, pool,
             net_members(), options.graphs),
        results_(specs_.size()),
        last_rows_(specs_.size()) {
    std::int64_t rows = 0;
    for (const ConvMemberSpec* spec : specs_) rows = std::max(rows, conv_member_rows(*spec));
    net_.reserve(rows);
  }

  /// members, memory_limit: what `follow` is told.
  std::vector<ConvMemberResult> run(std::span<const std::size_t> members, std::size_t memory_limit) {
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      look_at_stop();
      net_.load(static_cast<std::int32_t>(m), initial_parameters(plan_, specs_[m]->init_key), initial_buffers(plan_));
    }
    for (std::int32_t e = 0; e < epochs(); ++e) {
      look_at_stop();
      epoch(e);
      for (std::size_t m = 0; m < specs_.size(); ++m) count(1);
    }
    if (epochs() == 0) note(kTraining);
    evaluate([](const ConvMemberSpec& spec) { return !spec.validate_every_epoch || spec.epochs == 0; });
    net_.check_finite();
    note(slots() - 1);
    networks_ = net_.leave_networks();
    is_trained_ = true;
    if (options_.follow) options_.follow({members, *networks_, memory_limit});
    session_.copy_out(noted_.data(), notes_.data(), notes_.size() * sizeof(ConvNetProgress));
    session_.wait(session_.mark());
    for (std::size_t m = 0; m < specs_.size(); ++m) finish(m);
    return std::move(results_);
  }

  /// The group will be trained again.
  void take_back() { count(-counted_); }
  /// The training is in the queue as a whole: what fails now is what follows.
  bool is_trained() const { return is_trained_; }

 private:
  /// Places of what is noted of all members: behind the last epoch; behind each validation of an epoch, if some member
  /// wants them; at the end.
  static constexpr std::size_t kTraining = 0;
  std::size_t slots() const { return 2 + (validates_epochs() ? static_cast<std::size_t>(epochs()) : 0); }
  std::int32_t epochs() const { return specs_.front()->epochs; }
  bool validates_epochs() const {
    return std::any_of(specs_.begin(), specs_.end(), [](const ConvMemberSpec* s) { return s->validate_every_epoch; });
  }
  void note(std::size_t slot) { net_.note(notes_.data() + slot * specs_.size()); }
  const ConvNetProgress& noted(std::size_t slot, std::size_t member) const {
    return noted_[slot * specs_.size() + member];
  }

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
    for (std::size_t m = 0; m < specs_.size(); ++m) {
      results_[m].steps +=
          (static_cast<std::int64_t>(orders[m].size()) + specs_[m]->batch_size - 1) / specs_[m]->batch_size;
      last_rows_[m] = static_cast<double>(orders[m].size());
    }
    if (e + 1 == epochs()) note(kTraining);
    if (!validates_epochs()) return;
    evaluate([](const ConvMemberSpec& spec) { return spec.validate_every_epoch; });
    note(1 + static_cast<std::size_t>(e));
  }

  /// The validation rows of those members that want it now.
  template <class F>
  void evaluate(const F& wants) {
    std::vector<Rows> rows;
    for (const ConvMemberSpec* spec : specs_) rows.push_back(wants(*spec) ? spec->validation : Rows());
    if (std::any_of(rows.begin(), rows.end(), [](const Rows& r) { return !r.empty(); }))
      net_.evaluate(rows, specs_.front()->augment_validation);
  }

  Evaluation evaluation(std::size_t slot, std::size_t m) const {
    const auto n = static_cast<double>(specs_[m]->validation.size());
    if (n == 0) return {};
    return {noted(slot, m).loss_sum / n, noted(slot, m).correct / n};
  }

  void finish(std::size_t m) {
    ConvMemberResult& result = results_[m];
    const ConvMemberSpec& spec = *specs_[m];
    result.epochs_run = spec.epochs;
    if (spec.epochs > 0) result.train_loss = noted(kTraining, m).loss_sum / last_rows_[m];
    result.diverged_epoch = noted(kTraining, m).diverged_epoch;
    for (std::int32_t e = 0; spec.validate_every_epoch && e < spec.epochs; ++e)
      result.epoch_validation.push_back(evaluation(1 + static_cast<std::size_t>(e), m));
    result.validation = result.epoch_validation.empty() ? evaluation(slots() - 1, m) : result.epoch_validation.back();
    result.diverged = result.diverged_epoch >= 0 || noted(slots() - 1, m).non_finite != 0;
    if (!spec.keep_network) return;
    result.parameters.resize(static_cast<std::size_t>(plan_.n_parameters));
    result.buffers.resize(static_cast<std::size_t>(plan_.n_buffers));
    networks_->read(static_cast<std::int32_t>(m), result.parameters, result.buffers);
  }

  gpu::Session& session_;
  const std::vector<const ConvMemberSpec*> specs_;
  const ResNetPlan plan_;
  const ConvFleetOptions& options_;
  const gpu::Buffer<ConvNetProgress> notes_;  ///< [slot][member]
  const gpu::Pinned<ConvNetProgress> noted_;  ///< their copy
  ConvFleetNet net_;                          ///< behind the pinned memory: its end waits for the queue
  std::shared_ptr<const ConvNetworks> networks_;
  std::vector<ConvMemberResult> results_;
  std::vector<double> last_rows_;  ///< that each member's last epoch had
  std::int64_t counted_ = 0;       ///< epochs, of all members together
  bool is_trained_ = false;
};

/// `failure` (may be empty): what the allocation that failed said.
[[noreturn]] void no_memory(std::size_t one, std::size_t free, const std::string& failure) {
  device_error(
      "a residual network takes {} bytes of GPU memory to train, and of the {} that are free a tenth stays free; use a "
      "smaller training.batch_size, or --device cpu{}{}",
      one, free, failure.empty() ? "" : ": ", failure);
}

/// The same of what follows a training.
[[noreturn]] void no_memory_behind(std::size_t behind, std::size_t free, const std::string& failure) {
  device_error(
      "a residual network, its test and its selection take at least {} bytes of GPU memory; {} are free, a tenth stays "
      "free; use a smaller acquisition.candidates, or --device cpu{}{}",
      behind, free, failure.empty() ? "" : ": ", failure);
}

/// Bytes of a trained network and what is noted of it.
std::size_t left_behind(const ConvMemberSpec& spec) {
  return ConvNetworks::memory(plan_resnet(spec.network), 1) + conv_notes_memory(spec);
}

/// Members that there is room for at a time: in memory, in training and behind it, and in the kernels' grids. `room`:
/// most of the memory that is free.
std::size_t members_at_a_time(const ConvMemberSpec& spec, std::size_t follow_memory, std::size_t room,
                              std::size_t free) {
  const ResNetPlan plan = plan_resnet(spec.network);
  const std::size_t one = conv_member_memory(spec), left = left_behind(spec);
  if (one > room) no_memory(one, free, "");
  if (left + follow_memory > room) no_memory_behind(left + follow_memory, free, "");
  const auto workspaces = [&](std::int32_t members) {
    return most_conv_workspace(plan, {spec.precision, spec.convolution}, spec.batch_size, members);
  };
  constexpr auto kWide = static_cast<std::int32_t>(gpu::kConvolutionQueues);  // wider fleets have no more of them
  const std::size_t alone = one - workspaces(1), of_wide = workspaces(kWide);
  const std::size_t in_training = kWide * alone + of_wide <= room ? (room - of_wide) / alone : room / one;
  const auto in_grids = static_cast<std::size_t>(most_fleet_members(plan, spec.batch_size));
  return std::min({in_training, (room - follow_memory) / left, in_grids});
}

/// is_trained: out, when an allocation has failed: whether it was behind the training.
std::vector<ConvMemberResult> train(Group&& group, std::span<const std::size_t> members, std::size_t memory_limit,
                                    bool& is_trained) {
  try {
    return group.run(members, memory_limit);
  } catch (const gpu::Failure& failure) {
    is_trained = group.is_trained();
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
    session.synchronize();  // what was released is free only then
    const std::size_t free = session.memory_free(), room = free / 10 * 9, limit = session.memory_in_use() + room;
    const std::size_t width = std::min(most, members_at_a_time(members[first], options.follow_memory, room, free));
    std::vector<std::size_t> who;
    std::vector<const ConvMemberSpec*> specs;
    for (std::size_t m = first; m < members.size() && who.size() < width; ++m) {
      if (trained[m] || !together(members[first], members[m])) continue;
      who.push_back(m);
      specs.push_back(&members[m]);
    }
    std::vector<ConvMemberResult> results;
    bool is_trained = false;
    try {
      results = train(Group(session, pool, plan_resnet(members[first].network), options, std::move(specs)), who, limit,
                      is_trained);
    } catch (const gpu::Failure& failure) {
      if (failure.code() != gpu::kOutOfMemory) throw;
      if (who.size() == 1 && is_trained)
        no_memory_behind(left_behind(members[first]) + options.follow_memory, session.memory_free(), failure.what());
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
