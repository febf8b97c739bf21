// SPDX-License-Identifier: MIT
// The three matrix products of an MLP step on blocks of 32 rows, written once over a lane type L (kernels/lanes_*.h).
// Included only by the .cpp of one instruction set; everything is local to it.
//
// Activations and gradients are [unit][32]: a batch row per lane, so any layer width wastes no lanes. Every sum is
// one fma chain in index order; what runs in parallel is R x 2 vectors of independent sums (register blocks).
#pragma once

#include <cstddef>
#include <cstdint>

namespace quarry {
namespace {

constexpr int kLanes = 32;

template <class L>
constexpr int kVectors = kLanes / L::N;  ///< vectors per row of [unit][32]

enum class Finish { linear, relu, masked };

/// y[r] = start + sum over k of w(r, k) x[k], for the rows of a block; start = bias[r], or 0 without bias.
/// w(r, k) = w[k * stride + r] if rows are contiguous, else w[r * stride + k].
template <class L>
struct Product {
  using T = typename L::T;
  const T* w;
  std::ptrdiff_t stride;
  const T* x;  ///< [inner][32]
  int inner;
  const T* bias;  ///< null: start from 0
  Finish finish;
  const T* mask;  ///< masked: activations [rows][32]; y = mask <= 0 ? 0 : y * scale
  T scale;
  T* y;  ///< [rows][32]
};

template <class L, int R, bool rows_contiguous>
[[gnu::noinline]] void product_block(const Product<L>& p, int first_row) {
  using V = typename L::V;
  using T = typename L::T;
  constexpr int H = 2;  // vectors side by side
  const T* const w0 = p.w + (rows_contiguous ? first_row : first_row * p.stride);
  const std::ptrdiff_t stride = p.stride;
  for (int h = 0; h < kLanes; h += H * L::N) {
    V sum[R][H];
    const T* x = p.x + h;
    T* const y = p.y + first_row * kLanes + h;
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const V start = L::set(p.bias != nullptr ? p.bias[first_row + r] : T(0));
      for (int v = 0; v < H; ++v) sum[r][v] = start;
    }
    const T* w = w0;
    for (int k = 0; k < p.inner; ++k) {
      const V x0 = L::load(x), x1 = L::load(x + L::N);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const V weight = L::set(rows_contiguous ? w[r] : w[r * stride]);
        sum[r][0] = L::fma(weight, x0, sum[r][0]);
        sum[r][1] = L::fma(weight, x1, sum[r][1]);
      }
      x += kLanes;
      w += rows_contiguous ? stride : 1;
    }
    if (p.finish == Finish::relu) {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        for (int v = 0; v < H; ++v) sum[r][v] = L::relu(sum[r][v]);
      }
    } else if (p.finish == Finish::masked) {
      const V scale = L::set(p.scale), zero = L::set(T(0));
      const T* const mask = p.mask + first_row * kLanes + h;
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        for (int v = 0; v < H; ++v) {
          const auto off = L::le(L::load(mask + r * kLanes + v * L::N), zero);
          sum[r][v] = L::select(off, zero, L::mul(sum[r][v], scale));
        }
      }
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < H; ++v) L::store(y + r * kLanes + v * L::N, sum[r][v]);
    }
  }
}

template <class L, bool rows_contiguous, int R = L::kMaxRows>
inline void product_rows(const Product<L>& p, int first_row, int n) {
  if (n == R) {
    product_block<L, R, rows_contiguous>(p, first_row);
  } else if constexpr (R > 1) {
    product_rows<L, rows_contiguous, R - 1>(p, first_row, n);
  }
}

/// Splits n items in ceil(n / most) parts whose sizes differ by at most one; calls f(first, size).
template <class F>
inline void for_parts(int n, int most, F f) {
  int first = 0;
  for (int left = (n + most - 1) / most; left > 0; --left) {
    const int size = (n - first + left - 1) / left;
    f(first, size);
    first += size;
  }
}

template <class L>
inline void product(const Product<L>& p, int rows, bool rows_contiguous) {
  if (rows_contiguous) {
    for_parts(rows, L::kMaxRows, [&](int first, int n) { product_rows<L, true>(p, first, n); });
  } else {
    for_parts(rows, L::kMaxRows, [&](int first, int n) { product_rows<L, false>(p, first, n); });
  }
}

