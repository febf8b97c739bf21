// SPDX-License-Identifier: MIT
#include "quarry/study/runner.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/study/config_difference.h"
#include "quarry/study/environment.h"
#include "quarry/study/executor.h"
#include "quarry/study/journal.h"
#include "quarry/study/run_rows.h"
#include "src/core/device_failure.h"
#include "src/study/failed_runs.h"
#include "src/study/study_runner.h"

namespace quarry {

StudyRunner::StudyRunner(FileSystem& files, const StudyConfig& study, const RunOptions& options)
    : files_(files),
      study_(study),
      options_(options),
      directory_(study_directory(options.out, study.study, options.shard, options.shards)),
      context_({}, options.workers),  // a GPU has its own way: run_on_device
      runs_(shard_runs(study, options.shard, options.shards)) {}

RunSummary StudyRunner::run() {
  RunSummary summary;
  summary.directory = directory_;
  summary.runs = static_cast<std::int64_t>(runs_.size());
  if (runs_.empty()) return summary;  // more shards than runs: no folder is made
  if (options_.device.kind == DeviceKind::cuda)
    for (const StudyRun* run : runs_) refuse_on_device(*run);
  load_data();
  files_.make_directories(directory_);
  const auto lock = files_.lock(directory_);
  adopt_config();
  files_.write_atomically(directory_ + "/environment.json",
                          environment_record(options_.device, context_.pool().workers()).dump() + "\n");
  leave_out_failed_runs(summary);
  drop_stale_results();
  std::vector<const StudyRun*> waiting;
  for (const StudyRun* run : runs_)
    if (!failed_.contains(run->id)) waiting.push_back(run);
  try {
    advance_all(waiting, summary);
  } catch (const Interrupted&) {
    summary.interrupted = true;
  }
  timings_.write(files_, directory_ + "/timings.csv");
  if (!summary.interrupted) write_results();
  return summary;
}

void StudyRunner::leave_out_failed_runs(RunSummary& summary) {
  if (!options_.takes_over) forget_failed_runs(files_, directory_);
  for (const std::string& id : read_failed_runs(files_, directory_)) failed_.insert(id);
  for (const StudyRun* run : runs_) summary.failed += failed_.contains(run->id);
}

/// The folder's config becomes this study's: it is that already, there is none yet, or seeds have come in.
void StudyRunner::adopt_config() {
  const std::string path = directory_ + "/config.toml";
  if (files_.exists(path)) {
    const std::string begun = files_.read(path);
    if (begun == study_.resolved) return;
    check_continues(parse_study(begun, path, {}));
  }
  files_.write_atomically(path, study_.resolved);
}

/// Whether the folder's runs are this study's too.
void StudyRunner::check_continues(const StudyConfig& begun) const {
  const std::optional<ConfigDifference> difference = first_difference(begun, study_);
  if (!difference) return;  // another text with the same meaning
  if (!differ_in_seeds_alone(begun, study_))
    usage_error(
        "{} holds results of another config: {} is {} there and {} here; choose another --out or another study name",
        directory_, difference->key, difference->first, difference->second);
  std::unordered_set<std::string_view> here, anywhere;
  for (const StudyRun* run : runs_) here.insert(run->id);
  for (const StudyRun& run : study_.runs) anywhere.insert(run.id);
  for (const StudyRun& run : begun.runs) {
    if (here.contains(run.id) || !files_.exists(journal_path(run))) continue;
    if (!anywhere.contains(run.id))
      usage_error(
          "{} holds a run of seed {}, which run.seed = {} leaves out: seeds can be added to a study, but not taken "
          "away; add {} to run.seed, or choose another --out",
          directory_, run.config.seed, difference->second, run.config.seed);
    usage_error(
        "{} holds run {}, which another shard would have with the seeds of run.seed = {}; keep run.seed = {} here, run "
        "the new seeds with another --out, and give quarry report the folders of both",
        directory_, run.id, difference->second, difference->first);
  }
}

/// results.csv is kept only where all that this call would write is in it already: beside journals that go on, an older
/// one would contradict them.
void StudyRunner::drop_stale_results() const {
  const std::string path = directory_ + "/results.csv";
  if (!files_.exists(path)) return;
  std::vector<ResultRow> rows;
  bool whole = true;
  for (const StudyRun* run : runs_) {
    const std::size_t before = rows.size();
    append_rows(*run, rows);
    whole = whole && rows.size() - before == iterations_with_rows(run->config).size();
  }
  if (!whole || files_.read(path) != results_csv(rows)) files_.remove(path);
}

bool StudyRunner::blames_run(const gpu::Failure& failure) const {
  return options_.alone && failure.sticky() && !gpu::is_device_loss(failure.code());
}

std::vector<Json> StudyRunner::records_of(const StudyRun& run) const {
  const std::string path = journal_path(run);
  if (!files_.exists(path)) return {};
  return parse_journal(files_.read(path), path).records;
}

void StudyRunner::append_rows(const StudyRun& run, std::vector<ResultRow>& rows) const {
  std::vector<ResultRow> more = rows_of_journal(study_.study, run, records_of(run));
  std::move(more.begin(), more.end(), std::back_inserter(rows));
}

/// Derived from the journals alone, in grid order.
void StudyRunner::write_results() {
  std::vector<ResultRow> rows;
  for (const StudyRun* run : runs_) append_rows(*run, rows);
  files_.write_atomically(directory_ + "/results.csv", results_csv(rows));
}

std::int32_t fleet_width(const RunOptions& options) {
  const std::int32_t wanted = options.alone ? 1 : options.fleet > 0 ? options.fleet : kMaxFleet;
  return std::min(wanted, kMaxFleet);
}

std::vector<const StudyRun*> shard_runs(const StudyConfig& study, std::int32_t shard, std::int32_t shards) {
  if (shards < 1 || shard < 1 || shard > shards)
    usage_error("--shard {}/{}: expected i/n with 1 <= i <= n", shard, shards);
  std::vector<const StudyRun*> runs;
  for (auto i = static_cast<std::size_t>(shard) - 1; i < study.runs.size(); i += static_cast<std::size_t>(shards))
    runs.push_back(&study.runs[i]);
  return runs;
}

std::string study_directory(const std::string& out, const std::string& study, std::int32_t shard, std::int32_t shards) {
  return shards == 1 ? out + "/" + study : fmt::format("{}/{}.shard-{}-of-{}", out, study, shard, shards);
}

RunSummary run_study(FileSystem& files, const StudyConfig& study, const RunOptions& options) {
  const auto on_images = [](const StudyRun& run) { return run.config.network != NetworkKind::mlp; };
  const auto images = std::count_if(study.runs.begin(), study.runs.end(), on_images);
  if (images == 0) return make_perceptron_runner(files, study, options)->run();
  if (static_cast<std::size_t>(images) < study.runs.size())
    usage_error("model.network: a study trains perceptrons or residual networks, not both; split the study");
  return make_image_runner(files, study, options)->run();
}

}  // namespace quarry
