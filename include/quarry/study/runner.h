// SPDX-License-Identifier: MIT
// Runs a study: packs its runs into fleets, keeps journals, resumes, and writes the files that people read.
//
//   OUT/<study>/config.toml        the resolved config; a later call may add seeds, any other config is refused
//   OUT/<study>/environment.json   machine and build, outside the byte contract
//   OUT/<study>/runs/<id>/journal.jsonl, networks/*.safetensors
//   OUT/<study>/results.csv        derived from the journals, in grid order; not there while they grow
//   OUT/<study>/timings.csv        seconds by run and phase, outside the byte contract
//   OUT/<study>/failed_runs.txt    runs in which the device failed again and again, if any, outside the byte contract
// A shard i of n works in OUT/<study>.shard-<i>-of-<n>/ and takes every n-th run; `quarry report` reads them all.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quarry/core/device.h"
#include "quarry/core/file_system.h"
#include "quarry/core/progress.h"
#include "quarry/study/config.h"

namespace quarry {

struct RunOptions {
  std::string out = "results";
  Device device;
  std::int32_t workers = 0;  ///< 0 = one per core
  std::int32_t fleet = 0;    ///< runs advanced in lock step; 0 = as many as there are, at most 256
  std::int32_t shard = 1, shards = 1;
  ProgressMode progress = ProgressMode::automatic;
  bool graphs = true;    ///< on a GPU: trials of a tuning, training steps of residual networks as CUDA graphs
  bool profile = false;  ///< on a GPU: bracket one cycle for a profiler (docs/profiling.md); perceptrons alone
  /// A process that takes over from one whose GPU failed (src/cli/worker.h) leaves out the runs that were recorded as
  /// failed; any other tries them again.
  bool takes_over = false;
  /// One run at a time; one whose kernel poisons the process before it commits anything is recorded as failed.
  bool alone = false;
  /// Is told what looks like a mistake in the data; not of a process that takes over, whose first one said it.
  std::function<void(const std::string&)> note = {};
  const std::atomic<bool>* stop = nullptr;  ///< set by a signal: stop cleanly, keep what is committed
};

struct RunSummary {
  std::string directory;
  std::int64_t runs = 0, finished = 0;
  std::int64_t resumed = 0;      ///< runs that had records before
  std::int64_t diverged = 0;     ///< runs in which a network diverged at least once
  std::int64_t by_position = 0;  ///< picks of Core-Sets and BADGE that no distance chose, in runs of residual networks
  std::int64_t failed = 0;       ///< runs left out because the device failed in them
  bool interrupted = false;
};

/// Runs what is not finished yet. A shard without runs writes nothing. Bytes of journals, networks and results.csv
/// depend on config and data alone; a run that failed on the device has in results.csv what it committed before. A
/// config that adds seeds to the directory's is taken over: the runs that are there stay, and all is as if every seed
/// had been there from the start. Errors: usage for another config in the directory, or one that leaves out seeds whose
/// runs are there, failed if another process holds it or a file cannot be written; gpu::Failure, after which all that
/// is committed is safe.
RunSummary run_study(FileSystem& files, const StudyConfig& study, const RunOptions& options);

/// Most runs that are advanced in lock step: each holds its journal open.
inline constexpr std::int32_t kMaxFleet = 256;
/// How many are, where there are so many.
std::int32_t fleet_width(const RunOptions& options);

/// The runs of a shard: every n-th, in grid order; none where a study has fewer. Error: usage, unless
/// 1 <= shard <= shards.
std::vector<const StudyRun*> shard_runs(const StudyConfig& study, std::int32_t shard, std::int32_t shards);

/// The directory of a study (or of one shard of it) below `out`.
std::string study_directory(const std::string& out, const std::string& study, std::int32_t shard, std::int32_t shards);

}  // namespace quarry
