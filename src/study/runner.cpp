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
#include "quarry/study/device_study.h"
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
        context_({}, options.workers),  // a GPU has its own way: run_on_device
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
    if (options_.device.kind == DeviceKind::cuda) {
      advance_on_device(waiting, progress, summary);
    } else {
      advance_here(waiting, progress, summary);
    }
    progress.finish();
  }

  std::size_t fleet_width() const {
    const std::int32_t wanted = options_.alone ? 1 : options_.fleet > 0 ? options_.fleet : kMaxFleet;
    return static_cast<std::size_t>(std::min(wanted, kMaxFleet));
  }

  void note_opened(const ActiveLearningRun& run, Progress& progress, RunSummary& summary) {
    summary.resumed += run.committed_iterations() > 0;
    progress.skip(run.committed_iterations());
  }

  void note_finished(const ActiveLearningRun& run, RunSummary& summary) {
    ++summary.finished;
    summary.diverged += run.diverged_once();
  }

  void advance_here(const std::vector<const StudyRun*>& waiting, Progress& progress, RunSummary& summary) {
    std::vector<Active> fleet;
    std::size_t next = 0;
    while (next < waiting.size() || !fleet.empty()) {
      while (fleet.size() < fleet_width() && next < waiting.size()) {
        fleet.push_back(open(*waiting[next++]));
        note_opened(*fleet.back().run, progress, summary);
      }
      advance(fleet, progress);
      const auto is_finished = [](const Active& a) { return a.run->want() == ActiveLearningRun::Want::nothing; };
      for (const Active& active : fleet)
        if (is_finished(active)) note_finished(*active.run, summary);
      std::erase_if(fleet, is_finished);
    }
  }

  void advance_on_device(const std::vector<const StudyRun*>& waiting, Progress& progress, RunSummary& summary) {
    DeviceStudyOptions options;
    options.ordinal = options_.device.ordinal;
    options.fleet = static_cast<std::int32_t>(fleet_width());
    options.graphs = options_.graphs;
    options.profile = options_.profile;
    options.stop = options_.stop;
    std::int32_t opened_at = 0;
    DeviceStudyHooks hooks;
    hooks.open = [&](std::size_t i) {
      Active active = open(*waiting[i]);
      note_opened(*active.run, progress, summary);
      opened_at = active.run->iteration();
      return std::move(active.run);
    };
    hooks.data = [&](std::size_t i) { return dataset_of(*waiting[i]); };
    std::size_t most_bytes = 0;
    hooks.planned = [&](const SegmentPlan& plan) {
      if (plan.device_bytes <= most_bytes) return;
      most_bytes = plan.device_bytes;
      progress.note(fmt::format("GPU memory: {:.1f} MB for {} runs side by side, up to {} acquisitions ahead",
                                static_cast<double>(plan.device_bytes) * 1e-6, plan.shape.runs, plan.shape.cycles));
    };
    hooks.committed = [&](const ActiveLearningRun& run, double seconds) {
      timings_.add(run.id(), "device", seconds, 1);
      progress.advance(1);
    };
    hooks.finished = [&](const ActiveLearningRun& run) { note_finished(run, summary); };
    hooks.failed = [&](const ActiveLearningRun& run, const gpu::Failure& failure) {
      record_failed_run(run, opened_at, failure);
    };
    run_on_device(waiting.size(), options, hooks);
  }

  /// The run that is alone in a process which its kernels have poisoned, if it got nowhere.
  void record_failed_run(const ActiveLearningRun& run, std::int32_t opened_at, const gpu::Failure& failure) {
    if (!options_.alone || !failure.sticky() || gpu::is_device_loss(failure.code())) return;
    if (run.iteration() == opened_at) add_failed_run(files_, directory_, run.id(), failure.what());
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
