// SPDX-License-Identifier: MIT
// A fiber: a stack and the place where its function stopped. Fibers of one OS thread hand the processor to each other.
#pragma once

#include <cstddef>

namespace simt {

class Fiber {
 public:
  /// The OS thread's own stack.
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Makes the next switch to this fiber call `entry`, which never returns. It may be started again when `entry` has
  /// left it for good. `colour` staggers the tops of the stacks: with equal low address bits they would fight for the
  /// same cache sets.
  void start(void (*entry)(), unsigned colour);
  /// First statement of `entry`.
  static void entered(Fiber& main);
  /// For a fiber that was left in the middle and never goes on: what it did happens before `place`.
  void abandon(void* place, Fiber& main);

  /// Stops here, goes on in `to`; returns when somebody switches back. `for_good`: nobody will.
  void switch_to(Fiber& to, bool for_good = false);
  /// False after an overrun of the stack.
  bool stack_intact() const;

  static constexpr std::size_t kStackBytes = 256 * 1024;
  struct Place {
    char* stack = nullptr;  ///< lowest address
    void* tsan = nullptr;   ///< ThreadSanitizer's fiber
  };

 private:
  void* stack_pointer_ = nullptr;
  Place place_;
  [[maybe_unused]] const void* bottom_ = nullptr;
  [[maybe_unused]] std::size_t size_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;  ///< of ASan
};

}  // namespace simt
