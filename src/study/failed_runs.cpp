// SPDX-License-Identifier: MIT
#include "src/study/failed_runs.h"

#include <fmt/core.h>

#include <sstream>

#include "quarry/core/text.h"

namespace quarry {
namespace {

std::string path_in(const std::string& directory) {
  return directory + "/failed_runs.txt";
}

std::string text_of(FileSystem& files, const std::string& directory) {
  return files.exists(path_in(directory)) ? files.read(path_in(directory)) : "";
}

}  // namespace

std::vector<std::string> read_failed_runs(FileSystem& files, const std::string& directory) {
  std::istringstream text(text_of(files, directory));
  std::vector<std::string> ids;
  for (std::string line; std::getline(text, line);) ids.push_back(line.substr(0, line.find(':')));
  return ids;
}

void add_failed_run(FileSystem& files, const std::string& directory, const std::string& id, const std::string& reason) {
  const std::string line = fmt::format("{}: {}\n", id, printable(reason.substr(0, reason.find('\n'))));
  files.write_atomically(path_in(directory), text_of(files, directory) + line);
}

void forget_failed_runs(FileSystem& files, const std::string& directory) {
  if (files.exists(path_in(directory))) files.remove(path_in(directory));
}

}  // namespace quarry
