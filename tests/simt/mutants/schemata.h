// SPDX-License-Identifier: MIT
// What planted sources call (mutant.h). One mutant at a time is switched on, before any kernel runs.
#pragma once

#include <cstring>
#include <type_traits>

namespace quarry::mutants {

/// 0: the program is as it was written.
extern int active;
/// If not null, entry n is set when the place of mutant n is reached.
extern unsigned char* reached;

void note_reached(int number);

}  // namespace quarry::mutants

/// constexpr, so that functions that are constants elsewhere can be planted too; they never mutate there.
constexpr bool quarry_mutant(int number) {
  if (std::is_constant_evaluated()) return false;
  if (quarry::mutants::reached != nullptr) quarry::mutants::note_reached(number);
  return quarry::mutants::active == number;
}

/// What an array that was never cleared holds.
template <class T>
void quarry_soil(T& array) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memset(&array, 0x5a, sizeof array);
}

// Atomics without their atomicity.
template <class T, class V>
T quarry_plain_atomicAdd(T* p, V value) {
  const T old = *p;
  *p = static_cast<T>(old + static_cast<T>(value));
  return old;
}
template <class T, class V>
T quarry_plain_atomicMax(T* p, V value) {
  const T old = *p;
  if (old < static_cast<T>(value)) *p = static_cast<T>(value);
  return old;
}
template <class T, class V>
T quarry_plain_atomicMin(T* p, V value) {
  const T old = *p;
  if (static_cast<T>(value) < old) *p = static_cast<T>(value);
  return old;
}
template <class T, class V>
T quarry_plain_atomicOr(T* p, V value) {
  const T old = *p;
  *p = old | static_cast<T>(value);
  return old;
}
template <class T, class V>
T quarry_plain_atomicAnd(T* p, V value) {
  const T old = *p;
  *p = old & static_cast<T>(value);
  return old;
}
template <class T, class V>
T quarry_plain_atomicExch(T* p, V value) {
  const T old = *p;
  *p = static_cast<T>(value);
  return old;
}
template <class T, class V>
T quarry_plain_atomicCAS(T* p, V expected, V value) {
  const T old = *p;
  if (old == expected) *p = value;
  return old;
}
