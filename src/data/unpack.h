// SPDX-License-Identifier: MIT
// Unpacking an archive from elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

struct UnpackLimits {
  std::size_t most_files = 100;
  std::uint64_t most_bytes = std::uint64_t{2} << 30;
};

/// Unpacks a tar archive (plain or gzipped) whose members are regular files of the one folder `folder`, into the
/// existing folder `to`, without that folder's name. Directories are skipped; a link, a device, a path that is
/// absolute, leaves the folder or goes deeper, a member that comes twice, and more than the limits are refused. Returns
/// the name and SHA-256 of each file, sorted. Errors: failed, with the archive and the member.
std::vector<std::pair<std::string, std::string>> unpack(const std::string& archive, const std::string& folder,
                                                        const std::string& to, FileSystem& files,
                                                        const UnpackLimits& limits = {});

}  // namespace quarry
