// SPDX-License-Identifier: MIT
// Views do not own. Row-major and contiguous, up to four extents; passes by value to kernels.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "quarry/core/host_device.h"

namespace quarry {

template <class T, int Rank>
struct TensorView {
  static_assert(Rank >= 1 && Rank <= 4);
  T* data = nullptr;
  std::int64_t extent[Rank] = {};

  QUARRY_HD constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int r = 0; r < Rank; ++r) n *= extent[r];
    return n;
  }
  /// The contiguous sub-block at leading index i; for rank 1 the element.
  QUARRY_HD constexpr decltype(auto) operator[](std::int64_t i) const {
    if constexpr (Rank == 1) {
      return static_cast<T&>(data[i]);
    } else {
      TensorView<T, Rank - 1> sub;
      std::int64_t stride = 1;
      for (int r = 1; r < Rank; ++r) {
        sub.extent[r - 1] = extent[r];
        stride *= extent[r];
      }
      sub.data = data + i * stride;
      return sub;
    }
  }
  QUARRY_HD constexpr T& operator()(std::int64_t i, std::int64_t j) const requires(Rank == 2) {
    return data[i * extent[1] + j];
  }
  constexpr operator TensorView<const T, Rank>() const requires(!std::is_const_v<T>) {
    TensorView<const T, Rank> view;
    view.data = data;
    for (int r = 0; r < Rank; ++r) view.extent[r] = extent[r];
    return view;
  }
};

template <class T>
using MatrixView = TensorView<T, 2>;

template <class T>
constexpr MatrixView<T> matrix(T* data, std::int64_t rows, std::int64_t columns) {
  return {data, {rows, columns}};
}

}  // namespace quarry
