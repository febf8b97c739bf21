// SPDX-License-Identifier: MIT
// Studies of perceptrons: runs in lock step on the CPU, or on a device (device_study.h).
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/data/describe.h"
#include "quarry/study/active_learning_run.h"
#include "quarry/study/device_study.h"
#include "quarry/study/environment.h"
#include "quarry/study/plan.h"
#include "src/study/failed_runs.h"
#include "src/study/study_runner.h"

namespace quarry {
namespace {

class PerceptronRunner final : public StudyRunner {
 public:
  PerceptronRunner(FileSystem& files, const StudyConfig& study, const RunOptions& options)
      : StudyRunner(files, study, options), executor_(make_in_process_executor(context_, options.stop)) {}

 private:
  struct Active {
    std::unique_ptr<ActiveLearningRun> run;
    std::int32_t data;
  };

  void load_data() override {
    for (const StudyRun* run : runs_) {
      std::shared_ptr<const Dataset>& data = data_[data_identity(run->config.data)];
      if (data != nullptr) continue;
      data = std::make_shared<const Dataset>(load_dataset(run->config.data));
      if (!options_.note || options_.takes_over) continue;
      for (const std::string& line : warning_lines(*data)) options_.note(line);
    }
    const std::uint64_t memory = machine_info().memory_bytes;
    for (const StudyRun* run : runs_) {
      const Dataset& data = *dataset_of(*run);
      const DataSize size = {data.train.n, data.test.n, data.n_features, data.n_classes};
      check_run_fits_data(run->config, size);
      if (options_.device.kind == DeviceKind::cpu) check_run_fits_memory(run->config, size, memory);
    }
  }

  const std::shared_ptr<const Dataset>& dataset_of(const StudyRun& run) const {
    return data_.at(data_identity(run.config.data));
  }

  Active open(const StudyRun& run) {
    const auto& data = dataset_of(run);
    return {std::make_unique<ActiveLearningRun>(files_, run, data, run_directory(run), study_.networks),
            executor_->load(data)};
  }

  void advance_all(const std::vector<const StudyRun*>& waiting, RunSummary& summary) override {
    std::int64_t total = 0;
    for (const StudyRun* run : waiting) total += iterations_total(run->config);
    Progress progress(total, "acquisitions", options_.progress);
    if (options_.device.kind == DeviceKind::cuda) {
      advance_on_device(waiting, progress, summary);
    } else {
      advance_here(waiting, progress, summary);
    }
    progress.finish();
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

  void record_failed_run(const ActiveLearningRun& run, std::int32_t opened_at, const gpu::Failure& failure) {
    if (blames_run(failure) && run.iteration() == opened_at)
      add_failed_run(files_, directory_, run.id(), failure.what());
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
      for (MemberSpec& member : members) jobs.push_back({active->data, std::move(member), active->run->fit_rows()});
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

  std::unique_ptr<Executor> executor_;
  std::map<std::string, std::shared_ptr<const Dataset>> data_;
};

}  // namespace

std::unique_ptr<StudyRunner> make_perceptron_runner(FileSystem& files, const StudyConfig& study,
                                                    const RunOptions& options) {
  return std::make_unique<PerceptronRunner>(files, study, options);
}

}  // namespace quarry
