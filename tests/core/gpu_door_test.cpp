// SPDX-License-Identifier: MIT
// The door to the GPU as far as a machine without one goes: refusals and the words for every failure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/gpu.h"
#include "src/core/device_failure.h"
#include "src/core/gpu_recent.h"

namespace quarry::gpu {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(GpuDoor, ADeviceThatIsNotThereIsRefusedWithTheReason) {
  std::string why = "unchanged";
  const int count = device_count(&why);
  EXPECT_EQ(count == 0, !why.empty()) << why;
  try {
    Session session(count);
    FAIL() << "a session on device " << count << " of " << count;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    EXPECT_THAT(error.what(), HasSubstr(count == 0 ? why : "there is no GPU " + std::to_string(count)));
  }
  if (count == 0) {
    EXPECT_THAT(why, HasSubstr("--device cpu"));
  }
  EXPECT_THROW(device_info(count), Error);
}

TEST(GpuDoor, FailuresThatPoisonTheProcessAreKnown) {
  for (const int code : {46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721})
    EXPECT_TRUE(is_sticky(code)) << code;
  for (const int code : {0, 1, kOutOfMemory, 35, 98, 100, 101, 209, 600, 701, 720, 802, 803, 900})
    EXPECT_FALSE(is_sticky(code)) << code;
}

TEST(GpuDoor, LossesOfTheDeviceAreToldFromFailuresOfAKernel) {
  for (const int code : {46, 214, 220, 226, 702, 709}) EXPECT_TRUE(is_device_loss(code)) << code;
  for (const int code : {0, kOutOfMemory, 35, 700, 710, 716, 719}) EXPECT_FALSE(is_device_loss(code)) << code;
}

TEST(GpuDoor, AFailureSaysCallCodeTextAndWhatToDo) {
  const Failure address = failure_of({700, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
                                     "cudaEventQuery", "mlp_fit, top_k");
  EXPECT_EQ(address.kind(), ErrorKind::device);
  EXPECT_EQ(address.code(), 700);
  EXPECT_TRUE(address.sticky());
  for (const char* part : {"cudaEventQuery", "cudaErrorIllegalAddress", "700", "an illegal memory access",
                           "compute-sanitizer", "mlp_fit, top_k"})
    EXPECT_THAT(address.what(), HasSubstr(part));

  const Failure memory =
      failure_of({kOutOfMemory, "cudaErrorMemoryAllocation", "out of memory"}, "cudaMalloc", "top_k");
  EXPECT_FALSE(memory.sticky());
  EXPECT_THAT(memory.what(), HasSubstr("--fleet"));
  EXPECT_THAT(memory.what(), Not(HasSubstr("top_k")));  // no kernel is to blame

  EXPECT_THAT(failure_of({12345, "?", "?"}, "cudaMalloc").what(), HasSubstr("quarry doctor"));
}

TEST(GpuDoor, NoDeviceIsExplained) {
  const RuntimeError old{35, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient"};
  EXPECT_THAT(why_no_device(old, 0, 13000), HasSubstr("no NVIDIA driver is installed"));
  EXPECT_THAT(why_no_device(old, 12040, 13000), HasSubstr("supports CUDA 12.4, this build needs 13.0"));
  EXPECT_THAT(why_no_device({100, "cudaErrorNoDevice", "no device"}, 13000, 13000), HasSubstr("CUDA_VISIBLE_DEVICES"));
  const std::string starting = why_no_device({802, "cudaErrorSystemNotReady", "system not yet initialized"}, 1, 1);
  EXPECT_THAT(starting, HasSubstr("802"));
  EXPECT_THAT(starting, HasSubstr("nvidia-fabricmanager"));
}

TEST(GpuDoor, TheLastLaunchesAreRemembered) {
  RecentLaunches launches;
  EXPECT_EQ(launches.text(), "");
  launches.add("a");
  launches.add("b");
  EXPECT_EQ(launches.text(), "a, b");
  for (const char* name : {"c", "d", "e", "f", "g", "h"}) launches.add(name);
  EXPECT_EQ(launches.text(), "c, d, e, f, g, h");
}

}  // namespace
}  // namespace quarry::gpu
