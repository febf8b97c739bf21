// SPDX-License-Identifier: MIT
#include <archive.h>
#include <archive_entry.h>

#include <map>
#include <memory>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/checksum.h"
#include "src/data/fetch_record.h"
#include "src/data/input.h"
#include "src/data/unpack.h"

namespace quarry {
namespace {

struct FreeArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
using Handle = std::unique_ptr<archive, FreeArchive>;

[[noreturn]] void damaged(const std::string& path, archive* handle) {
  const char* reason = archive_error_string(handle);
  fail("{}: damaged, or no tar archive ({})", printable(path),
       printable(reason == nullptr ? "no reason given" : reason));
}

Handle open_archive(const std::string& path) {
  Handle handle(archive_read_new());
  if (handle == nullptr) fail("libarchive cannot be started: out of memory");
  archive_read_support_filter_gzip(handle.get());
  archive_read_support_format_tar(handle.get());
  constexpr std::size_t kBlock = 1 << 16;
  if (archive_read_open_filename(handle.get(), path.c_str(), kBlock) != ARCHIVE_OK) damaged(path, handle.get());
  return handle;
}

/// The name of a member in the folder; empty for the folder itself. Fails for anything else.
std::string name_in(const std::string& folder, std::string_view member, const std::string& archive_path) {
  std::string_view rest = member;
  while (rest.starts_with("./")) rest.remove_prefix(2);
  const bool inside = rest.starts_with(folder) && (rest.size() == folder.size() || rest[folder.size()] == '/');
  if (inside) rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
  if (!inside || rest == "." || rest == ".." || rest.find('/') != std::string_view::npos || printable(rest) != rest) {
    fail("{}: the member '{}' is no file of the folder {}; refused", printable(archive_path), printable(member),
         folder);
  }
  return std::string(rest);
}

/// Writes the data of the current member; returns their SHA-256. `total` counts the bytes of all members.
std::string write_member(archive* handle, const std::string& archive_path, const std::string& path, FileSystem& files,
                         const UnpackLimits& limits, std::uint64_t& total) {
  const std::unique_ptr<OutputFile> file = files.append(path);
  Checksum checksum(Digest::sha256);
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const la_ssize_t n = archive_read_data(handle, buffer.data(), buffer.size());
    if (n < 0) damaged(archive_path, handle);
    if (n == 0) break;
    total += static_cast<std::uint64_t>(n);
    if (total > limits.most_bytes) {
      fail("{}: unpacks to more than {} bytes; refused", printable(archive_path), limits.most_bytes);
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
    checksum.update(bytes);
    file->write(bytes);
  }
  file->sync();
  return checksum.hex();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> unpack(const std::string& archive_path, const std::string& folder,
                                                        const std::string& to, FileSystem& files,
                                                        const UnpackLimits& limits) {
  const Handle handle = open_archive(archive_path);
  std::map<std::string, std::string> sums;
  std::uint64_t total = 0;
  for (archive_entry* entry = nullptr;;) {
    const int status = archive_read_next_header(handle.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) damaged(archive_path, handle.get());
    const char* path = archive_entry_pathname(entry);
    std::string_view member = path == nullptr ? "" : path;
    const bool directory = archive_entry_filetype(entry) == AE_IFDIR;
    if (directory && member.ends_with('/')) member.remove_suffix(1);
    const std::string name = name_in(folder, member, archive_path);
    if (directory && name.empty()) continue;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
        archive_entry_symlink(entry) != nullptr || name.empty()) {
      fail("{}: the member '{}' is no regular file; refused", printable(archive_path), printable(member));
    }
    if (name == kFetchRecordName) {
      fail("{}: the member '{}' has the name of the record that a fetch leaves; refused", printable(archive_path),
           printable(member));
    }
    if (sums.size() >= limits.most_files) {
      fail("{}: more than {} files; refused", printable(archive_path), limits.most_files);
    }
    const auto [place, is_new] = sums.emplace(name, "");
    if (!is_new) fail("{}: the member '{}' comes twice; refused", printable(archive_path), printable(member));
    place->second = write_member(handle.get(), archive_path, join_path(to, name), files, limits, total);
  }
  return {sums.begin(), sums.end()};
}

}  // namespace quarry
