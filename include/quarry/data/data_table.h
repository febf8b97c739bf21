// SPDX-License-Identifier: MIT
// Data sets by name, and the user's own files. One line per data set in src/data/data_table.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "quarry/data/csv.h"
#include "quarry/data/dataset.h"

namespace quarry {

enum class Scaler { automatic, minmax, standard, none };  ///< automatic: what the data set's entry says
enum class ScalerFit { train, test };                     ///< B3

/// What determines a data set: the [data] keys of a config.
struct DataConfig {
  std::string name = "moons";     ///< name in the data set table, or "file"
  std::string version = "final";  ///< of a set of the online-tuning study: final, keychain, seed, or a date (spec 3.6)
  std::optional<double> noise;    ///< overrides the generator's sigma
  bool separate_honeypot_noise = false;  ///< B21
  Scaler scaler = Scaler::automatic;
  ScalerFit scaler_fit = ScalerFit::train;
  std::string path, test_path;                ///< data = "file", or the folder of a named set
  std::string format = "auto";                ///< auto, libsvm, csv, npy, npz, idx
  CsvHeader header = CsvHeader::automatic;    ///< csv: whether the first line holds names
  std::string label;                          ///< csv: column name or number (from 0); npz: array name
  std::string labels_path, test_labels_path;  ///< npy, idx: file of the labels
  double test_share = 0.2;                    ///< share of rows held out when there is no test_path
  std::int64_t pool_limit = 0;                ///< use only the first rows of the pool; 0 = all
};

struct DataEntry {
  std::string_view name;
  std::string_view summary;  ///< one line: size, features, classes, where the files come from
  std::string_view needs;    ///< files or package it needs, empty for generated sets
  Dataset (*load)(const DataConfig& config);
};

/// Every named data set: moons, adversarial_moons, blobs, diverging_sine, toy, splice, dna, fashion_mnist, cifar10,
/// cifar100, and "file".
std::span<const DataEntry> data_table();

/// Loads and encodes the data set: reader or generator, split, scaler (fitted per scaler_fit), pool_limit.
/// Never a function of the run seed. LIBSVM sets are looked for in `path`, else in the folder QUARRY_DATA/libsvm, else
/// in that of `quarry data fetch`; image sets: cifar.h. Errors: usage for unknown names, missing keys and missing
/// files, failed for unreadable ones.
Dataset load_dataset(const DataConfig& config);

}  // namespace quarry
