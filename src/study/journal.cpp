// SPDX-License-Identifier: MIT
#include "quarry/study/journal.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

// A line is {"seq":7, ... ,"crc":"89abcdef"} with the CRC of everything before ,"crc".
constexpr std::string_view kStart = "{\"seq\":";
constexpr std::string_view kBeforeCrc = ",\"crc\":\"";
constexpr std::string_view kAfterCrc = "\"}";
constexpr std::size_t kEndLength = kBeforeCrc.size() + 8 + kAfterCrc.size();

std::string line_of(std::size_t seq, const Json& record) {
  Json numbered = Json::object();
  numbered.set("seq", static_cast<std::int64_t>(seq));
  for (const auto& [key, value] : record.members()) {
    if (key == "seq" || key == "crc") fail("a journal record may not have the key '{}': the journal writes it", key);
    numbered.set(key, value);
  }
  std::string line = numbered.dump();
  line.pop_back();  // the closing brace comes after the CRC
  const std::uint32_t crc = crc32_of(line);
  return line + fmt::format("{}{:08x}{}\n", kBeforeCrc, crc, kAfterCrc);
}

/// True if the line has the right form and its CRC is right.
bool is_whole(std::string_view line) {
  if (line.size() < kStart.size() + kEndLength || line.substr(0, kStart.size()) != kStart) return false;
  const std::string_view head = line.substr(0, line.size() - kEndLength);
  return line.substr(head.size()) == fmt::format("{}{:08x}{}", kBeforeCrc, crc32_of(head), kAfterCrc);
}

/// Whether a whole record is anywhere in the text, also behind damaged bytes in the same line.
bool holds_a_record(std::string_view text) {
  for (;;) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    const std::size_t start = line.rfind(kStart);
    if (start != std::string_view::npos && is_whole(line.substr(start))) return true;
    if (is_whole(line)) return true;
    text.remove_prefix(end + 1);
  }
}

/// The record of a whole line, without "seq" and "crc".
Json record_of(std::string_view line, std::size_t expected_seq, const std::string& where) {
  Json record = Json::parse(line, where);
  const Json& seq = record.members().front().second;
  if (seq.type() != Json::Type::integer || seq.integer() != static_cast<std::int64_t>(expected_seq)) {
    fail(
        "{}: expected record {}, found {}: lines are missing, doubled or out of order; restore the file from a copy, "
        "or remove it to start again",
        where, expected_seq, seq.dump());
  }
  record.erase("seq").erase("crc");
  return record;
}

}  // namespace

std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size())));
}

JournalContents parse_journal(std::string_view text, const std::string& path) {
  JournalContents contents;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = text.find('\n', start);
    const std::string_view line = text.substr(start, end == std::string_view::npos ? end : end - start);
    const std::string where = fmt::format("{}:{}", printable(path), contents.records.size() + 1);
    if (end == std::string_view::npos || !is_whole(line)) {
      if (holds_a_record(text.substr(start))) {
        fail(
            "{}: damaged: not a whole record, but whole records follow; restore the file from a copy, or remove it to "
            "start again",
            where);
      }
      contents.torn_tail = true;
      break;
    }
    contents.records.push_back(record_of(line, contents.records.size(), where));
    start = end + 1;
  }
  contents.valid_bytes = start;
  return contents;
}

Journal::Journal(FileSystem& files, const std::string& path) : path_(path) {
  if (files.exists(path)) contents_ = parse_journal(files.read(path), path);
  if (contents_.torn_tail) files.truncate(path, contents_.valid_bytes);
  file_ = files.append(path);
  // A killed process may have written a record without syncing it; from now on it counts.
  file_->sync();
}

void Journal::append(const Json& record) {
  if (failed_) fail("{}: an earlier write failed; run the same command again", printable(path_));
  const std::string line = line_of(contents_.records.size(), record);
  failed_ = true;  // until it is known to be durable
  file_->write(line);
  file_->sync();
  failed_ = false;
  contents_.valid_bytes += line.size();
  contents_.records.push_back(record);
}

}  // namespace quarry
