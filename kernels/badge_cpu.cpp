// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/badge_rules.h"
#include "kernels/select_lanes.h"
#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "quarry/ops/badge.h"

namespace quarry {
namespace {

using badge_rules::kChunk;
using badge_rules::kMostPending;
using badge_rules::kWindow;
using select::GradientRows;
using select::GradientTiles;
using select::kLanes;
using select::kRowGroup;
using select::LaneKernels;
using select::tile_count;

template <class T>
std::span<T> take(Context& context, std::int64_t n) {
  return context.arena().take<T>(static_cast<std::size_t>(n));
}

/// The factors of every candidate's gradient embedding.
struct Embeddings {
  MatrixView<const float> h;
  MatrixView<float> q;     ///< p - onehot(arg max p)
  std::span<double> norm;  ///< |q|^2 |h|^2
  std::int64_t n, classes, width;

  Embeddings(Context& context, MatrixView<const float> p, MatrixView<const float> features)
      : h(features), n(p.extent[0]), classes(p.extent[1]), width(features.extent[1]) {
    q = matrix(take<float>(context, n * classes).data(), n, classes);
    norm = take<double>(context, n);
    const LaneKernels& lanes = select::lane_kernels(context.simd());
    select::for_chunks(context, n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float* row = &p(i, 0);
        std::copy_n(row, classes, &q(i, 0));
        q(i, std::max_element(row, row + classes) - row) -= 1.0f;
      }
      float q_norm[kChunk], h_norm[kChunk];
      lanes.square_norms(&q(begin, 0), end - begin, classes, q_norm);
      lanes.square_norms(&h(begin, 0), end - begin, width, h_norm);
      for (std::int64_t i = begin; i < end; ++i) {
        norm[static_cast<std::size_t>(i)] = double{q_norm[i - begin]} * double{h_norm[i - begin]};
      }
    });
  }

  bool is_finite(std::int64_t i) const { return norm[static_cast<std::size_t>(i)] <= badge_rules::kLargestNorm; }

  GradientRows rows(std::int64_t begin, std::int64_t count) const {
    GradientRows group{{{}, count}, {{}, count}, {}};
    for (std::int64_t r = 0; r < count; ++r) {
      group.q.row[r] = &q(begin + r, 0);
      group.h.row[r] = &h(begin + r, 0);
      group.norm[r] = norm[static_cast<std::size_t>(begin + r)];
    }
    return group;
  }
};

/// Picks that the weights do not take into account yet, in tiles.
class PendingCenters {
 public:
  PendingCenters(Context& context, const Embeddings& embeddings, std::int64_t capacity) : embeddings_(embeddings) {
    const std::int64_t tiles = tile_count(capacity);
    q_ = take<float>(context, tiles * embeddings.classes * kLanes);
    h_ = take<float>(context, tiles * embeddings.width * kLanes);
    norm_ = take<double>(context, tiles * kLanes);
    clear();
  }
  void clear() {
    // only the norm decides whether a lane is there: NaN makes its distance NaN, which changes nothing
    std::fill(q_.begin(), q_.end(), 0.0f);
    std::fill(h_.begin(), h_.end(), 0.0f);
    std::fill(norm_.begin(), norm_.end(), std::numeric_limits<double>::quiet_NaN());
    count_ = 0;
  }
  void add(std::int32_t pick) {
    const std::int64_t tile = count_ / kLanes, lane = count_ % kLanes;
    select::put_lane(&embeddings_.q(pick, 0), embeddings_.classes, lane,
                     q_.data() + tile * embeddings_.classes * kLanes);
    select::put_lane(&embeddings_.h(pick, 0), embeddings_.width, lane, h_.data() + tile * embeddings_.width * kLanes);
    norm_[static_cast<std::size_t>(count_++)] = embeddings_.norm[static_cast<std::size_t>(pick)];
  }
  std::int64_t count() const { return count_; }
  GradientTiles tiles() const {
    return {q_.data(), h_.data(), norm_.data(), tile_count(count_), embeddings_.classes, embeddings_.width};
  }

 private:
  const Embeddings& embeddings_;
  std::span<float> q_, h_;
  std::span<double> norm_;
  std::int64_t count_ = 0;
};

/// Weights of a discrete distribution with two-level prefix sums: chunks of kChunk in order, then their sums in order.
class Weights {
 public:
  Weights(Context& context, std::int64_t n)
      : weight_(take<float>(context, n)), upto_(take<double>(context, (n + kChunk - 1) / kChunk)) {}
  std::span<float> values() { return weight_; }
  double total() const { return upto_.back(); }

