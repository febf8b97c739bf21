// SPDX-License-Identifier: MIT
// The two LIBSVM sets of the online-tuning study.
#include "src/data/libsvm_sets.h"

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/libsvm.h"
#include "src/data/assemble.h"
#include "src/data/fetch_record.h"
#include "src/data/input.h"

namespace quarry {
namespace {

struct PublishedFile {
  std::string name;
  std::int64_t instances;
};

/// What a published set must look like.
struct Published {
  std::string name;
  std::int32_t features;
  std::vector<std::string> classes;
  std::vector<PublishedFile> pool_files;
  PublishedFile test_file;
};

const Published kSplice = {"splice", 60, {"-1", "1"}, {{"splice", 1000}}, {"splice.t", 2175}};
/// The first versions' training file: values from -1 to 1, where those of the test file go from 1 to 4 (spec 3.4).
const Published kScaledSplice = {"splice", 60, {"-1", "1"}, {{"splice_scale", 1000}}, {"splice.t", 2175}};
const Published kDna = {
    "dna", 180, {"1", "2", "3"}, {{"dna.scale.tr", 1400}, {"dna.scale.val", 600}}, {"dna.scale.t", 1186}};

std::string folder_of(const DataConfig& config, const Published& published) {
  if (!config.path.empty()) return config.path;
  const std::string root = environment_value("QUARRY_DATA"), home = data_home();
  for (const std::string& place : {root, home}) {
    const std::string folder = join_path(place, "libsvm");
    std::error_code error;
    if (!place.empty() && std::filesystem::exists(join_path(folder, published.test_file.name), error)) return folder;
  }
  if (!root.empty()) return join_path(root, "libsvm");  // whose missing files are named
  std::string files = published.test_file.name;
  for (const PublishedFile& file : published.pool_files) files += ", " + file.name;
  usage_error(
      "the data set '{}' needs a folder with the files {} in LIBSVM format: get them with `quarry data fetch {}`, or "
      "set "
      "data.path to it, or the environment variable QUARRY_DATA to a folder whose subfolder libsvm has them",
      config.name, files, config.name);
}

/// The instances of a file of the set; fails for any other file, for a shorter one with the advice.
LibsvmTable table_of(std::string_view bytes, const std::string& where, const Published& published,
                     const PublishedFile& file, const std::string& advice) {
  LibsvmTable table = parse_libsvm(bytes, where, published.features);
  if (table.columns != published.features) {
    fail("{}: {} features; this set has {}. Is it another file?", where, table.columns, published.features);
  }
  LabelColumn none;
  const std::vector<std::string> found = merge_classes(table.labels, none);
  if (found != published.classes) {
    fail("{}: {} classes; this set has {}, from {} to {}. Is it another file?", where, found.size(),
         published.classes.size(), published.classes.front(), published.classes.back());
  }
  if (table.rows != file.instances) {
    fail("{}: {} instances; {} has {}. Is it cut off?{}", where, table.rows, file.name, file.instances, advice);
  }
  return table;
}

InputFile read_published(const std::string& folder, const PublishedFile& file, const Published& published) {
  const std::string path = join_path(folder, file.name);
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    usage_error("{}: is missing: get it with `quarry data fetch {}`", path, published.name);
  return read_input(path);
}

/// Appends the instances of a file to a part.
void append(const InputFile& file, const Published& published, const PublishedFile& wanted, RawPart<float>& part,
            LabelColumn& labels) {
  const LibsvmTable table = table_of(file.bytes, file.path, published, wanted,
                                     " Move it away and get it again with `quarry data fetch " + published.name + "`");
  part.n += table.rows;
  part.features.insert(part.features.end(), table.features.begin(), table.features.end());
  labels.ids.insert(labels.ids.end(), table.labels.ids.begin(), table.labels.ids.end());
}

Dataset load_published(const DataConfig& config, const Published& published, Scaler usual) {
  static constexpr std::array<std::string_view, 2> kKeys = {"path", "version"};
  refuse_unused_keys(config, kKeys);
  if (config.version != "final" && config.version != "keychain" && config.version != "seed")
    usage_error("the data set '{}' has no data.version '{}'; expected final, keychain or seed", config.name,
                printable(config.version));
  const std::string folder = folder_of(config, published);
  RawDataset<float> raw;
  raw.name = config.name;
  raw.n_features = published.features;
  raw.class_names = published.classes;
  LabelColumn labels, test_labels;
  for (const PublishedFile& wanted : published.pool_files) {
    const InputFile file = read_published(folder, wanted, published);
    append(file, published, wanted, raw.train, labels);
    raw.source += file.provenance + "; ";
  }
  const InputFile file = read_published(folder, published.test_file, published);
  append(file, published, published.test_file, raw.test, test_labels);
  raw.source += file.provenance;
  raw.train.labels = std::move(labels.ids);
  raw.test.labels = std::move(test_labels.ids);
  return assemble(std::move(raw), config, usual);
}

}  // namespace

void check_libsvm_file(std::string_view data_set, std::string_view name, std::string_view bytes,
                       const std::string& where) {
  for (const Published* published : {&kSplice, &kScaledSplice, &kDna}) {
    if (published->name != data_set) continue;
    for (const PublishedFile& file : published->pool_files)
      if (file.name == name) table_of(bytes, where, *published, file, "");
    if (published == &kScaledSplice) continue;  // whose test file is splice's
    if (published->test_file.name == name) table_of(bytes, where, *published, published->test_file, "");
  }
}

Dataset load_splice(const DataConfig& config) {
  return load_published(config, config.version == "final" ? kSplice : kScaledSplice, Scaler::minmax);
}

Dataset load_dna(const DataConfig& config) {
  return load_published(config, kDna, Scaler::none);
}

}  // namespace quarry
