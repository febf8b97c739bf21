// SPDX-License-Identifier: MIT
// Training of convolutional fleets: members over the workers, one member on one thread.
#include "quarry/nn/conv_fleet.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quarry/core/error.h"
#include "src/nn/conv_members.h"

namespace quarry {
namespace {

std::int32_t rows_of(const ConvMemberSpec& spec) {
  return static_cast<std::int32_t>(spec.train.size());
}

void check_rows(const ImageDataset& data, const ConvMemberSpec& spec, std::span<const std::int32_t> rows,
                const char* what) {
  for (const std::int32_t row : rows) {
    QUARRY_CHECK(row >= 0 && row < data.train.n, "{} row {} is not an image of the pool ({} images)", what, row,
                 data.train.n);
    const std::int32_t label = data.train.labels[static_cast<std::size_t>(row)];
    QUARRY_CHECK(label >= 0 && label < spec.network.classes,
                 "label {} of image {} is not in 0 ... {} (outputs of the network)", label, row,
                 spec.network.classes - 1);
  }
}

/// Rows of the smallest batch of an epoch.
std::int64_t smallest_batch(const ConvMemberSpec& spec) {
  const std::int64_t n = rows_of(spec), size = spec.batch_size;
  if (spec.batches == BatchRule::fill || spec.batches == BatchRule::fill_last) return size;
  if (n <= size) return n;
  return spec.batches == BatchRule::drop_last || n % size == 0 ? size : n % size;
}

void check_member(const ImageDataset& data, const ConvMemberSpec& spec, const ResNetPlan& plan) {
  const ImageShape &want = spec.network.input, &have = data.shape;
  QUARRY_CHECK(want.channels == have.channels && want.height == have.height && want.width == have.width,
               "the network takes images of {} x {} x {}, the data has {} x {} x {}", want.channels, want.height,
               want.width, have.channels, have.height, have.width);
  check_conv_precision(spec.precision);
  QUARRY_CHECK(spec.convolution == ConvChoice::table, "cuDNN on the CPU");
  QUARRY_CHECK(spec.epochs >= 0, "epochs is {}; it must be at least 0", spec.epochs);
  QUARRY_CHECK(spec.batch_size >= 1, "batch size is {}; it must be at least 1", spec.batch_size);
  QUARRY_CHECK(spec.momentum >= 0, "momentum is {}; it must be at least 0", spec.momentum);
  QUARRY_CHECK(spec.warmup_epochs >= 0, "warm-up epochs are {}; they must be at least 0", spec.warmup_epochs);
  QUARRY_CHECK(!spec.train.empty(), "a member has no training rows");
  const ConvLayer& last = plan.layers[static_cast<std::size_t>(plan.blocks.back().conv2)];
  QUARRY_CHECK(smallest_batch(spec) * last.out_height * last.out_width >= 2,
               "a batch of one image leaves one value per channel in the last stage, too few for a variance; use "
               "another batch size than {} for {} rows, or fill the last batch",
               spec.batch_size, spec.train.size());
  check_rows(data, spec, spec.train, "training");
  check_rows(data, spec, spec.validation, "validation");
}

/// One member on its way through the epochs.
class Training {
 public:
  Training(const ImageDataset& data, const ImageReader& reader, const ConvMemberSpec& spec, const ResNetPlan& plan,
           ConvEngine<float>& engine, const FleetWatch& watch)
      : data_(data),
        reader_(reader),
        spec_(spec),
        plan_(plan),
        engine_(engine),
        watch_(watch),
        dropout_(plan, spec.dropout_key) {}

  ConvMemberResult run() {
    engine_.load(initial_parameters(plan_, spec_.init_key).data(), initial_buffers(plan_).data());
    for (std::int32_t e = 0; e < spec_.epochs; ++e) {
      epoch(e);
      if (watch_.epoch_done) watch_.epoch_done();
      if (spec_.validate_every_epoch) result_.epoch_validation.push_back(validate());
    }
    result_.epochs_run = spec_.epochs;
    result_.validation = result_.epoch_validation.empty() ? validate() : result_.epoch_validation.back();
    result_.parameters.resize(static_cast<std::size_t>(plan_.n_parameters));
    result_.buffers.resize(static_cast<std::size_t>(plan_.n_buffers));
    engine_.store(result_.parameters.data(), result_.buffers.data());
    const auto finite = [](float x) { return std::isfinite(x); };
    result_.diverged = result_.diverged_epoch >= 0 ||
                       !std::all_of(result_.parameters.begin(), result_.parameters.end(), finite) ||
                       !std::all_of(result_.buffers.begin(), result_.buffers.end(), finite);
    if (!spec_.keep_network) {
      result_.parameters = {};
      result_.buffers = {};
    }
    return std::move(result_);
  }

