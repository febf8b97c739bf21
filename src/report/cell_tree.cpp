// SPDX-License-Identifier: MIT
// The folders of a hyperparameter study: which cells there are, and their files.
#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/report/study_cells.h"
#include "quarry/study/config.h"
#include "src/report/cell_text.h"

namespace quarry {
namespace {

constexpr std::size_t kLargestFile = std::size_t{256} << 20;

/// Folders in a folder, sorted; hidden ones and plain files are passed over.
std::vector<std::string> folders_in(FileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  for (const std::string& name : files.list(directory))
    if (!name.starts_with('.') && files.is_directory(directory + "/" + name)) names.push_back(name);
  return names;
}

/// "budget2000", "seed1": the number after the word.
std::optional<std::int64_t> numbered(std::string_view name, std::string_view word) {
  std::int64_t number = 0;
  if (!name.starts_with(word) || !parse_number(name.substr(word.size()), number) || number < 0) return std::nullopt;
  return number;
}

/// "lr0.001_wd0.05"
std::optional<HyperparameterPair> pair_of(std::string_view name) {
  const std::size_t middle = name.find("_wd");
  HyperparameterPair pair;
  if (!name.starts_with("lr") || middle == std::string_view::npos ||
      !parse_number(name.substr(2, middle - 2), pair.lr) || !parse_number(name.substr(middle + 3), pair.weight_decay) ||
      pair.lr < 0 || pair.weight_decay < 0)
    return std::nullopt;
  return pair;
}

class TreeReader {
 public:
  TreeReader(FileSystem& files, CellTree& tree) : files_(files), tree_(tree) {}

  void read(const std::string& directory) {
    const std::string root = cells_root(files_, directory);
    if (root == directory && files_.is_directory(directory + "/runs")) return add_empty(directory);
    const std::size_t before = tree_.cells.size() + tree_.notes.size();
    for (const std::string& dataset : folders_in(files_, root)) {
      const std::string place = root + "/" + dataset;
      if (dataset == "report") continue;  // what quarry report wrote beside the cells
      add_dataset(place, dataset);
      for (const std::string& strategy : folders_in(files_, place)) strategy_folder(place, dataset, strategy);
    }
    if (tree_.cells.size() + tree_.notes.size() == before) add_empty(directory);
  }

  /// Folders without cells are notes beside others, such as the unfinished shard of a study; alone they are an error.
  void finish() {
    if (tree_.cells.empty() && tree_.notes.empty()) usage_error("{}", join(empty_, "; "));
    tree_.notes.insert(tree_.notes.end(), empty_.begin(), empty_.end());
  }

 private:
  void add_empty(const std::string& directory) {
    if (files_.is_directory(directory + "/runs"))
      empty_.push_back(study_without_cells(directory));
    else
      empty_.push_back(
          fmt::format("'{}' holds no cells of a hyperparameter study: expected folders such as "
                      "cells/CIFAR10/random/lr0.001_wd0.05/seed1, or CIFAR10/... directly",
                      printable(directory)));
  }

  std::string study_without_cells(const std::string& directory) {
    const std::string shown = printable(directory), config = directory + "/config.toml";
    const auto on_images = [](const StudyRun& run) { return run.config.network != NetworkKind::mlp; };
    if (files_.exists(config)) {
      const StudyConfig study = parse_study(files_.read(config, kLargestFile), config, {});
      if (std::none_of(study.runs.begin(), study.runs.end(), on_images))
        return fmt::format(
            "'{}' is no hyperparameter study and has no cells: its networks are perceptrons; see its results with "
            "quarry report {}",
            shown, shown);
    }
    if (files_.exists(directory + "/results.csv"))
      return fmt::format(
          "'{}' holds no cells: its grid has axes that the published layout has no place for; see its results with "
          "quarry report {}",
          shown, shown);
    return fmt::format(
        "'{}' holds no cells yet: the study in it is not finished; the command that began it goes on from there",
        shown);
  }

  void add_dataset(const std::string& place, const std::string& folder) {
    CellDataset dataset;
    if (files_.exists(place + "/data.json"))
      dataset = parse_cell_dataset(files_.read(place + "/data.json", kLargestFile), place + "/data.json");
    dataset.folder = folder;
    const auto known = std::find_if(tree_.datasets.begin(), tree_.datasets.end(),
                                    [&](const CellDataset& other) { return other.folder == folder; });
    if (known == tree_.datasets.end())
      tree_.datasets.push_back(dataset);
    else if (std::tie(known->name, known->source, known->origin, known->classes) !=
             std::tie(dataset.name, dataset.source, dataset.origin, dataset.classes))
      usage_error("'{}' says other things about the data than the data.json of a folder before it: report them apart",
                  printable(place));
  }

  void strategy_folder(const std::string& place, const std::string& dataset, const std::string& strategy) {
    const std::string below = place + "/" + strategy;
    for (const std::string& name : folders_in(files_, below)) {
      if (const auto budget = numbered(name, "budget"); budget && *budget > 0) {
        for (const std::string& pair : folders_in(files_, below + "/" + name))
          pair_folder(below + "/" + name, {dataset, strategy, *budget, {}, 0}, pair);
      } else {
        pair_folder(below, {dataset, strategy, 0, {}, 0}, name);
      }
    }
  }

