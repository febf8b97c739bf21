// SPDX-License-Identifier: MIT
#include "quarry/study/runner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/study/environment.h"
#include "quarry/study/executor.h"
#include "quarry/study/journal.h"
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
  if (options_.device.kind == DeviceKind::cuda)
    for (const StudyRun* run : runs_) refuse_on_device(*run);
  load_data();
  files_.make_directories(directory_);
  const auto lock = files_.lock(directory_);
  check_config();
  files_.write_atomically(directory_ + "/environment.json",
                          environment_record(options_.device, context_.pool().workers()).dump() + "\n");
  RunSummary summary;
  summary.directory = directory_;
  summary.runs = static_cast<std::int64_t>(runs_.size());
  leave_out_failed_runs(summary);
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

void StudyRunner::check_config() {
  const std::string path = directory_ + "/config.toml";
  if (!files_.exists(path)) {
    files_.write_atomically(path, study_.resolved);
  } else if (files_.read(path) != study_.resolved) {
    usage_error("{} holds results of another config; choose another --out or another study name", directory_);
  }
}

bool StudyRunner::blames_run(const gpu::Failure& failure) const {
  return options_.alone && failure.sticky() && !gpu::is_device_loss(failure.code());
}

std::vector<Json> StudyRunner::records_of(const StudyRun& run) const {
  const std::string path = run_directory(run) + "/journal.jsonl";
  if (failed_.contains(run.id) && !files_.exists(path)) return {};
  return parse_journal(files_.read(path), path).records;
}

/// Derived from the journals alone, in grid order.
void StudyRunner::write_results() {
  std::vector<ResultRow> rows;
  for (const StudyRun* run : runs_) {
    const std::vector<Json> records = records_of(*run);
    if (records.empty()) continue;  // it failed before its first record
    std::vector<ResultRow> more = rows_of(*run, records);
    std::move(more.begin(), more.end(), std::back_inserter(rows));
  }
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
