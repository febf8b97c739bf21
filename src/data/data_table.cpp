// SPDX-License-Identifier: MIT
#include "quarry/data/data_table.h"

#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/loaders.h"

namespace quarry {
namespace {

constexpr DataEntry kTable[] = {
    {"moons", "two interleaved half circles: 480 + 120 instances, 2 features, 2 classes; generated", "", load_moons},
    {"adversarial_moons", "moons inside a ring of 100 honeypots: 480 + 120 instances, 2 features, 2 classes; generated",
     "", load_adversarial_moons},
    {"blobs", "two blobs and 200 honeypots between them: 320 + 80 instances, 2 features, 2 classes; generated", "",
     load_blobs},
    {"diverging_sine", "two noisy sine waves that drift apart: 400 + 100 instances, 2 features, 2 classes; generated",
     "", load_diverging_sine},
    {"splice", "splice junctions, two kinds: 1000 + 2175 instances, 60 features, 2 classes; LIBSVM collection",
     "files splice, splice.t in data.path or in QUARRY_DATA/libsvm", load_splice},
    {"dna", "splice junctions, three kinds: 2000 + 1186 instances, 180 features, 3 classes; LIBSVM collection",
     "files dna.scale.tr, dna.scale.val, dna.scale.t in data.path or in QUARRY_DATA/libsvm", load_dna},
    {"fashion_mnist", "28x28 pictures of clothes: 60000 + 10000 instances, 784 features, 10 classes",
     "Debian package dataset-fashion-mnist, or its four files in data.path", load_fashion_mnist},
    {"file", "your own data set: LIBSVM, CSV, NPY, NPZ or IDX file, described by keys of [data] alone", "data.path",
     load_file},
};

}  // namespace

std::span<const DataEntry> data_table() {
  return kTable;
}

Dataset load_dataset(const DataConfig& config) {
  std::vector<std::string_view> names;
  for (const DataEntry& entry : kTable) {
    if (entry.name == config.name) return entry.load(config);
    names.push_back(entry.name);
  }
  usage_error("there is no data set '{}'.{} `quarry list datasets` names them all", printable(config.name),
              suggestion(config.name, names));
}

}  // namespace quarry
