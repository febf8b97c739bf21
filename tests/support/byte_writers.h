// SPDX-License-Identifier: MIT
// Writers of binary file formats, by hand, for the tests and fuzz targets of their readers.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// n bytes of an unsigned integer, least or most significant first.
inline std::string little_bytes(std::uint64_t value, int n) {
  std::string bytes;
  for (int i = 0; i < n; ++i) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}
inline std::string big_bytes(std::uint64_t value, int n) {
  const std::string bytes = little_bytes(value, n);
  return {bytes.rbegin(), bytes.rend()};
}

/// An NPY file of version 1.0 with this header and these elements.
inline std::string npy_bytes(const std::string& header, std::string_view elements) {
  return "\x93NUMPY" + std::string("\x01\x00", 2) + little_bytes(header.size(), 2) + header + std::string(elements);
}

/// What a member of a hand-made archive says about itself.
struct ZipEntry {
  std::string name = "a.npy";
  std::string data;
  std::uint64_t method = 0, flags = 0, crc = 0, size = 0, compressed = 0, offset = 0;
};

inline ZipEntry zip_stored(const std::string& name, const std::string& data) {
  ZipEntry entry;
  entry.name = name;
  entry.data = data;
  entry.size = entry.compressed = data.size();
  entry.crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
  return entry;
}

inline std::string zip_local_header(const ZipEntry& e) {
  return little_bytes(0x04034b50, 4) + std::string(22, '\0') + little_bytes(e.name.size(), 2) + little_bytes(0, 2) +
         e.name;
}

inline std::string zip_directory_entry(const ZipEntry& e) {
  return little_bytes(0x02014b50, 4) + std::string(4, '\0') + little_bytes(e.flags, 2) + little_bytes(e.method, 2) +
         std::string(4, '\0') + little_bytes(e.crc, 4) + little_bytes(e.compressed, 4) + little_bytes(e.size, 4) +
         little_bytes(e.name.size(), 2) + std::string(12, '\0') + little_bytes(e.offset, 4) + e.name;
}

/// Lays the members one after the other; an entry with an offset other than 0 keeps it.
inline std::string zip_archive(std::vector<ZipEntry> entries) {
  std::string bytes, directory;
  for (ZipEntry& entry : entries) {
    if (entry.offset == 0) entry.offset = bytes.size();
    bytes += zip_local_header(entry) + entry.data;
    directory += zip_directory_entry(entry);
  }
  const std::string end = little_bytes(0x06054b50, 4) + std::string(4, '\0') + little_bytes(entries.size(), 2) +
                          little_bytes(entries.size(), 2) + little_bytes(directory.size(), 4) +
                          little_bytes(bytes.size(), 4) + little_bytes(0, 2);
  return bytes + directory + end;
}

}  // namespace quarry
