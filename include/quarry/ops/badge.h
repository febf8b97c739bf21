// SPDX-License-Identifier: MIT
// BADGE: k-means++ seeding on gradient embeddings (Ash, Zhang, Krishnamurthy, Langford, Agarwal: "Deep Batch Active
// Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR 2020).
//
// The embedding of a candidate is the gradient of the cross-entropy at its own prediction with respect to the last
// layer's weights: g = (p - onehot(arg max p)) (x) h, lowest class on ties. It is never formed:
//   |g - g'|^2 = |q|^2 |h|^2 + |q'|^2 |h'|^2 - 2 (q.q')(h.h'),   q = p - onehot,
// dot products in fp32 by fma in index order, the rest in double, clamped at zero, rounded to fp32.
//
// First pick: the largest |g|^2, lowest position on ties, as the authors' program does. Each further pick is drawn
// with probability D^2 / sum D^2, D = distance to the nearest pick. Never the same candidate twice. When every D^2 is
// zero the remaining finite candidates follow by position; candidates with a non-finite embedding, or with
// |g|^2 above 8.5e37 (a quarter of fp32's range), come last.
#pragma once

#include <cstdint>
#include <span>

#include "quarry/core/context.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/tensor.h"

namespace quarry {

/// How the D^2 distribution is drawn from.
enum class BadgeSampling {
  /// Exact rejection sampling with Philox: propose from old weights (upper bounds of D^2), accept with D^2 / weight;
  /// a few passes over the pool in all.
  rejection,
  /// A pass per pick and a sequential inverse CDF, uniform j from Philox: the oracle of `rejection`.
  plain,
  /// As plain with the uniforms of NumPy's RandomState(numpy_seed): what the authors' program draws after seeding.
  numpy,
};

struct BadgeParams {
  BadgeSampling sampling = BadgeSampling::rejection;
  std::uint64_t key = 0;  ///< Philox key (RngPurpose::badge)
  std::uint32_t numpy_seed = 0;
  NumpyRandom* numpy_stream = nullptr;  ///< numpy: draws from here instead, and leaves it where the draws ended (CPU)
};

struct BadgeStats {
  std::int64_t passes = 0;     ///< passes over the pool
  std::int64_t proposals = 0;  ///< draws
  std::int32_t drawn = 0;      ///< picks up to the last that was drawn, the first included; position chose the others
};

/// probabilities [n][C], features [n][F] (penultimate activations). Returns false if no embedding is finite: then the
/// picks are the lowest positions. Errors: a check fails on shapes, or more picks than candidates.
bool badge(Context& context, const BadgeParams& params, MatrixView<const float> probabilities,
           MatrixView<const float> features, std::span<std::int32_t> picks, BadgeStats* stats = nullptr);

}  // namespace quarry
