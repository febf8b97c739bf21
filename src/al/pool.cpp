// SPDX-License-Identifier: MIT
#include "quarry/al/pool.h"

#include <algorithm>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

std::vector<std::int32_t> permutation(std::int32_t n, const PermutationSource& source) {
  if (source.numpy) return NumpyRandom(numpy_seed(source.seed)).permutation(n);
  const auto size = static_cast<std::size_t>(n);
  std::vector<std::uint64_t> scratch(size);
  std::vector<std::int32_t> order(size);
  random_permutation(source.key, 0, static_cast<std::uint32_t>(n), scratch.data(), order.data());
  return order;
}

}  // namespace

Pool::Pool(std::int32_t size, std::int32_t n_initial, const PermutationSource& source) {
  QUARRY_CHECK(size >= 1, "a pool of {} instances", size);
  if (n_initial != -1 && (n_initial < 1 || n_initial > size)) {
    usage_error("{} initially labelled instances of a pool of {}; use 1..{}, or -1 for all", n_initial, size, size);
  }
  std::vector<std::int32_t> initial = permutation(size, source);
  if (n_initial != -1) initial.resize(static_cast<std::size_t>(n_initial));
  *this = Pool(size, std::move(initial));
}

Pool::Pool(std::int32_t size, std::vector<std::int32_t> initial)
    : labelled_(static_cast<std::size_t>(size), false), unviolated_(std::move(initial)) {
  QUARRY_CHECK(size >= 1, "a pool of {} instances", size);
  for (const std::int32_t index : unviolated_) {
    QUARRY_CHECK(!is_labelled(index), "instance {} is labelled twice at the start", index);
    labelled_[static_cast<std::size_t>(index)] = true;
  }
  for (std::int32_t index = 0; index < size; ++index) {
    if (!labelled_[static_cast<std::size_t>(index)]) unlabelled_.push_back(index);
  }
}

bool Pool::is_labelled(std::int32_t index) const {
  QUARRY_CHECK(index >= 0 && index < size(), "instance {} of a pool of {}", index, size());
  return labelled_[static_cast<std::size_t>(index)];
}

std::vector<std::int32_t> Pool::labelled() const {
  std::vector<std::int32_t> all = unviolated_;
  all.insert(all.end(), added_.begin(), added_.end());
  return all;
}

std::vector<std::int32_t> Pool::training(const Split& split) const {
  std::vector<std::int32_t> rows = unviolated_at(split.train);
  rows.insert(rows.end(), added_.begin(), added_.end());
  return rows;
}

std::vector<std::int32_t> Pool::validation(const Split& split) const {
  return unviolated_at(split.validation);
}

std::vector<std::int32_t> Pool::unviolated_at(std::span<const std::int32_t> positions) const {
  std::vector<std::int32_t> rows;
  rows.reserve(positions.size() + added_.size());
  for (std::int32_t p : positions) {
    QUARRY_CHECK(p >= 0 && static_cast<std::size_t>(p) < unviolated_.size(),
                 "a split names position {} of {} initially labelled instances", p, unviolated_.size());
    rows.push_back(unviolated_[static_cast<std::size_t>(p)]);
  }
  return rows;
}

void Pool::acquire(std::int32_t index) {
  QUARRY_CHECK(!is_labelled(index), "instance {} is labelled already", index);
  const auto place = std::lower_bound(unlabelled_.begin(), unlabelled_.end(), index);
  unlabelled_.erase(place);
  labelled_[static_cast<std::size_t>(index)] = true;
  added_.push_back(index);
}

}  // namespace quarry
