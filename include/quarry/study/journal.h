// SPDX-License-Identifier: MIT
// An append-only record of a run: one JSON object per line, "seq" first, "crc" (CRC-32 of the preceding bytes of
// the line) last. A record is committed when append() returns: it has been written and fdatasync'ed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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

/// Checks a journal's text. Pure function of bytes.
/// Bytes after the last whole record are a torn tail if no whole record follows them (a write that a crash cut short,
/// or that a power cut left in parts). Anything else that is damaged, missing or doubled is refused with path and line.
JournalContents parse_journal(std::string_view text, const std::string& path);

class Journal {
 public:
  /// Opens or creates; cuts a torn tail. What it then holds is durable.
  Journal(FileSystem& files, const std::string& path);
  /// The committed records, those appended here included.
  const std::vector<Json>& records() const { return contents_.records; }
  /// True if opening had to cut a torn tail.
  bool was_torn() const { return contents_.torn_tail; }
  /// Commits one record (an object without "seq" and "crc"); returns after fdatasync. After a failure the journal
  /// takes no more: open it again.
  void append(const Json& record);

 private:
  std::string path_;
  JournalContents contents_;
  std::unique_ptr<OutputFile> file_;
  bool failed_ = false;
};

/// CRC-32 (IEEE 802.3, as zlib) of bytes.
std::uint32_t crc32_of(std::string_view bytes);

}  // namespace quarry
