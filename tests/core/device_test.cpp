// SPDX-License-Identifier: MIT
#include "quarry/core/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "quarry/core/error.h"

namespace quarry {
namespace {

using testing::HasSubstr;

class SimdVariable : public testing::Test {
 protected:
  void SetUp() override {
    const char* value = std::getenv("QUARRY_SIMD");
    if (value) before_ = value;
  }
  void TearDown() override { before_.empty() ? unsetenv("QUARRY_SIMD") : set(before_.c_str()); }
  static int set(const char* value) { return setenv("QUARRY_SIMD", value, 1); }

 private:
  std::string before_;
};

UsableGpus none() {
  return {0, "the driver is asleep; wake it, or use --device cpu"};
}
UsableGpus two() {
  return {2, ""};
}
UsableGpus never() {
  ADD_FAILURE() << "looked for GPUs without need";
  return {};
}

std::pair<ErrorKind, std::string> error_of(const std::string& device, const std::function<UsableGpus()>& look) {
  try {
    parse_device(device, look);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

TEST(Device, TheCpuIsChosenWithoutLookingForGpus) {
  EXPECT_EQ(parse_device("cpu", never), Device{});
  EXPECT_EQ(to_string(Device{}), "cpu");
}

TEST(Device, AutoIsTheFirstGpuElseTheCpu) {
  EXPECT_EQ(parse_device("auto", none), Device{});
  EXPECT_EQ(parse_device("auto", two), (Device{DeviceKind::cuda, 0}));
}

TEST(Device, GpusAreChosenByNumber) {
  EXPECT_EQ(parse_device("cuda", two), (Device{DeviceKind::cuda, 0}));
  EXPECT_EQ(parse_device("cuda:0", two), (Device{DeviceKind::cuda, 0}));
  EXPECT_EQ(parse_device("cuda:1", two), (Device{DeviceKind::cuda, 1}));
  EXPECT_EQ(to_string(Device{DeviceKind::cuda, 3}), "cuda:3");
  const auto [kind, message] = error_of("cuda:2", two);
  EXPECT_EQ(kind, ErrorKind::device);
  EXPECT_THAT(message, HasSubstr("the last one is cuda:1"));
}

TEST(Device, GpuIsRefusedWithTheReasonAndWhatToDo) {
  for (const char* name : {"cuda", "cuda:0", "cuda:12"}) {
    const auto [kind, message] = error_of(name, none);
    EXPECT_EQ(kind, ErrorKind::device) << name;
    EXPECT_THAT(message, HasSubstr(none().why));
  }
}

TEST(Device, WhatThisMachineSaysAgrees) {
  const UsableGpus gpus = usable_gpus();
  EXPECT_EQ(gpus.why, why_no_cuda());
  EXPECT_EQ(gpus.count == 0, !gpus.why.empty());
  EXPECT_EQ(parse_device("auto").kind, gpus.count > 0 ? DeviceKind::cuda : DeviceKind::cpu);
}

TEST(Device, OtherTextIsAUsageError) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:0 ", "cuda:99999", "CPU", "cuda:\x1b[1m"}) {
    const auto [kind, message] = error_of(name, never);
    EXPECT_EQ(kind, ErrorKind::usage) << name;
    EXPECT_THAT(message, HasSubstr("cuda:0"));
    EXPECT_THAT(message, testing::Not(HasSubstr("\x1b")));
  }
}

TEST_F(SimdVariable, ForcesANarrowerLevel) {
  unsetenv("QUARRY_SIMD");
  const SimdLevel widest = simd_level();
  set("");
  EXPECT_EQ(simd_level(), widest);
  for (const SimdLevel level : {SimdLevel::portable, SimdLevel::avx2, SimdLevel::avx512}) {
    set(std::string(to_string(level)).c_str());
    if (level <= widest) {
      EXPECT_EQ(simd_level(), level);
    } else {
      EXPECT_THROW(simd_level(), Error);
    }
  }
}

TEST_F(SimdVariable, UnknownNameIsRefused) {
  set("sse9");
  try {
    simd_level();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_THAT(error.what(), HasSubstr("portable, avx2 or avx512"));
  }
}

}  // namespace
}  // namespace quarry
