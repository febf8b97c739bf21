// SPDX-License-Identifier: MIT
// What the emulator tells the sanitizers: which memory holds nothing yet, which stack is in use, and which CUDA thread
// runs. Every function is empty in a build without the sanitizer in question.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(QUARRY_UNDER_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(QUARRY_UNDER_MSAN)
#include <sanitizer/msan_interface.h>
#endif
#if defined(QUARRY_UNDER_TSAN)
extern "C" {
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void* __tsan_get_current_fiber();
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace simt {

#if defined(QUARRY_UNDER_TSAN)
inline constexpr bool kRaceDetector = true;
inline void happens_after(void* place) {
  __tsan_acquire(place);
}
inline void happens_before(void* place) {
  __tsan_release(place);
}
#else
inline constexpr bool kRaceDetector = false;
inline void happens_after(void*) {}
inline void happens_before(void*) {}
#endif

/// What the emulator allocates and writes in this scope is no access of the CUDA thread that happens to run.
class Unseen {
 public:
#if defined(QUARRY_UNDER_TSAN)
  Unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Unseen() {}
#endif
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

/// Memory that was handed out and not written: NaN as a floating-point number, -1 as an integer.
inline void poison(void* memory, std::size_t bytes) {
  std::memset(memory, 0xFF, bytes);
#if defined(QUARRY_UNDER_MSAN)
  __msan_poison(memory, bytes);
#endif
}

}  // namespace simt
