// SPDX-License-Identifier: MIT
#include "quarry/data/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/npy.h"
#include "src/data/bytes.h"
#include "src/data/inflate.h"

namespace quarry {
namespace {

constexpr std::uint64_t kEntrySignature = 0x02014b50, kLocalSignature = 0x04034b50;
constexpr std::size_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
constexpr std::size_t kMaxComment = 0xffff;
constexpr std::uint64_t kZip64 = 0xffffffff;
constexpr std::size_t kMaxMembers = 1000;

struct Member {
  std::string name;
  bool deflated = false;
  std::uint64_t crc = 0, compressed = 0, size = 0;
  std::size_t local = 0, start = 0, end = 0;  // of the local header; of the data
};

std::size_t find_end_record(std::string_view bytes, const std::string& path) {
  if (bytes.size() >= kEndSize) {
    const std::size_t last = bytes.size() - kEndSize;
    for (std::size_t back = 0; back <= std::min(last, kMaxComment); ++back) {
      const std::size_t at = last - back;
      if (bytes.substr(at, 4) != "PK\x05\x06") continue;
      if (ByteView(bytes, path).little(at + 20, 2, "the end record") == back) return at;
    }
  }
  fail("{}: not a zip archive, or cut short: no end-of-directory record in the last bytes", path);
}

Member read_entry(const ByteView& view, const std::string& path, std::size_t at, std::size_t& next) {
  constexpr std::string_view kWhat = "the directory";
  if (view.little(at, 4, kWhat) != kEntrySignature)
    fail("{}: byte {}: expected an entry of the zip directory", path, at);
  Member member;
  const std::uint64_t flags = view.little(at + 8, 2, kWhat), method = view.little(at + 10, 2, kWhat);
  member.crc = view.little(at + 16, 4, kWhat);
  member.compressed = view.little(at + 20, 4, kWhat);
  member.size = view.little(at + 24, 4, kWhat);
  const auto name_size = static_cast<std::size_t>(view.little(at + 28, 2, kWhat));
  const auto extra_size = static_cast<std::size_t>(view.little(at + 30, 2, kWhat));
  const auto comment_size = static_cast<std::size_t>(view.little(at + 32, 2, kWhat));
  member.local = static_cast<std::size_t>(view.little(at + 42, 4, kWhat));
  member.name = view.slice(at + kEntrySize, name_size, kWhat);
  next = at + kEntrySize + name_size + extra_size + comment_size;
  const std::string shown = printable(member.name);
  if (flags & 1) fail("{}: byte {}: member '{}' is encrypted", path, at, shown);
  if (method != 0 && method != 8) {
    fail("{}: byte {}: member '{}' has compression method {}; expected 0 (stored) or 8 (deflated)", path, at, shown,
         method);
  }
  member.deflated = method == 8;
  if (member.compressed == kZip64 || member.size == kZip64 || member.local == kZip64) {
    fail("{}: byte {}: member '{}' has zip64 sizes; archives of 4 GiB and more are not supported", path, at, shown);
  }
  if (!member.deflated && member.compressed != member.size) {
    fail("{}: byte {}: member '{}' is stored, but its two sizes differ", path, at, shown);
  }
  if (!member.name.ends_with(".npy")) fail("{}: byte {}: member '{}' is not named *.npy", path, at, shown);
  return member;
}

/// Where the member's data lies: behind its local header, whose name and extra field have lengths of their own.
void locate(Member& member, const ByteView& view, const std::string& path, std::size_t directory) {
  constexpr std::string_view kWhat = "a local header";
  if (view.little(member.local, 4, kWhat) != kLocalSignature) {
    fail("{}: byte {}: expected the local header of member '{}'", path, member.local, printable(member.name));
  }
  const auto name_size = static_cast<std::size_t>(view.little(member.local + 26, 2, kWhat));
  const auto extra_size = static_cast<std::size_t>(view.little(member.local + 28, 2, kWhat));
  member.start = member.local + kLocalSize + name_size + extra_size;
  member.end = member.start + static_cast<std::size_t>(member.compressed);
  if (member.end > directory) {
    fail("{}: byte {}: member '{}' reaches into the zip directory at byte {}", path, member.local,
         printable(member.name), directory);
  }
}

std::vector<Member> read_directory(std::string_view bytes, const std::string& path) {
  const ByteView view(bytes, path);
  const std::size_t end = find_end_record(bytes, path);
  constexpr std::string_view kWhat = "the end record";
  const std::uint64_t disk = view.little(end + 4, 2, kWhat), directory_disk = view.little(end + 6, 2, kWhat);
  const std::uint64_t here = view.little(end + 8, 2, kWhat), count = view.little(end + 10, 2, kWhat);
  const std::uint64_t size = view.little(end + 12, 4, kWhat), start = view.little(end + 16, 4, kWhat);
  if (disk != 0 || directory_disk != 0 || here != count) fail("{}: byte {}: a zip archive in several parts", path, end);
  if (count > kMaxMembers) fail("{}: byte {}: {} members; at most {} are accepted", path, end, count, kMaxMembers);
  if (start + size != end) {
    fail("{}: byte {}: the zip directory is said to be bytes {} to {}, but its end record follows at {}", path, end,
         start, start + size, end);
  }
  std::vector<Member> members;
  auto at = static_cast<std::size_t>(start);
  for (std::uint64_t i = 0; i < count; ++i) {
    members.push_back(read_entry(view, path, at, at));
    locate(members.back(), view, path, static_cast<std::size_t>(start));
  }
  if (at != end) fail("{}: byte {}: the zip directory does not end where its end record starts", path, at);
  return members;
}

/// Overlapping members are how a small archive unfolds to petabytes.
void refuse_overlaps(const std::vector<Member>& members, const std::string& path) {
  std::vector<const Member*> order;
  for (const Member& member : members) order.push_back(&member);
  std::sort(order.begin(), order.end(), [](const Member* a, const Member* b) { return a->local < b->local; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->local < order[i - 1]->end) {
      fail("{}: byte {}: members '{}' and '{}' overlap", path, order[i]->local, printable(order[i - 1]->name),
           printable(order[i]->name));
    }
  }
  std::sort(order.begin(), order.end(), [](const Member* a, const Member* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i]->name == order[i - 1]->name) fail("{}: two members are named '{}'", path, printable(order[i]->name));
  }
}

}  // namespace

