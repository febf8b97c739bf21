// SPDX-License-Identifier: MIT
#include <sstream>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/study_results.h"
#include "quarry/study/config.h"

namespace quarry {
namespace {

std::vector<PhaseTime> parse_timings(const std::string& text, const std::string& path) {
  std::vector<PhaseTime> times;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (number == 1) continue;  // the header
    std::vector<std::string> cells;
    std::istringstream parts(line);
    for (std::string cell; std::getline(parts, cell, ',');) cells.push_back(cell);
    PhaseTime time;
    if (cells.size() < 3 || !parse_number(cells[2], time.seconds))
      fail("{}:{}: expected run,phase,seconds,jobs", path, number);
    time.run = cells[0];
    time.phase = cells[1];
    times.push_back(std::move(time));
  }
  return times;
}

RequestedRun requested(const StudyRun& run) {
  const RunConfig& c = run.config;
  RequestedRun request;
  request.run = run.id;
  request.dataset = c.data.name;
  request.strategy = c.strategy;
  request.mode = to_string(c.mode);
  request.variant = run.variant;
  request.seed = c.seed;
  request.n_initial = c.n_initial;
  request.val_share = c.val_share;
  const std::int32_t acquisitions = c.n_initial < 0 ? 0 : (c.budget + c.size - 1) / c.size;
  request.last_iteration = acquisitions - 1;
  return request;
}

}  // namespace

StudyDirectory read_study_directory(FileSystem& files, const std::string& path) {
  StudyDirectory directory;
  directory.path = path;
  while (directory.path.size() > 1 && directory.path.back() == '/') directory.path.pop_back();
  const std::string config = directory.path + "/config.toml", results = directory.path + "/results.csv";
  if (!files.is_directory(path))
    usage_error("{} is not a directory; give what `quarry run` wrote, as results/smoke", path);
  if (!files.exists(config))
    usage_error(
        "{} holds no config.toml, so it is not a study's directory; give what `quarry run` wrote, as results/smoke",
        path);
  directory.config = files.read(config);
  const StudyConfig study = parse_study(directory.config, config, {});
  directory.study = study.study;
  directory.preset = study.preset;
  directory.networks = study.networks;
  for (const StudyRun& run : study.runs) directory.requested.push_back(requested(run));
  if (!files.exists(results))
    usage_error(
        "{} holds no results.csv yet: run the study to its end first (the same command goes on where it stopped)",
        path);
  directory.rows = parse_results_csv(files.read(results), results);
  if (const std::string timings = directory.path + "/timings.csv"; files.exists(timings))
    directory.times = parse_timings(files.read(timings), timings);
  return directory;
}

}  // namespace quarry
