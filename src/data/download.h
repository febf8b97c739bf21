// SPDX-License-Identifier: MIT
// One file from a server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "quarry/core/file_system.h"

namespace quarry {

struct DownloadOptions {
  int attempts = 5;  // without progress
  double pause = 2;  // seconds between them
  std::uint64_t most_bytes = std::uint64_t{2} << 30;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  /// False where no checksum would tell that two parts are of two versions: every try is from the first byte on.
  bool resume = true;
};

/// Appends to the file at `path` what it lacks; a server that cannot continue sends it from the start. A connection
/// that is cut is taken up again; once the server has sent something, one that cannot be made, or 429, counts as cut.
/// What was received stays when it fails, for the next call; without `resume` it does not. Errors: failed, with the
/// address, the reason, and what to do.
void download(const std::string& url, const std::string& path, FileSystem& files, const DownloadOptions& options);

}  // namespace quarry
