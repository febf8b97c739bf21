// SPDX-License-Identifier: MIT
// Keys that contradict each other. Only values count, not whether a key was written: the resolved text, which writes
// every key, must be accepted.
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

using Problem = std::optional<ConfigProblem>;

template <class... Args>
Problem problem(std::vector<std::string_view> keys, fmt::format_string<Args...> format, Args&&... args) {
  return ConfigProblem{std::move(keys), fmt::format(format, std::forward<Args>(args)...)};
}

// What only data.name = "file" reads.
Problem check_file_keys(const DataConfig& data) {
  const std::pair<std::string_view, const std::string&> keys[] = {{"data.test_path", data.test_path},
                                                                  {"data.label", data.label},
                                                                  {"data.labels_path", data.labels_path},
                                                                  {"data.test_labels_path", data.test_labels_path}};
  for (const auto& [key, value] : keys)
    if (!value.empty())
      return problem({key, "data.name"}, "{} is for data.name = \"file\"; the data set here is '{}'", key, data.name);
  return {};
}

Problem check_data(const DataConfig& data) {
  if (data.name != "file") return check_file_keys(data);
  if (data.path.empty()) return problem({"data.name", "data.path"}, "data.name = \"file\" needs data.path, your file");
  if (!data.test_path.empty() && data.test_share != DataConfig{}.test_share)
    return problem({"data.test_share", "data.test_path"}, "data.test_share has no meaning beside data.test_path");
  if (data.test_path.empty() && !data.test_labels_path.empty())
    return problem({"data.test_labels_path", "data.test_path"}, "data.test_labels_path needs data.test_path");
  const bool labels_apart = data.format == "npy" || data.format == "idx";
  const bool labels_inside = data.format == "libsvm" || data.format == "csv" || data.format == "npz";
  if (data.format == "libsvm" && !data.label.empty())
    return problem({"data.label", "data.format"},
                   "data.label has no meaning for LIBSVM files: each line begins with its label");
  if (labels_apart && !data.label.empty())
    return problem({"data.label", "data.format"}, "data.label has no meaning for {} files; use data.labels_path",
                   data.format);
  if (labels_apart && data.labels_path.empty())
    return problem({"data.format", "data.labels_path"}, "{} files need data.labels_path, the file of the labels",
                   data.format);
  if (labels_apart && !data.test_path.empty() && data.test_labels_path.empty())
    return problem({"data.test_path", "data.test_labels_path"},
                   "data.test_path needs data.test_labels_path, the labels of the test rows");
  if (labels_inside && !(data.labels_path.empty() && data.test_labels_path.empty()))
    return problem({data.labels_path.empty() ? "data.test_labels_path" : "data.labels_path", "data.format"},
                   "{} files hold their labels; data.labels_path is for npy and idx", data.format);
  return {};
}

Problem check_pool(const RunConfig& run) {
  if (run.n_initial == 0) return problem({"pool.n_initial"}, "pool.n_initial: expected -1 (all) or at least 1, got 0");
  if (run.val_share == 0 && run.mode != Mode::fixed)
    return problem({"pool.val_share", "search.mode"},
                   "search.mode = \"{}\" chooses by validation loss: pool.val_share must be above 0",
                   to_string(run.mode));
  if (run.n_initial < 0 || run.val_share == 0) return {};
  const double validation = std::ceil(run.val_share * run.n_initial);
  if (validation >= run.n_initial)
    return problem({"pool.n_initial", "pool.val_share"},
                   "pool.n_initial = {} with pool.val_share = {} leaves {} for validation and none to train on",
                   run.n_initial, format_exact(run.val_share), run.n_initial);
  return {};
}

Problem check_acquisition(const RunConfig& run) {
  if (run.budget > 0 && run.size > run.budget)
    return problem({"acquisition.size", "acquisition.budget"},
                   "acquisition.size = {} is more than acquisition.budget = {}", run.size, run.budget);
  if (run.candidates > 0 && run.candidates < run.size)
    return problem({"acquisition.candidates", "acquisition.size"},
                   "acquisition.candidates = {} is less than acquisition.size = {}", run.candidates, run.size);
  return {};
}

Problem check_search(const RunConfig& run) {
  const auto ordered = [&](auto low, auto high, std::string_view low_key, std::string_view high_key) -> Problem {
    if (low <= high) return {};
    return problem({high_key, low_key}, "{} = {} is above {} = {}", low_key, low, high_key, high);
  };
  if (Problem p = ordered(run.lr_low, run.lr_high, "search.lr_low", "search.lr_high")) return p;
  if (Problem p =
          ordered(run.weight_decay_low, run.weight_decay_high, "search.weight_decay_low", "search.weight_decay_high"))
    return p;
  if (Problem p = ordered(run.drop_rate_low, run.drop_rate_high, "search.drop_rate_low", "search.drop_rate_high"))
    return p;
  if (Problem p = ordered(run.depth_low, run.depth_high, "search.depth_low", "search.depth_high")) return p;
  if (Problem p = ordered(run.width_low, run.width_high, "search.width_low", "search.width_high")) return p;
  if (run.mode != Mode::online_dynamic || run.cross_validation != CrossValidation::k_fold) return {};
  if (run.folds < 2)
    return problem({"search.folds", "search.cross_validation"}, "k_fold needs search.folds of at least 2, got {}",
                   run.folds);
  if (run.n_initial > 0 && run.folds > run.n_initial)
    return problem({"search.folds", "pool.n_initial"}, "search.folds = {} is more than pool.n_initial = {}", run.folds,
                   run.n_initial);
  return {};
}

}  // namespace

std::optional<ConfigProblem> check_run(const RunConfig& run) {
  if (Problem p = check_data(run.data)) return p;
  if (Problem p = check_pool(run)) return p;
  if (Problem p = check_acquisition(run)) return p;
  if (Problem p = check_search(run)) return p;
  if (run.optimizer == Optimizer::adam && run.momentum > 0)
    return problem({"model.momentum", "training.optimizer"},
                   "model.momentum has no meaning with training.optimizer = \"adam\"");
  return {};
}

}  // namespace quarry
