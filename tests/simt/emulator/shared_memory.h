// SPDX-License-Identifier: MIT
// The shared memory of one block: each array alone in memory of its exact size, between guards, poisoned.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/simt/emulator/executor.h"

namespace simt {

class SharedMemory {
 public:
  SharedMemory() = default;
  ~SharedMemory() { drop(); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* find_or_make(const void* key, const char* name, std::size_t bytes, std::size_t alignment);
  /// Where these arrays have what is at `place` in another block's; null if there is no such place.
  void* counterpart(const SharedMemory& other, const void* place) const;
  /// The name of an array whose guard was overwritten, or null.
  const char* overrun() const;
  /// The next block starts without arrays. Under ThreadSanitizer they are kept to the end of the launch: to reuse them
  /// would order the blocks.
  void start_block();
  void drop();

  std::size_t static_bytes() const { return static_bytes_; }

 private:
  struct Array {
    const void* key;
    const char* name;
    unsigned char* memory;  ///< with guards
    unsigned char* data;
    std::size_t bytes;
  };
  static void release(const Array& array);

  std::vector<Array> arrays_, former_;
  std::size_t static_bytes_ = 0;
};

}  // namespace simt
