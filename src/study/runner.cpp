// SPDX-License-Identifier: MIT
#include "quarry/study/runner.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "quarry/study/active_learning_run.h"
#include "quarry/study/environment.h"
#include "quarry/study/plan.h"
#include "src/core/device_failure.h"
#include "src/study/failed_runs.h"
#include "src/study/timings.h"

namespace quarry {
namespace {

constexpr std::int32_t kMaxFleet = 256;  // each run in the fleet holds its journal open

class StudyRunner {
 public:
  StudyRunner(FileSystem& files, const StudyConfig& study, const RunOptions& options)
      : files_(files),
        study_(study),
        options_(options),
        directory_(study_directory(options.out, study.study, options.shard, options.shards)),
        context_(options.device, options.workers),
        executor_(make_in_process_executor(context_, options.stop)) {
    for (std::size_t i = 0; i < study.runs.size(); ++i)
      if (static_cast<std::int32_t>(i % static_cast<std::size_t>(options.shards)) == options.shard - 1)
        runs_.push_back(&study.runs[i]);
  }

  RunSummary run() {
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
    try {
      advance_all(summary);
    } catch (const Interrupted&) {
      summary.interrupted = true;
    }
    timings_.write(files_, directory_ + "/timings.csv");
    if (!summary.interrupted) write_results();
    return summary;
  }

 private:
  struct Active {
    std::unique_ptr<ActiveLearningRun> run;
    std::int32_t data;
    std::int32_t opened_at = run->iteration();
  };

  std::string run_directory(const StudyRun& run) const { return directory_ + "/runs/" + run.id; }

  void leave_out_failed_runs(RunSummary& summary) {
    if (!options_.takes_over) forget_failed_runs(files_, directory_);
    for (const std::string& id : read_failed_runs(files_, directory_)) failed_.insert(id);
    for (const StudyRun* run : runs_) summary.failed += failed_.contains(run->id);
  }

  /// Every data set once, before anything is written: a missing file must not leave half a study behind.
  void load_data() {
    for (const StudyRun* run : runs_) {
      std::shared_ptr<const Dataset>& data = data_[data_identity(run->config.data)];
      if (data == nullptr) data = std::make_shared<const Dataset>(load_dataset(run->config.data));
    }
    for (const StudyRun* run : runs_) {
      const Dataset& data = *dataset_of(*run);
      check_run_fits_data(run->config, {data.train.n, data.test.n, data.n_features, data.n_classes});
    }
  }

  const std::shared_ptr<const Dataset>& dataset_of(const StudyRun& run) const {
    return data_.at(data_identity(run.config.data));
  }

  void check_config() {
    const std::string path = directory_ + "/config.toml";
    if (!files_.exists(path)) {
      files_.write_atomically(path, study_.resolved);
    } else if (files_.read(path) != study_.resolved) {
      usage_error("{} holds results of another config; choose another --out or another study name", directory_);
    }
  }

  Active open(const StudyRun& run) {
    const auto& data = dataset_of(run);
    return {std::make_unique<ActiveLearningRun>(files_, run, data, run_directory(run), study_.networks),
            executor_->load(data)};
  }

  void advance_all(RunSummary& summary) {
    std::int64_t total = 0;
    std::vector<const StudyRun*> waiting;
    for (const StudyRun* run : runs_) {
      if (failed_.contains(run->id)) continue;
      waiting.push_back(run);
      total += iterations_total(run->config);
    }
    Progress progress(total, "acquisitions", options_.progress);
    const std::int32_t wanted = options_.alone ? 1 : options_.fleet > 0 ? options_.fleet : kMaxFleet;
    const auto width = static_cast<std::size_t>(std::min(wanted, kMaxFleet));
    std::vector<Active> fleet;
    std::size_t next = 0;
    while (next < waiting.size() || !fleet.empty()) {
      while (fleet.size() < width && next < waiting.size()) {
        fleet.push_back(open(*waiting[next++]));
        const ActiveLearningRun& run = *fleet.back().run;
        summary.resumed += run.committed_iterations() > 0;
        progress.skip(run.committed_iterations());
      }
      try {
        advance(fleet, progress);
      } catch (const gpu::Failure& failure) {
        record_failed_run(fleet, failure);
        throw;
      }
      for (const Active& active : fleet) {
        if (active.run->want() != ActiveLearningRun::Want::nothing) continue;
        ++summary.finished;
        summary.diverged += active.run->diverged_once();
      }
      std::erase_if(fleet, [](const Active& a) { return a.run->want() == ActiveLearningRun::Want::nothing; });
    }
    progress.finish();
  }

