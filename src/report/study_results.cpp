// SPDX-License-Identifier: MIT
#include "quarry/report/study_results.h"

#include <algorithm>
#include <map>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

struct Place {
  std::size_t setting, arm, run;
};

template <class T>
void add_once(std::vector<T>& values, const T& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

Setting& setting_of(std::vector<Setting>& settings, const StudyDirectory& study, const RequestedRun& run) {
  const auto same = [&](const Setting& s) {
    return s.study == study.study && s.dataset == run.dataset && s.variant == run.variant &&
           s.n_initial == run.n_initial && s.val_share == run.val_share;
  };
  const auto known = std::find_if(settings.begin(), settings.end(), same);
  if (known != settings.end()) return *known;
  return settings.emplace_back(
      Setting{study.study, study.preset, run.dataset, run.variant, run.file, run.n_initial, run.val_share, {}, {}, {}});
}

Arm& arm_of(Setting& setting, const RequestedRun& run) {
  add_once(setting.strategies, run.strategy);
  add_once(setting.modes, run.mode);
  for (Arm& arm : setting.arms)
    if (arm.strategy == run.strategy && arm.mode == run.mode) return arm;
  return setting.arms.emplace_back(Arm{run.strategy, run.mode, {}});
}

/// The iterations that the config asks for, and label counts that ascend: what every curve relies on.
void check_rows(const ReportRun& run) {
  for (std::size_t i = 0; i < run.rows.size(); ++i) {
    const ResultRow& row = run.rows[i];
    if (i == run.request.iterations.size())
      fail("{}: run {} has iteration {} behind its last", run.directory, printable(run.request.run), row.iteration);
    if (row.iteration != run.request.iterations[i])
      fail("{}: run {} has iteration {} where {} was expected", run.directory, printable(run.request.run),
           row.iteration, run.request.iterations[i]);
    if (i > 0 && row.len_lb <= run.rows[i - 1].len_lb)
      fail("{}: run {} has {} labels in iteration {}, not more than before", run.directory, printable(run.request.run),
           row.len_lb, row.iteration);
  }
}

}  // namespace

bool ReportRun::diverged() const {
  return std::any_of(rows.begin(), rows.end(), [](const ResultRow& row) { return row.diverged; });
}

std::int64_t Arm::completed() const {
  return std::count_if(runs.begin(), runs.end(), [](const ReportRun& run) { return run.complete(); });
}

std::int64_t Arm::diverged() const {
  return std::count_if(runs.begin(), runs.end(), [](const ReportRun& run) { return run.diverged(); });
}

const Arm* Setting::find(const std::string& strategy, const std::string& mode) const {
  for (const Arm& arm : arms)
    if (arm.strategy == strategy && arm.mode == mode) return &arm;
  return nullptr;
}

std::vector<Setting> combine(const std::vector<StudyDirectory>& directories) {
  std::vector<Setting> settings;
  std::map<std::string, const StudyDirectory*> studies;
  std::map<std::pair<std::string, std::string>, Place> places;  // (study, run)
  std::set<std::string> seen;
  for (const StudyDirectory& directory : directories) {
    if (!seen.insert(directory.path).second) usage_error("{} is given twice", directory.path);
    const auto [known, is_new] = studies.emplace(directory.study, &directory);
    if (!is_new && known->second->config != directory.config)
      usage_error("{} and {} both hold study '{}', but their configs differ; give directories of one study only",
                  known->second->path, directory.path, printable(directory.study));
    if (!is_new) continue;
    for (const RequestedRun& request : directory.requested) {
      Setting& setting = setting_of(settings, directory, request);
      Arm& arm = arm_of(setting, request);
      places[{directory.study, request.run}] = {static_cast<std::size_t>(&setting - settings.data()),
                                                static_cast<std::size_t>(&arm - setting.arms.data()), arm.runs.size()};
      arm.runs.push_back({request, "", {}, {}});
    }
  }
  for (const StudyDirectory& directory : directories) {
    const auto run_of = [&](const std::string& name) -> ReportRun* {
      const auto place = places.find({directory.study, name});
      if (place == places.end()) return nullptr;
      return &settings[place->second.setting].arms[place->second.arm].runs[place->second.run];
    };
    for (const ResultRow& row : directory.rows) {
      ReportRun* run = run_of(row.run);
      if (run == nullptr)
        fail("{}/results.csv: its config.toml asks for no run '{}'", directory.path, printable(row.run));
      if (run->directory.empty()) run->directory = directory.path;
      if (run->directory != directory.path)
        usage_error("run '{}' of study '{}' is in {} and in {}; give each run once", printable(row.run),
                    printable(directory.study), run->directory, directory.path);
      run->rows.push_back(row);
    }
    for (const PhaseTime& time : directory.times)
      if (ReportRun* run = run_of(time.run)) run->times.push_back(time);
  }
  for (Setting& setting : settings) {
    setting.among_several = studies.size() > 1;
    for (const Arm& arm : setting.arms)
      for (const ReportRun& run : arm.runs) check_rows(run);
  }
  return settings;
}

const RunConfig* config_of(const std::vector<StudyDirectory>& directories, const ReportRun& run) {
  for (const StudyDirectory& directory : directories) {
    if (directory.path != run.directory || directory.parsed == nullptr) continue;
    for (const StudyRun& known : directory.parsed->runs)
      if (known.id == run.request.run) return &known.config;
  }
  return nullptr;
}

std::vector<ResultRow> merged_rows(const std::vector<StudyDirectory>& directories) {
  std::map<std::pair<std::string, std::string>, std::vector<ResultRow>> rows_of;
  for (const StudyDirectory& directory : directories)
    for (const ResultRow& row : directory.rows) rows_of[{directory.study, row.run}].push_back(row);
  std::vector<ResultRow> merged;
  for (const StudyDirectory& directory : directories)
    for (const RequestedRun& request : directory.requested) {
      std::vector<ResultRow>& rows = rows_of[{directory.study, request.run}];
      merged.insert(merged.end(), rows.begin(), rows.end());
      rows.clear();  // every shard asks for every run of the study
    }
  return merged;
}

}  // namespace quarry
