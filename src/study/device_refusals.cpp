// SPDX-License-Identifier: MIT
// Switches of the study that the kernels do not have.
#include <string_view>
#include <utility>

#include "quarry/core/error.h"
#include "src/study/study_runner.h"

namespace quarry {

void refuse_on_device(const RunConfig& run) {
  const std::pair<std::string_view, bool> only_here[] = {
      {"training.early_stopping", run.early_stopping != EarlyStopping::none},
      {"training.train_report = \"running\"", run.train_report != TrainReport::evaluated},
      {"acquisition.log_epsilon = false", !run.log_epsilon},
      {"search.stop_when_beaten", run.stop_when_beaten && run.mode != Mode::fixed},
      {"search.tune_dropout = false", !run.tune_dropout && run.mode != Mode::fixed}};
  for (const auto& [what, is_asked] : only_here)
    if (is_asked) usage_error("{} does not run on a GPU; use --device cpu, or take it out", what);
}

}  // namespace quarry
