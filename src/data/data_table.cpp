// SPDX-License-Identifier: MIT
#include "quarry/data/data_table.h"

#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

/// One line per data set: its name, what it is, what it needs. A .cpp of src/data defines load_NAME(). The order is
/// that of `quarry list datasets`.
#define QUARRY_DATA_SETS(ENTRY)                                                                                       \
  ENTRY(moons, "two interleaved half circles: 480 + 120 instances, 2 features, 2 classes; generated", "")             \
  ENTRY(adversarial_moons, "moons in a ring of honeypots: 480 + 120 instances, 2 features, 2 classes; generated", "") \
  ENTRY(blobs, "two blobs, honeypots between them: 320 + 80 instances, 2 features, 2 classes; generated", "")         \
  ENTRY(diverging_sine, "two sine waves drifting apart: 400 + 100 instances, 2 features, 2 classes; generated", "")   \
  ENTRY(toy, "two blobs and a blob of honeypots: 300 + 100 instances, 2 features, 2 classes; generated", "")          \
  ENTRY(splice, "splice junctions, two kinds: 1000 + 2175 instances, 60 features, 2 classes; LIBSVM collection",      \
        "`quarry data fetch splice`, or its two files in data.path or in QUARRY_DATA/libsvm")                         \
  ENTRY(dna, "splice junctions, three kinds: 2000 + 1186 instances, 180 features, 3 classes; LIBSVM collection",      \
        "`quarry data fetch dna`, or its three files in data.path or in QUARRY_DATA/libsvm")                          \
  ENTRY(fashion_mnist, "28x28 pictures of clothes: 60000 + 10000 instances, 784 features, 10 classes",                \
        "Debian package dataset-fashion-mnist, or its four files in data.path")                                       \
  ENTRY(cifar10, "32x32 colour photographs: 50000 + 10000 instances, 3072 features, 10 classes",                      \
        "`quarry data fetch cifar10`, or folder cifar-10-batches-bin or -py in data.path or QUARRY_DATA")             \
  ENTRY(cifar100, "32x32 colour photographs: 50000 + 10000 instances, 3072 features, 100 classes",                    \
        "`quarry data fetch cifar100`, or folder cifar-100-binary or -python in data.path or QUARRY_DATA")            \
  ENTRY(file, "your own data set: a LIBSVM, CSV, NPY, NPZ or IDX file, described by keys of [data] alone", "data.path")

namespace quarry {

#define QUARRY_DECLARE(name, summary, needs) Dataset load_##name(const DataConfig& config);
QUARRY_DATA_SETS(QUARRY_DECLARE)
#undef QUARRY_DECLARE

namespace {

#define QUARRY_ENTRY(name, summary, needs) {#name, summary, needs, load_##name},
constexpr DataEntry kTable[] = {QUARRY_DATA_SETS(QUARRY_ENTRY)};
#undef QUARRY_ENTRY

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
