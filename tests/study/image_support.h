// SPDX-License-Identifier: MIT
// What the tests of runs on images share: a tiny set, short runs on it, an executor of the CPU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/study/config.h"
#include "quarry/study/image_executor.h"
#include "tests/support/tiny_images.h"

namespace quarry::test {

inline std::shared_ptr<const ImageDataset> tiny() {
  static const auto data = std::make_shared<const ImageDataset>(tiny_images());
  return data;
}

/// Three cycles of 10, 15 and 20 labels, two epochs each.
inline std::vector<StudyRun> runs_of(const std::vector<std::string>& overrides) {
  std::vector<std::string> all = {"preset=hyperparameter_study",
                                  "data.name=cifar10",
                                  "model.network=resnet8",
                                  "training.epochs=2",
                                  "training.warmup_epochs=1",
                                  "training.batch_size=8",
                                  "pool.n_initial=10",
                                  "acquisition.budget=10",
                                  "acquisition.size=5",
                                  "acquisition.candidates=20",
                                  "run.seed=3"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return parse_study("", "test.toml", all).runs;
}

/// An executor that knows the tiny set, as number 0.
struct Machine {
  explicit Machine(int workers) : context({}, workers), owned(make_image_executor(context, nullptr)), executor(*owned) {
    executor.load(tiny());
  }
  Context context;
  std::unique_ptr<ImageExecutor> owned;
  ImageExecutor& executor;
};

}  // namespace quarry::test
