// SPDX-License-Identifier: MIT
#include "src/study/image_records.h"

#include <limits>

#include "quarry/study/image_learning_run.h"

namespace quarry {

std::int64_t fingerprint_of(const ImageDataset& data) {
  const PartBytes parts[] = {{bytes_of(data.train.pixels), bytes_of(data.train.labels)},
                             {bytes_of(data.test.pixels), bytes_of(data.test.labels)}};
  return fingerprint_of(parts);
}

Json describe_image_run(const StudyRun& run, const ImageDataset& data, const ImageRunMeans& means) {
  Json record = Json::object();
  record.set("type", "run").set("run", run.id).set("data", data.name).set("data_fingerprint", fingerprint_of(data));
  record.set("train", data.train.n).set("test", data.test.n).set("classes", data.n_classes);
  record.set("networks", means.networks).set("engine", means.engine);
  record.set("precision", to_string(run.config.precision));
  return record;
}

void check_engine(const std::string& directory, const Json& first, const std::string& engine) {
  const Json* begun_by = first.find("engine");
  if (begun_by == nullptr || begun_by->type() != Json::Type::string || begun_by->string() == engine) return;
  fail(
      "{}/journal.jsonl was begun by another engine, '{}'; this is '{}', and results of both would not be comparable; "
      "continue with the --device it was begun on, or choose another output folder",
      directory, begun_by->string(), engine);
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
  record.set("all_scores_non_finite", facts.all_scores_non_finite).set("by_position", facts.by_position);
  record.set("diverged", fitted.diverged).set("diverged_epoch", fitted.diverged_epoch);
  return record;
}

std::int32_t by_position_in(const Json& cycle) {
  const Json* const value = cycle.find("by_position");
  return value == nullptr ? 0 : static_cast<std::int32_t>(value->integer());
}

void read_test(const Json& record, ResultRow& row) {
  row.test_loss = record.at("test_loss").number();
  row.test_acc = row.test_acc_clean = record.at("test_acc").number();
  row.test_nll = record.at("test_nll").number();
  row.test_auc = record.at("test_auc").number();
}

ResultRow image_row(const std::string& study, const StudyRun& run) {
  ResultRow row = row_of_run(study, run);
  row.val_loss = row.val_acc = row.train_loss = row.train_acc = std::numeric_limits<double>::quiet_NaN();
  row.momentum = run.config.momentum;
  row.drop_rate = run.config.dropout;
  return row;
}

std::vector<ResultRow> learning_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records) {
  std::vector<ResultRow> rows;
  for (const Json& record : records) {
    if (record.at("type").string() != "cycle" || !record.at("tested").boolean()) continue;
    ResultRow row = image_row(study, run);
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
