// SPDX-License-Identifier: MIT
// A GPU that is none: implements quarry/core/gpu.h on the host, running kernels thread by thread (tests/simt/emulator).
//
// The queue is as lazy as it may be: work runs in wait() and synchronize(), and one piece at each reached(). So a host
// that reads a result too early, or writes to pinned memory that a copy has yet to read, gets wrong bytes here too.
// Memory is poisoned when it is allocated (0xFF: NaN, -1) and of exact size, so that ASan sees the ends. Copies and
// fills outside an allocation are an error. What is released is free at once to allocations, as in the order of a
// stream, but memory_free() counts it when the queue has got there.
//
// Calls that would be calls of the CUDA runtime are numbered from 1; each can be made to fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "quarry/core/gpu.h"

namespace quarry::gpu {

struct FakeGpu {
  int devices = 1;
  std::string why = "no NVIDIA GPU in this test";  ///< device_count's reason with devices = 0
  DeviceInfo info;                                 ///< of every device; ordinal apart

  std::int64_t calls = 0;       ///< so far
  std::int64_t fail_call = 0;   ///< number of the call that fails; 0: none
  int fail_code = 0;            ///< with this code of the CUDA runtime
  std::int64_t work = 0;        ///< launches, copies and fills that the queue has run so far
  std::int64_t fail_work = 0;   ///< number of the piece of work that fails while it runs: the next call says so
  void (*at_work)() = nullptr;  ///< called instead of failing at fail_work, which then runs as ever
  std::string cudnn_fault;      ///< what loading cuDNN says; empty: it can be loaded
  int sticky = 0;               ///< code that every call returns from now on; 0: none
  std::size_t in_use = 0;       ///< bytes on the device, all sessions
  std::int64_t copies_out = 0, bytes_out = 0;    ///< asked for so far, by all sessions
  std::int64_t waits = 0, synchronizations = 0;  ///< likewise
  std::int64_t leaked = 0;  ///< allocations, pinned ones too, that were still held when their session ended

  /// Back to one healthy device of 1 GiB like an H100 in shape. Sessions must be gone.
  void reset();
};
FakeGpu& fake_gpu();

}  // namespace quarry::gpu
