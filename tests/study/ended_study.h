// SPDX-License-Identifier: MIT
// Studies on a simulated disk whose process ends at any of its calls.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "quarry/study/runner.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/tree.h"

namespace quarry::test {

inline RunSummary run(FileSystem& files, const StudyConfig& study, std::int32_t shard = 1, std::int32_t shards = 1) {
  RunOptions options;
  options.out = "/out";
  options.workers = 1;
  options.progress = ProgressMode::quiet;
  options.shard = shard;
  options.shards = shards;
  return run_study(files, study, options);
}

inline std::map<std::string, std::string> contract_files(FaultyFileSystem& files) {
  return contract_files(files.disk().files());
}

inline std::map<std::string, std::string> undisturbed_files(const StudyConfig& study) {
  FaultyFileSystem fresh;
  run(fresh, study);
  return contract_files(fresh);
}

/// Ends the process at call n of the study, for every n; restarts; runs again; compares. `before`: a study that the
/// folder holds already. Returns the number of calls.
inline std::int64_t end_at_every_call(void (*restart)(SimulatedDisk& disk, std::int64_t n), const StudyConfig& study,
                                      const StudyConfig* before = nullptr) {
  const auto expected = undisturbed_files(study);
  for (std::int64_t n = 1;; ++n) {
    FaultyFileSystem files;
    if (before != nullptr) run(files, *before);
    files.disk().end_at(files.disk().calls() + n);
    try {
      run(files, study);
    } catch (const ProcessEnded&) {
    }
    if (!files.disk().faulted()) return n - 1;
    restart(files.disk(), n);
    run(files, study);
    EXPECT_EQ(contract_files(files), expected) << "ended at call " << n;
    if (::testing::Test::HasFailure()) return n;
  }
}

}  // namespace quarry::test
