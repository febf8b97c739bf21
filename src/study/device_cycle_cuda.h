// SPDX-License-Identifier: MIT
// What is planned for a cycle of a segment before it is enqueued; arrays are on the device.
#pragma once

#include "quarry/ops/select_device.h"
#include "src/study/device_segment_cuda.h"

namespace quarry {

struct DeviceSegment::Tuning {
  TuningRun* runs = nullptr;
  std::int32_t n = 0, folds = 0;  ///< runs, and their folds together
  std::int32_t first = 0;         ///< search
  std::int32_t first_step = 1, trials = 0;
  bool prunes = false, keeps = false;
};

struct DeviceSegment::Fitting {
  MlpFitJob* jobs = nullptr;  ///< by run
  bool any = false;
  FittedRun* fitted = nullptr;
  std::int32_t n_fitted = 0;
};

struct DeviceSegment::Subsets {
  SubsetRun* runs = nullptr;
  std::int32_t n = 0;
};

struct DeviceSegment::Scoring {
  MlpScoreJob* jobs = nullptr;
  std::int32_t n = 0;
};

struct DeviceSegment::Selecting {
  SpreadRun* spreads = nullptr;
  RandomRun* randoms = nullptr;
  PickRun *random_picks = nullptr, *score_picks = nullptr;
  CenterPickRun* center_picks = nullptr;
  PickedRun* picked = nullptr;
  AcquireRun* acquired = nullptr;
  std::int32_t n_spreads = 0, n_randoms = 0, n_score_picks = 0, n_center_picks = 0, n_picked = 0, n_acquired = 0;
  std::vector<TopKJob> top_k;  ///< on the host
  std::vector<KCenterJob> k_center;
  std::vector<BadgeJob> badge;
};

}  // namespace quarry
