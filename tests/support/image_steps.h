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

/// Takes one step of a run on data set 0, in fp32. False when there is nothing left to do.
inline bool step(ImageLearningRun& run, ImageExecutor& executor) {
  switch (run.want()) {
    case ImageLearningRun::Want::fit: {
      const ImageFitJob job{0, run.fit()};
      executor.fit(std::span(&job, 1), [&](std::size_t, ConvMemberResult result) { run.give_fit(std::move(result)); });
      return true;
    }
    case ImageLearningRun::Want::test:
      run.give_test(executor.test({0, &run.network()}));
      return true;
    case ImageLearningRun::Want::selection:
      run.give_picks(executor.select(run.select_job()));
      return true;
    case ImageLearningRun::Want::nothing:
      break;
  }
  return false;
}

inline bool step(FrozenSetRun& run, ImageExecutor& executor) {
  if (run.want() == FrozenSetRun::Want::nothing) return false;
  if (run.want() == FrozenSetRun::Want::test) {
    run.give_test(executor.test({0, &run.network()}));
    return true;
  }
  std::vector<ImageFitJob> jobs;
  for (ConvMemberSpec& member : run.fits()) jobs.push_back({0, std::move(member)});
  executor.fit(jobs, [&](std::size_t job, ConvMemberResult result) { run.give_fit(job, std::move(result)); });
  return true;
}

}  // namespace quarry::test
