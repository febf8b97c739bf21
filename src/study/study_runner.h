// SPDX-License-Identifier: MIT
// What every study's runner does: its directory, config, environment record, journals' results. The two kinds of study
// differ in what their runs train and in how they are advanced.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/file_system.h"
#include "quarry/core/gpu.h"
#include "quarry/core/json.h"
#include "quarry/study/results.h"
#include "quarry/study/runner.h"
#include "src/study/timings.h"

namespace quarry {

class StudyRunner {
 public:
  StudyRunner(FileSystem& files, const StudyConfig& study, const RunOptions& options);
  virtual ~StudyRunner() = default;
  RunSummary run();

 protected:
  /// Every data set once, before anything is written: a missing file must not leave half a study behind.
  virtual void load_data() = 0;
  /// Advances the runs that are not left out to their ends, as far as nothing stops it.
  virtual void advance_all(const std::vector<const StudyRun*>& waiting, RunSummary& summary) = 0;

  std::string run_directory(const StudyRun& run) const { return directory_ + "/runs/" + run.id; }
  std::string journal_path(const StudyRun& run) const { return run_directory(run) + "/journal.jsonl"; }
  /// Of its journal; none where there is no journal.
  std::vector<Json> records_of(const StudyRun& run) const;
  std::size_t fleet_width() const { return static_cast<std::size_t>(quarry::fleet_width(options_)); }
  /// Whether a run that got nowhere is to blame: it was alone in a process which its kernels have poisoned.
  bool blames_run(const gpu::Failure& failure) const;

  FileSystem& files_;
  const StudyConfig& study_;
  RunOptions options_;
  std::string directory_;
  Context context_;
  std::vector<const StudyRun*> runs_;  ///< of this shard
  Timings timings_;

 private:
  void adopt_config();
  void check_continues(const StudyConfig& begun) const;
  void drop_stale_results() const;
  void leave_out_failed_runs(RunSummary& summary);
  void append_rows(const StudyRun& run, std::vector<ResultRow>& rows) const;
  void write_results();

  std::set<std::string> failed_;  ///< left out
};

/// Error: usage, naming run, key and the value to set, for a run that asks for what only the CPU has.
void refuse_on_device(const StudyRun& run);

std::unique_ptr<StudyRunner> make_perceptron_runner(FileSystem& files, const StudyConfig& study,
                                                    const RunOptions& options);
std::unique_ptr<StudyRunner> make_image_runner(FileSystem& files, const StudyConfig& study, const RunOptions& options);

}  // namespace quarry