  void sum_chunk(std::int64_t begin, std::int64_t end) {
    double sum = 0;
    for (std::int64_t i = begin; i < end; ++i) sum += double{weight_[static_cast<std::size_t>(i)]};
    upto_[static_cast<std::size_t>(begin / kChunk)] = sum;
  }
  void sum_chunks() {
    for (std::size_t c = 1; c < upto_.size(); ++c) upto_[c] += upto_[c - 1];
  }
  /// The position whose share of the total holds `target`, 0 <= target < total.
  std::int32_t find(double target) const {
    const auto c = static_cast<std::size_t>(
        std::min(std::upper_bound(upto_.begin(), upto_.end(), target), upto_.end() - 1) - upto_.begin());
    double left = target - (c == 0 ? 0.0 : upto_[c - 1]);
    const std::size_t begin = c * kChunk, end = std::min(begin + kChunk, weight_.size());
    std::size_t last = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (!(weight_[i] > 0)) continue;
      last = i;  // rounding may leave a rest beyond the last one
      left -= double{weight_[i]};
      if (left < 0) break;
    }
    return static_cast<std::int32_t>(last);
  }

 private:
  std::span<float> weight_;
  std::span<double> upto_;
};

/// The state both ways of drawing share.
struct Draw {
  Context& context;
  const LaneKernels& lanes;
  const Embeddings& embeddings;
  const BadgeParams& params;
  std::span<std::int32_t> picks;  ///< the first is made
  std::size_t made = 1;
  BadgeStats stats = {};

  /// What a weight is before the first pick.
  float start(std::int64_t i) const { return embeddings.is_finite(i) ? std::numeric_limits<float>::infinity() : 0.0f; }
};

/// Brings the weights up to date with the pending picks and sums them.
void refresh(Draw& draw, PendingCenters& pending, Weights& weights) {
  const std::int64_t n = draw.embeddings.n;
  const GradientTiles tiles = pending.tiles();
  select::for_chunks(draw.context, n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    float* weight = weights.values().data();
    for (std::int64_t i = begin; i < end; i += kRowGroup) {
      draw.lanes.gradient_rows(draw.embeddings.rows(i, std::min(kRowGroup, end - i)), tiles, weight + i);
    }
    weights.sum_chunk(begin, end);
  });
  weights.sum_chunks();
  pending.clear();
  ++draw.stats.passes;
}

void draw_by_rejection(Draw& draw) {
  Weights weights(draw.context, draw.embeddings.n);
  for (std::int64_t i = 0; i < draw.embeddings.n; ++i) weights.values()[static_cast<std::size_t>(i)] = draw.start(i);
  PendingCenters pending(draw.context, draw.embeddings,
                         std::min(kMostPending, static_cast<std::int64_t>(draw.picks.size())));
  pending.add(draw.picks[0]);
  refresh(draw, pending, weights);
  std::int32_t proposed = 0, accepted = 0;
  while (draw.made < draw.picks.size() && weights.total() > 0) {
    const PhiloxBlock block = random_block(draw.params.key, static_cast<std::uint64_t>(draw.stats.proposals++));
    const std::int32_t proposal = weights.find(badge_rules::proposal_uniform(block, 0) * weights.total());
    const float weight = weights.values()[static_cast<std::size_t>(proposal)];
    float square = weight;
    draw.lanes.gradient_rows(draw.embeddings.rows(proposal, 1), pending.tiles(), &square);
    ++proposed;
    if (badge_rules::proposal_uniform(block, 2) * double{weight} < double{square}) {
      ++accepted;
      draw.picks[draw.made++] = proposal;
      pending.add(proposal);
    }
    if (proposed < kWindow && pending.count() < kMostPending) continue;
    if (badge_rules::needs_refresh(pending.count(), proposed, accepted)) refresh(draw, pending, weights);
    proposed = accepted = 0;
  }
}

/// The first position at which the running sum of weight / total reaches u.
std::int32_t inverse_cdf(std::span<const float> weights, double total, double u) {
  double sum = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0)) continue;
    last = i;
    sum += double{weights[i]} / total;
    if (sum >= u) break;
  }
  return static_cast<std::int32_t>(last);
}

