// SPDX-License-Identifier: MIT
#include "quarry/report/compare.h"

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

using Picks = std::vector<std::int64_t>;

class RunComparison {
 public:
  RunComparison(const ComparedRun& ours, const ComparedRun& theirs, bool every_cycle)
      : ours_(ours), theirs_(theirs), every_cycle_(every_cycle) {}

  CellComparison compare() {
    if (const auto a = picks_of(ours_), b = picks_of(theirs_); a && b) compare_picks(*a, *b);
    if (ours_.results && theirs_.results) compare_accuracies(*ours_.results, *theirs_.results);
    if (ours_.search && theirs_.search) compare_searches(*ours_.search, *theirs_.search);
    return std::move(result_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    result_.lines.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void differ(fmt::format_string<Args...> format, Args&&... args) {
    result_.equal = false;
    say(format, std::forward<Args>(args)...);
  }

  /// From queried_indices.json, else from results.json.
  static std::optional<std::vector<Picks>> picks_of(const ComparedRun& run) {
    if (run.queried) return run.queried;
    if (!run.results) return std::nullopt;
    std::vector<Picks> picks;
    for (const ActiveCycle& cycle : *run.results) picks.push_back(cycle.queried);
    return picks;
  }

  static Picks sorted(Picks picks) {
    std::sort(picks.begin(), picks.end());
    return picks;
  }

  void compare_picks(const std::vector<Picks>& a, const std::vector<Picks>& b) {
    const std::size_t common = std::min(a.size(), b.size());
    if (a.size() != b.size()) differ("picks: ours have {} cycles, theirs {}", a.size(), b.size());
    if (common > 0 && a[0] != b[0] && sorted(a[0]) == sorted(b[0]))
      say("picks: cycle 0 has the same initial labels in another order, which means nothing");
    for (std::size_t k = 0; k < common; ++k) {
      if (a[k] == b[k]) continue;
      const bool same_set = sorted(a[k]) == sorted(b[k]);
      if (same_set && k == 0) continue;
      const auto at = std::mismatch(a[k].begin(), a[k].end(), b[k].begin(), b[k].end());
      const auto place = static_cast<std::size_t>(at.first - a[k].begin());
      const auto entry = [&](const Picks& picks) {
        return place < picks.size() ? std::to_string(picks[place]) : std::string("nothing");
      };
      differ("picks: cycle {} is the first that differs, from place {}: ours {}, theirs {}; {}", k, place, entry(a[k]),
             entry(b[k]), same_set ? "the same set in another order" : shared_text(a[k], b[k]));
      return;
    }
    say("picks: equal in {} cycles", common);
  }

  static std::string shared_text(const Picks& a, const Picks& b) {
    const Picks x = sorted(a), y = sorted(b);
    Picks both;
    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(both));
    return fmt::format("{} of {} and {} picks are in both", both.size(), a.size(), b.size());
  }

  void compare_accuracies(const std::vector<ActiveCycle>& a, const std::vector<ActiveCycle>& b) {
    std::size_t compared = 0, differing = 0, first = 0, worst_cycle = 0;
    std::int64_t& untested = result_.one_sided;
    double worst = -1, sum = 0;
    if (a.size() != b.size()) differ("accuracy: ours have {} cycles, theirs {}", a.size(), b.size());
    for (std::size_t k = 0; k < std::min(a.size(), b.size()); ++k) {
      if (!a[k].accuracy || !b[k].accuracy) {
        untested += a[k].accuracy.has_value() != b[k].accuracy.has_value();
        continue;
      }
      const double difference = *a[k].accuracy - *b[k].accuracy;
      ++compared;
      sum += difference;
      if (std::abs(difference) >= kAccuracyTolerance && differing++ == 0) first = k;
      if (std::abs(difference) > worst) {
        worst = std::abs(difference);
        worst_cycle = k;
      }
      if (every_cycle_)
        say("  cycle {} ({} labels): ours {:.4f}, theirs {:.4f}, difference {:+.4f}", k, a[k].labels, *a[k].accuracy,
            *b[k].accuracy, difference);
    }
    if (untested > 0) say("accuracy: {} cycles were tested on one side only, so they are not compared", untested);
    if (compared == 0) return say("accuracy: no cycle was tested on both sides");
    if (differing == 0) return say("accuracy: equal in {} cycles", compared);
    differ(
        "accuracy: {} of {} cycles differ; first at cycle {}: ours {:.4f}, theirs {:.4f}; largest at cycle {}: ours "
        "{:.4f}, theirs {:.4f}; mean difference {:+.4f}",
        differing, compared, first, *a[first].accuracy, *b[first].accuracy, worst_cycle, *a[worst_cycle].accuracy,
        *b[worst_cycle].accuracy, sum / static_cast<double>(compared));
  }

  static bool near(double a, double b) {
    return a == b || std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b));
  }
  static bool near(const std::optional<double>& a, const std::optional<double>& b, double tolerance) {
    return a && b ? std::abs(*a - *b) < tolerance : a.has_value() == b.has_value();
  }
  static std::string number(const std::optional<double>& value) {
    return value ? fmt::format("{:.6g}", *value) : "none";
  }

  void compare_searches(const SearchResult& a, const SearchResult& b) {
    compare_trials(a.trials, b.trials);
    if (std::abs(a.accuracy - b.accuracy) >= kAccuracyTolerance)
      differ("test accuracy: ours {:.4f}, theirs {:.4f}, difference {:+.4f}", a.accuracy, b.accuracy,
             a.accuracy - b.accuracy);
    else
      say("test accuracy: equal");
    if (!near(a.nll, b.nll, kAccuracyTolerance)) differ("test NLL: ours {}, theirs {}", number(a.nll), number(b.nll));
  }

  void compare_trials(const std::vector<SearchTrial>& a, const std::vector<SearchTrial>& b) {
    const std::size_t common = std::min(a.size(), b.size());
    if (a.size() != b.size()) differ("trials: ours has {}, theirs {}", a.size(), b.size());
    for (std::size_t t = 0; t < common; ++t) {
      if (!near(a[t].lr, b[t].lr) || !near(a[t].weight_decay, b[t].weight_decay))
        return differ(
            "trials: trial {} is the first that differs: ours lr {:.6g} wd {:.6g}, theirs lr {:.6g} wd {:.6g}", t,
            a[t].lr, a[t].weight_decay, b[t].lr, b[t].weight_decay);
      if (!near(a[t].accuracy, b[t].accuracy, kAccuracyTolerance))
        return differ("trials: trial {} is the first that differs, in its validation accuracy: ours {}, theirs {}", t,
                      number(a[t].accuracy), number(b[t].accuracy));
    }
    say("trials: {} equal", common);
  }

  const ComparedRun& ours_;
  const ComparedRun& theirs_;
  bool every_cycle_;
  CellComparison result_;
};

