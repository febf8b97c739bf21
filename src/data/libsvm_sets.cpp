// SPDX-License-Identifier: MIT
// The two LIBSVM sets of the online-tuning study.
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/data/libsvm.h"
#include "src/data/assemble.h"
#include "src/data/fetch_record.h"
#include "src/data/input.h"

namespace quarry {
namespace {

/// What a published set must look like.
struct Published {
  std::int32_t features;
  std::vector<std::string> classes;
  std::vector<std::string> pool_files;
  std::string test_file;
};

std::string folder_of(const DataConfig& config, const Published& published) {
  if (!config.path.empty()) return config.path;
  const std::string root = environment_value("QUARRY_DATA"), home = data_home();
  for (const std::string& place : {root, home}) {
    const std::string folder = join_path(place, "libsvm");
    std::error_code error;
    if (!place.empty() && std::filesystem::exists(join_path(folder, published.test_file), error)) return folder;
  }
  if (!root.empty()) return join_path(root, "libsvm");  // whose missing files are named
  std::string files = published.test_file;
  for (const std::string& file : published.pool_files) files += ", " + file;
  usage_error(
      "the data set '{}' needs a folder with the files {} in LIBSVM format: get them with `quarry data fetch {}`, or "
      "set "
      "data.path to it, or the environment variable QUARRY_DATA to a folder whose subfolder libsvm has them",
      config.name, files, config.name);
}

/// Appends the instances of a file to a part.
void append(const InputFile& file, const Published& published, RawPart<float>& part, LabelColumn& labels) {
  LibsvmTable table = parse_libsvm(file.bytes, file.path, published.features);
  if (table.columns != published.features) {
    fail("{}: {} features; this set has {}. Is it another file?", file.path, table.columns, published.features);
  }
  LabelColumn none;
  const std::vector<std::string> found = merge_classes(table.labels, none);
  if (found != published.classes) {
    fail("{}: {} classes; this set has {}, from {} to {}. Is it another file?", file.path, found.size(),
         published.classes.size(), published.classes.front(), published.classes.back());
  }
  part.n += table.rows;
  part.features.insert(part.features.end(), table.features.begin(), table.features.end());
  labels.ids.insert(labels.ids.end(), table.labels.ids.begin(), table.labels.ids.end());
}

Dataset load_published(const DataConfig& config, const Published& published, Scaler usual) {
  static constexpr std::array<std::string_view, 1> kKeys = {"path"};
  refuse_unused_keys(config, kKeys);
  const std::string folder = folder_of(config, published);
  RawDataset<float> raw;
  raw.name = config.name;
  raw.n_features = published.features;
  raw.class_names = published.classes;
  LabelColumn labels, test_labels;
  for (const std::string& name : published.pool_files) {
    const InputFile file = read_input(join_path(folder, name));
    append(file, published, raw.train, labels);
    raw.source += file.provenance + "; ";
  }
  const InputFile file = read_input(join_path(folder, published.test_file));
  append(file, published, raw.test, test_labels);
  raw.source += file.provenance;
  raw.train.labels = std::move(labels.ids);
  raw.test.labels = std::move(test_labels.ids);
  return assemble(std::move(raw), config, usual);
}

}  // namespace

Dataset load_splice(const DataConfig& config) {
  return load_published(config, {60, {"-1", "1"}, {"splice"}, "splice.t"}, Scaler::minmax);
}

Dataset load_dna(const DataConfig& config) {
  return load_published(config, {180, {"1", "2", "3"}, {"dna.scale.tr", "dna.scale.val"}, "dna.scale.t"}, Scaler::none);
}

}  // namespace quarry
