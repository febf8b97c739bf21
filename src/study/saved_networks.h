// SPDX-License-Identifier: MIT
// Where a run keeps its networks: RUN/networks/*.safetensors (nn/checkpoint.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quarry/core/file_system.h"

namespace quarry {

/// The network of an iteration; -1: of the state before the first query.
std::string network_path(const std::string& run_directory, std::int32_t iteration);
/// The one network of a search on a frozen set.
std::string final_network_path(const std::string& run_directory);

/// Written atomically, before the record that commits what the network is of: a run that was interrupted between the
/// two writes the same bytes again.
void save_network(FileSystem& files, const std::string& path, std::string_view bytes);

}  // namespace quarry
