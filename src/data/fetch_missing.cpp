// SPDX-License-Identifier: MIT
// In place of download_curl.cpp and unpack_libarchive.cpp where those libraries are missing.
#include "quarry/core/error.h"
#include "quarry/data/fetch.h"
#include "src/data/download.h"
#include "src/data/unpack.h"

namespace quarry {
namespace {

[[noreturn]] void say_so() {
  fail(
      "this quarry was built without libcurl and libarchive, so it cannot fetch data: install them with their headers "
      "(libcurl4-openssl-dev, libarchive-dev) and build again, or download and unpack the set by hand "
      "(docs/data_sets.md)");
}

}  // namespace

bool can_fetch() {
  return false;
}

void download(const std::string&, const std::string&, FileSystem&, const DownloadOptions&) {
  say_so();
}

std::vector<std::pair<std::string, std::string>> unpack(const std::string&, const std::string&, const std::string&,
                                                        FileSystem&, const UnpackLimits&) {
  say_so();
}

}  // namespace quarry
