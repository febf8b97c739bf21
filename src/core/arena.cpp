// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "quarry/core/buffer.h"

#if defined(__SANITIZE_ADDRESS__)
#define QUARRY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUARRY_ASAN 1
#endif
#endif
#ifdef QUARRY_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace quarry {
namespace {

// Under AddressSanitizer scratch that was not handed out is poisoned, and a gap follows every block that was.
#ifdef QUARRY_ASAN
constexpr std::size_t kGap = kAlignment;
void poison(std::byte* p, std::size_t bytes) {
  __asan_poison_memory_region(p, bytes);
}
void unpoison(std::byte* p, std::size_t bytes) {
  __asan_unpoison_memory_region(p, bytes);
}
#else
constexpr std::size_t kGap = 0;
void poison(std::byte*, std::size_t) {}
void unpoison(std::byte*, std::size_t) {}
#endif

std::size_t round_up(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

struct Block {
  explicit Block(std::size_t bytes)
      : size(bytes), data(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kAlignment}))) {
    poison(data, size);
  }
  Block(Block&& other) noexcept : size(other.size), data(std::exchange(other.data, nullptr)) {}
  Block& operator=(Block&&) = delete;
  ~Block() {
    if (!data) return;
    unpoison(data, size);
    ::operator delete (data, std::align_val_t{kAlignment});
  }

  std::size_t size;
  std::byte* data;
  std::size_t used_before = 0;  // bytes in use in the blocks before this one
};

}  // namespace

struct Arena::Impl {
  std::vector<Block> blocks;
  std::size_t block = 0, offset = 0;
};

Arena::Arena(std::size_t first_block_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->blocks.emplace_back(std::max(round_up(first_block_bytes), kAlignment));
}

Arena::~Arena() = default;

void* Arena::take_bytes(std::size_t bytes) {
  Impl& arena = *impl_;
  const std::size_t needed = std::max(round_up(bytes) + kGap, kAlignment);
  if (arena.blocks[arena.block].size - arena.offset < needed) {
    const std::size_t used = arena.blocks[arena.block].used_before + arena.offset;
    const std::size_t next = arena.block + 1;
    // Blocks behind the current one hold nothing: reuse the next if it is large enough, else replace them
    // all.
    if (next < arena.blocks.size() && arena.blocks[next].size < needed) {
      while (arena.blocks.size() > next) arena.blocks.pop_back();
    }
    if (next == arena.blocks.size()) {
      arena.blocks.emplace_back(std::max(needed, 2 * arena.blocks.back().size));
    }
    arena.blocks[next].used_before = used;
    arena.block = next;
    arena.offset = 0;
  }
  Block& block = arena.blocks[arena.block];
  std::byte* p = block.data + arena.offset;
  arena.offset += needed;
  high_water_ = std::max(high_water_, block.used_before + arena.offset);
  unpoison(p, bytes);
  return p;
}

ArenaScope::ArenaScope(Arena& arena) : arena_(arena), block_(arena.impl_->block), offset_(arena.impl_->offset) {}

ArenaScope::~ArenaScope() {
  Arena::Impl& arena = *arena_.impl_;
  for (std::size_t i = block_; i <= arena.block; ++i) {
    const std::size_t start = i == block_ ? offset_ : 0;
    poison(arena.blocks[i].data + start, arena.blocks[i].size - start);
  }
  arena.block = block_;
  arena.offset = offset_;
}

}  // namespace quarry
