// SPDX-License-Identifier: MIT
// JSON files of the online-tuning study (spec 3.5) as configs.
#include "quarry/study/dataset_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/error.h"
#include "quarry/data/data_table.h"
#include "quarry/study/config.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RunConfig run_of(const ImportedConfig& imported) {
  return parse_study(imported.toml, "imported.toml", {}).runs.at(0).config;
}

std::string message(const std::string& json, const std::string& path = "conf/moons.json") {
  try {
    import_dataset_json(json, path);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  ADD_FAILURE() << "no error for " << json;
  return "";
}

TEST(DatasetJson, EveryFileOfTheStudyBecomesAConfig) {
  struct File {
    const char *stem, *name;
    int features, instances, honeypots, classes, budget;
  };
  const File files[] = {
      {"moons", "moons", 2, 600, 0, 2, 160},      {"adv_moons", "adversarial_moons", 2, 600, 100, 2, 200},
      {"blobs", "blobs", 2, 400, 200, 2, 160},    {"div_sin", "diverging_sine", 2, 500, 0, 2, 200},
      {"splice", "splice", 60, 3175, -1, 2, 260}, {"dna", "dna", 180, 3186, -1, 3, 200}};
  for (const File& f : files) {
    SCOPED_TRACE(f.stem);
    const std::string honeypots = f.honeypots < 0 ? "" : fmt::format("\"n_honeypot\": {},", f.honeypots);
    const std::string json = fmt::format(
        R"({{"n_features": {}, "n_instances": {}, {} "n_classes": {}, "batch_size": 32, "budget": {},
            "metrics_dict": {{"MulticlassAccuracy": {{"num_classes": {}}}}}}})",
        f.features, f.instances, honeypots, f.classes, f.budget, f.classes);
    const ImportedConfig imported = import_dataset_json(json, std::string("conf/") + f.stem + ".json");
    EXPECT_THAT(imported.notes, IsEmpty());
    const RunConfig run = run_of(imported);
    EXPECT_EQ(run.data.name, f.name);
    EXPECT_EQ(run.budget, f.budget);
    EXPECT_EQ(run.batch_size, 32);
    EXPECT_EQ(run.loss, Loss::ce_on_probs) << "preset faithful";
    if (f.features > 2) continue;
    const Dataset data = load_dataset(run.data);  // the sizes compared with are the data set's
    EXPECT_EQ(data.train.n + data.test.n, f.instances);
    EXPECT_THAT(message(fmt::format("{{\"train_size\": {}}}", data.train.n + 1), std::string(f.stem) + ".json"),
                HasSubstr(fmt::format("train_size: {} of the data set '{}'", data.train.n, f.name)));
  }
}

TEST(DatasetJson, KeysOfTheFirstReadmeAreTaken) {
  const ImportedConfig imported = import_dataset_json(
      R"({"n_labeled": 60, "train_size": 480, "budget": 0, "batch_size": 8, "n_instances": 600})", "moons.json");
  EXPECT_THAT(imported.notes, IsEmpty());
  const RunConfig run = run_of(imported);
  EXPECT_EQ(run.n_initial, 60);
  EXPECT_EQ(run.budget, 0);
  EXPECT_EQ(run.batch_size, 8);
  EXPECT_EQ(run_of(import_dataset_json("{\"train_size\": 0.8}", "moons.json")).n_initial, 20)
      << "a share, and nothing else";
  EXPECT_THAT(message(R"({"train_size": 0.5})"), HasSubstr("train_size: 480 of the data set 'moons'"));
}

TEST(DatasetJson, WhatHasNoPlaceIsNoted) {
  const ImportedConfig imported = import_dataset_json(
      R"({"budget": 5, "learning_rate": 0.1, "metrics_dict": {"MulticlassAUROC": {}}})", "moons.json");
  EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("moons.json: metric 'MulticlassAUROC' is left out"),
                                          HasSubstr("moons.json: unknown key 'learning_rate' is left out")));
  EXPECT_EQ(run_of(imported).budget, 5);
  const ImportedConfig other =
      import_dataset_json(R"({"n_features": 4, "n_classes": 3, "budget": 300})", "my set.json");
  EXPECT_THAT(other.notes, ElementsAre(HasSubstr("there is no data set 'my set'")));
  EXPECT_THAT(other.toml, testing::AllOf(HasSubstr("study = \"my_set\""), HasSubstr("name = \"file\"")));
  const std::vector<std::string> path = {"data.path=mine.csv"};
  EXPECT_EQ(parse_study(other.toml, "imported.toml", path).runs[0].config.budget, 300);
}

TEST(DatasetJson, WrongTypesAndSizesAreErrorsWithFileAndKey) {
  EXPECT_THAT(message("{\"budget\": \"many\"}"),
              HasSubstr("conf/moons.json: budget: expected an integer of at least 0, got a string"));
  EXPECT_THAT(message("{\"batch_size\": 1.5}"), HasSubstr("conf/moons.json: batch_size: expected an integer"));
  EXPECT_THAT(message("{\"batch_size\": 0}"), HasSubstr("from 1 to 2147483647, got 0"));
  EXPECT_THAT(message("{\"batch_size\": 70000}"), HasSubstr("at most 65536"));
  EXPECT_THAT(message("{\"n_labeled\": null}"), HasSubstr("n_labeled: expected an integer of at least 1, got null"));
  EXPECT_THAT(message("{\"n_features\": 3}"),
              HasSubstr("n_features: 2 of the data set 'moons' in its final version, got 3"));
  EXPECT_THAT(message("{\"n_instances\": 500}"), HasSubstr("Is it another version (data.version)?"));
  EXPECT_THAT(message("{\"train_size\": 1.5}"), HasSubstr("a share between 0 and 1"));
  EXPECT_THAT(message("{\"metrics_dict\": []}"),
              HasSubstr("metrics_dict: expected an object of metric names, got a list"));
  EXPECT_THAT(message(R"({"metrics_dict": {"A": 1}})"), HasSubstr("metrics_dict.A: expected an object"));
  EXPECT_THAT(message(R"({"n_classes": 2, "metrics_dict": {"MulticlassAccuracy": {"num_classes": 3}}})"),
              HasSubstr("metrics_dict.MulticlassAccuracy.num_classes: 3, but n_classes is 2"));
  EXPECT_THAT(message("[1]"), HasSubstr("expected an object of keys and values, got a list"));
  EXPECT_THAT(message("{\"budget\": 1"), HasSubstr("conf/moons.json"));
}

}  // namespace
}  // namespace quarry
