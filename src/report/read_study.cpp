// SPDX-License-Identifier: MIT
#include <sstream>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/study_results.h"
#include "quarry/study/active_learning_run.h"
#include "quarry/study/config.h"
#include "quarry/study/journal.h"

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
  request.last_iteration = iterations_total(c) - 2;
  return request;
}

/// What a study that has not come to its end has committed so far.
std::vector<ResultRow> rows_of_journals(FileSystem& files, const std::string& path, const StudyConfig& study) {
  std::vector<ResultRow> rows;
  for (const StudyRun& run : study.runs) {
    const std::string journal = path + "/runs/" + run.id + "/journal.jsonl";
    if (!files.exists(journal)) continue;
    for (ResultRow& row : result_rows(study.study, run, parse_journal(files.read(journal), journal).records))
      rows.push_back(std::move(row));
  }
  return rows;
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
  directory.parsed = std::make_shared<const StudyConfig>(parse_study(directory.config, config, {}));
  const StudyConfig& study = *directory.parsed;
  directory.study = study.study;
  directory.preset = study.preset;
  for (const StudyRun& run : study.runs) directory.requested.push_back(requested(run));
  directory.rows = files.exists(results) ? parse_results_csv(files.read(results), results)
                                         : rows_of_journals(files, directory.path, study);
  if (directory.rows.empty()) usage_error("{} holds no results yet: run the study first", path);
  if (const std::string timings = directory.path + "/timings.csv"; files.exists(timings))
    directory.times = parse_timings(files.read(timings), timings);
  return directory;
}

}  // namespace quarry
