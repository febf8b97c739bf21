// SPDX-License-Identifier: MIT
// An input file: its bytes, and the line about it for Dataset::source.
#pragma once

#include <cstdint>
#include <string>

namespace quarry {

struct InputFile {
  std::string path, bytes;
  std::uint32_t crc = 0;
  std::string provenance;  // "PATH (N bytes, CRC-32 xxxxxxxx)"
};

/// Reads a regular file. Errors: those of read_given_file.
InputFile read_input(const std::string& path);

/// "folder/name", without doubling the slash.
std::string join_path(const std::string& folder, const std::string& name);

}  // namespace quarry
