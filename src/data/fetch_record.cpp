// SPDX-License-Identifier: MIT
#include "src/data/fetch_record.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "quarry/core/text.h"
#include "src/data/input.h"

namespace quarry {

std::string to_json(const FetchRecord& record) {
  Json files = Json::object();
  for (const auto& [name, sum] : record.files) files.set(name, sum);
  Json json = Json::object();
  json.set("version", 1).set("data_set", record.data_set).set("archive", record.archive).set("url", record.url);
  json.set("md5", record.md5).set("sha256", record.sha256).set("files", std::move(files));
  return json.dump() + "\n";
}

std::optional<FetchRecord> read_fetch_record(const std::string& folder) {
  const std::string path = join_path(folder, std::string(kFetchRecordName));
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  const Json json = Json::parse(read_file(path, std::size_t{1} << 20), path);
  try {
    if (json.at("version").integer() != 1) fail("version {}; expected 1", json.at("version").integer());
    FetchRecord record;
    record.data_set = json.at("data_set").string();
    record.archive = json.at("archive").string();
    record.url = json.at("url").string();
    record.md5 = json.at("md5").string();
    record.sha256 = json.at("sha256").string();
    for (const auto& [name, sum] : json.at("files").members()) record.files.emplace_back(name, sum.string());
    return record;
  } catch (const Error& problem) {
    fail("{}: not a record of `quarry data fetch`: {}. Without the file the data are read as unverified", path,
         problem.what());
  }
}

std::string_view published_archive_md5(std::string_view data_set) {
  if (data_set == "cifar10") return "c32a1d4ab5d03f1284b67883e8d87530";
  if (data_set == "cifar100") return "03b5dce01913d631647c71ecec9e9cb8";
  return {};
}

std::string without_user(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return printable(url);
  const std::size_t begin = scheme + 3, end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t at = url.substr(begin, end - begin).rfind('@');
  if (at == std::string_view::npos) return printable(url);
  return printable(std::string(url.substr(0, begin)) + std::string(url.substr(begin + at + 1)));
}

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string data_home() {
  if (const std::string home = environment_value("XDG_DATA_HOME"); !home.empty()) return join_path(home, "quarry");
  if (const std::string home = environment_value("HOME"); !home.empty()) {
    return join_path(home, ".local/share/quarry");
  }
  return "";
}

std::string fetch_folder() {
  const std::string chosen = environment_value("QUARRY_DATA");
  return chosen.empty() ? data_home() : chosen;
}

}  // namespace quarry
