// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/select_lanes.h"
#include "quarry/core/error.h"
#include "quarry/ops/k_center.h"
#include "quarry/ops/top_k.h"

namespace quarry {
namespace {

using select::kLanes;
using select::kRowGroup;
using select::LaneKernels;
using select::RowGroup;
using select::tile_count;

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr std::int64_t kRowChunk = 256;          // rows of one work item
constexpr std::int64_t kTileBytes = 256 << 10;   // tiles kept in the second-level cache meanwhile
constexpr std::int64_t kParallelFrom = 1 << 21;  // multiply-adds below which waking workers costs more

/// The rows of one chunk against every tile, blocked so that the tiles are read from cache.
void chunk_against_tiles(const LaneKernels& lanes, MatrixView<const float> rows, std::int64_t begin, std::int64_t end,
                         const float* tiles, std::int64_t n_tiles, float* nearest) {
  const std::int64_t width = rows.extent[1];
  const std::int64_t block = std::max<std::int64_t>(1, kTileBytes / (width * kLanes * 4));
  for (std::int64_t t = 0; t < n_tiles; t += block) {
    const std::int64_t here = std::min(block, n_tiles - t);
    for (std::int64_t i = begin; i < end; i += kRowGroup) {
      RowGroup group{{}, std::min(kRowGroup, end - i)};
      for (std::int64_t r = 0; r < group.n; ++r) group.row[r] = rows.data + (i + r) * width;
      lanes.distance_rows(group, tiles + t * width * kLanes, here, width, nearest + i);
    }
  }
}

/// Centres that grow by one pick at a time, in tiles.
class CenterTiles {
 public:
  CenterTiles(Arena& arena, std::int64_t capacity, std::int64_t width) : width_(width) {
    const std::int64_t size = tile_count(capacity) * width * kLanes;
    tiles_ = arena.take<float>(static_cast<std::size_t>(size));
    std::fill(tiles_.begin(), tiles_.end(), std::numeric_limits<float>::quiet_NaN());
  }
  void add(const float* point) {
    select::put_lane(point, width_, count_ % kLanes, tiles_.data() + count_ / kLanes * width_ * kLanes);
    ++count_;
  }
  std::int64_t count() const { return count_; }
  const float* tile(std::int64_t t) const { return tiles_.data() + t * width_ * kLanes; }

 private:
  std::int64_t width_, count_ = 0;
  std::span<float> tiles_;
};

/// Exact lazy greedy. The heap holds every finite candidate under an upper bound of its smallest distance: distances
/// only shrink as centres are added. When the top is up to date nothing below can beat it, ties included, because
/// keys order equal bounds by position.
class LazyGreedy {
 public:
  LazyGreedy(Context& context, MatrixView<const float> candidates, std::span<float> nearest, std::int64_t count)
      : context_(context),
        lanes_(select::lane_kernels(context.simd())),
        candidates_(candidates),
        nearest_(nearest),
        centers_(context.arena(), count, candidates.extent[1]),
        seen_(context.arena().take<std::int32_t>(nearest.size())),
        heap_(context.arena().take<std::uint64_t>(nearest.size())) {
    std::fill(seen_.begin(), seen_.end(), 0);
  }

  /// Returns the number of picks made: fewer than asked if the finite candidates run out.
  std::size_t run(std::int32_t excluded, std::span<std::int32_t> picks) {
    for (std::size_t i = 0; i < nearest_.size(); ++i) {
      if (std::isfinite(nearest_[i]) && static_cast<std::int32_t>(i) != excluded) {
        heap_[size_++] = rank_key(nearest_[i], static_cast<std::uint32_t>(i));
      }
    }
    std::make_heap(heap_.data(), heap_.data() + size_);
    std::size_t made = 0, batch = kFirstBatch;
    while (made < picks.size() && size_ > 0) {
      const std::int32_t top = rank_position(heap_[0]);
      if (seen(top) == centers_.count()) {
        picks[made++] = top;
        apart_ += nearest(top) > 0;
        pop();
        centers_.add(row(top));
        batch = kFirstBatch;
      } else {
        refresh(batch);
        batch = std::min(2 * batch, kLargestBatch);
      }
    }
    return made;
  }

  std::int64_t distances() const { return distances_; }
  /// Picks at a distance above zero.
  std::int32_t apart() const { return apart_; }

 private:
  static constexpr std::size_t kFirstBatch = 4, kLargestBatch = 256;

  std::int32_t& seen(std::int32_t i) { return seen_[static_cast<std::size_t>(i)]; }
  float& nearest(std::int32_t i) { return nearest_[static_cast<std::size_t>(i)]; }
  const float* row(std::int32_t i) const { return candidates_.data + i * candidates_.extent[1]; }
  void pop() { std::pop_heap(heap_.data(), heap_.data() + size_--); }

