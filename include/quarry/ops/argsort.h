// SPDX-License-Identifier: MIT
// The permutation that sorts an array, ordered among equal keys exactly as numpy.argsort of NumPy 1.x does (its
// default, unstable sort). The Parzen estimator needs it: the place of an observation among equal ones decides its
// bandwidth. Introsort: quicksort by the median of three, insertion sort for up to 16 keys, heapsort where the
// partitions stay lopsided.
#pragma once

#include <cstdint>

#include "quarry/core/host_device.h"

namespace quarry {
namespace argsort_detail {

QUARRY_HD inline void exchange(std::int32_t& a, std::int32_t& b) {
  const std::int32_t t = a;
  a = b;
  b = t;
}

/// Moves keys[hole] down the heap keys[0..n) of largest-first order.
QUARRY_HD inline void sift_down(const double* x, std::int32_t* keys, std::int32_t hole, std::int32_t n) {
  const std::int32_t moving = keys[hole];
  for (std::int32_t child = 2 * hole + 1; child < n; child = 2 * hole + 1) {
    if (child + 1 < n && x[keys[child]] < x[keys[child + 1]]) ++child;
    if (!(x[moving] < x[keys[child]])) break;
    keys[hole] = keys[child];
    hole = child;
  }
  keys[hole] = moving;
}

QUARRY_HD inline void heap_sort(const double* x, std::int32_t* keys, std::int32_t n) {
  for (std::int32_t i = n / 2; i-- > 0;) sift_down(x, keys, i, n);
  for (std::int32_t last = n - 1; last > 0; --last) {
    exchange(keys[0], keys[last]);
    sift_down(x, keys, 0, last);
  }
}

QUARRY_HD inline void insertion_sort(const double* x, std::int32_t* keys, std::int32_t n) {
  for (std::int32_t i = 1; i < n; ++i) {
    const std::int32_t moving = keys[i];
    std::int32_t j = i;
    for (; j > 0 && x[moving] < x[keys[j - 1]]; --j) keys[j] = keys[j - 1];
    keys[j] = moving;
  }
}

/// Orders first, middle and last of keys[left..right], at least 4 keys, and puts the middle one, the pivot, last but
/// one.
QUARRY_HD inline void place_pivot(const double* x, std::int32_t* keys, std::int32_t left, std::int32_t right) {
  const std::int32_t middle = left + (right - left) / 2;
  if (x[keys[middle]] < x[keys[left]]) exchange(keys[middle], keys[left]);
  if (x[keys[right]] < x[keys[middle]]) exchange(keys[right], keys[middle]);
  if (x[keys[middle]] < x[keys[left]]) exchange(keys[middle], keys[left]);
  exchange(keys[middle], keys[right - 1]);
}

/// Partitions keys[left..right], at least 4 keys; returns the final place of the pivot.
QUARRY_HD inline std::int32_t partition(const double* x, std::int32_t* keys, std::int32_t left, std::int32_t right) {
  place_pivot(x, keys, left, right);
  const double pivot = x[keys[right - 1]];
  std::int32_t i = left, j = right - 1;
  for (;;) {
    do ++i;
    while (x[keys[i]] < pivot);
    do --j;
    while (pivot < x[keys[j]]);
    if (i >= j) break;
    exchange(keys[i], keys[j]);
  }
  exchange(keys[i], keys[right - 1]);
  return i;
}

constexpr std::int32_t kSmallSort = 15;  ///< parts of at most one key more are sorted by insertion

/// How many partitions in a row a part may come from before it is sorted as a heap.
QUARRY_HD inline std::int32_t most_partitions(std::int32_t n) {
  std::int32_t depth = 0;
  for (std::int32_t k = n; k > 1; k /= 2) depth += 2;
  return depth;
}

}  // namespace argsort_detail

/// order[0..n): the sorting permutation of x[0..n), finite keys.
QUARRY_HD inline void numpy_argsort(const double* x, std::int32_t n, std::int32_t* order) {
  struct Part {
    std::int32_t left, right, depth;
  };
  for (std::int32_t i = 0; i < n; ++i) order[i] = i;
  Part stack[64];  // the larger part waits, so at most log2(n) parts wait
  std::int32_t waiting = 0;
  stack[waiting++] = {0, n - 1, argsort_detail::most_partitions(n)};
  while (waiting > 0) {
    Part part = stack[--waiting];
    const std::int32_t whole = part.right - part.left + 1;
    if (part.depth < 0) {
      argsort_detail::heap_sort(x, order + part.left, whole);
      continue;
    }
    while (part.right - part.left > argsort_detail::kSmallSort) {
      const std::int32_t pivot = argsort_detail::partition(x, order, part.left, part.right);
      --part.depth;
      Part larger = part;
      if (pivot - part.left < part.right - pivot) {
        larger.left = pivot + 1;
        part.right = pivot - 1;
      } else {
        larger.right = pivot - 1;
        part.left = pivot + 1;
      }
      stack[waiting++] = larger;
    }
    argsort_detail::insertion_sort(x, order + part.left, part.right - part.left + 1);
  }
}

}  // namespace quarry
