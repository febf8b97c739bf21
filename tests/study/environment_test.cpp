// SPDX-License-Identifier: MIT
#include "quarry/study/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace quarry {
namespace {

TEST(Environment, BuildInfoIsFilledIn) {
  const BuildInfo& info = build_info();
  EXPECT_THAT(info.version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(info.compiler, testing::MatchesRegex("(GNU|Clang) [0-9.]+"));
  EXPECT_THAT(info.flags, testing::HasSubstr("-ffp-contract=off"));
  EXPECT_FALSE(info.build_type.empty());
  EXPECT_THAT(info.cuda, testing::MatchesRegex("O(N|FF) \\(.+\\)"));
  EXPECT_TRUE(info.commit == "unknown" || info.commit.find_first_not_of("0123456789abcdef") >= 12u) << info.commit;
  ASSERT_EQ(info.libraries.size(), 5u);
  for (const LibraryVersion& library : info.libraries) {
    EXPECT_THAT(library.version, testing::MatchesRegex("[0-9]+\\.[0-9.]+")) << library.name;
  }
}

TEST(Environment, MachineInfoIsPlausible) {
  const MachineInfo info = machine_info();
  EXPECT_FALSE(info.cpu.empty());
  EXPECT_THAT(info.system, testing::StartsWith("Linux "));
  EXPECT_GE(info.cores, 1);
  EXPECT_LE(static_cast<unsigned>(info.cores), std::max(1u, std::thread::hardware_concurrency()));
  EXPECT_GT(info.memory_bytes, std::uint64_t{64} << 20);
}

TEST(Environment, RecordHoldsTheseKeysAndNoMore) {
  const Json record = Json::parse(environment_record(Device{}, 3).dump(), "record");
  std::vector<std::string> keys;
  for (const auto& [key, value] : record.members()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("quarry", "commit", "compiler", "flags", "build_type", "cuda", "libraries",
                                         "system", "cpu", "cores", "memory_bytes", "simd", "device", "workers"));
  EXPECT_EQ(record.at("device").string(), "cpu");
  EXPECT_EQ(record.at("workers").integer(), 3);
  EXPECT_EQ(record.at("simd").string(), to_string(simd_level()));
  EXPECT_EQ(record.at("libraries").members().size(), build_info().libraries.size());
}

TEST(Environment, AGpuIsNamedWithItsDriver) {
  gpu::DeviceInfo info;
  info.name = "NVIDIA X1";
  info.major = 9;
  info.memory = std::size_t{3} << 30;
  info.multiprocessors = 132;
  info.driver = 13020;
  info.runtime = 12080;
  EXPECT_EQ(gpu_text(info),
            "NVIDIA X1, compute capability 9.0, 3.0 GiB, 132 multiprocessors, driver for CUDA 13.2, runtime 12.8");
  Json record = Json::object();
  add_gpu(record, info);
  EXPECT_EQ(record.dump(), R"({"gpu":"NVIDIA X1","compute_capability":"9.0","gpu_memory_bytes":3221225472,)"
                           R"("multiprocessors":132,"cuda_driver":"13.2","cuda_runtime":"12.8"})");
}

}  // namespace
}  // namespace quarry