  /// Brings up to `batch` stale candidates from the top of the heap up to date.
  void refresh(std::size_t batch) {
    std::int32_t stale[kLargestBatch];
    std::size_t n = 0;
    while (n < batch && size_ > 0 && seen(rank_position(heap_[0])) < centers_.count()) {
      stale[n++] = rank_position(heap_[0]);
      pop();
    }
    // neighbours in this order have missed about the same centres, so a group wastes little
    std::sort(stale, stale + n,
              [this](std::int32_t i, std::int32_t j) { return seen(i) != seen(j) ? seen(i) < seen(j) : i < j; });
    const std::int64_t missed = centers_.count() - seen(stale[0]);
    const auto groups = static_cast<std::int64_t>(group_count(n));
    if (static_cast<std::int64_t>(n) * missed * candidates_.extent[1] < kParallelFrom) {
      for (std::int64_t g = 0; g < groups; ++g) refresh_group(stale, n, g);
    } else {
      context_.pool().parallel_for(groups, [&](std::int64_t g, int) { refresh_group(stale, n, g); });
    }
    for (std::size_t k = 0; k < n; ++k) {
      distances_ += centers_.count() - seen(stale[k]);
      seen(stale[k]) = static_cast<std::int32_t>(centers_.count());
      heap_[size_++] = rank_key(nearest(stale[k]), static_cast<std::uint32_t>(stale[k]));
      std::push_heap(heap_.data(), heap_.data() + size_);
    }
  }

  static std::size_t group_count(std::size_t n) { return (n + kRowGroup - 1) / kRowGroup; }

  void refresh_group(const std::int32_t* stale, std::size_t n, std::int64_t g) {
    const std::int32_t* member = stale + g * kRowGroup;
    RowGroup group{{}, std::min(kRowGroup, static_cast<std::int64_t>(n) - g * kRowGroup)};
    float bound[kRowGroup];
    for (std::int64_t r = 0; r < group.n; ++r) {
      group.row[r] = row(member[r]);
      bound[r] = nearest(member[r]);
    }
    const std::int64_t first = seen(member[0]) / kLanes;  // the members are sorted: the first has missed most
    lanes_.distance_rows(group, centers_.tile(first), tile_count(centers_.count()) - first, candidates_.extent[1],
                         bound);
    for (std::int64_t r = 0; r < group.n; ++r) nearest(member[r]) = bound[r];
  }