 private:
  Evaluation validate() {
    return evaluate_rows(engine_, reader_, data_, spec_, spec_.validation, spec_.augment_validation);
  }

  void epoch(std::int32_t e) {
    const std::vector<std::int32_t> order =
        epoch_order(spec_.order_key, e, rows_of(spec_), spec_.batch_size, spec_.batches);
    const auto lr = static_cast<float>(
        spec_.lr * lr_factor(spec_.schedule, e, spec_.epochs, spec_.warmup_epochs, spec_.warmup_start));
    double loss = 0;
    const auto slots = static_cast<std::int64_t>(order.size());
    for (std::int64_t first = 0; first < slots; first += spec_.batch_size) {
      if (watch_.stop != nullptr && watch_.stop->load(std::memory_order_relaxed)) throw Interrupted{};
      loss += batch(
          e, first,
          std::span(order).subspan(static_cast<std::size_t>(first),
                                   static_cast<std::size_t>(std::min<std::int64_t>(spec_.batch_size, slots - first))));
      engine_.update(lr, static_cast<float>(spec_.weight_decay), static_cast<float>(spec_.momentum));
      ++result_.steps;
    }
    result_.train_loss = loss / static_cast<double>(slots);
    if (!std::isfinite(loss) && result_.diverged_epoch < 0) result_.diverged_epoch = e;
  }

  /// Forward and backward; the sum of the losses.
  double batch(std::int32_t e, std::int64_t first, std::span<const std::int32_t> places) {
    const auto rows = static_cast<std::int32_t>(places.size());
    labels_.resize(places.size());
    losses_.resize(places.size());
    float* const images = engine_.images(rows);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::int32_t row = spec_.train[static_cast<std::size_t>(places[i])];
      const auto slot = static_cast<std::uint64_t>(first) + i;
      labels_[i] = data_.train.labels[static_cast<std::size_t>(row)];
      reader_.read(data_.train, row,
                   spec_.augment ? augment_draw(spec_.augment_key, slot, static_cast<std::uint32_t>(e)) : AugmentDraw{},
                   images + static_cast<std::int64_t>(i) * data_.shape.pixels());
    }
    engine_.train(rows, labels_.data(), dropout_.training(rows, result_.steps), losses_.data());
    return std::accumulate(losses_.begin(), losses_.end(), 0.0);
  }

  const ImageDataset& data_;
  const ImageReader& reader_;
  const ConvMemberSpec& spec_;
  const ResNetPlan& plan_;
  ConvEngine<float>& engine_;
  const FleetWatch& watch_;
  ChannelDropout dropout_;
  ConvMemberResult result_;
  std::vector<std::int32_t> labels_;
  std::vector<double> losses_;
};

/// Expensive members first, so that no worker waits long for the last one.
std::vector<std::size_t> longest_first(std::span<const ConvMemberSpec> members, std::span<const ResNetPlan> plans) {
  const auto cost = [&](std::size_t i) {
    return static_cast<double>(training_macs(plans[i])) * members[i].epochs *
           static_cast<double>(members[i].train.size());
  };
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return cost(a) > cost(b); });
  return order;
}

}  // namespace

std::vector<ConvMemberResult> train_conv_fleet(Context& context, const ImageDataset& data,
                                               std::span<const ConvMemberSpec> members, const FleetWatch& watch) {
  check_part(data, data.train);
  const ImageReader reader(data);
  std::vector<ResNetPlan> plans;
  for (const ConvMemberSpec& spec : members) {
    plans.push_back(plan_resnet(spec.network));
    check_member(data, spec, plans.back());
  }
  const std::vector<std::size_t> order = longest_first(members, plans);
  std::vector<ConvMemberResult> results(members.size());
  std::vector<WorkerEngine> engines(static_cast<std::size_t>(context.pool().workers()));
  context.pool().parallel_for(static_cast<std::int64_t>(members.size()), [&](std::int64_t item, int worker) {
    const std::size_t i = order[static_cast<std::size_t>(item)];
    ConvEngine<float>& engine = engines[static_cast<std::size_t>(worker)].get(plans[i], members[i].precision);
    results[i] = Training(data, reader, members[i], plans[i], engine, watch).run();
  });
  return results;
}

}  // namespace quarry
