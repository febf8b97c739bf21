// SPDX-License-Identifier: MIT
// Studies of residual networks on images, on the CPU or a GPU: both halves of the hyperparameter study.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "quarry/nn/conv_fleet_device.h"
#include "quarry/study/cells.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"
#include "quarry/study/plan.h"
#include "src/study/failed_runs.h"
#include "src/study/study_runner.h"

namespace quarry {
namespace {

/// A run of either half.
struct Active {
  const StudyRun* run = nullptr;
  std::unique_ptr<ImageLearningRun> learning;
  std::unique_ptr<FrozenSetRun> search;
  std::int32_t data = 0;
  bool committed_here = false;  ///< something, since it was opened
  bool cell_is_written = false;

  const std::string& id() const { return learning ? learning->id() : search->id(); }
  bool wants_fits() const {
    return learning ? learning->want() == ImageLearningRun::Want::fit : search->want() == FrozenSetRun::Want::fits;
  }
  bool wants_test() const {
    return learning ? learning->want() == ImageLearningRun::Want::test : search->want() == FrozenSetRun::Want::test;
  }
  bool wants_picks() const { return learning && learning->want() == ImageLearningRun::Want::selection; }
  bool is_finished() const { return !wants_fits() && !wants_test() && !wants_picks(); }
  std::vector<ConvMemberSpec> fits() {
    if (search) return search->fits();
    std::vector<ConvMemberSpec> one;
    one.push_back(learning->fit());
    return one;
  }
  double commits_per_fit() const { return learning ? learning->commits_per_fit() : search->commits_per_fit(); }
  void give_fit(std::size_t place, ConvMemberResult result) {
    if (learning) {
      learning->give_fit(std::move(result));
    } else {
      search->give_fit(place, std::move(result));
    }
  }
  const TrainedConvNet& network() const { return learning ? learning->network() : search->network(); }
  void give_test(const TestMetrics& metrics) {
    if (learning) {
      learning->give_test(metrics);
    } else {
      search->give_test(metrics);
    }
  }
  std::int32_t take_commits() {
    const std::int32_t commits = learning ? learning->take_commits() : search->take_commits();
    committed_here = committed_here || commits > 0;
    return commits;
  }
  std::int32_t committed() const { return learning ? learning->committed_cycles() : search->committed_trials(); }
  bool diverged_once() const { return learning ? learning->diverged_once() : search->diverged_once(); }
};

std::int64_t commits_total(const RunConfig& config) {
  return config.mode == Mode::frozen_set ? std::int64_t{config.trials} + 1 : learning_cycles(config);
}

/// What trains on the CPU.
void check_cpu(const RunConfig& config) {
  if (config.convolution == ConvChoice::cudnn)
    usage_error(
        "training.convolution = \"cudnn\" needs a GPU, and this study runs on the CPU; use --device cuda, or "
        "training.convolution = \"table\"");
  try {
    check_conv_precision(config.precision);
  } catch (const Error& e) {
    usage_error("training.precision: {}", e.what());
  }
}

void check_gpu(const RunConfig& config) {
  if (config.convolution != ConvChoice::cudnn) return;
  try {
    static_cast<void>(gpu::convolution_library());
  } catch (const Error& e) {
    device_error("training.convolution = \"cudnn\": {}; or use training.convolution = \"table\"", e.what());
  }
}

class ImageRunner final : public StudyRunner {
 public:
  using StudyRunner::StudyRunner;

 private:
  bool on_device() const { return options_.device.kind == DeviceKind::cuda; }

