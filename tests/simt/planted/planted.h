// SPDX-License-Identifier: MIT
// Faults planted in small kernels, to test what finds faults: each names the detectors that must find it.
#pragma once

#include <numeric>
#include <vector>

#include "kernels/simt.h"
#include "tests/simt/fake_gpu.h"

namespace planted {

struct Fault {
  const char* name;
  bool (*holds)();  ///< runs the faulty program once; whether its result is right
  /// What must find it in the builds plain, ASan+UBSan, TSan and MSan, a letter each: s = the sanitizer, e = an error
  /// of the emulator, w = a wrong result, - = not expected. "ok" marks a correct control.
  const char* found_by;
};

// One list per kind.
const std::vector<Fault>& memory_faults();
const std::vector<Fault>& order_faults();
const std::vector<Fault>& warp_faults();
const std::vector<Fault>& cluster_faults();
const std::vector<Fault>& host_faults();
const std::vector<Fault>& controls();

using Kernel = void (*)(const float* x, float* y, int n);
inline constexpr int kN = 64;

struct Setup {
  quarry::gpu::LaunchShape shape{{1}, {kN}};
  int outputs = kN;
  bool zeroed = true;  ///< outputs are zeros before the launch, else poison
};

inline std::vector<float> inputs() {
  std::vector<float> x(kN);
  std::iota(x.begin(), x.end(), 1.0f);
  return x;
}

/// What a kernel leaves in y for x = 1, 2, ..., 64.
inline std::vector<float> outputs_of(Kernel kernel, const Setup& setup = {}) {
  quarry::gpu::Session session(0);
  const std::vector<float> x = inputs();
  const auto in = quarry::gpu::upload<float>(session, x);
  const quarry::gpu::Buffer<float> out(session, static_cast<std::size_t>(setup.outputs));
  if (setup.zeroed) session.fill(out.data(), 0, out.size() * sizeof(float));
  quarry::gpu::launch(session, "planted", setup.shape, kernel, in.data(), out.data(), kN);
  std::vector<float> y(out.size());
  quarry::gpu::download<float>(session, out.data(), y);
  return y;
}

/// Whether y is 2 x in its first 64 places: what every kernel here computes if it is right.
inline bool is_doubled(const std::vector<float>& y) {
  for (int i = 0; i < kN; ++i)
    if (!(y[static_cast<std::size_t>(i)] == 2.0f * static_cast<float>(i + 1))) return false;
  return true;
}
template <Kernel kernel>
bool doubles() {
  return is_doubled(outputs_of(kernel));
}

}  // namespace planted
