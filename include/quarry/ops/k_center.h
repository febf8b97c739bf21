// SPDX-License-Identifier: MIT
// k-center greedy (farthest-first traversal): Gonzalez 1985; as core-set selection: Sener and Savarese, ICLR 2018.
//
// The distance is defined once: |x - y|^2 in fp32, sum = fma(x_f - y_f, x_f - y_f, sum) over features in order from
// zero. A distance that is not finite changes nothing. Picks: the candidate whose smallest distance to the labelled
// and the picked is largest, lowest position on ties. A candidate with no finite distance ranks last, by position.
// With no labelled point the first pick is the candidate of largest norm (the origin stands in for that pick only).
#pragma once

#include <cstdint>
#include <span>

#include "quarry/core/context.h"
#include "quarry/core/tensor.h"

namespace quarry {

/// Two ways to the same picks.
enum class KCenterMethod {
  lazy,   ///< old smallest distances are upper bounds: a candidate is updated only when its bound tops the rest
  plain,  ///< one pass over all candidates per pick: the oracle
};

struct KCenterParams {
  KCenterMethod method = KCenterMethod::lazy;
};

/// What the picks cost, the distances to the labelled set apart, and what they were chosen by.
struct KCenterStats {
  std::int64_t distances = 0;  ///< pairs looked at (some are left early); distances / n = passes over the pool
  std::int32_t apart = 0;      ///< picks whose distance was above zero; position chose the others, which come last
};

/// nearest[i] = min(nearest[i], distance of candidate i to each centre). Start from +infinity.
void nearest_center(Context& context, MatrixView<const float> candidates, MatrixView<const float> centers,
                    std::span<float> nearest);

/// scores [n] (or empty): distance (not squared) of each candidate to the labelled before the first pick, NaN if it
/// has no finite one; with no labelled point its norm. Returns false if no candidate has a finite score: then the
/// picks are the lowest positions.
/// Errors: a check fails on shapes, or more picks than candidates.
bool k_center(Context& context, const KCenterParams& params, MatrixView<const float> candidates,
              MatrixView<const float> labelled, std::span<std::int32_t> picks, std::span<float> scores,
              KCenterStats* stats = nullptr);

}  // namespace quarry
