// SPDX-License-Identifier: MIT
// Cells of a hyperparameter study made up for tests, written as Python's json.dump writes the reference's.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/study/protocol.h"

namespace quarry::test {

struct MadeRun {
  std::vector<std::optional<double>> accuracies;    ///< by cycle; nothing: not tested
  std::int64_t first = 100, batch = 100, pool = 0;  ///< pool 0: no unlabelled lists
  std::vector<std::vector<std::int64_t>> picks;     ///< empty: 0, 1, 2, ... in order
};

inline std::string list_text(const std::vector<std::int64_t>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

inline std::vector<std::vector<std::int64_t>> picks_of(const MadeRun& run) {
  if (!run.picks.empty()) return run.picks;
  std::vector<std::vector<std::int64_t>> picks;
  std::int64_t next = 0;
  for (std::size_t k = 0; k < run.accuracies.size(); ++k) {
    picks.emplace_back();
    for (std::int64_t i = 0; i < (k == 0 ? run.first : run.batch); ++i) picks.back().push_back(next++);
  }
  return picks;
}

inline std::string results_text(const MadeRun& run) {
  const auto picks = picks_of(run);
  std::vector<std::int64_t> labelled;
  std::string text = "{";
  for (std::size_t k = 0; k < run.accuracies.size(); ++k) {
    labelled.insert(labelled.end(), picks[k].begin(), picks[k].end());
    text += fmt::format("{}\"cycle{}\": {{", k > 0 ? ", " : "", k);
    if (k > 0) text += fmt::format("\"query_indices\": {}, \"query_time\": 1.5, ", list_text(picks[k]));
    if (run.accuracies[k])
      text += fmt::format("\"test_stats\": {{\"num_labeled_samples\": {}, \"accuracy\": {}}}, ", labelled.size(),
                          static_cast<double>(static_cast<float>(*run.accuracies[k])));
    std::vector<std::int64_t> rest;
    for (std::int64_t i = 0; i < run.pool; ++i)
      if (i >= static_cast<std::int64_t>(labelled.size())) rest.push_back(i);
    text += fmt::format("\"labeled_indices\": {}, \"n_labeled_samples\": {}, ", list_text(labelled), labelled.size());
    text += fmt::format("\"unlabeled_indices\": {}, \"n_unlabeled_samples\": {}}}", list_text(rest), rest.size());
  }
  return text + "}";
}

inline std::string queried_text(const MadeRun& run) {
  const auto picks = picks_of(run);
  std::string text = "{";
  for (std::size_t k = 0; k < picks.size(); ++k)
    text += fmt::format("{}\"cycle{}\": {}", k > 0 ? ", " : "", k, list_text(picks[k]));
  return text + "}";
}

inline std::string search_text(double accuracy, const std::vector<std::pair<double, double>>& pairs,
                               const std::string& nll = "NaN") {
  std::string text = fmt::format(
      "{{\"args\": \"seed: 1\\nbudget: 2000\\n\", \"test_stats\": {{\"test_acc\": {}, \"test_nll\": {}}}, "
      "\"ray-results\": [",
      accuracy, nll);
  for (std::size_t i = 0; i < pairs.size(); ++i)
    text += fmt::format(
        "{}{{\"res\": {{\"val_loss\": 1.5, \"val_acc\": {}, \"val_nll\": NaN, \"trial_id\": \"a{}\", \"config\": "
        "{{\"lr\": 0}}}}, \"conf\": {{\"lr\": {}, \"weight_decay\": {}}}}}",
        i > 0 ? ", " : "", 0.5, i, pairs[i].first, pairs[i].second);
  return text + "]}";
}

/// protocol.json of a cell: the published one, with these keys otherwise (JSON texts).
inline std::string protocol_text(const std::string& cell, const std::map<std::string, std::string>& other = {}) {
  std::string strategy = "badge";
  for (const char* known : {"random", "entropy", "coreset"})
    if (("/" + cell).find(fmt::format("/{}/", known)) != std::string::npos) strategy = known;
  const StudyHalf half = cell.find("/budget") == std::string::npos ? StudyHalf::learning : StudyHalf::search;
  std::string own, labels_from;
  for (const auto& [key, value] : published_protocol(half, strategy).values) {
    const bool from = key.starts_with(kLabelsFrom);
    std::string& text = from ? labels_from : own;
    const bool is_number = value.find_first_not_of("0123456789.e-") == std::string::npos;
    const std::string json = is_number || value == "true" || value == "false" ? value : "\"" + value + "\"";
    text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", from ? key.substr(kLabelsFrom.size()) : key,
                        other.contains(key) ? other.at(key) : json);
  }
  if (!labels_from.empty())
    own += ", \"labels_from\": " + (other.contains("labels_from") ? other.at("labels_from") : "{" + labels_from + "}");
  return "{" + own + "}";
}

/// Cells get the published protocol; overwrite protocol.json for another, `with_protocol` false for none.
class CellWriter {
 public:
  explicit CellWriter(std::string root, bool with_protocol = true)
      : root_(std::move(root)), with_protocol_(with_protocol) {}

  void file(const std::string& folder, const std::string& name, const std::string& text) const {
    posix_file_system().make_directories(root_ + "/" + folder);
    posix_file_system().write_atomically(root_ + "/" + folder + "/" + name, text);
  }
  /// `cell`: "CIFAR10/random/lr0.001_wd0.05/seed1"
  void active(const std::string& cell, const MadeRun& run) const {
    file(cell, "results.json", results_text(run));
    file(cell, "queried_indices.json", queried_text(run));
    if (with_protocol_) protocol(cell);
  }
  void search(const std::string& cell, double accuracy) const {
    file(cell, "results.json", search_text(accuracy, {{0.001, 0.05}, {0.02, 0.003}}, "1.25"));
    if (with_protocol_) protocol(cell);
  }
  void protocol(const std::string& cell, const std::map<std::string, std::string>& other = {}) const {
    file(cell, "protocol.json", protocol_text(cell, other));
  }
  void data(const std::string& dataset, const std::string& name, const std::string& origin, int classes) const {
    file(dataset, "data.json",
         fmt::format("{{\"name\": \"{}\", \"origin\": \"{}\", \"source\": \"the files\", \"classes\": {}}}", name,
                     origin, classes));
  }
  /// 40 cycles of 100, with these accuracies at cycles 19, 20 and 39, and 0.5 elsewhere.
  void whole(const std::string& cell, double at_2000, double at_2100, double at_4000) const {
    MadeRun run;
    run.accuracies.assign(40, 0.5);
    run.accuracies[19] = at_2000;
    run.accuracies[20] = at_2100;
    run.accuracies[39] = at_4000;
    active(cell, run);
  }

 private:
  std::string root_;
  bool with_protocol_ = true;
};

}  // namespace quarry::test
