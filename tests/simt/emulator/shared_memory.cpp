// SPDX-License-Identifier: MIT
#include "tests/simt/emulator/shared_memory.h"

#include <cstdlib>
#include <new>

#include "tests/simt/emulator/sanitizer.h"

namespace simt {
namespace {

// ASan guards the ends of what posix_memalign returns byte by byte, so nothing may be added to it.
#if defined(QUARRY_UNDER_ASAN)
constexpr std::size_t kGuard = 0;
#else
constexpr std::size_t kGuard = 128;
#endif
constexpr unsigned char kGuardByte = 0xA5;

}  // namespace

void* SharedMemory::find_or_make(const void* key, const char* name, std::size_t bytes, std::size_t alignment) {
  for (const Array& array : arrays_)
    if (array.key == key) return array.data;
  const Unseen unseen;
  void* memory = nullptr;
  const std::size_t least = alignment < sizeof(void*) ? sizeof(void*) : alignment;
  if (posix_memalign(&memory, least < kGuard ? kGuard : least, bytes + 2 * kGuard) != 0) throw std::bad_alloc();
  auto* start = static_cast<unsigned char*>(memory);
  for (std::size_t i = 0; i < kGuard; ++i) start[i] = start[kGuard + bytes + i] = kGuardByte;
  poison(start + kGuard, bytes);
#if defined(QUARRY_UNDER_MSAN)
  __msan_poison(start, bytes + 2 * kGuard);
#endif
  arrays_.push_back({key, name, start, start + kGuard, bytes});
  if (key != nullptr) static_bytes_ += (bytes + alignment - 1) / alignment * alignment;
  return start + kGuard;
}

void* SharedMemory::counterpart(const SharedMemory& other, const void* place) const {
  const auto* const byte = static_cast<const unsigned char*>(place);
  for (const Array& theirs : other.arrays_) {
    if (byte < theirs.data || byte >= theirs.data + theirs.bytes) continue;
    for (const Array& mine : arrays_)
      if (mine.key == theirs.key) return mine.data + (byte - theirs.data);
  }
  return nullptr;
}

const char* SharedMemory::overrun() const {
  for (const Array& array : arrays_) {
#if defined(QUARRY_UNDER_MSAN)
    __msan_unpoison(array.memory, kGuard);
    __msan_unpoison(array.data + array.bytes, kGuard);
#endif
    for (std::size_t i = 0; i < kGuard; ++i)
      if (array.memory[i] != kGuardByte || array.data[array.bytes + i] != kGuardByte) return array.name;
  }
  return nullptr;
}

void SharedMemory::release(const Array& array) {
  std::free(array.memory);
}

void SharedMemory::start_block() {
  for (const Array& array : arrays_) {
    if (kRaceDetector) {
      former_.push_back(array);
    } else {
      release(array);
    }
  }
  arrays_.clear();
  static_bytes_ = 0;
}

void SharedMemory::drop() {
  start_block();
  for (const Array& array : former_) release(array);
  former_.clear();
}

}  // namespace simt
