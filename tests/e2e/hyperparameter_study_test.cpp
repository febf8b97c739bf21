// SPDX-License-Identifier: MIT
// The hyperparameter study from end to end, as a user runs it: a data set of the size of CIFAR-100 is downloaded (from
// a server on this machine), read, learnt from, searched on, and reported beside the published numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/data/fetch.h"
#include "quarry/hpo/search.h"
#include "quarry/study/cells.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/journal.h"
#include "quarry/study/tuning.h"
#include "tests/support/http_server.h"
#include "tests/support/program.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::TempDir;
using testing::AllOf;
using testing::HasSubstr;

#if defined(QUARRY_UNDER_ASAN) || defined(QUARRY_UNDER_TSAN)
constexpr const char *kTrain = "600", *kTest = "100";
#else
constexpr const char *kTrain = "50000", *kTest = "10000";  // as the published set
#endif

class HyperparameterStudy : public testing::Test {
 protected:
  test::ProgramResult quarry(std::vector<std::string> arguments) {
    test::ProgramOptions options;
    options.environment = {"QUARRY_DATA=" + data_.path()};
    return test::run_program(QUARRY_PROGRAM, arguments, options);
  }

  /// Made-up images in the archive of the published set, and that archive's way here.
  void fetch_made_up_set() {
    const TempDir made;
    const auto synthetic =
        quarry({"data", "synthetic", "cifar100", "--to", made.path(), "--train", kTrain, "--test", kTest});
    ASSERT_EQ(synthetic.exit_code, 0) << synthetic.err;
    std::string archive;
    for (const auto& entry : std::filesystem::directory_iterator(made / "cifar-100-binary")) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".bin") || name.ends_with(".txt"))
        archive += test::tar_member("cifar-100-binary/" + name, read_file(entry.path().string()));
    }
    test::HttpBehaviour behaviour;
    behaviour.files["/cifar-100-binary.tar.gz"] = test::gzip(archive + test::tar_end());
    const test::HttpServer server(behaviour);
    const auto fetched = quarry({"data", "fetch", "cifar100", "--from", server.address(), "--checksum", "none"});
    ASSERT_EQ(fetched.exit_code, 0) << fetched.err;
  }

  /// The half of the study in miniature: two strategies, HP2, two seeds.
  std::vector<std::string> learning(const std::string& out) {
    return {"run",    kConfigs + "/cifar100.toml",
            "--out",  out,
            "--set",  "run.seed=[1, 2]",
            "--set",  "acquisition.strategy=[random, badge]",
            "--set",  "acquisition.budget=16",
            "--set",  "acquisition.size=8",
            "--set",  "acquisition.candidates=40",
            "--set",  "acquisition.tested=[32]",
            "--set",  "pool.n_initial=16",
            "--set",  "model.network=resnet8",
            "--set",  "model.lr=0.01",
            "--set",  "model.weight_decay=0.0005",
            "--set",  "training.epochs=2",
            "--set",  "training.warmup_epochs=1",
            "--set",  "training.batch_size=8",
            "--quiet"};
  }
  std::vector<std::string> search(const std::string& out) {
    return {"run",    kConfigs + "/cifar100_search.toml",
            "--out",  out,
            "--set",  "run.seed=[1, 2]",
            "--set",  "acquisition.strategy=[random, badge]",
            "--set",  "pool.acquired=" + out + "/hyperparameter_cifar100",
            "--set",  "pool.acquired_labels=32",
            "--set",  "search.trials=3",
            "--set",  "search.startup_trials=2",
            "--set",  "search.folds=2",
            "--set",  "model.network=resnet8",
            "--set",  "model.lr=0.01",
            "--set",  "model.weight_decay=0.0005",
            "--set",  "training.epochs=2",
            "--set",  "training.warmup_epochs=1",
            "--set",  "training.batch_size=8",
            "--quiet"};
  }

  static inline const std::string kConfigs = std::string(QUARRY_SOURCE_DIR) + "/configs/hyperparameter_study";
  const TempDir data_;
};

