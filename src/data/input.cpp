// SPDX-License-Identifier: MIT
#include "src/data/input.h"

#include <zlib.h>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/text.h"

namespace quarry {

InputFile read_input(const std::string& path) {
  InputFile file;
  file.path = path;
  file.bytes = read_given_file(path);
  file.crc =
      static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(file.bytes.data()), file.bytes.size()));
  file.provenance = fmt::format("{} ({} bytes, CRC-32 {:08x})", printable(path), file.bytes.size(), file.crc);
  return file;
}

std::string join_path(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

}  // namespace quarry