  void load_data() override {
    for (const StudyRun* run : runs_) on_device() ? check_gpu(run->config) : check_cpu(run->config);
    if (options_.profile && on_device())
      usage_error(
          "--profile marks a cycle of a study of perceptrons; residual networks have none to mark: leave it out and "
          "let nsys record a short study as a whole (docs/profiling.md)");
    for (const StudyRun* run : runs_) {
      std::shared_ptr<const ImageDataset>& data = data_[data_identity(run->config.data)];
      if (data == nullptr) data = std::make_shared<const ImageDataset>(load_images(run->config.data));
    }
    for (const StudyRun* run : runs_) {
      const ImageDataset& data = *dataset_of(*run);
      check_run_fits_data(run->config,
                          {data.train.n, data.test.n, static_cast<std::int32_t>(data.shape.pixels()), data.n_classes});
      const ResNetPlan plan = plan_resnet(network_of(run->config, data));
      if (on_device()) check_device_memory(*run, data, plan);
      if (run->config.mode == Mode::frozen_set)
        acquired_[run->id] = read_acquired(files_, run->config, RunStream(run->config).pool_rows(data.train.n));
    }
    executor_ = on_device()
                    ? make_device_image_executor(context_, {options_.device.ordinal, options_.graphs, options_.stop})
                    : make_image_executor(context_, options_.stop);
    std::set<std::string> cells;
    for (const StudyRun& run : study_.runs)
      one_cell_per_run_ = cells.insert(cell_path(run.config)).second && one_cell_per_run_;
  }

  /// A network that even the empty device has no room for would end the study in the middle of it.
  void check_device_memory(const StudyRun& run, const ImageDataset& data, const ResNetPlan& plan) const {
    const RunConfig& config = run.config;
    const std::size_t all = gpu::device_info(options_.device.ordinal).memory,
                      images = cuda::DeviceImages::memory(data.shape, data.train.n) +
                               cuda::DeviceImages::memory(data.shape, data.test.n),
                      network = cuda::ConvFleetNet::memory(plan, means_of(config), config.batch_size, 1, config.epochs);
    if (images <= all && network <= (all - images) / 10 * 9) return;  // a tenth stays free
    device_error(
        "run {}: with training.batch_size = {} a network takes {} bytes of GPU memory to train and its images take {}; "
        "{} has {}, of which a tenth stays free; use a smaller training.batch_size, or --device cpu",
        run.id, config.batch_size, network, images, to_string(options_.device), all);
  }

  const std::shared_ptr<const ImageDataset>& dataset_of(const StudyRun& run) const {
    return data_.at(data_identity(run.config.data));
  }

  Active open(const StudyRun& run) {
    const auto& data = dataset_of(run);
    Active active;
    active.run = &run;
    active.data = executor_->load(data);
    const ImageRunMeans means = {
        executor_->engine(network_of(run.config, *data), means_of(run.config), run.config.batch_size), study_.networks};
    if (run.config.mode == Mode::frozen_set) {
      active.search =
          std::make_unique<FrozenSetRun>(files_, run, data, acquired_.at(run.id), run_directory(run), means);
    } else {
      active.learning = std::make_unique<ImageLearningRun>(files_, run, data, run_directory(run), means);
    }
    return active;
  }

  void advance_all(const std::vector<const StudyRun*>& waiting, RunSummary& summary) override {
    std::int64_t total = 0;  // of cycles, trials and final networks
    for (const StudyRun* run : waiting) total += commits_total(run->config);
    Progress progress(total, "cycles and trials", options_.progress);
    if (!one_cell_per_run_)
      progress.note(
          "cells/ is left out: the grid has axes that the published layout has no place for, so runs would "
          "share a folder there");
    std::vector<Active> fleet;
    std::size_t next = 0;
    while (next < waiting.size() || !fleet.empty()) {
      while (fleet.size() < fleet_width() && next < waiting.size()) {
        fleet.push_back(open(*waiting[next++]));
        summary.resumed += fleet.back().committed() > 0;
        progress.skip(fleet.back().committed());
        count(fleet.back(), progress);
        fleet.back().committed_here = false;  // what opening commits is no progress
      }
      try {
        fit(fleet, progress);
        select(fleet, progress);
      } catch (const gpu::Failure& failure) {
        for (const Active& active : fleet)
          if (blames_run(failure) && !active.committed_here)
            add_failed_run(files_, directory_, active.id(), failure.what());
        throw;
      }
      for (const Active& active : fleet) {
        if (!active.is_finished()) continue;
        ++summary.finished;
        summary.diverged += active.diverged_once();
      }
      std::erase_if(fleet, [](const Active& active) { return active.is_finished(); });
    }
    progress.finish();
  }

  /// Counts what a run has committed. A finished run's cell is written at once: the whole study may take days more.
  void count(Active& active, Progress& progress) {
    progress.advance(active.take_commits());
    if (!active.is_finished() || std::exchange(active.cell_is_written, true)) return;
    write_cell(*active.run, records_of(*active.run));
  }

