// SPDX-License-Identifier: MIT
// CUDA's arithmetic and atomic built-ins as far as kernels use them. Floating-point ones round to nearest, as written.
#pragma once

#include <math.h>

#include <bit>
#include <cstdint>
#include <type_traits>

#include "tests/simt/emulator/executor.h"

// ---- bits
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __popcll(unsigned long long x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __clzll(long long x) {
  return std::countl_zero(static_cast<unsigned long long>(x));
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
inline int __ffsll(long long x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1;
}
inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1u) << (31 - i);
  return reversed;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  const std::uint64_t a0 = a & 0xffffffffu, a1 = a >> 32, b0 = b & 0xffffffffu, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xffffffffu)) >> 32);
}

// ---- the same bits as another type
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return std::bit_cast<double>(x);
}

// ---- floating point, rounded to nearest and never contracted
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __fsqrt_rn(float a) {
  return sqrtf(a);
}
inline float __fmaf_rn(float a, float b, float c) {
  return fmaf(a, b, c);
}
inline double __dadd_rn(double a, double b) {
  return a + b;
}
inline double __dsub_rn(double a, double b) {
  return a - b;
}
inline double __dmul_rn(double a, double b) {
  return a * b;
}
inline double __ddiv_rn(double a, double b) {
  return a / b;
}
inline double __dsqrt_rn(double a) {
  return sqrt(a);
}
inline double __fma_rn(double a, double b, double c) {
  return fma(a, b, c);
}

// ---- min and max; of floating-point numbers the one that is not NaN
template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) std::common_type_t<A, B> min(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(fmin(a, b));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b);
}
template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) std::common_type_t<A, B> max(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(fmax(a, b));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}

// ---- loads that go past a cache, and fences
template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcg(const T* address) {
  return *address;
}
inline void __threadfence() {
  simt::fence();
}
inline void __threadfence_block() {
  simt::fence();
}

// ---- atomics: of integers alone, and without any order for other memory
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
T atomicSub(T* address, std::type_identity_t<T> value) {
  using U = std::make_unsigned_t<T>;
  return simt::atomic_update(address,
                             [=](T old) { return static_cast<T>(static_cast<U>(old) - static_cast<U>(value)); });
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
T atomicExch(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T) { return value; });
}
template <simt::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return old == expected ? value : old; });
}
template <simt::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return static_cast<T>(old & value); });
}
template <simt::AtomicInteger T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return static_cast<T>(old | value); });
}
template <simt::AtomicInteger T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  return simt::atomic_update(address, [=](T old) { return static_cast<T>(old ^ value); });
}
inline unsigned atomicInc(unsigned* address, unsigned most) {
  return simt::atomic_update(address, [=](unsigned old) { return old >= most ? 0u : old + 1; });
}
