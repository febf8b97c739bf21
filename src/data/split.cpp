// SPDX-License-Identifier: MIT
#include "quarry/data/split.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

/// Hands out one permutation of 0..n-1 per repeat.
class Permutations {
 public:
  Permutations(std::int32_t n, const PermutationSource& source) : n_(n), key_(source.key) {
    if (!source.numpy) return;
    if (source.seed > 0xffffffffu)
      usage_error("seed {} is too large for rng = \"numpy\": at most 4294967295", source.seed);
    numpy_.emplace(static_cast<std::uint32_t>(source.seed));
  }
  std::vector<std::int32_t> next() {
    if (numpy_) return numpy_->permutation(n_);
    const auto n = static_cast<std::size_t>(n_);
    std::vector<std::uint64_t> scratch(n);
    std::vector<std::int32_t> order(n);
    random_permutation(key_, repeat_++, static_cast<std::uint32_t>(n_), scratch.data(), order.data());
    return order;
  }

 private:
  std::int32_t n_;
  std::uint64_t key_;
  std::uint32_t repeat_ = 0;
  std::optional<NumpyRandom> numpy_;
};

}  // namespace

std::vector<Split> shuffle_split(std::int32_t n, double validation_share, std::int32_t repeats,
                                 const PermutationSource& source) {
  QUARRY_CHECK(repeats >= 0, "{} repeats", repeats);
  if (!(validation_share > 0 && validation_share < 1)) {
    usage_error("the validation share is {}; expected a number between 0 and 1", validation_share);
  }
  const auto n_validation = static_cast<std::int32_t>(std::ceil(validation_share * n));
  if (n_validation < 1 || n_validation >= n) {
    usage_error(
        "{} labelled instances with a validation share of {} give {} for validation and {} for training; "
        "both need at least 1",
        n, validation_share, n_validation, n - n_validation);
  }
  Permutations permutations(n, source);
  std::vector<Split> splits(static_cast<std::size_t>(repeats));
  for (Split& split : splits) {
    const std::vector<std::int32_t> order = permutations.next();
    split.validation.assign(order.begin(), order.begin() + n_validation);
    split.train.assign(order.begin() + n_validation, order.end());
  }
  return splits;
}

std::vector<Split> k_fold(std::int32_t n, std::int32_t folds, const PermutationSource& source) {
  if (folds < 2 || folds > n) usage_error("{} folds of {} instances; expected 2 to {} folds", folds, n, n);
  const std::vector<std::int32_t> order = Permutations(n, source).next();
  std::vector<Split> splits(static_cast<std::size_t>(folds));
  auto begin = order.begin();
  for (std::int32_t f = 0; f < folds; ++f) {
    const auto end = begin + n / folds + (f < n % folds);
    Split& split = splits[static_cast<std::size_t>(f)];
    split.validation.assign(begin, end);
    split.train.assign(order.begin(), begin);
    split.train.insert(split.train.end(), end, order.end());
    std::sort(split.validation.begin(), split.validation.end());
    std::sort(split.train.begin(), split.train.end());
    begin = end;
  }
  return splits;
}

}  // namespace quarry
