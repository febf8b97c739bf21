// SPDX-License-Identifier: MIT
#include <map>
#include <set>
#include <sstream>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/study_results.h"
#include "quarry/study/config.h"
#include "quarry/study/config_difference.h"
#include "quarry/study/journal.h"
#include "quarry/study/run_rows.h"

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

/// The last `parts` names of a path.
std::string end_of_path(std::string_view path, int parts) {
  std::size_t from = path.size();
  for (int i = 0; i < parts && from != std::string_view::npos; ++i)
    from = from == 0 ? std::string_view::npos : path.rfind('/', from - 1);
  return std::string(from == std::string_view::npos ? path.substr(path.starts_with('/') ? 1 : 0)
                                                    : path.substr(from + 1));
}

/// What reports call the user's own files: the shortest ends of their paths that tell them apart, never a whole path.
std::map<std::string, std::string> file_names(const StudyConfig& study) {
  std::set<std::string> paths;
  for (const StudyRun& run : study.runs)
    if (run.config.data.name == "file") paths.insert(run.config.data.path);
  std::map<std::string, std::string> names;
  constexpr int kMostFolders = 8;
  for (int parts = 1; parts <= kMostFolders; ++parts) {
    std::set<std::string> different;
    for (const std::string& path : paths) different.insert(names[path] = end_of_path(path, parts));
    if (different.size() == paths.size()) break;
  }
  return names;
}

std::vector<RequestedRun> requested_runs(const StudyConfig& study) {
  std::map<std::string, std::string> names = file_names(study);
  std::vector<RequestedRun> requests;
  for (const StudyRun& run : study.runs) {
    const RunConfig& c = run.config;
    RequestedRun& request = requests.emplace_back();
    request.run = run.id;
    request.dataset = c.data.name;
    request.strategy = c.strategy;
    request.mode = to_string(c.mode);
    request.variant = run.variant;
    request.seed = c.seed;
    request.n_initial = c.n_initial;
    request.val_share = c.val_share;
    if (c.data.name == "file") request.file = names.at(c.data.path);
    request.iterations = iterations_with_rows(c);
  }
  return requests;
}

std::string journal_of(const StudyDirectory& directory, const StudyRun& run) {
  return directory.path + "/runs/" + run.id + "/journal.jsonl";
}

/// What a run has committed so far.
std::vector<ResultRow> committed_rows(FileSystem& files, const StudyDirectory& directory, const StudyRun& run) {
  const std::string journal = journal_of(directory, run);
  return rows_of_journal(directory.study, run, parse_journal(files.read(journal), journal).records);
}

/// What a study that has not come to its end has committed so far.
std::vector<ResultRow> rows_of_journals(FileSystem& files, const StudyDirectory& directory) {
  std::vector<ResultRow> rows;
  for (const StudyRun& run : directory.parsed->runs) {
    if (!files.exists(journal_of(directory, run))) continue;
    for (ResultRow& row : committed_rows(files, directory, run)) rows.push_back(std::move(row));
  }
  return rows;
}

/// results.csv is made from the journals; where these are there, it must still say what they say.
void check_results(FileSystem& files, const StudyDirectory& directory, const std::string& results) {
  std::map<std::string, std::vector<ResultRow>> rows_of;
  for (const ResultRow& row : directory.rows) rows_of[row.run].push_back(row);
  for (const StudyRun& run : directory.parsed->runs) {
    if (!files.exists(journal_of(directory, run))) continue;
    const std::vector<ResultRow> committed = committed_rows(files, directory, run), &rows = rows_of[run.id];
    if (results_csv(committed) == results_csv(rows)) continue;
    const std::string what = committed.size() == rows.size()
                                 ? "the figures are others there"
                                 : fmt::format("{} rows here, {} there", rows.size(), committed.size());
    fail(
        "{} does not say of run {} what its journal {} says ({}); run the study's command, `quarry run`, again: it "
        "makes results.csv anew from the journals",
        results, printable(run.id), journal_of(directory, run), what);
  }
}

/// Directories of one study with different seeds become parts of the study with all of them.
void join_seeds(const std::vector<StudyDirectory*>& parts) {
  const StudyDirectory& first = *parts.front();
  std::set<std::string> configs;
  std::map<std::int64_t, const StudyDirectory*> holder;
  std::vector<std::int64_t> seeds;
  for (const StudyDirectory* part : parts) {
    if (!configs.insert(part->config).second) continue;  // another shard
    const auto difference = first_difference(*first.parsed, *part->parsed);
    if (difference && !differ_in_seeds_alone(*first.parsed, *part->parsed))
      usage_error(
          "{} and {} both hold study '{}', but their configs differ: {} is {} in the first and {} in the second; only "
          "seeds may differ in folders that are reported together, so give studies names of their own",
          first.path, part->path, printable(first.study), difference->key, difference->first, difference->second);
    for (const std::int64_t seed : seeds_of(*part->parsed)) {
      const auto [known, is_new] = holder.emplace(seed, part);
      if (!is_new)
        usage_error("seed {} of study '{}' is in {} and in {}; give each seed once", seed, printable(first.study),
                    known->second->path, part->path);
      seeds.push_back(seed);
    }
  }
  if (configs.size() == 1) return;
  const auto whole = std::make_shared<const StudyConfig>(with_seeds(*first.parsed, seeds, first.path + "/config.toml"));
  for (StudyDirectory* part : parts) {
    part->config = whole->resolved;
    part->requested = requested_runs(*whole);
    part->parsed = whole;
    part->has_other_seeds = true;
  }
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
  directory.parsed = std::make_shared<const StudyConfig>(parse_study(files.read(config), config, {}));
  directory.config = directory.parsed->resolved;
  directory.study = directory.parsed->study;
  directory.preset = directory.parsed->preset;
  directory.requested = requested_runs(*directory.parsed);
  if (files.exists(results)) {
    directory.rows = parse_results_csv(files.read(results), results);
    check_results(files, directory, results);
  } else {
    directory.rows = rows_of_journals(files, directory);
  }
  if (directory.rows.empty()) usage_error("{} holds no results yet: run the study first", path);
  if (const std::string timings = directory.path + "/timings.csv"; files.exists(timings))
    directory.times = parse_timings(files.read(timings), timings);
  return directory;
}

std::vector<StudyDirectory> read_study_directories(FileSystem& files, const std::vector<std::string>& paths) {
  std::vector<StudyDirectory> directories;
  for (const std::string& path : paths) directories.push_back(read_study_directory(files, path));
  std::map<std::string, std::vector<StudyDirectory*>> studies;
  for (StudyDirectory& directory : directories) studies[directory.study].push_back(&directory);
  for (const auto& [name, parts] : studies) join_seeds(parts);
  return directories;
}

}  // namespace quarry