  Context& context_;
  const LaneKernels& lanes_;
  MatrixView<const float> candidates_;
  std::span<float> nearest_;
  CenterTiles centers_;
  std::span<std::int32_t> seen_;  // centres a candidate's bound takes into account
  std::span<std::uint64_t> heap_;
  std::size_t size_ = 0;
  std::int64_t distances_ = 0;
  std::int32_t apart_ = 0;
};

/// One pass over all candidates per pick. `nearest` is padded to whole tiles. Adds to `apart` the picks at a distance
/// above zero.
std::size_t plain_greedy(Context& context, MatrixView<const float> candidates, std::span<float> nearest,
                         std::int32_t excluded, std::span<std::int32_t> picks, std::int32_t& apart) {
  const std::int64_t n = candidates.extent[0], width = candidates.extent[1], n_tiles = tile_count(n);
  const LaneKernels& lanes = select::lane_kernels(context.simd());
  const auto tiles = context.arena().take<float>(static_cast<std::size_t>(n_tiles * width * kLanes));
  select::pack_tiles(context, candidates, tiles.data());
  const auto free = context.arena().take<bool>(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    free[static_cast<std::size_t>(i)] = i != excluded && std::isfinite(nearest[static_cast<std::size_t>(i)]);
  }
  constexpr std::int64_t kTileChunk = kRowChunk / kLanes;
  const auto best =
      context.arena().take<std::uint64_t>(static_cast<std::size_t>((n_tiles + kTileChunk - 1) / kTileChunk));
  const float* center = nullptr;
  for (std::size_t made = 0; made < picks.size(); ++made) {
    select::for_chunks(context, n_tiles, kTileChunk, [&](std::int64_t begin, std::int64_t end) {
      float* here = nearest.data() + begin * kLanes;
      if (center != nullptr) {
        lanes.distance_tiles(center, tiles.data() + begin * width * kLanes, end - begin, width, here);
      }
      std::uint64_t top = 0;
      for (std::int64_t i = begin * kLanes; i < std::min(n, end * kLanes); ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (free[at]) top = std::max(top, rank_key(nearest[at], static_cast<std::uint32_t>(i)));
      }
      best[static_cast<std::size_t>(begin / kTileChunk)] = top;
    });
    const std::uint64_t top = *std::max_element(best.begin(), best.end());
    if (top == 0) return made;
    picks[made] = rank_position(top);
    apart += nearest[static_cast<std::size_t>(picks[made])] > 0;
    free[static_cast<std::size_t>(picks[made])] = false;
    center = &candidates(picks[made], 0);
  }
  return picks.size();
}

/// What is left when the finite candidates have run out follows in order.
void append_rest(Context& context, std::size_t n, std::size_t made, std::span<std::int32_t> picks) {
  if (made == picks.size()) return;
  const std::span<bool> picked = context.arena().take<bool>(n);
  std::fill(picked.begin(), picked.end(), false);
  for (const std::int32_t pick : picks.first(made)) picked[static_cast<std::size_t>(pick)] = true;
  for (std::size_t i = 0; made < picks.size(); ++i) {
    if (!picked[i]) picks[made++] = static_cast<std::int32_t>(i);
  }
}

}  // namespace

void nearest_center(Context& context, MatrixView<const float> candidates, MatrixView<const float> centers,
                    std::span<float> nearest) {
  const std::int64_t n = candidates.extent[0], width = candidates.extent[1], m = centers.extent[0];
  QUARRY_CHECK(static_cast<std::int64_t>(nearest.size()) >= n, "{} distances of {} candidates", nearest.size(), n);
  if (m == 0 || n == 0) return;
  QUARRY_CHECK(width >= 1 && centers.extent[1] == width, "candidates have {} features, centres {}", width,
               centers.extent[1]);
  const ArenaScope scope(context.arena());
  const auto tiles = context.arena().take<float>(static_cast<std::size_t>(tile_count(m) * width * kLanes));
  select::pack_tiles(context, centers, tiles.data());
  const LaneKernels& lanes = select::lane_kernels(context.simd());
  select::for_chunks(context, n, kRowChunk, [&](std::int64_t begin, std::int64_t end) {
    chunk_against_tiles(lanes, candidates, begin, end, tiles.data(), tile_count(m), nearest.data());
  });
}

bool k_center(Context& context, const KCenterParams& params, MatrixView<const float> candidates,
              MatrixView<const float> labelled, std::span<std::int32_t> picks, std::span<float> scores,
              KCenterStats* stats) {
  const std::int64_t n = candidates.extent[0], width = candidates.extent[1];
  QUARRY_CHECK(n < (std::int64_t{1} << 31) && static_cast<std::int64_t>(picks.size()) <= n, "{} picks of {} candidates",
               picks.size(), n);
  QUARRY_CHECK(scores.empty() || static_cast<std::int64_t>(scores.size()) == n, "{} scores of {} candidates",
               scores.size(), n);
  if (n == 0) return true;
  const ArenaScope scope(context.arena());
  const auto padded = context.arena().take<float>(static_cast<std::size_t>(tile_count(n) * kLanes));
  const std::span<float> nearest = padded.first(static_cast<std::size_t>(n));
  std::fill(padded.begin(), padded.end(), kNever);
  const bool from_nothing = labelled.extent[0] == 0;
  if (from_nothing) {
    const auto origin = context.arena().take<float>(static_cast<std::size_t>(width));
    std::fill(origin.begin(), origin.end(), 0.0f);
    nearest_center(context, candidates, matrix<const float>(origin.data(), 1, width), nearest);
  } else {
    nearest_center(context, candidates, labelled, nearest);
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i] = std::isfinite(nearest[i]) ? std::sqrt(nearest[i]) : std::numeric_limits<float>::quiet_NaN();
  }
  std::int32_t first = 0;
  const bool any_finite = top_k(context, nearest, {&first, 1});
  if (!any_finite) {
    for (std::size_t i = 0; i < picks.size(); ++i) picks[i] = static_cast<std::int32_t>(i);
    return false;
  }
  if (picks.empty()) return true;
  std::size_t made = 0;
  std::int32_t excluded = -1, apart = 0;
  if (from_nothing) {  // from here on only picks are centres
    picks[made++] = excluded = first;
    apart = nearest[static_cast<std::size_t>(first)] > 0;
    std::fill(padded.begin(), padded.end(), kNever);
    nearest_center(context, candidates, matrix(&candidates(first, 0), 1, width), nearest);
  }
  std::int64_t distances = 0;
  const std::span<std::int32_t> rest = picks.subspan(made);
  if (params.method == KCenterMethod::plain) {
    const std::size_t more = plain_greedy(context, candidates, padded, excluded, rest, apart);
    distances = static_cast<std::int64_t>(more > 0 ? more - 1 : 0) * n;
    made += more;
  } else {
    LazyGreedy greedy(context, candidates, nearest, static_cast<std::int64_t>(rest.size()));
    made += greedy.run(excluded, rest);
    distances = greedy.distances();
    apart += greedy.apart();
  }
  append_rest(context, static_cast<std::size_t>(n), made, picks);
  if (stats != nullptr) *stats = {distances, apart};
  return true;
}

}  // namespace quarry
