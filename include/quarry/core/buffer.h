// SPDX-License-Identifier: MIT
// Owners of memory: Buffer (one array) and Arena (scratch, handed out and taken back by scope).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "quarry/core/error.h"

namespace quarry {

/// Alignment of every buffer and arena block: a cache line, one AVX-512 vector.
inline constexpr std::size_t kAlignment = 64;

/// Move-only owner of n trivially copyable elements, zero-initialised, aligned to kAlignment.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t n) : data_(allocate(n)), size_(n) {}
  Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{kAlignment}); }
  };
  static std::unique_ptr<T[], Free> allocate(std::size_t n) {
    QUARRY_CHECK(n <= SIZE_MAX / 2 / sizeof(T), "a buffer of {} elements cannot be addressed", n);
    auto* p = static_cast<T*>(::operator new[](n * sizeof(T), std::align_val_t{kAlignment}));
    for (std::size_t i = 0; i < n; ++i) p[i] = T{};
    return std::unique_ptr<T[], Free>(p);
  }
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

/// Bump allocator for scratch: grows by blocks, never moves what it handed out, remembers its high-water mark.
/// Not thread safe: one arena per worker.
class Arena {
 public:
  explicit Arena(std::size_t first_block_bytes = std::size_t{1} << 20);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// n uninitialised elements, aligned to kAlignment, valid until the enclosing ArenaScope ends.
  template <class T>
  std::span<T> take(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    QUARRY_CHECK(n <= SIZE_MAX / 2 / sizeof(T), "scratch of {} elements cannot be addressed", n);
    return {static_cast<T*>(take_bytes(n * sizeof(T))), n};
  }
  std::size_t high_water_bytes() const { return high_water_; }

 private:
  friend class ArenaScope;
  struct Impl;
  void* take_bytes(std::size_t bytes);
  std::unique_ptr<Impl> impl_;
  std::size_t high_water_ = 0;
};

/// Everything taken from the arena during the scope is given back at its end.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena);
  ~ArenaScope();
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  std::size_t block_, offset_;
};

}  // namespace quarry
