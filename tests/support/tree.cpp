// SPDX-License-Identifier: MIT
#include "tests/support/tree.h"

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace quarry::test {

std::map<std::string, std::string> read_tree(const std::string& directory) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(directory)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file())
      files[std::filesystem::relative(entry.path(), directory).string()] = slurp(entry.path().string());
  return files;
}

std::map<std::string, std::string> contract_files(std::map<std::string, std::string> files) {
  std::erase_if(files, [](const auto& entry) {
    for (const char* ending : {"timings.csv", "environment.json", ".lock", ".part"})
      if (entry.first.ends_with(ending)) return true;
    return false;
  });
  return files;
}

}  // namespace quarry::test
