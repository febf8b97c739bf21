// SPDX-License-Identifier: MIT
// What study directories hold, sorted into what a report compares: settings, arms, runs.
//
//   setting  a data set as one study poses it: initial labels, validation share, further axes
//   arm      a strategy under a mode in a setting; its runs differ in their seed alone
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/study/config.h"
#include "quarry/study/results.h"

namespace quarry {

/// A run that a study's config asks for.
struct RequestedRun {
  std::string run, dataset, strategy, mode, variant;
  std::int64_t seed = 0;
  std::int32_t n_initial = 0;  ///< -1: everything is labelled
  double val_share = 0;
  std::string file;  ///< name of the user's own file, with as much of its folder as tells it from others; else empty
  std::vector<std::int32_t> iterations;  ///< that a completed run has rows of, ascending
};

/// Seconds that a run spent in a phase (timings.csv).
struct PhaseTime {
  std::string run, phase;
  double seconds = 0;
};

/// One study directory: a whole study or a shard of one.
struct StudyDirectory {
  std::string path, study, preset;
  std::string config;                         ///< text of its config, every key written out
  std::shared_ptr<const StudyConfig> parsed;  ///< the same; null for made-up directories
  bool has_other_seeds = false;               ///< `parsed` has seeds of other directories too
  std::vector<RequestedRun> requested;        ///< of the whole study, in grid order
  std::vector<ResultRow> rows;
  std::vector<PhaseTime> times;
};

struct ReportRun {
  RequestedRun request;
  std::string directory;        ///< the study directory that holds it; empty if none does
  std::vector<ResultRow> rows;  ///< the first of request.iterations; empty if the run is missing
  std::vector<PhaseTime> times;

  bool complete() const { return !rows.empty() && rows.size() == request.iterations.size(); }
  bool diverged() const;
};

struct Arm {
  std::string strategy, mode;
  std::vector<ReportRun> runs;  ///< one per seed that was asked for, missing ones too

  std::int64_t completed() const;
  std::int64_t diverged() const;
};

struct Setting {
  std::string study, preset, dataset, variant, file;  ///< file: as in RequestedRun
  std::int32_t n_initial = 0;
  double val_share = 0;
  std::vector<std::string> strategies, modes;  ///< in grid order
  std::vector<Arm> arms;                       ///< in grid order
  bool among_several = false;                  ///< other studies are reported with it

  const Arm* find(const std::string& strategy, const std::string& mode) const;
};

/// Reads a study directory. Without results.csv (a study that was stopped) the rows come from the journals.
/// Errors: usage if it is not a study directory, failed for damaged files, and for a results.csv that says something
/// else than the journals beside it.
StudyDirectory read_study_directory(FileSystem& files, const std::string& path);

/// Reads several. Those of one study that differ in their seeds alone become parts of the study with all their seeds,
/// in the order given. Errors: those above; usage if two of one study differ in anything else, or have a seed in
/// common.
std::vector<StudyDirectory> read_study_directories(FileSystem& files, const std::vector<std::string>& paths);

/// Merges directories. Errors: usage if two of one study have different configs or hold the same run; failed for rows
/// that belong to no run of the config, or whose iterations are not those it asks for, or whose label counts do not
/// ascend.
std::vector<Setting> combine(const std::vector<StudyDirectory>& directories);

/// A run's config; null if its directory is not there or made up.
const RunConfig* config_of(const std::vector<StudyDirectory>& directories, const ReportRun& run);

/// The rows of every directory, study by study in grid order: of the shards of a study, what it would have written as a
/// whole. Call combine first, for its checks.
std::vector<ResultRow> merged_rows(const std::vector<StudyDirectory>& directories);

}  // namespace quarry
