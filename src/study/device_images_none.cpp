// SPDX-License-Identifier: MIT
// A build without CUDA trains no residual network on a GPU.
#include "quarry/core/gpu.h"
#include "quarry/study/image_executor.h"

namespace quarry {

std::unique_ptr<ImageExecutor> make_device_image_executor(Context&, const DeviceImageOptions& options) {
  const gpu::Session session(options.ordinal);  // says why there is none
  fail("a build without CUDA has a GPU");
}

}  // namespace quarry
