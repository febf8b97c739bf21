// SPDX-License-Identifier: MIT
// Switches of the study that the kernels do not have.
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/study/keychain.h"
#include "src/study/study_runner.h"

namespace quarry {
namespace {

struct OnlyHere {
  std::string_view key;
  bool is_asked;
  std::string_view other;  ///< the value that a GPU has; a preset may have set the key, so leaving it out may not help
};

}  // namespace

void refuse_on_device(const StudyRun& run) {
  const RunConfig& config = run.config;
  if (is_keychain(config.strategy))
    usage_error("run {}: acquisition.strategy = \"{}\" runs on the CPU alone so far; use --device cpu", run.id,
                config.strategy);
  const bool tunes_again = config.mode == Mode::online_static || config.mode == Mode::online_dynamic;
  const OnlyHere switches[] = {{"training.early_stopping", config.early_stopping != EarlyStopping::none, "none"},
                               {"training.train_report", config.train_report != TrainReport::evaluated, "evaluated"},
                               {"acquisition.log_epsilon", !config.log_epsilon, "true"},
                               {"search.stop_when_beaten", config.stop_when_beaten && tunes_again, "false"},
                               {"search.tune_dropout", !config.tune_dropout && config.mode != Mode::fixed, "true"}};
  for (const OnlyHere& it : switches)
    if (it.is_asked)
      usage_error("run {}: {} does not run on a GPU unless it is {}; use --device cpu, or --set {}={}", run.id, it.key,
                  it.other, it.key, it.other);
}

}  // namespace quarry
