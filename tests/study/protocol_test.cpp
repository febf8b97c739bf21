// SPDX-License-Identifier: MIT
#include "quarry/study/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/study/cells.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::TempDir;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

RunConfig config_of(const std::vector<std::string>& settings) {
  return parse_study(
             "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[acquisition]\nstrategy = \"badge\"\n",
             "study.toml", settings)
      .runs.at(0)
      .config;
}

Protocol learning_of(const std::vector<std::string>& settings, std::int64_t positions = 45000) {
  return parse_protocol(learning_protocol(config_of(settings), positions).dump(), "p");
}

std::vector<std::string> keys_of(const std::vector<ProtocolDifference>& found) {
  std::vector<std::string> keys;
  for (const ProtocolDifference& difference : found) keys.push_back(difference.key);
  return keys;
}

/// Values by the study's description (spec 4, 5, 7), not by the preset.
TEST(Protocol, ThePublishedOne) {
  const Protocol learning = published_protocol(StudyHalf::learning, "badge");
  const Protocol search = published_protocol(StudyHalf::search, "badge");
  const auto value = [](const Protocol& protocol, const char* key) {
    const std::string* text = protocol.find(key);
    return text == nullptr ? "none" : *text;
  };
  EXPECT_EQ(value(learning, "model.network"), "resnet18");
  EXPECT_EQ(value(learning, "training.epochs"), "200");
  EXPECT_EQ(value(learning, "training.warmup_epochs"), "10");
  EXPECT_EQ(value(learning, "training.batch_size"), "32");
  EXPECT_EQ(value(learning, "training.batches"), "fill");
  EXPECT_EQ(value(learning, "training.augment"), "true");
  EXPECT_EQ(value(learning, "training.optimizer"), "sgd");
  EXPECT_EQ(value(learning, "model.momentum"), "0.9");
  EXPECT_EQ(value(learning, "training.precision"), "fp32");
  EXPECT_EQ(value(learning, "pool.positions"), "45000");
  EXPECT_EQ(value(learning, "pool.n_initial"), "100");
  EXPECT_EQ(value(learning, "acquisition.size"), "100");
  EXPECT_EQ(value(learning, "acquisition.candidates"), "10000");
  EXPECT_EQ(value(learning, "search.trials"), "none");
  EXPECT_EQ(value(search, "search.trials"), "50");
  EXPECT_EQ(value(search, "search.sampler"), "tpe");
  EXPECT_EQ(value(search, "search.first_point"), "model");
  EXPECT_EQ(value(search, "search.cross_validation"), "k_fold");
  EXPECT_EQ(value(search, "search.folds"), "10");
  EXPECT_EQ(value(search, "search.lag"), "3");
  EXPECT_EQ(value(search, "training.epochs"), "200");
  EXPECT_EQ(value(search, "labels_from.acquisition.candidates"), "10000");
  EXPECT_EQ(value(search, "pool.val_share"), "none") << "of hold-out splits";
}

TEST(Protocol, TheConfigsOfTheStudyAreThePublishedProtocol) {
  EXPECT_THAT(differences(learning_of({}), published_protocol(StudyHalf::learning, "badge")), IsEmpty());
  const RunConfig search = config_of({"search.mode=frozen_set", "pool.acquired=x", "pool.acquired_labels=2000"});
  const Json labels_from = learning_protocol(config_of({}), 45000);
  EXPECT_THAT(differences(parse_protocol(search_protocol(search, labels_from).dump(), "p"),
                          published_protocol(StudyHalf::search, "badge")),
              IsEmpty());
}

TEST(Protocol, DifferencesAreNamed) {
  const Protocol published = published_protocol(StudyHalf::learning, "badge");
  const auto found =
      differences(learning_of({"model.network=resnet8", "training.epochs=1", "training.warmup_epochs=0"}), published);
  ASSERT_THAT(keys_of(found), ElementsAre("model.network", "training.epochs", "training.warmup_epochs"));
  EXPECT_EQ(difference_text(found[1], "published"), "training.epochs = 1 (published: 200)");
  EXPECT_THAT(keys_of(differences(learning_of({}, 900), published)), ElementsAre("pool.positions"));
  EXPECT_THAT(differences(learning_of({"run.rng=philox"}), published), IsEmpty()) << "another draw";
  EXPECT_THAT(differences(learning_of({"acquisition.budget=1900", "acquisition.tested=[2000]", "run.seed=9",
                                       "model.lr=0.5", "data.pool_limit=50000"}),
                          published),
              IsEmpty())
      << "which cell it is, and how far it goes";
}

