// SPDX-License-Identifier: MIT
#include "kernels/simt.h"
#include "tests/gpu/planted_fault.h"

namespace quarry::testing {
namespace {

__global__ void write_beyond(float* values, int n) {
  values[n + static_cast<int>(threadIdx.x)] = 1;
}

}  // namespace

void write_out_of_bounds(gpu::Session& session) {
  const gpu::Buffer<float> values(session, 32);
  gpu::LaunchShape shape;
  gpu::launch(session, "write_beyond", shape, write_beyond, values.data(), 32);
  session.synchronize();
}

}  // namespace quarry::testing