  void pair_folder(const std::string& place, CellKey key, const std::string& name) {
    const std::optional<HyperparameterPair> pair = pair_of(name);
    if (!pair)
      usage_error("'{}/{}' is no part of a hyperparameter study: expected names such as lr0.001_wd0.05{}",
                  printable(place), printable(name), key.budget == 0 ? " or budget2000" : "");
    key.pair = *pair;
    for (const std::string& seed_name : folders_in(files_, place + "/" + name)) {
      const std::string here = place + "/" + name + "/" + seed_name;
      const auto seed = numbered(seed_name, "seed");
      if (!seed)
        usage_error("'{}' is no part of a hyperparameter study: expected a name such as seed1", printable(here));
      key.seed = *seed;
      add_cell(here, key);
    }
  }

  void add_cell(const std::string& here, const CellKey& key) {
    if (!files_.exists(here + "/results.json")) {
      tree_.notes.push_back(fmt::format("{} has no results.json: not finished, counted as missing.", printable(here)));
      return;
    }
    StudyCell cell;
    cell.key = key;
    cell.directory = here;
    const std::string path = here + "/results.json", text = files_.read(path, kLargestFile);
    if (key.budget > 0)
      cell.search = parse_search_results(text, path);
    else
      cell.cycles = parse_active_results(text, path);
    read_notes(here + "/notes.json", cell);
    const std::string protocol = here + "/protocol.json";
    if (files_.exists(protocol)) cell.protocol = parse_protocol(files_.read(protocol, kLargestFile), protocol);
    tree_.cells.push_back(std::move(cell));
  }

  void read_notes(const std::string& path, StudyCell& cell) {
    if (!files_.exists(path)) return;
    const Json notes = parse_cell_json(files_.read(path, kLargestFile), path);
    if (notes.type() != Json::Type::object) fail("{}: the file is no object", path);
    if (cell.search) {
      const Json* diverged = notes.find("diverged");
      if (diverged == nullptr) return;
      if (diverged->type() != Json::Type::boolean) fail("{}: 'diverged' is neither true nor false", path);
      cell.search->diverged = diverged->boolean();
      return;
    }
    const auto mark = [&](std::string_view key, bool ActiveCycle::*flag) {
      const Json* cycles = notes.find(key);
      if (cycles == nullptr) return;
      if (cycles->type() != Json::Type::array) fail("{}: '{}' is no list", path, key);
      for (const Json& item : cycles->items()) {
        if (item.type() != Json::Type::integer || item.integer() < 0 ||
            item.integer() >= static_cast<std::int64_t>(cell.cycles.size()))
          fail("{}: '{}' names a cycle that the run does not have; it has {}", path, key, cell.cycles.size());
        cell.cycles[static_cast<std::size_t>(item.integer())].*flag = true;
      }
    };
    mark("diverged_cycles", &ActiveCycle::diverged);
    mark("non_finite_loss_cycles", &ActiveCycle::non_finite_loss);
  }

  FileSystem& files_;
  CellTree& tree_;
  std::vector<std::string> empty_;  // what is said of the folders without cells
};

}  // namespace

std::string CellKey::path() const {
  return fmt::format("{}/{}/{}lr{}_wd{}/seed{}", dataset, strategy, budget > 0 ? fmt::format("budget{}/", budget) : "",
                     pair.lr, pair.weight_decay, seed);
}

bool operator<(const CellKey& a, const CellKey& b) {
  return std::tie(a.dataset, a.strategy, a.budget, a.pair.lr, a.pair.weight_decay, a.seed) <
         std::tie(b.dataset, b.strategy, b.budget, b.pair.lr, b.pair.weight_decay, b.seed);
}

std::string cells_root(FileSystem& files, const std::string& directory) {
  if (!files.is_directory(directory)) usage_error("'{}' is no folder", printable(directory));
  return files.is_directory(directory + "/cells") ? directory + "/cells" : directory;
}

CellTree read_cells(FileSystem& files, const std::vector<std::string>& directories) {
  CellTree tree;
  TreeReader reader(files, tree);
  for (const std::string& directory : directories) reader.read(directory);
  reader.finish();
  std::sort(tree.datasets.begin(), tree.datasets.end(),
            [](const CellDataset& a, const CellDataset& b) { return a.folder < b.folder; });
  std::sort(tree.cells.begin(), tree.cells.end(), [](const StudyCell& a, const StudyCell& b) { return a.key < b.key; });
  for (std::size_t i = 1; i < tree.cells.size(); ++i)
    if (tree.cells[i - 1].key == tree.cells[i].key)
      usage_error("the cell {} is in '{}' and in '{}': give each once", tree.cells[i].key.path(),
                  printable(tree.cells[i - 1].directory), printable(tree.cells[i].directory));
  return tree;
}

bool is_collapsed(double accuracy, std::int64_t classes) {
  // Single precision in the reference's files; one test image of 10,000 is 1e-4.
  return classes > 1 && std::abs(accuracy - 1.0 / static_cast<double>(classes)) < 1e-6;
}

}  // namespace quarry
