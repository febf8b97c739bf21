// SPDX-License-Identifier: MIT
// `quarry data fetch`: downloads a published archive, checks it, unpacks it; or downloads single files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

/// Where a data set is published.
struct FetchSource {
  std::string name;                ///< in the data set table
  std::string base;                ///< address of the folder with the archive, or with the files
  std::string archive;             ///< its file name; empty: the files are published one by one, without sums
  std::string md5;                 ///< of the archive, as published
  std::string folder;              ///< the one folder that the archive holds; or where the files go
  std::vector<std::string> files;  ///< that must be in it
};

/// Whether this build has libcurl and libarchive; without them fetch_dataset fails and says so.
bool can_fetch();

/// The sets that can be fetched.
const std::vector<FetchSource>& fetch_sources();

struct FetchOptions {
  std::string to;        ///< folder in which source.folder appears; empty: $QUARRY_DATA, else that of the user's data
  std::string from;      ///< base address of a mirror (https, http, file); empty: source.base
  std::string checksum;  ///< "md5:HEX", "sha256:HEX" or "none" in place of source.md5
  /// Tries without any progress before a cut connection is given up, and seconds between them.
  int attempts = 5;
  double pause = 2;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  ///< in bytes of the archive
  FileSystem* files = nullptr;                                            ///< null: the machine's
};

struct FetchResult {
  std::string folder;                                      ///< with the files
  bool already_there = false;                              ///< nothing was downloaded
  bool published = false;                                  ///< the archive has the published checksum
  std::string md5, sha256;                                 ///< of the archive
  std::vector<std::pair<std::string, std::string>> files;  ///< name and SHA-256 of each
};

/// Downloads into a work folder beside the target (`.quarry-fetch-NAME`), continuing what an interrupted call left
/// there (from the first byte on where there is no checksum, since the parts might be of two versions); checks the sum;
/// unpacks (regular files of source.folder only, at most 100 of them and 2 GiB); leaves quarry-fetched.json with the
/// SHA-256 of each file; and renames the finished folder to its place. So the folder is either complete or not there.
/// An existing folder is never changed: it is taken if it is what a fetch left, else refused. One fetch of a set at a
/// time per target. Without an archive: each file that is not there yet is downloaded, checked for the instances,
/// features and classes of the set, and renamed to its place; there is no published sum to compare with, so whoever
/// reports results should give those of FetchResult::files. Errors: usage for a malformed option; failed for no
/// network, a refusal of the server, a wrong checksum (the file is removed), a damaged or unsafe archive, a full disk.
FetchResult fetch_dataset(const FetchSource& source, const FetchOptions& options);

}  // namespace quarry