std::vector<NamedArray> parse_npz(std::string_view bytes, const std::string& path, const Limits& limits) {
  const std::vector<Member> members = read_directory(bytes, path);
  refuse_overlaps(members, path);
  std::uint64_t total = 0;
  for (const Member& member : members) total += member.size;
  if (total > most_inflated(bytes.size(), limits)) {
    fail("{}: {} bytes claim to inflate to {}; refused as a decompression bomb", path, bytes.size(), total);
  }
  std::vector<NamedArray> arrays;
  for (const Member& member : members) {
    const std::string where = fmt::format("{}: member '{}'", path, printable(member.name));
    const std::string_view data = bytes.substr(member.start, member.end - member.start);
    std::string inflated;
    if (member.deflated) inflated = inflate_raw(data, where, member.start, limits);
    const std::string_view plain = member.deflated ? std::string_view(inflated) : data;
    if (plain.size() != member.size) {
      fail("{}: byte {}: {} bytes; the directory announces {}", where, member.start, plain.size(), member.size);
    }
    if (crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), plain.size()) != member.crc) {
      fail("{}: byte {}: the CRC-32 is wrong: the file is damaged", where, member.start);
    }
    arrays.push_back({member.name.substr(0, member.name.size() - 4), parse_npy(plain, where)});
  }
  return arrays;
}

}  // namespace quarry
