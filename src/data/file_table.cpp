// SPDX-License-Identifier: MIT
#include "src/data/file_table.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/csv.h"
#include "quarry/data/idx.h"
#include "quarry/data/libsvm.h"
#include "quarry/data/npy.h"
#include "quarry/data/npz.h"
#include "src/data/assemble.h"
#include "src/data/input.h"

namespace quarry {
namespace {

struct FormatName {
  std::string_view name;
  FileFormat format;
};

constexpr FormatName kFormats[] = {{"libsvm", FileFormat::libsvm},
                                   {"csv", FileFormat::csv},
                                   {"npy", FileFormat::npy},
                                   {"npz", FileFormat::npz},
                                   {"idx", FileFormat::idx}};
constexpr FormatName kEndings[] = {{".libsvm", FileFormat::libsvm},   {".svm", FileFormat::libsvm},
                                   {".svmlight", FileFormat::libsvm}, {".csv", FileFormat::csv},
                                   {".npy", FileFormat::npy},         {".npz", FileFormat::npz},
                                   {".idx", FileFormat::idx},         {".idx.gz", FileFormat::idx},
                                   {"-ubyte", FileFormat::idx},       {"-ubyte.gz", FileFormat::idx}};

NumericArray parse_array(FileFormat format, const InputFile& file) {
  return format == FileFormat::npy ? parse_npy(file.bytes, file.path) : parse_idx(file.bytes, file.path);
}

std::string shape_text(const NumericArray& array) {
  std::vector<std::string> extents;
  for (const std::uint64_t extent : array.shape) extents.push_back(std::to_string(extent));
  return "(" + join(extents, ", ") + ")";
}

/// Instances along the first extent; the others become the features.
FileTable table_of(const NumericArray& features, const std::string& features_where, const NumericArray& labels,
                   const std::string& labels_where) {
  const Limits limits;
  if (features.shape.size() < 2) {
    fail("{}: an array of shape {}; expected (instances, features) or more extents", features_where,
         shape_text(features));
  }
  const std::uint64_t rows = features.shape[0], columns = rows == 0 ? 0 : features.count() / rows;
  if (rows > limits.max_rows || columns > limits.max_columns) {
    fail("{}: an array of shape {}; at most {} instances and {} features are supported", features_where,
         shape_text(features), limits.max_rows, limits.max_columns);
  }
  const bool flat = labels.shape.size() == 1 || (labels.shape.size() == 2 && labels.shape[1] == 1);
  if (!flat || labels.shape[0] != rows) {
    fail("{}: labels of shape {}; expected one class number for each of the {} instances of {}", labels_where,
         shape_text(labels), rows, features_where);
  }
  FileTable table;
  table.rows = static_cast<std::int64_t>(rows);
  table.columns = static_cast<std::int32_t>(columns);
  table.features = to_floats(features, features_where);
  check_finite<float>(table.features, table.columns, features_where);
  table.labels = label_column(to_integers(labels, labels_where), labels_where);
  return table;
}

FileTable from_csv(const DataConfig& config, const InputFile& file) {
  CsvTable csv = parse_csv(file.bytes, file.path, config.label, config.header);
  FileTable table;
  table.rows = csv.rows;
  table.columns = csv.columns;
  table.features = std::move(csv.features);
  table.feature_names = std::move(csv.feature_names);
  table.labels = std::move(csv.labels);
  return table;
}

FileTable from_libsvm(const InputFile& file, std::int32_t min_columns) {
  LibsvmTable libsvm = parse_libsvm(file.bytes, file.path, min_columns);
  FileTable table;
  table.rows = libsvm.rows;
  table.columns = libsvm.columns;
  table.features = std::move(libsvm.features);
  table.labels = std::move(libsvm.labels);
  return table;
}

std::string array_names(const std::vector<NamedArray>& arrays) {
  std::vector<std::string> names;
  for (const NamedArray& array : arrays) names.push_back("'" + printable(array.name) + "'");
  return join(names, ", ");
}

std::string where_in(const std::string& path, const NamedArray& array) {
  return fmt::format("{}: array '{}'", path, printable(array.name));
}

FileTable from_npz(const DataConfig& config, const InputFile& file) {
  const std::vector<NamedArray> arrays = parse_npz(file.bytes, file.path);
  const auto is_label = [&](const NamedArray& array) { return array.name == config.label; };
  const auto label = std::find_if(arrays.begin(), arrays.end(), is_label);
  if (label == arrays.end()) {
    usage_error("{}: data.label is '{}'; expected the name of the array with the labels. The file has {}", file.path,
                printable(config.label), array_names(arrays));
  }
  if (arrays.size() != 2) {
    usage_error("{}: {} arrays ({}); expected two, the labels and the features", file.path, arrays.size(),
                array_names(arrays));
  }
  const NamedArray& features = arrays[label == arrays.begin() ? 1 : 0];
  return table_of(features.array, where_in(file.path, features), label->array, where_in(file.path, *label));
}

}  // namespace

FileFormat file_format(const DataConfig& config, const std::string& path) {
  for (const FormatName& known : kFormats) {
    if (config.format == known.name) return known.format;
  }
  if (config.format != "auto") {
    usage_error("data.format is '{}'; expected auto, libsvm, csv, npy, npz or idx", printable(config.format));
  }
  for (const FormatName& known : kEndings) {
    if (path.ends_with(known.name)) return known.format;
  }
  usage_error("{}: the name does not tell the format; set data.format to libsvm, csv, npy, npz or idx", path);
}

FileTable read_table(const DataConfig& config, FileFormat format, const std::string& path,
                     const std::string& labels_path, std::int32_t min_columns) {
  const InputFile file = read_input(path);
  FileTable table;
  switch (format) {
    case FileFormat::csv:
      table = from_csv(config, file);
      break;
    case FileFormat::libsvm:
      table = from_libsvm(file, min_columns);
      break;
    case FileFormat::npz:
      table = from_npz(config, file);
      break;
    case FileFormat::npy:
    case FileFormat::idx: {
      const InputFile labels = read_input(labels_path);
      table = table_of(parse_array(format, file), file.path, parse_array(format, labels), labels.path);
      table.source = file.provenance + "; " + labels.provenance;
      break;
    }
  }
  if (table.source.empty()) table.source = file.provenance;
  table.bytes = file.bytes.size();
  table.crc = file.crc;
  return table;
}

std::pair<FileTable, FileTable> read_both_parts(const std::string& path) {
  const InputFile file = read_input(path);
  const std::vector<NamedArray> arrays = parse_npz(file.bytes, file.path);
  const auto find = [&](std::string_view name) -> const NamedArray& {
    for (const NamedArray& array : arrays) {
      if (array.name == name && arrays.size() == 4) return array;
    }
    usage_error(
        "{}: data.label is missing: the name of the array with the labels. Without it, a file must have the "
        "arrays x_train, y_train, x_test and y_test; this one has {}",
        file.path, array_names(arrays));
  };
  const auto part = [&](std::string_view x, std::string_view y) {
    return table_of(find(x).array, where_in(file.path, find(x)), find(y).array, where_in(file.path, find(y)));
  };
  std::pair<FileTable, FileTable> both = {part("x_train", "y_train"), part("x_test", "y_test")};
  both.first.source = file.provenance;
  return both;
}

}  // namespace quarry
