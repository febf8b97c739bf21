// SPDX-License-Identifier: MIT
// The pool of one run: which instances are labelled, since when, and how they came to be. "Unviolated" instances
// were drawn at random before the first query, so their distribution is not bent by any strategy; only they may
// be validation data. Every index is absolute: the row of the data set's training part.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/data/split.h"

namespace quarry {

class Pool {
 public:
  /// Labels the first n_initial entries of the source's permutation of 0..size-1 (repeat 0); -1 labels everything.
  /// Errors: usage if n_initial is neither -1 nor in 1..size, or a NumPy seed does not fit 32 bits.
  Pool(std::int32_t size, std::int32_t n_initial, const PermutationSource& source);
  /// Labels these, which were drawn elsewhere: different, in draw order.
  Pool(std::int32_t size, std::vector<std::int32_t> initial);

  std::int32_t size() const { return static_cast<std::int32_t>(labelled_.size()); }
  std::span<const std::int32_t> unviolated() const { return unviolated_; }  ///< in draw order
  std::span<const std::int32_t> added() const { return added_; }            ///< in acquisition order
  std::span<const std::int32_t> unlabelled() const { return unlabelled_; }  ///< ascending
  bool is_labelled(std::int32_t index) const;

  /// Unviolated, then added: what a strategy counts as labelled (the validation part too, spec B22).
  std::vector<std::int32_t> labelled() const;
  /// The training part of the unviolated, then everything added.
  std::vector<std::int32_t> training(const Split& split) const;
  /// The validation part of the unviolated; never holds an added instance.
  std::vector<std::int32_t> validation(const Split& split) const;

  /// Moves an instance from unlabelled to added. Error: a check fails if it is out of range or labelled already.
  void acquire(std::int32_t index);

 private:
  std::vector<std::int32_t> unviolated_at(std::span<const std::int32_t> positions) const;

  std::vector<bool> labelled_;
  std::vector<std::int32_t> unviolated_, added_, unlabelled_;
};

}  // namespace quarry
