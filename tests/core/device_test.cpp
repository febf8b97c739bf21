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

std::pair<ErrorKind, std::string> error_of(const std::string& device) {
  try {
    parse_device(device);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

TEST(Device, CpuAndAuto) {
  EXPECT_EQ(parse_device("cpu"), Device{});
  EXPECT_EQ(parse_device("auto"), Device{});
  EXPECT_EQ(to_string(Device{}), "cpu");
  EXPECT_EQ(to_string(Device{DeviceKind::cuda, 3}), "cuda:3");
}

TEST(Device, GpuIsRefusedWithTheReasonAndWhatToDo) {
  ASSERT_FALSE(why_no_cuda().empty());
  for (const char* name : {"cuda", "cuda:0", "cuda:12"}) {
    const auto [kind, message] = error_of(name);
    EXPECT_EQ(kind, ErrorKind::device) << name;
    EXPECT_THAT(message, HasSubstr(why_no_cuda()));
    EXPECT_THAT(message, HasSubstr("--device cpu"));
  }
}

TEST(Device, OtherTextIsAUsageError) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:0 ", "cuda:99999", "CPU", "cuda:\x1b[1m"}) {
    const auto [kind, message] = error_of(name);
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
