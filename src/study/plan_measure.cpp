// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/plan.h"

namespace quarry {
namespace {

constexpr std::int32_t kMostImages = 32, kMostInputs = 8192, kWidest = 1024;
constexpr std::int32_t kMostEpochs = 50, kPerWorker = 4;
constexpr double kFlopPerRound = 2e9;  // of a worker

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A network per worker, trained for one step and then for three: the difference is what two steps take.
double measure_images(Context& context, const RunConfig& run, const DataSize& size) {
  ImageDataset data;
  data.shape = size.image;
  data.n_classes = size.classes;
  data.mean.assign(static_cast<std::size_t>(size.image.channels), 0.5f);
  data.deviation.assign(static_cast<std::size_t>(size.image.channels), 0.25f);
  const std::int32_t batch = std::min(run.batch_size, kMostImages);
  data.train.n = batch;
  data.train.pixels.resize(static_cast<std::size_t>(data.train.n * size.image.pixels()));
  const std::uint64_t key = stream_key(0, RngPurpose::data);
  for (std::size_t i = 0; i < data.train.pixels.size(); ++i)
    data.train.pixels[i] = static_cast<std::uint8_t>(random_u32(key, i));
  ConvMemberSpec member;
  member.network = network_of(run, data);
  member.schedule = LrSchedule::constant;
  member.lr = 1e-3;
  member.batch_size = batch;
  member.batches = BatchRule::keep_last;
  member.keep_network = false;
  for (std::int32_t row = 0; row < batch; ++row) {
    data.train.labels.push_back(row % size.classes);
    member.train.push_back(row);
  }
  const auto seconds_of = [&](std::int32_t epochs) {
    member.epochs = epochs;
    const std::vector<ConvMemberSpec> fleet(static_cast<std::size_t>(context.pool().workers()), member);
    const auto start = std::chrono::steady_clock::now();
    train_conv_fleet(context, data, fleet);
    return seconds_since(start);
  };
  seconds_of(1);  // caches, page faults, oneDNN's primitives
  const double once = seconds_of(1);
  constexpr std::int32_t kSteps = 2;
  double seconds = seconds_of(1 + kSteps) - once;
  if (seconds <= 0) seconds = once * kSteps;  // an upper bound, where the machine was too busy to tell
  const double flops = 2.0 * static_cast<double>(training_macs(plan_resnet(member.network))) * batch * kSteps;
  return flops / seconds / 1e9;  // per worker: each trained one
}

}  // namespace

double measure_gflops(Context& context, const RunConfig& run, const DataSize& size) {
  if (run.network != NetworkKind::mlp) return measure_images(context, run, size);
  constexpr std::int32_t kRows = 64;
  MemberSpec member;
  const std::int32_t inputs = std::min(size.features, kMostInputs);
  member.sizes.push_back(inputs);
  if (run.mode == Mode::fixed) {
    member.sizes.insert(member.sizes.end(), run.hidden.begin(), run.hidden.end());
  } else {
    const std::int32_t depth = (run.depth_low + run.depth_high + 1) / 2, width = (run.width_low + run.width_high) / 2;
    member.sizes.insert(member.sizes.end(), static_cast<std::size_t>(depth), width);
  }
  for (std::size_t i = 1; i < member.sizes.size(); ++i) member.sizes[i] = std::min(member.sizes[i], kWidest);
  member.sizes.push_back(size.classes);
  member.loss = run.loss;
  member.optimizer = run.optimizer;
  member.lr = 1e-3;
  member.momentum = run.momentum;
  member.dropout = member.sizes.size() > 2 ? 0.1 : 0;
  member.batch_size = 32;
  for (std::int32_t row = 0; row < kRows; ++row) member.train.push_back(row);

  std::vector<float> features(static_cast<std::size_t>(kRows) * static_cast<std::size_t>(inputs));
  const std::uint64_t key = stream_key(0, RngPurpose::data);
  for (std::size_t i = 0; i < features.size(); ++i) features[i] = uniform_float(random_u32(key, i));
  std::vector<std::int32_t> labels(kRows);
  for (std::int32_t row = 0; row < kRows; ++row) labels[static_cast<std::size_t>(row)] = row % size.classes;
  const MlpData<float> data = {matrix<const float>(features.data(), kRows, inputs), labels};

  double per_row = 0;  // multiply-adds of training one row, in FLOP
  for (std::size_t i = 1; i < member.sizes.size(); ++i)
    per_row += (i == 1 ? 4.0 : 6.0) * member.sizes[i - 1] * member.sizes[i];
  // About as long a round for a large network as for a small one.
  const double epochs = kMostEpochs * std::min(1.0, kFlopPerRound / (per_row * kRows * kMostEpochs * kPerWorker));
  member.epochs = std::max(1, static_cast<std::int32_t>(epochs));
  const int per_worker = per_row * kRows > kFlopPerRound ? 1 : kPerWorker;
  const std::vector<MemberSpec> fleet(static_cast<std::size_t>(per_worker * context.pool().workers()), member);
  double flops = 0, seconds = 0;
  for (int round = 0; seconds < 0.2; ++round) {
    const auto start = std::chrono::steady_clock::now();
    train_fleet<float>(context, data, fleet);
    if (round == 0) continue;  // caches, page faults
    seconds += seconds_since(start);
    flops += per_row * kRows * member.epochs * static_cast<double>(fleet.size());
  }
  return flops / seconds / 1e9 / context.pool().workers();
}

}  // namespace quarry
