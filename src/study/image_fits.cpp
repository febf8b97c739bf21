// SPDX-License-Identifier: MIT
#include "quarry/study/image_fits.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

constexpr std::uint64_t kSearchSeedOffset = 100;  // spec 7.3: a search is seeded with 100 + the run's seed
constexpr std::uint64_t kRefit = ~std::uint64_t{0};

std::uint64_t run_seed(const RunConfig& config) {
  return static_cast<std::uint64_t>(config.seed);
}

std::vector<std::int32_t> philox_permutation(std::uint64_t key, std::uint32_t step, std::size_t n) {
  std::vector<std::uint64_t> scratch(n);
  std::vector<std::int32_t> order(n);
  random_permutation(key, step, static_cast<std::uint32_t>(n), scratch.data(), order.data());
  return order;
}

/// The integer part of n (1 - share), by the decimal number that was written: 0.8 of 600 leaves 120.
std::int64_t size_after(std::int64_t n, double share) {
  const double size = static_cast<double>(n) * (1 - share);
  return static_cast<std::int64_t>(std::floor(size + 1e-9 * static_cast<double>(n)));
}

/// Everything but the random streams.
ConvMemberSpec bare_member(const RunConfig& config, const ImageDataset& data, double lr, double weight_decay,
                           BatchRule batches, std::vector<std::int32_t> train) {
  ConvMemberSpec member;
  member.network = network_of(config, data);
  member.lr = lr;
  member.weight_decay = weight_decay;
  member.momentum = config.momentum;
  member.schedule = config.schedule;
  member.epochs = config.epochs;
  member.warmup_epochs = config.warmup_epochs;
  member.batch_size = config.batch_size;
  member.batches = batches;
  member.augment = config.augment;
  member.precision = config.precision;
  member.convolution = config.convolution;
  member.train = std::move(train);
  return member;
}

void set_keys(ConvMemberSpec& member, std::uint64_t seed, std::uint64_t init, std::uint64_t use) {
  member.init_key = stream_key(seed, RngPurpose::init, init);
  member.order_key = stream_key(seed, RngPurpose::order, use);
  member.augment_key = stream_key(seed, RngPurpose::augment, use);
  member.dropout_key = stream_key(seed, RngPurpose::dropout, use);
}

/// Spec 4.5: a search and its final network drop the incomplete batch where the active-learning half fills it.
BatchRule search_batches(const RunConfig& config) {
  return config.batches == BatchRule::fill || config.batches == BatchRule::fill_last ? BatchRule::drop_last
                                                                                     : config.batches;
}

}  // namespace

RunStream::RunStream(const RunConfig& config)
    : seed_(run_seed(config)), holdout_share_(config.holdout_share), n_initial_(config.n_initial) {
  if (config.rng == RngKind::numpy) numpy_.emplace(static_cast<std::uint32_t>(config.seed));
}

std::vector<std::int32_t> RunStream::pool_rows(std::int64_t n) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  if (holdout_share_ == 0) return rows;
  rows = numpy_ ? numpy_->permutation(static_cast<std::int32_t>(n))
                : philox_permutation(stream_key(seed_, RngPurpose::split), 0, rows.size());
  rows.resize(static_cast<std::size_t>(size_after(n, holdout_share_)));
  return rows;
}

std::vector<std::int32_t> RunStream::initial_pool(std::int32_t n) {
  const std::int32_t wanted = n_initial_ < 0 ? n : n_initial_;
  if (numpy_) return numpy_->choice_without_replacement(n, wanted);
  std::vector<std::int32_t> order =
      philox_permutation(stream_key(seed_, RngPurpose::initial_pool), 0, static_cast<std::size_t>(n));
  order.resize(static_cast<std::size_t>(wanted));
  return order;
}

std::vector<std::int32_t> RunStream::candidates(const std::vector<std::int32_t>& unlabelled, std::int64_t wanted,
                                                std::uint64_t cycle) {
  if (wanted == 0 || wanted >= static_cast<std::int64_t>(unlabelled.size())) return unlabelled;
  std::vector<std::int32_t> order = numpy_ ? numpy_->permutation(static_cast<std::int32_t>(unlabelled.size()))
                                           : philox_permutation(stream_key(seed_, RngPurpose::subset),
                                                                static_cast<std::uint32_t>(cycle), unlabelled.size());
  order.resize(static_cast<std::size_t>(wanted));
  std::vector<std::int32_t> chosen;
  chosen.reserve(order.size());
  for (const std::int32_t place : order) chosen.push_back(unlabelled[static_cast<std::size_t>(place)]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

void RunStream::skip_to(std::uint64_t place) {
  if (numpy_) numpy_->skip_to(place);
}

std::int64_t pool_size(const RunConfig& config, std::int64_t n) {
  return size_after(n, config.holdout_share);
}

ResNetSpec network_of(const RunConfig& config, const ImageDataset& data) {
  QUARRY_CHECK(config.network != NetworkKind::mlp, "a perceptron is no residual network");
  ResNetSpec spec;
  spec.kind = config.network == NetworkKind::resnet8    ? ResNetKind::resnet8
              : config.network == NetworkKind::resnet14 ? ResNetKind::resnet14
                                                        : ResNetKind::resnet18;
  spec.input = data.shape;
  spec.classes = data.n_classes;
  spec.dropout = config.dropout;
  return spec;
}

ConvMemberSpec learning_member(const RunConfig& config, const ImageDataset& data, std::int32_t cycle,
                               std::vector<std::int32_t> train) {
  ConvMemberSpec member = bare_member(config, data, config.lr, config.weight_decay, config.batches, std::move(train));
  const auto use = static_cast<std::uint64_t>(cycle);
  // Cold start from the same initial weights in every cycle (spec 5.3), or from new ones.
  set_keys(member, run_seed(config), config.initial_weights == SeedPolicy::fixed ? 0 : use, use);
  return member;
}

ConvMemberSpec trial_member(const RunConfig& config, const ImageDataset& data, double lr, double weight_decay,
                            const SearchPlace& place, std::vector<std::int32_t> train,
                            std::vector<std::int32_t> validation) {
  ConvMemberSpec member = bare_member(config, data, lr, weight_decay, search_batches(config), std::move(train));
  member.validation = std::move(validation);
  member.augment_validation = config.augment_validation;
  member.keep_network = false;
  auto use = static_cast<std::uint64_t>(place.fold);
  if (config.initial_weights == SeedPolicy::per_use)
    use = hash_combine(hash_combine(1, static_cast<std::uint64_t>(place.trial)), use);
  set_keys(member, kSearchSeedOffset + run_seed(config), use, use);
  return member;
}

ConvMemberSpec final_member(const RunConfig& config, const ImageDataset& data, double lr, double weight_decay,
                            std::vector<std::int32_t> train) {
  ConvMemberSpec member = bare_member(config, data, lr, weight_decay, search_batches(config), std::move(train));
  set_keys(member, run_seed(config), kRefit, kRefit);
  return member;
}

std::vector<Split> search_splits(const RunConfig& config, std::int32_t n) {
  const std::uint64_t seed = kSearchSeedOffset + run_seed(config);
  const PermutationSource source{config.rng == RngKind::numpy, seed, stream_key(seed, RngPurpose::split)};
  return config.cross_validation == CrossValidation::k_fold ? k_fold(n, config.folds, source)
                                                            : shuffle_split(n, config.val_share, config.folds, source);
}

}  // namespace quarry
