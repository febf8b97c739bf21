// SPDX-License-Identifier: MIT
#include "tests/simt/emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "tests/simt/emulator/sanitizer.h"

extern "C" void quarry_simt_switch(void** save, void* load);

// Pushes the registers that a call preserves, stores the stack pointer, takes the other one and pops.
#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.type quarry_simt_switch, @function
quarry_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size quarry_simt_switch, . - quarry_simt_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.type quarry_simt_switch, @function
quarry_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size quarry_simt_switch, . - quarry_simt_switch
)");
#else
#error "the SIMT harness needs a context switch for this processor: see quarry_simt_switch"
#endif

namespace simt {
namespace {
constexpr std::uint64_t kCanary = 0x5ca1ab1e0ddba11;
constexpr std::size_t kColours = 64, kColourBytes = 192;

/// Of an OS thread; to make one costs more than a small launch.
struct Places {
  std::vector<Fiber::Place> unused;
  std::vector<Fiber::Place> used;  ///< by blocks of the launch that runs: for ThreadSanitizer, not for its later ones
  ~Places() {
    for (const Fiber::Place& place : unused) munmap(place.stack, Fiber::kStackBytes);
  }
};
constexpr std::size_t kMostUsed = 2048;
Places& places() {
  thread_local Places of_this_thread;
  return of_this_thread;
}

Fiber::Place take_place() {
  std::vector<Fiber::Place>& unused = places().unused;
  Fiber::Place place;
  if (!unused.empty()) {
    place = unused.back();
    unused.pop_back();
  } else {
    void* memory =
        mmap(nullptr, Fiber::kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    place.stack = static_cast<char*>(memory);
  }
#if defined(QUARRY_UNDER_TSAN)
  if (place.tsan == nullptr) place.tsan = __tsan_create_fiber(0);
#endif
  return place;
}

void give_back(const Fiber::Place& place) {
  std::vector<Fiber::Place>& used = places().used;
  if (used.size() < kMostUsed) return used.push_back(place);
  munmap(place.stack, Fiber::kStackBytes);
#if defined(QUARRY_UNDER_TSAN)
  __tsan_destroy_fiber(place.tsan);
#endif
}

/// A launch has ended, and what comes now comes after all of it.
void end_launch() {
  std::vector<Fiber::Place>&unused = places().unused, &used = places().used;
  unused.insert(unused.end(), used.begin(), used.end());
  used.clear();
}
}  // namespace

Fiber::~Fiber() {
  if (place_.stack == nullptr) return;
#if defined(QUARRY_UNDER_ASAN)
  __asan_unpoison_memory_region(place_.stack, kStackBytes);
#endif
  end_launch();
  places().unused.push_back(place_);
}

void Fiber::start(void (*entry)(), unsigned colour) {
  if (kRaceDetector && place_.stack != nullptr) give_back(std::exchange(place_, {}));
  if (place_.stack == nullptr) place_ = take_place();
#if defined(QUARRY_UNDER_ASAN)
  __asan_unpoison_memory_region(place_.stack, kStackBytes);  // frames of a thread that was abandoned after an error
#endif
  *reinterpret_cast<std::uint64_t*>(place_.stack) = kCanary;
  bottom_ = place_.stack;
  size_ = kStackBytes;
  fake_stack_ = nullptr;
  auto top = reinterpret_cast<std::uintptr_t>(place_.stack + kStackBytes - colour % kColours * kColourBytes);
  top &= ~std::uintptr_t{63};
  auto** frame = reinterpret_cast<void**>(top);
#if defined(__x86_64__)
  *--frame = nullptr;  // the return address of `entry`: ends stack traces, and aligns the stack as after a call
  *--frame = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--frame = nullptr;
#else
  frame -= 20;
  for (int i = 0; i < 20; ++i) frame[i] = nullptr;
  frame[11] = reinterpret_cast<void*>(entry);  // x30
#endif
  stack_pointer_ = frame;
}

void Fiber::entered([[maybe_unused]] Fiber& main) {
#if defined(QUARRY_UNDER_ASAN)
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (main.bottom_ == nullptr) {  // the first fiber of an OS thread is entered from its own stack
    main.bottom_ = bottom;
    main.size_ = size;
  }
#endif
}

void Fiber::abandon([[maybe_unused]] void* place, [[maybe_unused]] Fiber& main) {
#if defined(QUARRY_UNDER_TSAN)
  __tsan_switch_to_fiber(place_.tsan, 1);
  __tsan_release(place);
  __tsan_switch_to_fiber(main.place_.tsan, 1);
  place_.tsan = nullptr;  // lost for ever: its functions have not returned
#endif
}

void Fiber::switch_to(Fiber& to, [[maybe_unused]] bool for_good) {
#if defined(QUARRY_UNDER_ASAN)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_, to.bottom_, to.size_);
#endif
#if defined(QUARRY_UNDER_TSAN)
  if (place_.tsan == nullptr) place_.tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.place_.tsan, 1);  // 1: no synchronisation between the two
#endif
  quarry_simt_switch(&stack_pointer_, to.stack_pointer_);
#if defined(QUARRY_UNDER_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
}

bool Fiber::stack_intact() const {
  return place_.stack == nullptr || *reinterpret_cast<std::uint64_t*>(place_.stack) == kCanary;
}

}  // namespace simt
