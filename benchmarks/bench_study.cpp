// SPDX-License-Identifier: MIT
// How long does a whole study take, from its config to results.csv? Default: online_dynamic on Moons, preset faithful,
// entropy, one seed; --studies runs that many seeds side by side. What is timed is what `quarry run` does, files and
// all, in a temporary folder; the results are read back and their rows counted.
//
//   bench_study [--config FILE] [--set key=value]... [--studies S...] [--workers W] [--device D] [--json]
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "benchmarks/bench_cli.h"
#include "quarry/core/file_system.h"
#include "quarry/study/active_learning_run.h"
#include "quarry/study/config.h"
#include "quarry/study/runner.h"

namespace quarry::bench {
namespace {

/// Removed with everything in it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "quarry-bench-XXXXXX").string();
    QUARRY_CHECK(::mkdtemp(name.data()) != nullptr, "cannot make a folder like {}", name);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Settings {
  std::string config = "configs/online_tuning/moons.toml";
  std::vector<std::string> overrides;
  std::vector<std::int32_t> studies = {1};
  int workers = 0;
};

std::int64_t lines_of(const std::string& path) {
  std::ifstream file(path);
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

void time_study(const Settings& s, std::int32_t studies, const Options& options, Report& report) {
  std::vector<std::string> overrides = {"search.mode=online_dynamic", "acquisition.strategy=entropy",
                                        fmt::format("run.seed=\"2..{}\"", studies + 1)};
  overrides.insert(overrides.end(), s.overrides.begin(), s.overrides.end());
  const StudyConfig study = load_study(s.config, overrides);
  const Folder folder;
  RunOptions run;
  run.out = folder.path();
  run.device = options.device;
  run.workers = s.workers;
  run.progress = ProgressMode::quiet;
  RunSummary summary;
  const double seconds = seconds_of([&] { summary = run_study(posix_file_system(), study, run); });
  std::int64_t rows = 0;
  for (const StudyRun& one : study.runs) rows += iterations_total(one.config);
  QUARRY_CHECK(lines_of(summary.directory + "/results.csv") == rows + 1, "results.csv lacks rows");
  report.row(Json::object()
                 .set("config", s.config)
                 .set("runs", static_cast<std::int64_t>(study.runs.size()))
                 .set("iterations", rows)
                 .set("seconds", seconds)
                 .set("seconds_per_run", seconds / static_cast<double>(study.runs.size())));
}

}  // namespace
}  // namespace quarry::bench

int main(int argc, char** argv) {
  using namespace quarry::bench;
  Settings s;
  return main_of(
      argc, argv, "bench_study", "seconds of a whole study",
      [&](Arguments& arguments) {
        arguments.text("--config", s.config, "study");
        arguments.texts("--set", s.overrides, "override a key, section.key=value");
        arguments.numbers("--studies", s.studies, "seeds side by side", 1, 10000);
        arguments.number("--workers", s.workers, "CPU workers, 0: one per core", 0, 1024);
      },
      [&](const Options& options, Report& report) {
        for (const std::int32_t studies : s.studies) time_study(s, studies, options, report);
      });
}
