// SPDX-License-Identifier: MIT
// Warp intrinsics with lanes that do not come, or are not theirs to read.
#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

__global__ void shuffle_in_a_branch(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  float v = x[i];
  if (i % 32 < 20) v = __shfl_sync(0xffffffffu, v, i % 32);
  y[i] = 2 * v;
}
__global__ void shuffle_from_outside(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (i % 32 < 20 && __shfl_xor_sync(0x000fffffu, x[i], 16) == 12345.0f) y[i] = 0;
}
__global__ void not_in_own_mask(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * __shfl_sync(0x0000ffffu, x[i], i % 16);
}
__global__ void lane_has_exited(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (i % 32 == 31) return;
  if (__any_sync(0xffffffffu, x[i] == 12345.0f)) y[i] = 0;
}
__global__ void full_mask_of_a_part_kernel(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  if (__ballot_sync(0xffffffffu, x[i] == 12345.0f) != 0) y[i] = 0;
}
bool full_mask_of_a_part() {
  return is_doubled(outputs_of(&full_mask_of_a_part_kernel, {{{1}, {kN - 16}}}));
}
__global__ void masks_differ(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  const unsigned mask = i % 32 < 16 ? 0xffffffffu : 0xffff0000u;
  y[i] = 2 * x[i];
  if (__ballot_sync(mask, x[i] == 12345.0f) != 0) y[i] = 0;
}
__global__ void intrinsics_differ(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * x[i];
  const int vote = i % 2 == 0 ? __any_sync(0xffffffffu, 0) : static_cast<int>(__match_any_sync(0xffffffffu, 1));
  if (vote == 12345) y[i] = 0;
}
__global__ void call_in_each_arm(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  if (i % 32 < 16) {
    y[i] = 2 * __shfl_sync(0xffffffffu, x[i], i % 32);
  } else {
    y[i] = x[i] + __shfl_sync(0xffffffffu, x[i], i % 32);
  }
}
__global__ void odd_width(const float* x, float* y, int) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = 2 * __shfl_sync(0xffffffffu, x[i], i % 32, 24);
}

}  // namespace

const std::vector<Fault>& warp_faults() {
  static const std::vector<Fault> faults = {
      {"shuffle that some lanes miss", &doubles<shuffle_in_a_branch>, "eeee"},
      {"shuffle from a lane outside the mask", &doubles<shuffle_from_outside>, "eeee"},
      {"lane not in its own mask", &doubles<not_in_own_mask>, "eeee"},
      {"mask names a lane that has exited", &doubles<lane_has_exited>, "eeee"},
      {"full mask in a warp of 16 lanes", &full_mask_of_a_part, "eeee"},
      {"masks of one call differ", &doubles<masks_differ>, "eeee"},
      {"different intrinsics at one time", &doubles<intrinsics_differ>, "eeee"},
      {"the same intrinsic in each arm of a branch", &doubles<call_in_each_arm>, "eeee"},
      {"shuffle width 24", &doubles<odd_width>, "eeee"},
  };
  return faults;
}

}  // namespace planted
