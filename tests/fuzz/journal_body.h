// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a journal: refused with an Error that names file and line, or read up to a
// torn tail, and what was read is a journal.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/study/journal.h"

namespace quarry {

inline void check_journal(std::string_view bytes) {
  JournalContents contents;
  try {
    contents = parse_journal(bytes, "input");
  } catch (const Error& error) {
    QUARRY_CHECK(std::string_view(error.what()).substr(0, 6) == "input:", "an error without a place");
    return;
  }
  QUARRY_CHECK(contents.valid_bytes <= bytes.size(), "more valid bytes than bytes");
  QUARRY_CHECK(contents.torn_tail == (contents.valid_bytes != bytes.size()), "the torn tail is not what is left");
  const JournalContents again = parse_journal(bytes.substr(0, contents.valid_bytes), "cut");
  QUARRY_CHECK(!again.torn_tail && again.records.size() == contents.records.size(), "a cut journal reads otherwise");
  for (std::size_t i = 0; i < again.records.size(); ++i) {
    QUARRY_CHECK(again.records[i].dump() == contents.records[i].dump(), "record {} changed", i);
    QUARRY_CHECK(!again.records[i].find("seq") && !again.records[i].find("crc"), "record {} keeps its frame", i);
  }
}

/// The bytes as they are, and their lines as the inside of records with right checksums, which are hard to guess.
inline void fuzz_journal(std::string_view bytes) {
  check_journal(bytes);
  std::string framed;
  for (std::size_t seq = 0; !bytes.empty(); ++seq) {
    const std::size_t end = bytes.find('\n');
    const std::string head = fmt::format("{{\"seq\":{}{}", seq, bytes.substr(0, end));
    framed += fmt::format("{},\"crc\":\"{:08x}\"}}\n", head, crc32_of(head));
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  }
  check_journal(framed);
}

}  // namespace quarry
