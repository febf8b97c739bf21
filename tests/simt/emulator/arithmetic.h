// SPDX-License-Identifier: MIT
// CUDA's arithmetic and atomic built-ins, as far as kernels use them.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "tests/simt/emulator/executor.h"

inline int __popc(unsigned x) {
  return std::popcount(x);
}

inline void __threadfence() {
  simt::fence();
}

// Atomics: of integers alone, and without any order for other memory
namespace simt {
template <class T>
concept AtomicInteger = std::is_integral_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

/// Replaces *address by change(*address); returns what was there.
template <AtomicInteger T, class F>
T atomic_update(T* address, F change) {
  maybe_yield();
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &old, change(old), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
}  // namespace simt

template <simt::AtomicInteger T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  using U = std::make_unsigned_t<T>;
  return simt::atomic_update(address,
                             [=](T old) { return static_cast<T>(static_cast<U>(old) + static_cast<U>(value)); });
}
template <simt::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old < value ? value : old; });
}
template <simt::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return value < old ? value : old; });
}
template <simt::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return static_cast<T>(old & value); });
}
