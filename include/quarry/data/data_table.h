// SPDX-License-Identifier: MIT
// Data sets by name, and the user's own files. One line per data set in src/data/data_table.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quarry/data/dataset.h"
#include "quarry/study/config.h"

namespace quarry {

struct DataEntry {
  std::string_view name;
  std::string_view summary;   ///< one line: size, features, classes, where the files come from
  std::string_view needs;     ///< files or package it needs, empty for generated sets
  Dataset (*load)(const RunConfig& config);
};

/// Every named data set: moons, adversarial_moons, blobs, diverging_sine, splice, dna, fashion_mnist, and "file".
std::span<const DataEntry> data_table();

/// Loads and encodes the data set of a run: reader or generator, split, scaler (fitted per scaler_fit), pool_limit.
/// A function of the [data] keys only: never of the run seed. LIBSVM sets are looked for in `path`, then in the
/// folder QUARRY_DATA/libsvm. Errors: usage for unknown names or missing keys, failed for unreadable files.
Dataset load_dataset(const RunConfig& config);

}  // namespace quarry