  /// The run that is alone in a process which its kernels have poisoned, if it gets nowhere.
  void record_failed_run(const std::vector<Active>& fleet, const gpu::Failure& failure) {
    if (!options_.alone || !failure.sticky() || gpu::is_device_loss(failure.code())) return;
    const ActiveLearningRun& run = *fleet.front().run;
    if (run.iteration() == fleet.front().opened_at) add_failed_run(files_, directory_, run.id(), failure.what());
  }

  /// One wave: everything the runs of the fleet want now, kind by kind.
  void advance(std::vector<Active>& fleet, Progress& progress) {
    using Want = ActiveLearningRun::Want;
    fit(wanting(fleet, Want::fits));
    test(wanting(fleet, Want::test), progress);
    select(wanting(fleet, Want::selection));
  }

  static std::vector<Active*> wanting(std::vector<Active>& fleet, ActiveLearningRun::Want want) {
    std::vector<Active*> chosen;
    for (Active& active : fleet)
      if (active.run->want() == want) chosen.push_back(&active);
    return chosen;
  }

  void fit(const std::vector<Active*>& runs) {
    std::vector<FitJob> jobs;
    std::vector<std::size_t> counts;
    for (Active* active : runs) {
      std::vector<MemberSpec> members = active->run->fits();
      counts.push_back(members.size());
      for (MemberSpec& member : members) jobs.push_back({active->data, std::move(member)});
    }
    if (jobs.empty()) return;
    const PhaseTimer timer;
    std::vector<MemberResult<float>> results = executor_->fit(jobs);
    auto result = results.begin();
    for (std::size_t r = 0; r < runs.size(); ++r) {
      const auto end = result + static_cast<std::ptrdiff_t>(counts[r]);
      timings_.add(runs[r]->run->id(), "fit", timer.share(counts[r], jobs.size()), counts[r]);
      runs[r]->run->give_fits({std::make_move_iterator(result), std::make_move_iterator(end)});
      result = end;
    }
  }

  void test(const std::vector<Active*>& runs, Progress& progress) {
    std::vector<TestJob> jobs;
    for (Active* active : runs) {
      jobs.push_back(active->run->test_job());
      jobs.back().data = active->data;
    }
    if (jobs.empty()) return;
    const PhaseTimer timer;
    const std::vector<TestMetrics> results = executor_->test(jobs);
    for (std::size_t r = 0; r < runs.size(); ++r) {
      timings_.add(runs[r]->run->id(), "test", timer.share(1, jobs.size()), 1);
      runs[r]->run->give_test(results[r]);
    }
    progress.advance(static_cast<std::int64_t>(runs.size()));
  }

  void select(const std::vector<Active*>& runs) {
    std::vector<SelectJob> jobs;
    for (Active* active : runs) {
      jobs.push_back(active->run->select_job());
      jobs.back().data = active->data;
    }
    if (jobs.empty()) return;
    const PhaseTimer timer;
    const std::vector<Picks> results = executor_->select(jobs);
    for (std::size_t r = 0; r < runs.size(); ++r) {
      timings_.add(runs[r]->run->id(), "select", timer.share(1, jobs.size()), 1);
      runs[r]->run->give_picks(results[r]);
    }
  }

  /// Derived from the journals alone, in grid order.
  void write_results() {
    std::vector<ResultRow> rows;
    for (const StudyRun* run : runs_) {
      const std::string path = run_directory(*run) + "/journal.jsonl";
      if (failed_.contains(run->id) && !files_.exists(path)) continue;
      const JournalContents journal = parse_journal(files_.read(path), path);
      std::vector<ResultRow> more = result_rows(study_.study, *run, journal.records);
      std::move(more.begin(), more.end(), std::back_inserter(rows));
    }
    files_.write_atomically(directory_ + "/results.csv", results_csv(rows));
  }

  FileSystem& files_;
  const StudyConfig& study_;
  RunOptions options_;
  std::string directory_;
  Context context_;
  std::unique_ptr<Executor> executor_;
  std::vector<const StudyRun*> runs_;
  std::map<std::string, std::shared_ptr<const Dataset>> data_;
  std::set<std::string> failed_;  ///< left out
  Timings timings_;
};

}  // namespace

std::string study_directory(const std::string& out, const std::string& study, std::int32_t shard, std::int32_t shards) {
  return shards == 1 ? out + "/" + study : fmt::format("{}/{}.shard-{}-of-{}", out, study, shard, shards);
}

RunSummary run_study(FileSystem& files, const StudyConfig& study, const RunOptions& options) {
  if (options.shards < 1 || options.shard < 1 || options.shard > options.shards)
    usage_error("--shard {}/{}: expected i/n with 1 <= i <= n", options.shard, options.shards);
  return StudyRunner(files, study, options).run();
}

}  // namespace quarry
