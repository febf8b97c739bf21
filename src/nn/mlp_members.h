// SPDX-License-Identifier: MIT
// What every backend asks of the members of a fleet before it trains them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "quarry/nn/mlp_fleet.h"

namespace quarry {

/// Error: failed if a size, row or hyperparameter is out of range.
template <class T>
void check_member(const MlpData<T>& data, const MemberSpec& spec);

/// Indices of the members, the most work first: the order in which they start.
std::vector<std::size_t> longest_first(std::span<const MemberSpec> members);

}  // namespace quarry
