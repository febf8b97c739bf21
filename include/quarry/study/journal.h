// SPDX-License-Identifier: MIT
// An append-only record of a run: one JSON object per line, "seq" first, "crc" (CRC-32 of the preceding bytes of
// the line) last. A record is committed when append() returns: it has been written and fdatasync'ed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/core/json.h"

namespace quarry {

/// Records of a journal without "seq" and "crc".
struct JournalContents {
  std::vector<Json> records;
  std::uint64_t valid_bytes = 0;  ///< length up to the end of the last whole record
  bool torn_tail = false;         ///< bytes after valid_bytes that are not a whole record
};

/// Checks a journal's text. A torn tail (no newline at the end, or a last line that is not whole) is reported; a
/// damaged line before the last is refused with path and line number. Pure function of bytes.
JournalContents parse_journal(std::string_view text, const std::string& path);

class Journal {
 public:
  /// Opens or creates; cuts a torn tail.
  Journal(FileSystem& files, const std::string& path);
  const std::vector<Json>& records() const { return contents_.records; }
  /// Commits one record (an object); returns after fdatasync.
  void append(const Json& record);

 private:
  FileSystem& files_;
  std::string path_;
  JournalContents contents_;
  std::unique_ptr<OutputFile> file_;
};

/// CRC-32 (IEEE 802.3, as zlib) of bytes.
std::uint32_t crc32_of(std::string_view bytes);

}  // namespace quarry
