// SPDX-License-Identifier: MIT
#include "src/study/image_records.h"

#include <limits>
#include <string_view>

#include "quarry/study/image_learning_run.h"

namespace quarry {
namespace {

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Tells other data from the same: a resume on changed data is refused.
std::int64_t fingerprint(const ImageDataset& data) {
  std::int64_t sum = 0;
  for (const ImagePart* part : {&data.train, &data.test})
    sum = sum * 31 + crc32_of(bytes_of(part->pixels)) + 7 * std::int64_t{crc32_of(bytes_of(part->labels))};
  return sum & 0xffffffffffff;
}

}  // namespace

std::vector<std::int32_t> integers_of(const Json& array) {
  std::vector<std::int32_t> values;
  values.reserve(array.items().size());
  for (const Json& item : array.items()) values.push_back(static_cast<std::int32_t>(item.integer()));
  return values;
}

Json describe_image_run(const StudyRun& run, const ImageDataset& data, const ImageRunMeans& means) {
  Json record = Json::object();
  record.set("type", "run").set("run", run.id).set("data", data.name).set("data_fingerprint", fingerprint(data));
  record.set("train", data.train.n).set("test", data.test.n).set("classes", data.n_classes);
  record.set("networks", means.networks).set("engine", means.engine);
  record.set("precision", to_string(run.config.precision));
  return record;
}

void add_test(Json& record, const TestMetrics& test) {
  record.set("test_loss", test.loss).set("test_acc", test.accuracy).set("test_nll", test.nll);
  record.set("test_auc", test.auc);
}

Json describe_learning_cycle(const LearningFacts& facts, const ConvMemberResult& fitted, const TestMetrics* metrics) {
  Json record = Json::object();
  record.set("type", "cycle").set("cycle", facts.cycle).set("added", Json::array_of(facts.added));
  record.set("targets", Json::array_of(facts.targets)).set("stream", static_cast<std::int64_t>(facts.stream));
  record.set("labelled", facts.labelled).set("unlabelled", facts.unlabelled).set("tested", metrics != nullptr);
  if (metrics != nullptr) add_test(record, *metrics);
  record.set("steps", fitted.steps).set("train_loss", fitted.train_loss);
  record.set("all_scores_non_finite", facts.all_scores_non_finite);
  record.set("diverged", fitted.diverged).set("diverged_epoch", fitted.diverged_epoch);
  return record;
}

void read_test(const Json& record, ResultRow& row) {
  row.test_loss = record.at("test_loss").number();
  row.test_acc = row.test_acc_clean = record.at("test_acc").number();
  row.test_nll = record.at("test_nll").number();
  row.test_auc = record.at("test_auc").number();
}

ResultRow row_of_run(const std::string& study, const StudyRun& run) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
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
  row.val_loss = row.val_acc = row.train_loss = row.train_acc = kNone;
  row.momentum = run.config.momentum;
  row.drop_rate = run.config.dropout;
  return row;
}

std::vector<ResultRow> learning_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records) {
  std::vector<ResultRow> rows;
  for (const Json& record : records) {
    if (record.at("type").string() != "cycle" || !record.at("tested").boolean()) continue;
    ResultRow row = row_of_run(study, run);
    row.iteration = static_cast<std::int32_t>(record.at("cycle").integer()) - 1;  // -1 = before the first query
    row.idx_added = integers_of(record.at("added"));
    row.target_added = integers_of(record.at("targets"));
    read_test(record, row);
    row.train_loss = record.at("train_loss").number();
    row.len_ulb = static_cast<std::int32_t>(record.at("unlabelled").integer());
    row.len_lb = static_cast<std::int32_t>(record.at("labelled").integer());
    row.lr = run.config.lr;
    row.weight_decay = run.config.weight_decay;
    row.diverged = record.at("diverged").boolean();
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace quarry
