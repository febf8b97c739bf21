// SPDX-License-Identifier: MIT
// Where everything of a segment lies on the device: some cycles of some runs, enqueued without waiting for results.
// The same functions count bytes and hand out addresses, so that a plan cannot differ from what is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cycle.h"
#include "quarry/study/device_study.h"
#include "src/study/device_outlook_cuda.h"

namespace quarry {

/// Cuts a block of memory into arrays; without a block it only counts.
class Carver {
 public:
  explicit Carver(unsigned char* block = nullptr) : block_(block) {}
  template <class T>
  T* take(std::int64_t n) {
    T* const at = block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + used_);
    used_ += (static_cast<std::size_t>(n) * sizeof(T) + 255) / 256 * 256;
    return at;
  }
  std::size_t used() const { return used_; }

 private:
  unsigned char* block_;
  std::size_t used_ = 0;
};

/// How a run's strategy is carried out.
struct SelectionKind {
  enum class Method { score, random, centers, badge };
  Method method = Method::score;
  MlpScore score = MlpScore::none;
  bool one_by_one = false;      ///< a tie rule looks at every score before every pick
  bool numpy_uniforms = false;  ///< by NumPy's uniforms, drawn ahead by the host
  bool logits = false;          ///< centers: the features are the logits
  std::int32_t width = 1;       ///< most columns of the features
};
SelectionKind selection_kind(const RunOutlook& run);

/// A run's arrays; null where its strategy or mode has no use for them.
struct RunPlaces {
  std::int32_t *labelled = nullptr, *network_train = nullptr, *network_validation = nullptr;
  std::vector<std::int32_t*> fold_train, fold_validation;
  RowList* lists = nullptr;
  std::int32_t* unlabelled[2] = {nullptr, nullptr};  ///< the present one, and the next
  std::int32_t* sizes = nullptr;                     ///< of its network
  float* parameters = nullptr;
  // selection
  std::int32_t *candidates = nullptr, *positions = nullptr, *any_finite = nullptr;
  unsigned char *scores = nullptr, *taken = nullptr, *scratch = nullptr;
  float *probabilities = nullptr, *features = nullptr, *spread = nullptr;
  float *labelled_features = nullptr, *labelled_spread = nullptr, *nearest = nullptr;
  double* uniforms = nullptr;
  std::uint32_t* tie_words = nullptr;
};
RunPlaces place_run(const RunOutlook& run, Carver& carver);
/// Lists of rows that grow with what is acquired: the labelled, the network's, those of folds.
std::int32_t growing_lists(const RunOutlook& run);

/// A run's part of the record of a cycle.
struct RecordPlaces {
  RunRecord* record = nullptr;
  std::int32_t* picks = nullptr;
  float *logits = nullptr, *parameters = nullptr;
};
RecordPlaces place_record(const RunOutlook& run, Carver& carver);

/// What the runs of a segment share.
struct SharedPlaces {
  DeviceNetwork *networks = nullptr, *trial_networks = nullptr;  ///< of the runs; of a tuning step
  std::int32_t* trial_sizes = nullptr;
  float* trial_parameters = nullptr;
  MlpFitJob* trial_jobs = nullptr;
  std::int32_t* ticket = nullptr;
  unsigned char *workspace = nullptr, *top_k = nullptr, *plan = nullptr, *record = nullptr;
};

/// Sizes of a segment's shared arrays, and its launch plans' limits.
struct SegmentSizes {
  std::int32_t runs = 0;
  std::int32_t trial_slots = 0;   ///< networks of a tuning step
  std::int32_t sizes_stride = 0;  ///< layer sizes of a network
  std::int64_t parameter_stride = 0;
  std::int32_t most_rows = 1;  ///< that one scoring job has
  std::size_t workspace = 0, top_k = 0, plan = 0, record = 0;
  cuda::MlpBounds bounds;
};
SegmentSizes segment_sizes(const gpu::DeviceInfo& device, std::span<const RunOutlook> runs, const SegmentShape& shape);
SharedPlaces place_shared(const SegmentSizes& sizes, Carver& carver);

/// Of a data set on the device.
std::size_t data_bytes(const Dataset& data);

/// The searches of a segment, cycle by cycle, runs inside; and how many of them run at a time.
struct SegmentSearches {
  std::vector<SearchSetup> setups;
  std::vector<std::int32_t> first;  ///< [cycles + 1]: of each cycle
  std::int32_t together = 1;
};
SegmentSearches segment_searches(std::span<const RunOutlook> runs, std::int32_t cycles);

/// Trials that the first step of a tuning asks together in a cycle.
std::int32_t first_step(std::span<const RunOutlook> runs, std::size_t cycle, const SegmentShape& shape);
/// Folds of the runs that tune in a cycle.
std::int32_t folds_of_cycle(std::span<const RunOutlook> runs, std::size_t cycle);

}  // namespace quarry
