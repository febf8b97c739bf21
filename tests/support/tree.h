// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>

namespace quarry::test {

/// Every regular file below a directory: relative path -> bytes. Empty if the directory does not exist.
std::map<std::string, std::string> read_tree(const std::string& directory);

/// Those of a study's files that are in the byte contract (docs/formats.md): no times, no machine facts, and not what a
/// killed process leaves behind.
std::map<std::string, std::string> contract_files(std::map<std::string, std::string> files);

}  // namespace quarry::test
