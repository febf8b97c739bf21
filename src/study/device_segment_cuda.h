// SPDX-License-Identifier: MIT
// Some cycles of some runs on the device (quarry/study/device_study.h): memory, and what is enqueued.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "src/study/device_memory_cuda.h"

namespace quarry {

/// A data set on the device.
struct DeviceData {
  DeviceData(gpu::Session& session, const Dataset& data)
      : train(gpu::upload<float>(session, data.train.features)),
        test(gpu::upload<float>(session, data.test.features)),
        labels(gpu::upload<std::int32_t>(session, data.train.labels)) {}
  gpu::Buffer<float> train, test;
  gpu::Buffer<std::int32_t> labels;
};
using DeviceDataSets = std::map<const Dataset*, std::unique_ptr<DeviceData>>;

/// The plan of a cycle: arrays of jobs, written on the host and copied to the device as one.
class CyclePlan {
 public:
  CyclePlan(unsigned char* host, unsigned char* device, std::size_t capacity)
      : host_(host), device_(device), capacity_(capacity) {}

  /// Returns where the array will be on the device; null for an empty one.
  template <class T>
  T* put(const std::vector<T>& values) {
    if (values.empty()) return nullptr;
    const std::size_t at = used_, bytes = values.size() * sizeof(T);
    used_ += (bytes + 255) / 256 * 256;
    QUARRY_CHECK(used_ <= capacity_, "the plan of a cycle takes more than {} bytes", capacity_);
    std::memcpy(host_ + at, values.data(), bytes);
    return reinterpret_cast<T*>(device_ + at);
  }
  void copy_in(gpu::Session& session) const {
    if (used_ > 0) session.copy_in(device_, host_, used_);
  }

 private:
  unsigned char *host_, *device_;
  std::size_t capacity_, used_ = 0;
};

/// What a run's cycle gave, read from the record.
struct CycleResult {
  const CycleOutlook* cycle = nullptr;
  std::vector<Trial> trials;       ///< if it tuned
  MemberResult<float> network;     ///< parameters if networks are saved
  MatrixView<const float> logits;  ///< of the test part; valid as long as the segment
  Picks picks;
};

class DeviceSegment {
 public:
  /// Allocates and uploads the runs as they are now; waits. What becomes of them later changes nothing.
  DeviceSegment(gpu::Session& session, const DeviceDataSets& data, std::span<const DeviceRun> runs,
                const SegmentShape& shape, bool graphs);

  std::int32_t cycles() const { return shape_.cycles; }
  /// Enqueues the next cycle of every run that has one. Never waits, copies out the record and the searches' histories.
  void enqueue();
  std::int32_t enqueued() const { return static_cast<std::int32_t>(marks_.size()); }
  gpu::Mark mark(std::int32_t cycle) const { return marks_[static_cast<std::size_t>(cycle)]; }
  bool takes_part(std::size_t run, std::int32_t cycle) const {
    return static_cast<std::size_t>(cycle) < runs_[run].cycles().size();
  }
  /// Valid once the cycle's mark is reached.
  CycleResult result(std::size_t run, std::int32_t cycle) const;

 private:
  /// Indices of the runs that take part in a cycle.
  std::vector<std::size_t> present(std::size_t cycle) const;
  void upload_runs();
  std::vector<RowList> row_lists(std::size_t run) const;
  MlpDeviceNetwork network(std::size_t run) const;
  MlpFitJob with_rows(const MlpFitJob& job, std::size_t run, const std::int32_t* train,
                      const std::int32_t* validation) const;

  struct Tuning;
  struct Fitting;
  struct Subsets;
  struct Scoring;
  struct Selecting;
  Tuning plan_tuning(std::size_t cycle, CyclePlan& plan) const;
  Fitting plan_fitting(std::size_t cycle, CyclePlan& plan) const;
  Subsets plan_subsets(std::size_t cycle, CyclePlan& plan) const;
  Scoring plan_scoring(std::size_t cycle, CyclePlan& plan) const;
  Selecting plan_selecting(std::size_t cycle, CyclePlan& plan) const;
  void enqueue_tuning(const Tuning& tuning);
  void enqueue_step(const Tuning& tuning, std::int32_t count);
  void enqueue_fitting(const Fitting& fitting);
  void enqueue_subsets(const Subsets& subsets);
  void enqueue_scoring(const Scoring& scoring);
  void enqueue_selecting(const Selecting& selecting);
  void add_selection_scores(std::size_t cycle, std::size_t run, std::vector<MlpScoreJob>& jobs) const;
  std::int32_t labelled(std::size_t run, std::size_t cycle) const;
  const std::int32_t* candidates(std::size_t run, std::size_t cycle) const;
  const std::int32_t* unlabelled(std::size_t run, std::size_t cycle) const;

  gpu::Session& session_;
  const DeviceDataSets& data_;
  SegmentShape shape_;
  bool graphs_;
  std::vector<RunOutlook> runs_;
  std::vector<SelectionKind> kinds_;
  SegmentSizes sizes_;
  SegmentSearches setups_;
  std::unique_ptr<DeviceSearches> searches_;
  std::vector<gpu::Buffer<unsigned char>> blocks_;  ///< of the runs, then the shared one
  std::vector<RunPlaces> places_;
  SharedPlaces shared_;
  std::vector<RecordPlaces> records_;       ///< on the device
  gpu::Pinned<unsigned char> plans_, out_;  ///< [cycles] plans and records
  std::vector<std::unique_ptr<gpu::Graph, void (*)(gpu::Graph*)>> graphs_made_;
  std::vector<gpu::Mark> marks_;
};

}  // namespace quarry
