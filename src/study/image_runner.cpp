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
#include "src/study/image_records.h"
#include "src/study/study_runner.h"

namespace quarry {
namespace {

struct Active {
  const StudyRun* of = nullptr;
  std::unique_ptr<ImageRun> run;
  std::int32_t data = 0;
  bool committed_here = false;  ///< something, since it was opened
  bool cell_is_written = false;

  std::int32_t take_commits() {
    const std::int32_t commits = run->take_commits();
    committed_here = committed_here || commits > 0;
    return commits;
  }
};

std::int64_t commits_total(const RunConfig& config) {
  return config.mode == Mode::frozen_set ? std::int64_t{config.trials} + 1 : iterations_total(config);
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
    std::map<const ImageDataset*, std::int64_t> fingerprints;  // a search asks for that of its data
    for (const StudyRun* run : runs_) {
      const ImageDataset& data = *dataset_of(*run);
      check_run_fits_data(run->config,
                          {data.train.n, data.test.n, static_cast<std::int32_t>(data.shape.pixels()), data.n_classes});
      const ResNetPlan plan = plan_resnet(network_of(run->config, data));
      if (on_device()) check_device_memory(*run, data, plan);
      if (run->config.mode != Mode::frozen_set) continue;
      const auto [fingerprint, is_new] = fingerprints.try_emplace(&data, 0);
      if (is_new) fingerprint->second = fingerprint_of(data);
      const std::vector<std::int32_t> rows = RunStream(run->config).pool_rows(data.train.n);
      acquired_[run->id] = read_acquired(files_, run->config, {rows, fingerprint->second, data.source});
    }
    executor_ = on_device()
                    ? make_device_image_executor(context_, {options_.device.ordinal, options_.graphs, options_.stop})
                    : make_image_executor(context_, options_.stop);
    for (const StudyRun* run : runs_)
      if (run->config.mode == Mode::frozen_set) labels_from_[run->id] = acquired_protocol(files_, run->config);
    std::set<std::string> cells;
    for (const StudyRun& run : study_.runs)
      one_cell_per_run_ = cells.insert(cell_path(run.config)).second && one_cell_per_run_;
  }

