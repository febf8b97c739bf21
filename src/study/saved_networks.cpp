// SPDX-License-Identifier: MIT
#include "src/study/saved_networks.h"

#include <fmt/core.h>

namespace quarry {

std::string network_path(const std::string& run_directory, std::int32_t iteration) {
  return run_directory + "/networks/iteration_" + (iteration < 0 ? "initial" : fmt::format("{:04}", iteration)) +
         ".safetensors";
}

std::string final_network_path(const std::string& run_directory) {
  return run_directory + "/networks/final.safetensors";
}

void save_network(FileSystem& files, const std::string& path, std::string_view bytes) {
  files.make_directories(path.substr(0, path.rfind('/')));
  files.write_atomically(path, bytes);
}

}  // namespace quarry