void draw_by_passes(Draw& draw) {
  const Embeddings& e = draw.embeddings;
  const std::int64_t n_tiles = tile_count(e.n);
  const auto q = take<float>(draw.context, n_tiles * e.classes * kLanes);
  const auto h = take<float>(draw.context, n_tiles * e.width * kLanes);
  const auto norm = take<double>(draw.context, n_tiles * kLanes);
  const auto padded = take<float>(draw.context, n_tiles * kLanes);
  select::pack_tiles(draw.context, e.q, q.data());
  select::pack_tiles(draw.context, e.h, h.data());
  std::fill(std::copy(e.norm.begin(), e.norm.end(), norm.begin()), norm.end(), 0.0);
  for (std::int64_t i = 0; i < n_tiles * kLanes; ++i) padded[static_cast<std::size_t>(i)] = i < e.n ? draw.start(i) : 0;
  const std::span<float> weights = padded.first(static_cast<std::size_t>(e.n));
  NumpyRandom seeded(draw.params.numpy_seed);
  NumpyRandom& numpy = draw.params.numpy_stream != nullptr ? *draw.params.numpy_stream : seeded;
  std::int32_t pick = draw.picks[0];
  while (draw.made < draw.picks.size()) {
    const GradientRows center = e.rows(pick, 1);
    select::for_chunks(draw.context, n_tiles, kChunk / kLanes, [&](std::int64_t begin, std::int64_t end) {
      draw.lanes.gradient_tiles(center,
                                {q.data() + begin * e.classes * kLanes, h.data() + begin * e.width * kLanes,
                                 norm.data() + begin * kLanes, end - begin, e.classes, e.width},
                                padded.data() + begin * kLanes);
    });
    ++draw.stats.passes;
    weights[static_cast<std::size_t>(pick)] = 0;
    double total = 0;
    for (float weight : weights) total += double{weight};
    if (!(total > 0)) return;
    const auto j = static_cast<std::uint64_t>(draw.stats.proposals++);
    const double u =
        draw.params.sampling == BadgeSampling::numpy ? numpy.uniform() : random_uniform(draw.params.key, j);
    pick = inverse_cdf(weights, total, u);
    draw.picks[draw.made++] = pick;
  }
}

/// What the draws left: first the finite candidates by position, then the others by position.
void append_rest(Draw& draw) {
  if (draw.made == draw.picks.size()) return;
  const auto taken = take<bool>(draw.context, draw.embeddings.n);
  std::fill(taken.begin(), taken.end(), false);
  for (std::int32_t pick : draw.picks.first(draw.made)) taken[static_cast<std::size_t>(pick)] = true;
  for (const bool finite : {true, false}) {
    for (std::int64_t i = 0; i < draw.embeddings.n && draw.made < draw.picks.size(); ++i) {
      if (!taken[static_cast<std::size_t>(i)] && draw.embeddings.is_finite(i) == finite) {
        draw.picks[draw.made++] = static_cast<std::int32_t>(i);
      }
    }
  }
}

}  // namespace

bool badge(Context& context, const BadgeParams& params, MatrixView<const float> probabilities,
           MatrixView<const float> features, std::span<std::int32_t> picks, BadgeStats* stats) {
  const std::int64_t n = probabilities.extent[0];
  QUARRY_CHECK(features.extent[0] == n && probabilities.extent[1] >= 1 && features.extent[1] >= 1,
               "probabilities are {} x {}, features {} x {}", n, probabilities.extent[1], features.extent[0],
               features.extent[1]);
  QUARRY_CHECK(n < (std::int64_t{1} << 31) && static_cast<std::int64_t>(picks.size()) <= n, "{} picks of {} candidates",
               picks.size(), n);
  if (n == 0) return true;
  const ArenaScope scope(context.arena());
  const Embeddings embeddings(context, probabilities, features);
  std::int64_t first = -1;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!embeddings.is_finite(i)) continue;
    if (first < 0 || embeddings.norm[static_cast<std::size_t>(i)] > embeddings.norm[static_cast<std::size_t>(first)]) {
      first = i;
    }
  }
  if (first < 0) {
    for (std::size_t i = 0; i < picks.size(); ++i) picks[i] = static_cast<std::int32_t>(i);
    return false;
  }
  if (picks.empty()) return true;
  picks[0] = static_cast<std::int32_t>(first);
  Draw draw{context, select::lane_kernels(context.simd()), embeddings, params, picks};
  if (params.sampling == BadgeSampling::rejection) {
    draw_by_rejection(draw);
  } else {
    draw_by_passes(draw);
  }
  draw.stats.drawn = static_cast<std::int32_t>(draw.made);
  append_rest(draw);
  if (stats != nullptr) *stats = draw.stats;
  return true;
}

}  // namespace quarry
