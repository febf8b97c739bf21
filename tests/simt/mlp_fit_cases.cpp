// SPDX-License-Identifier: MIT
// Training of MLPs in thread blocks against the CPU backend, bit for bit.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/mlp_map.h"
#include "quarry/nn/mlp_device.h"
#include "tests/simt/cases.h"
#include "tests/support/mlp_cases.h"

namespace quarry {
namespace {

using testing::member;
using testing::MlpSet;
using testing::some_rows;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void expect_same(const MemberResult<float>& got, const MemberResult<float>& want) {
  simt::expect_equal<float>(got.parameters, want.parameters, "parameters");
  simt::expect_equal<double>(got.epoch_losses, want.epoch_losses, "epoch losses");
  const double losses[] = {got.train.loss, got.train.accuracy, got.validation.loss, got.validation.accuracy};
  const double expected[] = {want.train.loss, want.train.accuracy, want.validation.loss, want.validation.accuracy};
  simt::expect_equal<double>(losses, expected, "train and validation");
  const std::int64_t counts[] = {got.epochs_run, got.steps, got.pruned, got.diverged, got.diverged_epoch};
  const std::int64_t right[] = {want.epochs_run, want.steps, want.pruned, want.diverged, want.diverged_epoch};
  simt::expect_equal<std::int64_t>(counts, right, "epochs, steps, pruned, diverged, diverged epoch");
}

/// The fleet on both backends; returns the result of both.
std::vector<MemberResult<float>> expect_both_agree(const MlpSet<float>& set, const std::vector<MemberSpec>& fleet) {
  Context cpu({}, 1);
  const auto want = train_fleet(cpu, set.view(), std::span<const MemberSpec>(fleet));
  gpu::Session session(0);
  const auto got = cuda::train_fleet(session, set.view(), fleet);
  simt::expect(got.size() == want.size(), "%zu results", got.size());
  for (std::size_t i = 0; i < want.size(); ++i) expect_same(got[i], want[i]);
  return want;
}

/// A member that trains two epochs on rows 0 ... n - 1 and is validated on 10 others.
MemberSpec short_member(std::vector<std::int32_t> sizes, std::int32_t n) {
  MemberSpec spec = member(std::move(sizes), n);
  spec.epochs = 2;
  spec.validation = some_rows(10, 70);
  spec.validate_every_epoch = true;
  return spec;
}

/// Device whose blocks have `words` of dynamic shared memory, two to a multiprocessor.
void give_shared_words(std::int64_t words) {
  gpu::DeviceInfo& info = gpu::fake_gpu().info;
  info.shared_per_block = static_cast<std::size_t>(words * 4) + kBlockStateBytes;
  info.shared_per_multiprocessor = 2 * (info.shared_per_block + 1024);
}

MlpBlockMap map_of(const MemberSpec& spec) {
  const bool adam = spec.optimizer == Optimizer::adam;
  const bool large = spec.batch_size > kBlockRows && static_cast<std::int32_t>(spec.train.size()) > kBlockRows;
  return map_network(spec.sizes.data(), static_cast<std::int32_t>(spec.sizes.size()) - 1,
                     {true, adam || spec.momentum != 0, adam, large, false}, nullptr);
}

SIMT_CASE(mlp_fit_without_hidden_layers) {
  std::vector<MemberSpec> fleet;
  for (const Loss loss : {Loss::ce_on_logits, Loss::ce_on_probs, Loss::mse}) {
    fleet.push_back(short_member({4, 3}, 33));
    fleet.back().loss = loss;
    fleet.back().dropout = 0.5;  // of no hidden units
  }
  expect_both_agree(MlpSet<float>(80, 4, 3), fleet);
}

/// A sum over many rows hides the last bit of one.
SIMT_CASE(mlp_fit_shows_every_bit_of_a_rows_loss) {
  std::vector<MemberSpec> fleet;
  for (std::int32_t row = 70; row < 76; ++row) {
    fleet.push_back(short_member({4, 6}, 5));
    fleet.back().loss = Loss::mse;
    fleet.back().validation = some_rows(1, row);
  }
  expect_both_agree(MlpSet<float>(80, 4, 6), fleet);
}

SIMT_CASE(mlp_fit_of_every_optimizer) {
  std::vector<MemberSpec> fleet(4, short_member({2, 16, 2}, 33));
  fleet[1].momentum = 0.9;
  fleet[2].optimizer = Optimizer::adam;
  fleet[2].lr = 0.01;
  fleet[3].lr = 0.3;
  for (MemberSpec& spec : fleet) spec.weight_decay = 0.7;
  fleet[3].weight_decay = 0;
  expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
}

SIMT_CASE(mlp_fit_of_ragged_widths_and_every_loss) {
  std::vector<MemberSpec> fleet;
  const std::vector<std::int32_t> shapes[] = {{3, 7, 5, 2}, {3, 1, 2}, {3, 33, 2}, {3, 17, 4, 9, 2}};
  for (const auto& sizes : shapes) {
    fleet.push_back(short_member(sizes, 19));
    fleet.back().loss = static_cast<Loss>(fleet.size() % 3);
    fleet.back().dropout = 0.25;
    fleet.back().batch_size = 7;
    fleet.back().epochs = 1;
  }
  expect_both_agree(MlpSet<float>(80, 3, 2), fleet);
}

SIMT_CASE(mlp_fit_of_many_classes) {
  for (const std::int32_t classes : {8, 9, 17}) {
    MemberSpec spec = short_member({3, 6, classes}, 20);
    spec.loss = static_cast<Loss>(classes % 3);
    spec.dropout = 0.4;
    expect_both_agree(MlpSet<float>(80, 3, classes), {spec});
  }
}

/// Means of batches of one row: a rounding in a row's loss does not get lost in a sum.
SIMT_CASE(mlp_fit_losses_of_single_rows) {
  std::vector<MemberSpec> fleet;
  for (const Loss loss : {Loss::ce_on_logits, Loss::ce_on_probs, Loss::mse}) {
    fleet.push_back(short_member({4, 3}, 12));
    fleet.back().loss = loss;
    fleet.back().epochs = 0;
    fleet.back().batch_size = 1;
    fleet.back().weight_by_size = false;
  }
  expect_both_agree(MlpSet<float>(80, 4, 3), fleet);
}

SIMT_CASE(mlp_fit_of_the_studys_network) {
  MemberSpec spec = short_member({60, 48, 48, 2}, 40);
  spec.loss = Loss::ce_on_probs;
  spec.dropout = 0.2;
  spec.epochs = 1;
  expect_both_agree(MlpSet<float>(80, 60, 2), {spec});
}

SIMT_CASE(mlp_fit_of_numbers_of_rows) {
  std::vector<MemberSpec> fleet;
  for (const std::int32_t n : {1, 5, 32, 33, 65}) {
    fleet.push_back(short_member({2, 5, 2}, n));
    fleet.push_back(short_member({2, 5, 2}, n));
    fleet.back().drop_last = true;
    fleet.back().validate_every_epoch = false;
    fleet.back().epochs = 1;
  }
  expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
}

SIMT_CASE(mlp_fit_of_batches_beyond_a_block) {
  std::vector<MemberSpec> fleet;
  for (const std::int32_t batch : {33, 40, 64, 70, 100}) {
    fleet.push_back(short_member({3, 9, 3}, 70));
    MemberSpec& spec = fleet.back();
    spec.batch_size = batch;
    spec.loss = static_cast<Loss>(batch % 3);
    spec.dropout = 0.5;
    spec.drop_last = batch == 40;
    spec.weight_by_size = batch != 64;
    spec.epochs = 1;
    if (batch == 64) spec.momentum = 0.5;
    if (batch == 70) spec.optimizer = Optimizer::adam;
  }
  expect_both_agree(MlpSet<float>(80, 3, 3), fleet);
}

SIMT_CASE(mlp_fit_of_small_batches) {
  std::vector<MemberSpec> fleet;
  for (const std::int32_t batch : {1, 2, 6}) {
    fleet.push_back(short_member({2, 6, 2}, 6));
    fleet.back().batch_size = batch;
    fleet.back().weight_by_size = batch != 2;
    fleet.back().optimizer = batch == 1 ? Optimizer::adam : Optimizer::sgd;
  }
  expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
}

SIMT_CASE(mlp_fit_with_dropout_in_some_epochs) {
  std::vector<MemberSpec> fleet;
  for (const DropoutEpochs epochs : {DropoutEpochs::all, DropoutEpochs::first, DropoutEpochs::none}) {
    fleet.push_back(short_member({2, 8, 6, 2}, 20));
    fleet.back().dropout = 0.5;
    fleet.back().dropout_epochs = epochs;
  }
  fleet.push_back(fleet.front());
  fleet.back().dropout = 1e-11;  // below what a mask can tell: no dropout
  expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
}

SIMT_CASE(mlp_fit_pruned) {
  MemberSpec base = short_member({2, 5, 2}, 20);
  base.epochs = 4;
  Context cpu({}, 1);
  const MlpSet<float> set(80, 2, 2);
  base.lr = 3;  // losses go up and down
  const auto losses = train_fleet(cpu, set.view(), std::span<const MemberSpec>(&base, 1))[0].epoch_losses;
  const double low = *std::min_element(losses.begin(), losses.end()),
               high = *std::max_element(losses.begin(), losses.end());
  std::vector<MemberSpec> fleet(7, base);
  fleet[0].prune_above = {high, high, low / 2};
  fleet[1].prune_above = {kNaN, low / 2};
  fleet[2].prune_above = {high, (low + high) / 2, (low + high) / 2, (low + high) / 2};
  fleet[3].prune_above = fleet[2].prune_above;
  fleet[3].prune_on_current = true;
  fleet[4].prune_above = {losses[0]};  // equal is not above
  fleet[5].prune_above = {0, 0, 0, 0};
  fleet[5].validation.clear();  // loss 0
  fleet[6].epochs = 3;          // less work: comes after the job whose losses are 0, in the same block
  fleet[6].prune_above = {losses[0] / 2};
  gpu::fake_gpu().info.multiprocessors = 1;
  const auto results = expect_both_agree(set, fleet);
  simt::expect(results[0].epochs_run == 3 && results[1].epochs_run == 2, "pruned after %d and %d epochs",
               results[0].epochs_run, results[1].epochs_run);
  simt::expect(!results[4].pruned && !results[5].pruned, "pruned at the threshold");
  simt::expect(results[6].epochs_run == 1, "pruned after %d epochs", results[6].epochs_run);
}

SIMT_CASE(mlp_fit_that_diverges) {
  std::vector<MemberSpec> fleet;
  for (const Loss loss : {Loss::ce_on_logits, Loss::ce_on_probs, Loss::mse}) {
    for (const double lr : {1e30, 1e38}) {
      fleet.push_back(short_member({2, 4, 2}, 9));
      fleet.back().loss = loss;
      fleet.back().lr = lr;
      fleet.back().batch_size = 4;
    }
  }
  fleet[1].optimizer = Optimizer::adam;
  fleet[3].prune_above = {1e300};
  fleet[5].momentum = 0.9;
  const auto results = expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
  simt::expect(std::any_of(results.begin(), results.end(), [](const auto& r) { return r.diverged_epoch == 0; }) &&
                   std::any_of(results.begin(), results.end(), [](const auto& r) { return std::isnan(r.train.loss); }),
               "nothing diverged");
}

SIMT_CASE(mlp_fit_from_given_parameters) {
  MemberSpec given = short_member({2, 5, 2}, 9);
  given.initial_parameters = testing::fresh_parameters(given);
  for (double& x : given.initial_parameters) x *= 1.1;
  MemberSpec untrained = given;
  untrained.epochs = 0;
  MemberSpec huge = given;
  huge.initial_parameters[3] = 1e300;
  huge.initial_parameters[4] = kNaN;
  MemberSpec undecided = untrained;  // every row's outputs are equal
  undecided.initial_parameters.assign(undecided.initial_parameters.size(), 0);
  MemberSpec undecided_targets = undecided;
  undecided_targets.loss = Loss::mse;
  expect_both_agree(MlpSet<float>(80, 2, 2), {given, untrained, huge, undecided, undecided_targets});
}

SIMT_CASE(mlp_fit_in_the_workspace) {
  std::vector<MemberSpec> fleet(3, short_member({3, 9, 5, 2}, 40));
  fleet[1].optimizer = Optimizer::adam;
  fleet[1].batch_size = 36;
  fleet[1].dropout = 0.3;
  fleet[2].sizes = {3, 2};
  give_shared_words(map_of(fleet[2]).words);
  gpu::fake_gpu().info.multiprocessors = 1;
  expect_both_agree(MlpSet<float>(80, 3, 2), fleet);
}

/// The network without hidden layers is the larger one.
SIMT_CASE(mlp_fit_beside_a_bottleneck) {
  MemberSpec direct = short_member({40, 40}, 9), bottleneck = short_member({40, 1, 40}, 9);
  expect_both_agree(MlpSet<float>(80, 40, 40), {bottleneck, direct});
}

SIMT_CASE(mlp_fit_with_its_order_in_the_workspace) {
  MemberSpec spec = short_member({2, 3, 2}, 70);
  const MlpBlockMap map = map_of(spec);
  spec.train.resize(300);  // rows of the list may repeat
  for (std::size_t i = 0; i < 300; ++i) spec.train[i] = static_cast<std::int32_t>(i % 70);
  spec.epochs = 1;
  MemberSpec few = spec;
  few.train.resize(20);
  simt::expect(words_with_order(map, 300) > map.words, "the order costs nothing");
  give_shared_words(words_with_order(map, 20));
  expect_both_agree(MlpSet<float>(80, 2, 2), {spec, few});
}

SIMT_CASE(mlp_fit_of_more_jobs_than_blocks) {
  gpu::fake_gpu().info.multiprocessors = 1;
  std::vector<MemberSpec> fleet;
  for (std::int32_t i = 0; i < 7; ++i) {
    fleet.push_back(short_member({2, 1 + 5 * i % 7, 2}, 5 + i));
    fleet.back().epochs = i % 3;
    fleet.back().init_key = static_cast<std::uint64_t>(i);
  }
  expect_both_agree(MlpSet<float>(80, 2, 2), fleet);
}

/// What is written of a job that is not active: nothing.
SIMT_CASE(mlp_fit_leaves_inactive_jobs_alone) {
  const MlpSet<float> set(80, 2, 2);
  gpu::Session session(0);
  const auto features = gpu::upload(session, std::span<const float>(set.features));
  const auto labels = gpu::upload(session, std::span<const std::int32_t>(set.labels));
  const std::vector<std::int32_t> sizes = {2, 3, 2}, layers = {2}, rows = {4, 2, 9};
  const std::vector<double> dropout = {0};
  const auto device_sizes = gpu::upload(session, std::span(sizes)), n_layers = gpu::upload(session, std::span(layers)),
             train = gpu::upload(session, std::span(rows));
  const auto rate = gpu::upload(session, std::span(dropout));
  const gpu::Buffer<float> parameters(session, 3 * 17);
  const gpu::Buffer<MlpFitResult> results(session, 3);
  session.fill(parameters.data(), 0x55, 3 * 17 * sizeof(float));
  session.fill(results.data(), 0x55, 3 * sizeof(MlpFitResult));
  std::vector<MlpFitJob> jobs(3);
  for (std::size_t i = 0; i < 3; ++i) {
    jobs[i].features = features.data();
    jobs[i].labels = labels.data();
    jobs[i].train = train.data();
    jobs[i].n_train = 3;
    jobs[i].network = {device_sizes.data(), n_layers.data(), rate.data(), parameters.data() + 17 * i};
    jobs[i].epochs = 1;
    jobs[i].result = results.data() + i;
    jobs[i].active = i != 1;
  }
  cuda::MlpBounds bounds;
  bounds.inputs = bounds.outputs = 2;
  bounds.hidden_layers = 1;
  bounds.hidden_width = 3;
  bounds.train_rows = 3;
  const cuda::MlpFleetPlan plan = cuda::plan_mlp_fit(session.device(), 3, bounds);
  const auto device_jobs = gpu::upload(session, std::span<const MlpFitJob>(jobs));
  const gpu::Buffer<std::int32_t> ticket(session, 1);
  cuda::mlp_fit(session, plan, device_jobs.data(), 3, ticket.data(), nullptr);
  std::vector<unsigned char> written(3 * sizeof(MlpFitResult)), weights(3 * 17 * sizeof(float));
  gpu::download(session, reinterpret_cast<const unsigned char*>(results.data()), std::span(written));
  gpu::download(session, reinterpret_cast<const unsigned char*>(parameters.data()), std::span(weights));
  const auto untouched = [](const std::vector<unsigned char>& bytes, std::size_t part) {
    const std::size_t size = bytes.size() / 3;
    return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(part * size),
                       bytes.begin() + static_cast<std::ptrdiff_t>((part + 1) * size),
                       [](unsigned char b) { return b == 0x55; });
  };
  for (std::size_t i = 0; i < 3; ++i) {
    simt::expect(untouched(written, i) == (i == 1) && untouched(weights, i) == (i == 1), "job %zu", i);
  }
}

}  // namespace
}  // namespace quarry