/// What a file holds, by its keys.
ComparedRun run_of_file(FileSystem& files, const std::string& path) {
  const std::string text = files.read(path, std::size_t{256} << 20);
  ComparedRun run;
  switch (kind_of_cell_file(text, path)) {
    case CellFileKind::active_results:
      run.results = parse_active_results(text, path);
      break;
    case CellFileKind::queried_indices:
      run.queried = parse_queried_picks(text, path);
      break;
    case CellFileKind::search_results:
      run.search = parse_search_results(text, path);
      break;
  }
  return run;
}

ComparedRun run_of_folder(FileSystem& files, const std::string& folder) {
  ComparedRun run;
  if (files.exists(folder + "/results.json")) run = run_of_file(files, folder + "/results.json");
  if (files.exists(folder + "/queried_indices.json")) {
    const std::string path = folder + "/queried_indices.json";
    run.queried = parse_queried_picks(files.read(path, std::size_t{256} << 20), path);
  }
  return run;
}

enum class Shape { file, seed_folder, tree };

Shape shape_of(FileSystem& files, const std::string& path) {
  if (!files.exists(path)) usage_error("there is no '{}'", printable(path));
  if (!files.is_directory(path)) return Shape::file;
  const bool seed = files.exists(path + "/results.json") || files.exists(path + "/queried_indices.json");
  return seed ? Shape::seed_folder : Shape::tree;
}

bool comparable(const ComparedRun& a, const ComparedRun& b) {
  return a.search.has_value() == b.search.has_value();
}

Comparison compare_trees(FileSystem& files, const std::string& ours, const std::string& theirs, bool every_cycle) {
  const CellTree a = read_cells(files, {ours}), b = read_cells(files, {theirs});
  Comparison comparison;
  const auto run_of = [&](const StudyCell& cell) {
    ComparedRun run;
    if (cell.search)
      run.search = cell.search;
    else
      run.results = cell.cycles;
    const std::string path = cell.directory + "/queried_indices.json";
    if (!cell.search && files.exists(path))
      run.queried = parse_queried_picks(files.read(path, std::size_t{256} << 20), path);
    return run;
  };
  auto x = a.cells.begin();
  auto y = b.cells.begin();
  while (x != a.cells.end() || y != b.cells.end()) {
    if (y == b.cells.end() || (x != a.cells.end() && x->key < y->key)) {
      comparison.only_ours.push_back((x++)->key.path());
    } else if (x == a.cells.end() || y->key < x->key) {
      comparison.only_theirs.push_back((y++)->key.path());
    } else {
      CellComparison cell = compare_runs(run_of(*x), run_of(*y), every_cycle);
      cell.name = x->key.path();
      comparison.cells.push_back(std::move(cell));
      ++x;
      ++y;
    }
  }
  if (comparison.cells.empty())
    usage_error("'{}' and '{}' have no cell in common, so nothing was compared", printable(ours), printable(theirs));
  return comparison;
}

}  // namespace

bool Comparison::equal() const {
  return std::all_of(cells.begin(), cells.end(), [](const CellComparison& cell) { return cell.equal; });
}

CellComparison compare_runs(const ComparedRun& ours, const ComparedRun& theirs, bool every_cycle) {
  return RunComparison(ours, theirs, every_cycle).compare();
}

Comparison compare_results(FileSystem& files, const std::string& ours, const std::string& theirs, bool every_cycle) {
  const Shape a = shape_of(files, ours), b = shape_of(files, theirs);
  if ((a == Shape::tree) != (b == Shape::tree))
    usage_error("'{}' is a tree of cells and '{}' a single result: compare two of a kind",
                printable(a == Shape::tree ? ours : theirs), printable(a == Shape::tree ? theirs : ours));
  if (a == Shape::tree) return compare_trees(files, ours, theirs, every_cycle);
  const ComparedRun x = a == Shape::file ? run_of_file(files, ours) : run_of_folder(files, ours);
  const ComparedRun y = b == Shape::file ? run_of_file(files, theirs) : run_of_folder(files, theirs);
  if (!comparable(x, y))
    usage_error("one of '{}' and '{}' is an active-learning run and the other a search: compare two of a kind",
                printable(ours), printable(theirs));
  Comparison comparison;
  comparison.cells.push_back(compare_runs(x, y, every_cycle));
  comparison.cells.back().name = "the two results";
  return comparison;
}

}  // namespace quarry
