// SPDX-License-Identifier: MIT
// The seed corpus of the config's fuzz target, replayed under whatever sanitizer the tests are built with.
#include <gtest/gtest.h>

#include <filesystem>

#include "quarry/core/file_system.h"
#include "tests/fuzz/config_body.h"

namespace quarry {
namespace {

TEST(ConfigCorpus, Replay) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(QUARRY_SOURCE_DIR "/tests/fuzz/corpus/config")) {
    SCOPED_TRACE(entry.path().string());
    const std::string input = read_file(entry.path().string());
    EXPECT_NO_THROW(fuzz_config(input));
    // Cut anywhere, it is still only text.
    for (std::size_t length = 0; length < input.size(); length += 7)
      EXPECT_NO_THROW(fuzz_config(std::string_view(input).substr(0, length)));
    ++files;
  }
  EXPECT_GE(files, 8);
}

}  // namespace
}  // namespace quarry
