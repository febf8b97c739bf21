// SPDX-License-Identifier: MIT
// An input file: its bytes, and the line about it for Dataset::source.
#pragma once

#include <string>

namespace quarry {

struct InputFile {
  std::string path, bytes;
  std::string provenance;  // "PATH (N bytes, CRC-32 xxxxxxxx)"
};

/// Reads a regular file. Error: failed, with path and reason.
InputFile read_input(const std::string& path);

/// "folder/name", without doubling the slash.
std::string join_path(const std::string& folder, const std::string& name);

}  // namespace quarry
