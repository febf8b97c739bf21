// SPDX-License-Identifier: MIT
// A build without CUDA runs no study on a GPU.
#include "quarry/study/device_study.h"

namespace quarry {

void run_on_device(std::size_t, const DeviceStudyOptions& options, const DeviceStudyHooks&) {
  const gpu::Session session(options.ordinal);  // says why there is none
}

}  // namespace quarry
