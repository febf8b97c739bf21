// SPDX-License-Identifier: MIT
// A run on images as its runner sees it, whichever half of the hyperparameter study it is of: a state machine that says
// what it wants done next and commits what it is given, so that a runner can serve many runs in lock step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "quarry/study/image_executor.h"

namespace quarry {

class ImageRun {
 public:
  virtual ~ImageRun() = default;
  virtual const std::string& id() const = 0;
  virtual bool finished() const = 0;
  /// What to do now; `data` is left to the caller. Call give once for each of them, in any order, before the next
  /// jobs(): a call may draw at random. Error: a check fails for a finished run.
  virtual std::vector<ImageJob> jobs() = 0;
  virtual void give(std::size_t place, ImageResult result) = 0;

  /// Cycles, or trials and the final network, that had been committed when the run was opened.
  virtual std::int32_t committed() const = 0;
  /// Committed since the last call of this function, or since it was about to be opened: opening may commit too.
  virtual std::int32_t take_commits() = 0;
  /// What a network of the next jobs() is worth in commits, for a forecast.
  virtual double commits_per_network() const = 0;
  /// A network of the run has diverged.
  virtual bool diverged_once() const = 0;
  /// Picks so far that no distance chose (Selection::by_position).
  virtual std::int64_t by_position() const { return 0; }
};

}  // namespace quarry
