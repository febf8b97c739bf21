// SPDX-License-Identifier: MIT
#include "tests/support/corpus.h"

#include <gtest/gtest.h>

#include <exception>
#include <filesystem>

#include "tests/support/temp_dir.h"

namespace quarry::test {

void replay_corpus(const std::string& name, const std::function<void(std::string_view)>& body) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(QUARRY_SOURCE_DIR "/tests/fuzz/corpus/" + name)) {
    try {
      body(slurp(entry.path().string()));
    } catch (const std::exception& error) {
      ADD_FAILURE() << entry.path() << ": " << error.what();
    }
    ++files;
  }
  EXPECT_GT(files, 0) << "the corpus is empty";
}

}  // namespace quarry::test
