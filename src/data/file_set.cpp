// SPDX-License-Identifier: MIT
// The user's own data set, from the keys of [data] alone.
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/assemble.h"
#include "src/data/file_table.h"

namespace quarry {
namespace {

constexpr std::string_view format_name(FileFormat format) {
  constexpr std::string_view kNames[] = {"libsvm", "csv", "npy", "npz", "idx"};
  return kNames[static_cast<std::size_t>(format)];
}

/// Keys that this format needs, or that mean nothing to it.
void check_keys(const DataConfig& config, FileFormat format, bool both_parts) {
  static constexpr std::array<std::string_view, 8> kKeys = {
      "path", "test_path", "format", "header", "labels_path", "label", "test_labels_path", "test_share"};
  refuse_unused_keys(config, kKeys);
  if (format != FileFormat::csv && config.header != CsvHeader::automatic)
    usage_error("data.header has no meaning for the format {}, only for csv: take it out", format_name(format));
  const bool two_files = format == FileFormat::npy || format == FileFormat::idx;
  const bool named = format == FileFormat::csv || format == FileFormat::npz;
  if (two_files && config.labels_path.empty()) {
    usage_error("data.labels_path is missing: a file of the format {} holds features or labels, not both",
                format_name(format));
  }
  if (two_files && config.test_path.empty() != config.test_labels_path.empty()) {
    usage_error("data.test_path and data.test_labels_path belong together: set both or neither");
  }
  if (!two_files && !(config.labels_path.empty() && config.test_labels_path.empty())) {
    usage_error("data.labels_path has no meaning for the format {}, whose files hold the labels: take it out",
                format_name(format));
  }
  if (!named && !config.label.empty()) {
    usage_error("data.label has no meaning for the format {}: take it out", format_name(format));
  }
  const bool has_test = both_parts || !config.test_path.empty();
  if (has_test && config.test_share != DataConfig{}.test_share) {
    usage_error("data.test_share has no meaning for a data set with a test part of its own: take it out");
  }
  if (both_parts && !config.test_path.empty()) {
    usage_error("data.label is missing: the name of the array with the labels");
  }
}

void check_match(const FileTable& train, const FileTable& test, const DataConfig& config) {
  const std::string test_name = config.test_path.empty() ? config.path : config.test_path;
  if (train.columns != test.columns) {
    fail("{}: {} features; the training part has {}", test_name, test.columns, train.columns);
  }
  if (train.feature_names.empty() || test.feature_names.empty()) return;
  for (std::size_t j = 0; j < train.feature_names.size(); ++j) {
    if (train.feature_names[j] != test.feature_names[j]) {
      fail("{}: feature {} is '{}'; in the training part it is '{}'", test_name, j, printable(test.feature_names[j]),
           printable(train.feature_names[j]));
    }
  }
}

/// Labels of which more than half differ are no classes.
void warn_of_measurements(const FileTable& train, const FileTable& test, std::size_t classes,
                          std::vector<std::string>& warnings) {
  const std::int64_t rows = train.rows + test.rows;
  if (rows > 2 && 2 * static_cast<std::int64_t>(classes) > rows)
    warnings.push_back(
        fmt::format("{} different labels for {} instances: are they measurements or names? Every label is a class of "
                    "its own",
                    classes, rows));
}

RawPart<float> part_of(FileTable table) {
  RawPart<float> part;
  part.n = table.rows;
  part.features = std::move(table.features);
  part.labels = std::move(table.labels.ids);
  return part;
}

/// The first part of a fixed shuffle is the pool, as for the toy sets; the pool gets the floor of its share.
void hold_out(const RawPart<float>& all, double test_share, RawDataset<float>& raw) {
  if (!(test_share > 0 && test_share < 1)) {
    usage_error("data.test_share is {}; expected a number between 0 and 1", test_share);
  }
  const auto n_test = static_cast<std::int64_t>(std::ceil(test_share * static_cast<double>(all.n)));
  split_rows(all, raw.n_features, holdout_order(all.n), all.n - n_test, raw);
}

}  // namespace

Dataset load_file(const DataConfig& config) {
  if (config.path.empty()) usage_error("data.path is missing: the file with the instances");
  const FileFormat format = file_format(config, config.path);
  const bool both_parts = format == FileFormat::npz && config.label.empty();
  check_keys(config, format, both_parts);

  FileTable train, test;
  const bool has_test = both_parts || !config.test_path.empty();
  if (both_parts) {
    std::tie(train, test) = read_both_parts(config.path);
  } else {
    train = read_table(config, format, config.path, config.labels_path, 0);
    if (has_test) {
      test = read_table(config, format, config.test_path, config.test_labels_path, train.columns);
      if (format == FileFormat::libsvm && test.columns > train.columns) {  // a feature that is never set in the pool
        train = read_table(config, format, config.path, config.labels_path, test.columns);
      }
    }
  }

  RawDataset<float> raw;
  raw.name = std::filesystem::path(config.path).filename().string();
  raw.source = train.source + (test.source.empty() ? "" : "; " + test.source);
  raw.n_features = train.columns;
  raw.class_names = merge_classes(train.labels, test.labels);
  raw.feature_names = train.feature_names;
  warn_of_measurements(train, test, raw.class_names.size(), raw.warnings);
  if (has_test) {
    check_match(train, test, config);
    if (!both_parts && train.bytes == test.bytes && train.crc == test.crc)
      raw.warnings.push_back(
          "data.path and data.test_path have the same contents: the test part is what the networks train on");
    raw.train = part_of(std::move(train));
    raw.test = part_of(std::move(test));
  } else {
    hold_out(part_of(std::move(train)), config.test_share, raw);
  }
  return assemble(std::move(raw), config, Scaler::minmax);
}

}  // namespace quarry
