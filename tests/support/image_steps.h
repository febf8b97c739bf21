// SPDX-License-Identifier: MIT
// A runner of single runs on images, step by step.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"

namespace quarry::test {

/// Does what a run on data set 0 wants now. False when there is nothing left to do.
inline bool step(ImageRun& run, ImageExecutor& executor) {
  if (run.finished()) return false;
  executor.run(run.jobs(), [&](std::size_t job, ImageResult result) { run.give(job, std::move(result)); });
  return true;
}

/// What comes of training networks on data set 0, in the order of the members.
inline std::vector<ConvMemberResult> fit(ImageExecutor& executor, std::span<const ConvMemberSpec> members,
                                         const EpochsDone& epochs = {}) {
  std::vector<ImageJob> jobs(members.size());
  for (std::size_t j = 0; j < jobs.size(); ++j) jobs[j].member = members[j];
  std::vector<ConvMemberResult> results(jobs.size());
  executor.run(
      jobs, [&](std::size_t j, ImageResult r) { results[j] = std::move(r.fit); }, epochs);
  return results;
}

}  // namespace quarry::test
