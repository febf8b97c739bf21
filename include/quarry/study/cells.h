// SPDX-License-Identifier: MIT
// The files of the hyperparameter study in the layout and shapes of the published one (spec 9), so that its readers
// read ours and ours read its:
//
//   CELLS/<DATASET>/data.json
//   CELLS/<DATASET>/<strategy>/lr<lr>_wd<wd>/seed<s>/results.json, queried_indices.json            active learning
//   CELLS/<DATASET>/<strategy>/budget<labels>/lr<lr>_wd<wd>/seed<s>/results.json                   optimisation
//   .../pool.json    beside queried_indices.json: which rows of the data set the positions are
//   .../notes.json   beside results.json: what the published shapes have no place for, where there is any of it
//   .../protocol.json   beside results.json: by which protocol it was made (protocol.h)
// with CELLS = OUT/<study>/cells. Derived from journals alone. Times are 0.0 there; timings.csv has the real ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/core/json.h"
#include "quarry/data/images.h"
#include "quarry/study/config.h"

namespace quarry {

/// "CIFAR10": the name in upper case.
std::string cell_dataset(const std::string& data_name);
/// "CIFAR10/badge/lr0.001_wd0.05/seed1", for the optimisation half "CIFAR10/badge/budget2000/lr0.001_wd0.05/seed1".
std::string cell_path(const RunConfig& config);
/// Where the set that a frozen_set run searches on was acquired: cell_path of that active-learning run.
std::string acquired_cell_path(const RunConfig& config);

/// The acquisitions of a queried_indices.json: cycle 0 is the initial pool. Pure function of bytes. Error: failed, with
/// `path`, for a text that is not of that shape.
std::vector<std::vector<std::int32_t>> parse_queried_indices(std::string_view text, const std::string& path);

/// CRC-32 of the data set's rows by pool position, little endian: two runs with the same mean the same images by their
/// positions.
std::int64_t pool_rows_crc(std::span<const std::int32_t> rows);

/// What a run's pool positions stand for.
struct PoolImages {
  std::span<const std::int32_t> rows;  ///< of the data set, by position
  std::int64_t fingerprint = 0;        ///< of the data set (its run record's data_fingerprint)
  std::string source;                  ///< where the data set came from, for messages
};

/// The labelled set of a frozen_set run.
struct AcquiredSet {
  std::vector<std::int32_t> positions;  ///< in the order of their acquisition
  /// False: of another program, as the published one: without a pool.json beside it, which says what the positions
  /// mean. Such a list may have a position more than once (spec 16, no. 18); then the search trains on it as often.
  bool pool_is_known = true;
};

/// The first acquired_labels positions of a run's cell below pool.acquired (with or without cells/, or in one of the
/// study's shards). Errors: failed if the file is missing or has fewer, a position beyond the pool, or one twice
/// beside a pool.json. Refused too: a set whose pool.json says that its positions meant other rows, or (usage) rows of
/// other data, than `pool`.
AcquiredSet read_acquired(FileSystem& files, const RunConfig& config, const PoolImages& pool);

/// Files of one run, from its journal: path below the cell's folder, and text. None of a run that is not finished.
struct CellFile {
  std::string name, text;
};
std::vector<CellFile> learning_cell_files(const StudyRun& run, const std::vector<Json>& records);
std::vector<CellFile> search_cell_files(const StudyRun& run, const std::vector<Json>& records);
/// protocol.json, from the first record of the run's journal. `labels_from`: of a search, acquired_protocol.
CellFile protocol_file(const RunConfig& config, const Json& first, const Json& labels_from);
/// The protocol.json of the run that chose the labels of a frozen_set run; null where it has none, as the published
/// study's. Error: failed, with its path, for a file that is not of that shape.
Json acquired_protocol(FileSystem& files, const RunConfig& config);
/// data.json: which pixels the results are from.
std::string cell_data_record(const ImageDataset& data);

}  // namespace quarry
