// SPDX-License-Identifier: MIT
#include "src/study/run_records.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "quarry/study/active_learning_run.h"

namespace quarry {
namespace {

constexpr std::int32_t kMaxFeaturesInRecord = 8;

}  // namespace

std::int64_t fingerprint_of(std::span<const PartBytes> parts) {
  std::int64_t sum = 0;
  for (const PartBytes& part : parts) sum = sum * 31 + crc32_of(part.numbers) + 7 * std::int64_t{crc32_of(part.labels)};
  return sum & 0xffffffffffff;
}

std::vector<std::int32_t> integers_of(const Json& array) {
  std::vector<std::int32_t> values;
  values.reserve(array.items().size());
  for (const Json& item : array.items()) values.push_back(static_cast<std::int32_t>(item.integer()));
  return values;
}

double smallest_tuned_value(std::span<const Json> records, std::int32_t before) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  double smallest = kNone;
  for (const Json& record : records) {
    if (record.at("type").string() != "tuning" || record.at("iteration").integer() >= before) continue;
    const Json& chosen = record.at("trials").items().at(static_cast<std::size_t>(record.at("chosen").integer()));
    const double value = chosen.at("value").number();
    if (chosen.at("state").string() != "complete" || std::isnan(value)) continue;
    smallest = smallest == kNone ? value : std::min(smallest, value);
  }
  return smallest;
}

ResultRow row_of_run(const std::string& study, const StudyRun& run) {
  ResultRow row;
  row.study = study;
  row.run = run.id;
  row.dataset = run.config.data.name;
  row.strategy = run.config.strategy;
  row.mode = to_string(run.config.mode);
  row.seed = run.config.seed;
  row.n_initial = run.config.n_initial;
  row.val_share = run.config.val_share;
  row.variant = run.variant;
  return row;
}

std::int32_t count_honeypots(const Dataset& data, std::span<const std::int32_t> indices) {
  if (data.train.honeypot.empty()) return 0;
  std::int32_t count = 0;
  for (std::int32_t index : indices) count += data.train.honeypot[static_cast<std::size_t>(index)];
  return count;
}

Json describe_run(const StudyRun& run, const Dataset& data, std::span<const std::int32_t> initial,
                  const FitRows& first_split, const std::string& networks) {
  Json record = Json::object();
  const PartBytes parts[] = {{bytes_of(data.train.features), bytes_of(data.train.labels)},
                             {bytes_of(data.test.features), bytes_of(data.test.labels)}};
  record.set("type", "run").set("run", run.id).set("data", data.name).set("data_fingerprint", fingerprint_of(parts));
  record.set("pool", data.train.n).set("test", data.test.n).set("features", data.n_features);
  record.set("classes", data.n_classes).set("networks", networks);
  record.set("initial", Json::array_of(initial)).set("train", Json::array_of(first_split.train));
  record.set("validation", Json::array_of(first_split.validation));
  return record;
}

Json describe_cycle(const CycleFacts& facts, const Dataset& data, const MemberResult<float>& fitted,
                    const TestMetrics& test) {
  Json targets = Json::array(), features = Json::array();
  for (std::int32_t index : facts.added) {
    const auto i = static_cast<std::size_t>(index);
    targets.push(data.train.labels[i]);
    if (data.n_features > kMaxFeaturesInRecord) continue;
    const auto d = static_cast<std::size_t>(data.n_features);
    for (std::size_t k = 0; k < d; ++k) features.push(static_cast<double>(data.train.features[i * d + k]));
  }
  Json record = Json::object();
  record.set("type", "cycle").set("iteration", facts.iteration).set("added", Json::array_of(facts.added));
  record.set("targets", std::move(targets)).set("features", std::move(features));
  record.set("test_loss", test.loss).set("test_acc", test.accuracy).set("test_nll", test.nll);
  record.set("test_auc", test.auc).set("test_acc_clean", test.accuracy_clean);
  record.set("val_loss", fitted.validation.loss).set("val_acc", fitted.validation.accuracy);
  record.set("train_loss", fitted.train.loss).set("train_acc", fitted.train.accuracy);
  record.set("unlabelled", facts.unlabelled).set("labelled", facts.labelled).set("honeypots", facts.honeypots);
  const Hyperparameters& h = facts.hyperparameters;
  record.set("hidden", Json::array_of(h.hidden)).set("lr", h.lr).set("weight_decay", h.weight_decay);
  record.set("momentum", h.momentum).set("drop_rate", h.dropout);
  record.set("trials", facts.trials).set("pruned", facts.pruned);
  record.set("every_trial_failed", facts.every_trial_failed);
  record.set("all_scores_non_finite", facts.all_scores_non_finite);
  record.set("diverged", fitted.diverged || facts.selection_diverged).set("diverged_epoch", fitted.diverged_epoch);
  return record;
}

std::vector<ResultRow> result_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records) {
  std::vector<ResultRow> rows;
  for (const Json& record : records) {
    if (record.at("type").string() != "cycle") continue;
    ResultRow row = row_of_run(study, run);
    row.iteration = static_cast<std::int32_t>(record.at("iteration").integer());
    row.idx_added = integers_of(record.at("added"));
    row.target_added = integers_of(record.at("targets"));
    for (const Json& value : record.at("features").items())
      row.features_added.push_back(static_cast<float>(value.number()));
    row.test_loss = record.at("test_loss").number();
    row.test_acc = record.at("test_acc").number();
    row.test_nll = record.at("test_nll").number();
    row.test_auc = record.at("test_auc").number();
    row.test_acc_clean = record.at("test_acc_clean").number();
    row.val_loss = record.at("val_loss").number();
    row.val_acc = record.at("val_acc").number();
    row.train_loss = record.at("train_loss").number();
    row.train_acc = record.at("train_acc").number();
    row.len_ulb = static_cast<std::int32_t>(record.at("unlabelled").integer());
    row.len_lb = static_cast<std::int32_t>(record.at("labelled").integer());
    row.honeypots = static_cast<std::int32_t>(record.at("honeypots").integer());
    row.lr = record.at("lr").number();
    row.weight_decay = record.at("weight_decay").number();
    row.momentum = record.at("momentum").number();
    row.drop_rate = record.at("drop_rate").number();
    row.hidden = integers_of(record.at("hidden"));
    row.trials = static_cast<std::int32_t>(record.at("trials").integer());
    row.pruned = static_cast<std::int32_t>(record.at("pruned").integer());
    row.diverged = record.at("diverged").boolean();
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace quarry