TEST_F(HyperparameterStudy, RunsFromTheArchiveToTheTables) {
  if (!can_fetch()) GTEST_SKIP() << "built without libcurl and libarchive";
  fetch_made_up_set();
  if (HasFatalFailure()) return;
  const TempDir out;
  const auto learnt = quarry(learning(out.path()));
  ASSERT_EQ(learnt.exit_code, 0) << learnt.err;
  const auto searched = quarry(search(out.path()));
  ASSERT_EQ(searched.exit_code, 0) << searched.err;

  const std::string cell = out.path() + "/hyperparameter_cifar100/cells/CIFAR100/badge/lr0.01_wd0.0005/seed2";
  EXPECT_TRUE(std::filesystem::exists(cell + "/results.json"));
  EXPECT_TRUE(std::filesystem::exists(cell + "/queried_indices.json"));
  EXPECT_TRUE(std::filesystem::exists(out.path() + "/hyperparameter_cifar100_search/cells/CIFAR100/badge/budget32/" +
                                      "lr0.01_wd0.0005/seed2/results.json"));

  const auto report = quarry({"report", "--study", "hyperparameter", out.path() + "/hyperparameter_cifar100",
                              out.path() + "/hyperparameter_cifar100_search"});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(report.out, AllOf(HasSubstr("cifar100"), HasSubstr("badge"), HasSubstr("HP2 BO"), HasSubstr("(2)")));
  EXPECT_THAT(report.out, HasSubstr("not verified")) << "made-up pixels are said to be so";
  EXPECT_THAT(report.out, HasSubstr("What was run otherwise than published")) << "a miniature is said to be one";
  EXPECT_THAT(report.out, testing::ContainsRegex("\ntraining.epochs +200 +2 +2\n"));
  EXPECT_THAT(report.out, testing::ContainsRegex("\nlabels_from.pool.n_initial +100 +- +16\n"));
}

/// The search's trials are its own setting, random ones, and from then on what no sampler without results would ask.
/// `command` is what ran it: "run", the config, options.
void expect_guided_trials(const std::vector<std::string>& command, const std::string& directory) {
  std::vector<std::string> overrides;
  for (std::size_t i = 2; i + 1 < command.size(); ++i)
    if (command[i] == "--set") overrides.push_back(command[i + 1]);
  const StudyConfig study = load_study(command[1], overrides);
  ASSERT_EQ(study.runs.size(), 1u);
  const RunConfig& config = study.runs[0].config;
  Search unguided(frozen_set_space(config), make_sampler("random", sampler_options(config, 0)), make_no_pruner(),
                  {NanTrial::worst, config.lag, {config.lr, config.weight_decay}});
  const std::string journal = directory + "/runs/" + study.runs[0].id + "/journal.jsonl";
  std::int32_t guided = 0, trials = 0;
  for (const Json& record : parse_journal(read_file(journal), journal).records) {
    if (record.at("type").string() != "trial") continue;
    const std::vector<double> random = unguided.ask().point;
    const bool is_random = record.at("lr").number() == random[0] && record.at("weight_decay").number() == random[1];
    const bool may_see_enough = trials - config.lag >= config.startup_trials;
    EXPECT_EQ(is_random, !may_see_enough) << "trial " << trials;
    guided += !is_random;
    ++trials;
  }
  EXPECT_EQ(trials, config.trials);
  EXPECT_GE(guided, 1);
}

TEST_F(HyperparameterStudy, TheMiniatureChoosesThePublishedIndices) {
  const TempDir out;
  const std::vector<std::string> smaller = {"--out",  out.path(),          "--set", "run.seed=1",
                                            "--set",  "model.lr=0.01",     "--set", "model.weight_decay=0.0005",
                                            "--set",  "training.epochs=3", "--set", "acquisition.strategy=random",
                                            "--quiet"};
  std::vector<std::string> learning = {"run", kConfigs + "/mini.toml", "--set", "acquisition.tested=[400]"};
  learning.insert(learning.end(), smaller.begin(), smaller.end());
  const auto learnt = quarry(learning);
  if (learnt.err.find("dataset-fashion-mnist") != std::string::npos) GTEST_SKIP() << "no Fashion-MNIST here";
  ASSERT_EQ(learnt.exit_code, 0) << learnt.err;
  const std::string cell = out.path() + "/hyperparameter_mini/cells/FASHION_MNIST/random/lr0.01_wd0.0005/seed1";
  const auto cycles = parse_queried_indices(read_file(cell + "/queried_indices.json"), "queried_indices.json");
  ASSERT_EQ(cycles.size(), 4u);
  // Spec 17.1, seed 1: a pool of 45,000 of 50,000 images, as the study's.
  EXPECT_THAT(std::vector(cycles[0].begin(), cycles[0].begin() + 5),
              testing::ElementsAre(3849, 25410, 3585, 3756, 35306));
  EXPECT_THAT(std::vector(cycles[1].begin(), cycles[1].begin() + 5),
              testing::ElementsAre(19828, 34679, 40158, 37126, 3107));

  std::vector<std::string> search = {"run",   kConfigs + "/mini_search.toml",
                                     "--set", "search.trials=5",
                                     "--set", "pool.acquired=" + out.path() + "/hyperparameter_mini"};
  search.insert(search.end(), smaller.begin(), smaller.end());
  const auto searched = quarry(search);
  ASSERT_EQ(searched.exit_code, 0) << searched.err;
  expect_guided_trials(search, out.path() + "/hyperparameter_mini_search");
  const auto report = quarry({"report", "--study", "hyperparameter", out.path() + "/hyperparameter_mini",
                              out.path() + "/hyperparameter_mini_search"});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(report.out, AllOf(HasSubstr("fashion_mnist"), HasSubstr("HP2 BO"), HasSubstr("(1)")));
}

}  // namespace
}  // namespace quarry
