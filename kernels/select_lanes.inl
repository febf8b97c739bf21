// SPDX-License-Identifier: MIT
// Bodies of LaneKernels over a type Lanes of 32 floats; included once per instruction set, inside that
// file's anonymous namespace. No std templates here: code for one instruction set must not be shared.

/// Features between two looks at whether a pair can still be nearer than what is known. Sums of squares never
/// decrease, rounding included, so leaving early changes no result.
constexpr std::int64_t kLookEvery = 32;

constexpr std::int64_t kTileLanes = quarry::select::kLanes;

/// sum[r] += (tile - row r)^2 over all features, in order; false if left early: no lane is below its limit.
template <int kRows>
bool square_distances(const float* const* row, const float* tile, std::int64_t width, const Lanes* limit, Lanes* sum) {
  for (int r = 0; r < kRows; ++r) sum[r] = Lanes::zero();
  std::int64_t f = 0;
  while (f < width) {
    const std::int64_t end = width - f < kLookEvery ? width : f + kLookEvery;
    for (; f < end; ++f) {
      const Lanes points = Lanes::load(tile + f * kTileLanes);
      for (int r = 0; r < kRows; ++r) {
        const Lanes difference = points - Lanes::broadcast(row[r][f]);
        sum[r] = Lanes::fma(difference, difference, sum[r]);
      }
    }
    bool any = false;
    for (int r = 0; r < kRows; ++r) any |= sum[r].any_below(limit[r]);
    if (!any) return false;
  }
  return true;
}

template <int kRows>
void distance_row_group(const float* const* row, const float* tiles, std::int64_t n_tiles, std::int64_t width,
                        float* nearest) {
  Lanes limit[kRows], sum[kRows];
  for (int r = 0; r < kRows; ++r) limit[r] = Lanes::broadcast(nearest[r]);
  for (std::int64_t t = 0; t < n_tiles; ++t) {
    if (!square_distances<kRows>(row, tiles + t * width * kTileLanes, width, limit, sum)) continue;
    for (int r = 0; r < kRows; ++r) {
      nearest[r] = Lanes::smallest(sum[r], limit[r]);
      limit[r] = Lanes::broadcast(nearest[r]);
    }
  }
}

void distance_rows(const quarry::select::RowGroup& rows, const float* tiles, std::int64_t n_tiles, std::int64_t width,
                   float* nearest) {
  std::int64_t r = 0;
  for (; r + Lanes::kRows <= rows.n; r += Lanes::kRows) {
    distance_row_group<Lanes::kRows>(rows.row + r, tiles, n_tiles, width, nearest + r);
  }
  for (; r < rows.n; ++r) distance_row_group<1>(rows.row + r, tiles, n_tiles, width, nearest + r);
}

void distance_tiles(const float* centre, const float* tiles, std::int64_t n_tiles, std::int64_t width, float* nearest) {
  for (std::int64_t t = 0; t < n_tiles; ++t) {
    float* here = nearest + t * kTileLanes;
    const Lanes limit = Lanes::load(here);
    Lanes sum;
    if (!square_distances<1>(&centre, tiles + t * width * kTileLanes, width, &limit, &sum)) continue;
    Lanes::lower(sum, limit).store(here);
  }
}

/// sum[r] = row r . tile, features in order.
template <int kRows>
void dots(const float* const* row, const float* tile, std::int64_t width, Lanes* sum) {
  for (int r = 0; r < kRows; ++r) sum[r] = Lanes::zero();
  for (std::int64_t f = 0; f < width; ++f) {
    const Lanes points = Lanes::load(tile + f * kTileLanes);
    for (int r = 0; r < kRows; ++r) sum[r] = Lanes::fma(points, Lanes::broadcast(row[r][f]), sum[r]);
  }
}

template <int kRows>
void gradient_row_group(const float* const* q, const float* const* h, const double* norm,
                        const quarry::select::GradientTiles& tiles, std::int64_t t, Lanes* distance) {
  Lanes qq[kRows], hh[kRows];
  dots<kRows>(q, tiles.q + t * tiles.classes * kTileLanes, tiles.classes, qq);
  dots<kRows>(h, tiles.h + t * tiles.width * kTileLanes, tiles.width, hh);
  for (int r = 0; r < kRows; ++r) {
    distance[r] = Lanes::gradient_distance(qq[r], hh[r], norm[r], tiles.norm + t * kTileLanes);
  }
}

template <int kRows>
void gradient_rows_of(const float* const* q, const float* const* h, const double* norm,
                      const quarry::select::GradientTiles& tiles, float* nearest) {
  for (std::int64_t t = 0; t < tiles.n; ++t) {
    Lanes distance[kRows];
    gradient_row_group<kRows>(q, h, norm, tiles, t, distance);
    for (int r = 0; r < kRows; ++r) nearest[r] = Lanes::smallest(distance[r], Lanes::broadcast(nearest[r]));
  }
}

void gradient_rows(const quarry::select::GradientRows& rows, const quarry::select::GradientTiles& tiles,
                   float* nearest) {
  std::int64_t r = 0;
  for (; r + Lanes::kRows <= rows.h.n; r += Lanes::kRows) {
    gradient_rows_of<Lanes::kRows>(rows.q.row + r, rows.h.row + r, rows.norm + r, tiles, nearest + r);
  }
  for (; r < rows.h.n; ++r) gradient_rows_of<1>(rows.q.row + r, rows.h.row + r, rows.norm + r, tiles, nearest + r);
}

void gradient_tiles(const quarry::select::GradientRows& centre, const quarry::select::GradientTiles& tiles,
                    float* nearest) {
  for (std::int64_t t = 0; t < tiles.n; ++t) {
    Lanes distance[1];
    gradient_row_group<1>(centre.q.row, centre.h.row, centre.norm, tiles, t, distance);
    float* here = nearest + t * kTileLanes;
    Lanes::lower(distance[0], Lanes::load(here)).store(here);
  }
}

/// Rows side by side: each sum is one chain of dependent additions.
template <int kRows>
void square_norms_of(const float* rows, std::int64_t width, float* norms) {
  float sum[kRows] = {};
  for (std::int64_t f = 0; f < width; ++f) {
    for (int r = 0; r < kRows; ++r) sum[r] = __builtin_fmaf(rows[r * width + f], rows[r * width + f], sum[r]);
  }
  for (int r = 0; r < kRows; ++r) norms[r] = sum[r];
}

void square_norms(const float* rows, std::int64_t n, std::int64_t width, float* norms) {
  std::int64_t r = 0;
  for (; r + 8 <= n; r += 8) square_norms_of<8>(rows + r * width, width, norms + r);
  for (; r < n; ++r) square_norms_of<1>(rows + r * width, width, norms + r);
}