  /// Trains what the fleet wants; a run whose networks are there goes on to its test and commits at once, so that a
  /// kill loses the networks in training alone.
  void fit(std::vector<Active>& fleet, Progress& progress) {
    std::vector<ImageFitJob> jobs;
    std::vector<std::pair<std::size_t, std::size_t>> owner;  // place in the fleet, place among that run's networks
    std::vector<std::size_t> wanted(fleet.size(), 0);
    double commits = 0;  // that the networks will make
    for (std::size_t a = 0; a < fleet.size(); ++a) {
      if (!fleet[a].wants_fits()) continue;
      for (ConvMemberSpec& member : fleet[a].fits()) {
        jobs.push_back({fleet[a].data, std::move(member)});
        owner.emplace_back(a, wanted[a]++);
      }
      commits += fleet[a].commits_per_fit() * static_cast<double>(wanted[a]);
    }
    progress.begin_part(commits, "epoch");
    PhaseTimer timer;
    double seconds = 0;  // of training, tests apart
    const auto fitted = [&](std::size_t job, ConvMemberResult result) {
      seconds += timer.share(1, 1);
      const auto [a, place] = owner[job];
      fleet[a].give_fit(place, std::move(result));
      test(fleet[a]);
      count(fleet[a], progress);
      timer = PhaseTimer();
    };
    executor_->fit(jobs, fitted, [&](std::int64_t done, std::int64_t all) { progress.part(done, all); });
    progress.end_part();
    seconds += timer.share(1, 1);
    for (std::size_t a = 0; a < fleet.size(); ++a)
      if (wanted[a] > 0)
        timings_.add(fleet[a].id(), "fit", seconds * static_cast<double>(wanted[a]) / static_cast<double>(jobs.size()),
                     wanted[a]);
    for (Active& active : fleet) {  // from before an interruption
      test(active);
      count(active, progress);
    }
  }

  void test(Active& active) {
    if (!active.wants_test()) return;
    const PhaseTimer timer;
    active.give_test(executor_->test({active.data, &active.network()}));
    timings_.add(active.id(), "test", timer.share(1, 1), 1);
  }

  void select(std::vector<Active>& fleet, Progress& progress) {
    for (Active& active : fleet) {
      if (!active.wants_picks()) continue;
      const PhaseTimer timer;
      ImageSelectJob job = active.learning->select_job();
      job.data = active.data;
      active.learning->give_picks(executor_->select(job));
      timings_.add(active.id(), "select", timer.share(1, 1), 1);
      count(active, progress);
    }
  }

  std::vector<ResultRow> rows_of(const StudyRun& run, const std::vector<Json>& records) const override {
    return run.config.mode == Mode::frozen_set ? search_rows(study_.study, run, records)
                                               : learning_rows(study_.study, run, records);
  }

  void write_cell(const StudyRun& run, const std::vector<Json>& records) {
    if (!one_cell_per_run_) return;
    const std::vector<CellFile> made =
        run.config.mode == Mode::frozen_set ? search_cell_files(run, records) : learning_cell_files(run, records);
    if (made.empty()) return;
    const std::string folder = fmt::format("{}/cells/{}", directory_, cell_path(run.config));
    files_.make_directories(folder);
    for (const CellFile& file : made) files_.write_atomically(folder + "/" + file.name, file.text);
    files_.write_atomically(fmt::format("{}/cells/{}/data.json", directory_, cell_dataset(run.config.data.name)),
                            cell_data_record(*dataset_of(run)));
  }

  std::unique_ptr<ImageExecutor> executor_;
  std::map<std::string, std::shared_ptr<const ImageDataset>> data_;
  std::map<std::string, std::vector<std::int32_t>> acquired_;
  bool one_cell_per_run_ = true;  ///< false: axes that the published layout has no place for; then there are no cells
};

}  // namespace

std::unique_ptr<StudyRunner> make_image_runner(FileSystem& files, const StudyConfig& study, const RunOptions& options) {
  return std::make_unique<ImageRunner>(files, study, options);
}

}  // namespace quarry
