// SPDX-License-Identifier: MIT
// Where downloaded data sets are, and the record that `quarry data fetch` leaves in their folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quarry {

inline constexpr std::string_view kFetchRecordName = "quarry-fetched.json";

/// What a folder was unpacked from.
struct FetchRecord {
  std::string data_set, archive, url;
  std::string md5, sha256;                                 // of the archive
  std::vector<std::pair<std::string, std::string>> files;  // name, SHA-256
};

std::string to_json(const FetchRecord& record);
/// The record of a folder; nothing if it has none. Error: failed, if it is no such record.
std::optional<FetchRecord> read_fetch_record(const std::string& folder);

/// The MD5 sum of the archive of a set in the binary layout, as published; empty for other names.
std::string_view published_archive_md5(std::string_view data_set);

/// An address as records and messages may have it: printable, without the name and the password before its host.
std::string without_user(std::string_view url);

/// $QUARRY_DATA if it is set, else data_home(): where `quarry data fetch` puts data sets.
std::string fetch_folder();
/// $XDG_DATA_HOME/quarry, else ~/.local/share/quarry; empty without a home.
std::string data_home();
/// The value of an environment variable, empty if it is not set.
std::string environment_value(const char* name);

}  // namespace quarry