/// Random asks no network: what trains does not bear on its labels, nor do candidates on what it picks.
TEST(Protocol, OnlyWhatTheStrategyAsksForCounts) {
  const std::vector<std::string> random = {"acquisition.strategy=random", "acquisition.candidates=700",
                                           "model.network=resnet8", "training.epochs=20"};
  EXPECT_THAT(keys_of(differences(learning_of(random), published_protocol(StudyHalf::learning, "random"))),
              ElementsAre("model.network", "training.epochs"));
  const auto search_on = [](const std::string& strategy) {
    const std::string chosen_by = "acquisition.strategy=" + strategy;
    const RunConfig config =
        config_of({chosen_by, "search.mode=frozen_set", "pool.acquired=x", "pool.acquired_labels=2000"});
    const Json labels = learning_protocol(config_of({chosen_by, "model.network=resnet8"}), 45000);
    return keys_of(differences(parse_protocol(search_protocol(config, labels).dump(), "p"),
                               published_protocol(StudyHalf::search, strategy)));
  };
  EXPECT_THAT(search_on("random"), IsEmpty());
  EXPECT_THAT(search_on("badge"), ElementsAre("labels_from.model.network"));
}

TEST(Protocol, LabelsOfAnUnknownRunAreOneDifference) {
  const RunConfig config = config_of({"search.mode=frozen_set", "pool.acquired=x", "pool.acquired_labels=2000"});
  const Protocol unknown = parse_protocol(search_protocol(config, nullptr).dump(), "p");
  const auto found = differences(unknown, published_protocol(StudyHalf::search, "badge"));
  ASSERT_THAT(keys_of(found), ElementsAre("labels_from"));
  EXPECT_EQ(difference_text(found[0], "published"), "the protocol of the run that chose the labels is unknown");
  EXPECT_THAT(differences(unknown, unknown), IsEmpty());
}

TEST(Protocol, HoldOutSplitsHaveTheirShare) {
  const RunConfig config = config_of({"search.mode=frozen_set", "pool.acquired=x", "pool.acquired_labels=2000",
                                      "search.cross_validation=shuffle_split", "pool.val_share=0.1", "search.folds=3"});
  const Json labels_from = learning_protocol(config_of({}), 45000);
  const auto found = differences(parse_protocol(search_protocol(config, labels_from).dump(), "p"),
                                 published_protocol(StudyHalf::search, "badge"));
  ASSERT_THAT(keys_of(found), ElementsAre("search.cross_validation", "search.folds", "pool.val_share"));
  EXPECT_EQ(difference_text(found[2], "published"), "pool.val_share = 0.1 (published: not set)");
}

TEST(Protocol, APrunerHasItsSettings) {
  const RunConfig config =
      config_of({"search.mode=frozen_set", "pool.acquired=x", "pool.acquired_labels=2000", "search.pruner=median"});
  const Json labels_from = learning_protocol(config_of({}), 45000);
  EXPECT_THAT(keys_of(differences(parse_protocol(search_protocol(config, labels_from).dump(), "p"),
                                  published_protocol(StudyHalf::search, "badge"))),
              ElementsAre("search.pruner", "search.pruner_startup", "search.pruner_warmup"));
}

TEST(Protocol, ASearchCarriesThatOfTheRunThatChoseItsLabels) {
  const TempDir out;
  const RunConfig config =
      config_of({"search.mode=frozen_set", "pool.acquired=" + out.path(), "pool.acquired_labels=2000"});
  const std::string folder = out / "cells/" + acquired_cell_path(config);
  posix_file_system().make_directories(folder);
  posix_file_system().write_atomically(folder + "/queried_indices.json", "{}");
  EXPECT_EQ(acquired_protocol(posix_file_system(), config).type(), Json::Type::null) << "as the published study's";
  const CellFile file = protocol_file(config_of({"training.epochs=50"}), Json::object().set("pool", 45000), nullptr);
  ASSERT_EQ(file.name, "protocol.json");
  posix_file_system().write_atomically(folder + "/protocol.json", file.text);
  const Protocol carried =
      parse_protocol(protocol_file(config, Json::object(), acquired_protocol(posix_file_system(), config)).text, "p");
  ASSERT_NE(carried.find("labels_from.training.epochs"), nullptr);
  EXPECT_EQ(*carried.find("labels_from.training.epochs"), "50");
  EXPECT_EQ(*carried.find("training.epochs"), "200");
  posix_file_system().write_atomically(folder + "/protocol.json", "{\"a\": [");
  EXPECT_THROW(acquired_protocol(posix_file_system(), config), Error);
}

}  // namespace
}  // namespace quarry
