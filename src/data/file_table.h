// SPDX-License-Identifier: MIT
// A part of the user's own data set as a table, whatever format it is in.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "quarry/data/data_table.h"
#include "quarry/data/labels.h"

namespace quarry {

struct FileTable {
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::vector<float> features;
  std::vector<std::string> feature_names;  // or empty
  LabelColumn labels;
  std::string source;
  std::uint64_t bytes = 0;  // of the file of the features, as crc
  std::uint32_t crc = 0;
};

enum class FileFormat { libsvm, csv, npy, npz, idx };

/// data.format, or the format that the file's name tells. Error: usage.
FileFormat file_format(const DataConfig& config, const std::string& path);

/// Reads one part. `labels_path` is used by npy and idx; `min_columns` by libsvm.
FileTable read_table(const DataConfig& config, FileFormat format, const std::string& path,
                     const std::string& labels_path, std::int32_t min_columns);

/// An npz file with the arrays x_train, y_train, x_test and y_test and no other has both parts (Keras writes such
/// files). `config.label` must be empty.
std::pair<FileTable, FileTable> read_both_parts(const std::string& path);

}  // namespace quarry
