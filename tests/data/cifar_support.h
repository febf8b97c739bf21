// SPDX-License-Identifier: MIT
// The tiny CIFAR folders of tests/goldens/data/cifar, unpacked.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "quarry/data/limits.h"
#include "src/data/inflate.h"
#include "tests/data/support.h"
#include "tests/support/temp_dir.h"

namespace quarry {

inline std::string cifar_golden(const std::string& name) {
  return gunzip(golden_bytes("cifar/" + name + ".gz"), name, Limits{});
}

/// Unpacks a golden folder below `to`, and returns its path.
inline std::string unpack_golden(const std::string& folder, const test::TempDir& to) {
  std::filesystem::create_directories(to / folder);
  for (const auto& entry : std::filesystem::directory_iterator(QUARRY_GOLDENS "/data/cifar/" + folder)) {
    const std::string name = folder + "/" + entry.path().stem().string();  // without .gz
    to.write(name, cifar_golden(name));
  }
  return to / folder;
}

}  // namespace quarry
