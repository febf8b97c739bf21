// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>

namespace quarry::test {

/// Every regular file below a directory: relative path -> bytes. Empty if the directory does not exist.
std::map<std::string, std::string> read_tree(const std::string& directory);

}  // namespace quarry::test