/// g[r][c] = start + sum over batch rows b of s[r][b] t[b][c]; then either plain SGD on w, or g is stored.
template <class L>
struct Outer {
  using T = typename L::T;
  const T* s;  ///< [rows][32]
  const T* t;  ///< [32][t_stride]
  std::ptrdiff_t t_stride;
  int batch_rows;
  T* w;  ///< weights [rows][stride]: updated if sgd
  T* g;  ///< gradient [rows][stride]: start if accumulate; result unless sgd
  std::ptrdiff_t stride;
  bool accumulate, sgd;
  T minus_lr, weight_decay;
};

template <class L, int R, int C>
[[gnu::noinline]] void outer_block(const Outer<L>& p, int first_row, int first_column) {
  using V = typename L::V;
  using T = typename L::T;
  V sum[R][C];
  T* const g = p.g + first_row * p.stride + first_column;
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) sum[r][c] = L::set(T(0));
  }
  if (p.accumulate) {
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < C; ++c) sum[r][c] = L::load(g + r * p.stride + c * L::N);
    }
  }
  const T* const s = p.s + first_row * kLanes;
  const T* t = p.t + first_column;
  for (int b = 0; b < p.batch_rows; ++b) {
    V column[C];
    for (int c = 0; c < C; ++c) column[c] = L::load(t + c * L::N);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const V factor = L::set(s[r * kLanes + b]);
      for (int c = 0; c < C; ++c) sum[r][c] = L::fma(factor, column[c], sum[r][c]);
    }
    t += p.t_stride;
  }
  if (p.sgd) {
    const V decay = L::set(p.weight_decay), rate = L::set(p.minus_lr);
    T* const w = p.w + first_row * p.stride + first_column;
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < C; ++c) {
        T* const at = w + r * p.stride + c * L::N;
        const V old = L::load(at);
        L::store(at, L::fma(rate, L::fma(decay, old, sum[r][c]), old));
      }
    }
  } else {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < C; ++c) L::store(g + r * p.stride + c * L::N, sum[r][c]);
    }
  }
}

template <class L, int C, int R>
inline void outer_rows(const Outer<L>& p, int first_row, int n, int first_column) {
  if (n == R) {
    outer_block<L, R, C>(p, first_row, first_column);
  } else if constexpr (R > 1) {
    outer_rows<L, C, R - 1>(p, first_row, n, first_column);
  }
}

template <class L, int C>
inline void outer_columns(const Outer<L>& p, int rows, int first_column) {
  constexpr int most = L::kAccumulators / C < L::kMaxRows ? L::kAccumulators / C : L::kMaxRows;
  for_parts(rows, most, [&](int first, int n) { outer_rows<L, C, most>(p, first, n, first_column); });
}

template <class L>
inline void outer(const Outer<L>& p, int rows, int columns) {
  for_parts((columns + L::N - 1) / L::N, 3, [&](int first, int n) {
    const int column = first * L::N;
    if (n == 3) {
      outer_columns<L, 3>(p, rows, column);
    } else if (n == 2) {
      outer_columns<L, 2>(p, rows, column);
    } else {
      outer_columns<L, 1>(p, rows, column);
    }
  });
}

/// target[c][r] = source[r][c] for a panel of whole tiles.
template <class L>
inline void transpose_panel(const typename L::T* source, std::ptrdiff_t from, int rows, int columns,
                            typename L::T* target, std::ptrdiff_t to) {
  for (int r = 0; r < rows; r += L::N) {
    for (int c = 0; c < columns; c += L::N) L::transpose(source + r * from + c, from, target + c * to + r, to);
  }
}

/// [units][32] -> [32][stride], stride = units rounded up to 16; the columns beyond are zero.
template <class L>
inline void units_to_columns(typename L::T* units, int n, typename L::T* columns, std::ptrdiff_t stride) {
  using T = typename L::T;
  for (std::ptrdiff_t i = n * kLanes; i < stride * kLanes; i += L::N) L::store(units + i, L::set(T(0)));
  transpose_panel<L>(units, kLanes, static_cast<int>(stride), kLanes, columns, stride);
}

/// The fixed tree over 32 lanes: lane i += lane i + 16, 8, 4, 2, 1.
template <class L>
inline typename L::T lane_tree(const typename L::T* lanes) {
  typename L::V v[kVectors<L>];
  for (int i = 0; i < kVectors<L>; ++i) v[i] = L::load(lanes + i * L::N);
  for (int step = kVectors<L> / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) v[i] = L::add(v[i], v[i + step]);
  }
  return L::tree(v[0]);
}

}  // namespace
}  // namespace quarry
