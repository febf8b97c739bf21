// SPDX-License-Identifier: MIT
// The check of every call into the CUDA runtime, for the few files that make such calls.
#pragma once

namespace quarry::gpu {

/// Throws the gpu::Failure of a cudaError_t that is not cudaSuccess (0); `call` says what was asked for. Clears the
/// runtime's last error if it is not sticky. Defined in src/core/gpu_devices.cpp.
void check_runtime(int code, const char* call);

}  // namespace quarry::gpu