  /// A network that even the empty device has no room for, in training or behind it, would end the study in the middle.
  void check_device_memory(const StudyRun& run, const ImageDataset& data, const ResNetPlan& plan) const {
    const RunConfig& config = run.config;
    const std::size_t all = gpu::device_info(options_.device.ordinal).memory,
                      images = cuda::DeviceImages::memory(data.shape, data.train.n) +
                               cuda::DeviceImages::memory(data.shape, data.test.n),
                      network = cuda::ConvFleetNet::memory(plan, means_of(config), config.batch_size, 1, config.epochs);
    const std::size_t room = images <= all ? (all - images) / 10 * 9 : 0;  // a tenth stays free
    const PlanDeviceMemory planned =
        image_run_memory(config, {data.train.n, data.test.n, static_cast<std::int32_t>(data.shape.pixels()),
                                  data.n_classes, data.shape})
            .device;
    const auto behind = static_cast<std::size_t>(planned.parameters + planned.least_scoring);
    if (network <= room && behind > room)
      device_error(
          "run {}: a network, its test and its selection take {} bytes of GPU memory and its images take {}; {} has "
          "{}, "
          "of which a tenth stays free; use a smaller acquisition.candidates, or --device cpu",
          run.id, behind, images, to_string(options_.device), all);
    if (network <= room) return;
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
    active.of = &run;
    active.data = executor_->load(data);
    const ImageRunMeans means = {
        executor_->engine(network_of(run.config, *data), means_of(run.config), run.config.batch_size), study_.networks};
    const std::string directory = run_directory(run);
    if (run.config.mode == Mode::frozen_set) {
      active.run = std::make_unique<FrozenSetRun>(files_, run, data, acquired_.at(run.id), directory, means);
    } else {
      active.run = std::make_unique<ImageLearningRun>(files_, run, data, directory, means);
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
    const auto of_unknown_pool = [](const auto& acquired) { return !acquired.second.pool_is_known; };
    if (const auto unknown = std::count_if(acquired_.begin(), acquired_.end(), of_unknown_pool); unknown > 0)
      progress.note(
          fmt::format("{} of {} runs search on labels without a pool.json beside them, as the published study's: that "
                      "their positions mean the images of this pool cannot be checked (notes.json of their cells)",
                      unknown, acquired_.size()));
    std::vector<Active> fleet;
    std::size_t next = 0;
    while (next < waiting.size() || !fleet.empty()) {
      while (fleet.size() < fleet_width() && next < waiting.size()) {
        fleet.push_back(open(*waiting[next++]));
        summary.resumed += fleet.back().run->committed() > 0;
        progress.skip(fleet.back().run->committed());
        count(fleet.back(), progress);
        fleet.back().committed_here = false;  // what opening commits is no progress
      }
      try {
        advance(fleet, progress);
      } catch (const gpu::Failure& failure) {
        for (const Active& active : fleet)
          if (blames_run(failure) && !active.committed_here)
            add_failed_run(files_, directory_, active.run->id(), failure.what());
        throw;
      }
      for (const Active& active : fleet) {
        if (!active.run->finished()) continue;
        ++summary.finished;
        summary.diverged += active.run->diverged_once();
        summary.by_position += active.run->by_position();
      }
      std::erase_if(fleet, [](const Active& active) { return active.run->finished(); });
    }
    progress.finish();
  }

  /// Counts what a run has committed. A finished run's cell is written at once: the whole study may take days more.
  void count(Active& active, Progress& progress) {
    progress.advance(active.take_commits());
    if (!active.run->finished() || std::exchange(active.cell_is_written, true)) return;
    write_cell(*active.of, records_of(*active.of));
  }

  /// Carries out what the fleet wants; a run whose networks are there commits at once, so that a kill loses what is
  /// under way alone.
  void advance(std::vector<Active>& fleet, Progress& progress) {
    std::vector<ImageJob> jobs;
    std::vector<std::pair<std::size_t, std::size_t>> owner;  // place in the fleet, place among that run's jobs
    std::vector<std::size_t> wanted(fleet.size(), 0);        // networks
    std::size_t networks = 0;
    double commits = 0;  // that the networks will make
    for (std::size_t a = 0; a < fleet.size(); ++a) {
      if (fleet[a].run->finished()) continue;
      std::size_t place = 0;
      for (ImageJob& job : fleet[a].run->jobs()) {
        job.data = fleet[a].data;
        wanted[a] += job.member.has_value();
        jobs.push_back(std::move(job));
        owner.emplace_back(a, place++);
      }
      networks += wanted[a];
      commits += fleet[a].run->commits_per_network() * static_cast<double>(wanted[a]);
    }
    progress.begin_part(commits, "epoch");
    PhaseTimer timer;
    double seconds = 0;  // of what is not told apart
    const auto done = [&](std::size_t job, ImageResult result) {
      seconds += timer.share(1, 1) - result.test_seconds - result.select_seconds;
      const auto [a, place] = owner[job];
      ImageRun& run = *fleet[a].run;
      if (result.test_seconds > 0) timings_.add(run.id(), "test", result.test_seconds, 1);
      if (result.select_seconds > 0) timings_.add(run.id(), "select", result.select_seconds, 1);
      run.give(place, std::move(result));
      count(fleet[a], progress);
      timer = PhaseTimer();
    };
    executor_->run(jobs, done, [&](std::int64_t epochs, std::int64_t all) { progress.part(epochs, all); });
    progress.end_part();
    for (std::size_t a = 0; a < fleet.size(); ++a)
      if (wanted[a] > 0)
        timings_.add(fleet[a].run->id(), on_device() ? "device" : "fit",
                     seconds * static_cast<double>(wanted[a]) / static_cast<double>(networks), wanted[a]);
  }

  void write_cell(const StudyRun& run, const std::vector<Json>& records) {
    if (!one_cell_per_run_) return;
    std::vector<CellFile> made =
        run.config.mode == Mode::frozen_set ? search_cell_files(run, records) : learning_cell_files(run, records);
    if (made.empty()) return;
    made.push_back(protocol_file(run.config, records.front(), labels_from_[run.id]));
    const std::string folder = fmt::format("{}/cells/{}", directory_, cell_path(run.config));
    files_.make_directories(folder);
    for (const CellFile& file : made) files_.write_atomically(folder + "/" + file.name, file.text);
    files_.write_atomically(fmt::format("{}/cells/{}/data.json", directory_, cell_dataset(run.config.data.name)),
                            cell_data_record(*dataset_of(run)));
  }

  std::unique_ptr<ImageExecutor> executor_;
  std::map<std::string, std::shared_ptr<const ImageDataset>> data_;
  std::map<std::string, AcquiredSet> acquired_;
  bool one_cell_per_run_ = true;  ///< false: axes that the published layout has no place for; then there are no cells
  std::map<std::string, Json> labels_from_;  ///< of searches: by which protocol their labels were chosen
};

}  // namespace

std::unique_ptr<StudyRunner> make_image_runner(FileSystem& files, const StudyConfig& study, const RunOptions& options) {
  return std::make_unique<ImageRunner>(files, study, options);
}

}  // namespace quarry
