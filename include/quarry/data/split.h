// SPDX-License-Identifier: MIT
// Train/validation splits of the initially labelled instances, and k-fold cross-validation.
#pragma once

#include <cstdint>
#include <vector>

namespace quarry {

/// Positions 0..n-1 of the split set; order is part of the contract.
struct Split {
  std::vector<std::int32_t> train, validation;
};

/// How a random order of 0..n-1 is made.
struct PermutationSource {
  bool numpy = false;      ///< NumPy's legacy generator seeded with `seed`; successive repeats share one stream
  std::uint64_t seed = 0;  ///< run seed
  std::uint64_t key = 0;   ///< Philox key otherwise (RngPurpose::split); repeat = step
};

/// scikit-learn's ShuffleSplit (spec 4.2): n_validation = ceil(share * n); repeat r takes the first n_validation
/// entries of its permutation as validation, the next n - n_validation as training.
/// Errors: usage if a part would be empty, with the numbers.
std::vector<Split> shuffle_split(std::int32_t n, double validation_share, std::int32_t repeats,
                                 const PermutationSource& source);

/// k disjoint folds of a permutation, sizes differing by at most one (the first n mod k folds are larger), as
/// scikit-learn's KFold(shuffle=True).
std::vector<Split> k_fold(std::int32_t n, std::int32_t folds, const PermutationSource& source);

}  // namespace quarry
