// SPDX-License-Identifier: MIT
// The hyperparameter study's random streams: golden values of its published index lists (spec 17.1), keys of its fits.
#include "quarry/study/image_fits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "quarry/study/cells.h"
#include "quarry/study/image_learning_run.h"
#include "quarry/study/plan.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_images.h"

namespace quarry {
namespace {

using test::TempDir;
using testing::ElementsAre;

StudyRun study_run(const std::vector<std::string>& overrides) {
  std::vector<std::string> all = {"preset=hyperparameter_study", "data.name=cifar10"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return parse_study("", "test.toml", all).runs.at(0);
}

std::int64_t sum_of(std::span<const std::int32_t> values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

std::vector<std::int32_t> first_five(const std::vector<std::int32_t>& values) {
  return {values.begin(), values.begin() + 5};
}

struct Published {
  std::int64_t seed;
  std::vector<std::int32_t> pool;
  std::int64_t pool_sum;
  std::vector<std::int32_t> initial;
  std::int64_t initial_sum;
  std::vector<std::int32_t> first_query;
  std::int64_t sum_20, sum_40;
};

const Published kPublished[] = {
    {1,
     {26247, 35067, 34590, 16668, 12196},
     1124421109,
     {3849, 25410, 3585, 3756, 35306},
     2063154,
     {19828, 34679, 40158, 37126, 3107},
     44531763,
     90087342},
    {2,
     {23656, 27442, 40162, 8459, 8051},
     1125445727,
     {18985, 28884, 7085, 9759, 29949},
     2214317,
     {41841, 2404, 31640, 16182, 44211},
     44991489,
     90882097},
    {3,
     {35437, 16296, 23122, 9436, 11959},
     1124335511,
     {35446, 10273, 22977, 3574, 24317},
     2157590,
     {1376, 40302, 38296, 22050, 4547},
     45049857,
     90618829},
    {4,
     {16477, 5969, 46459, 33297, 35047},
     1125204884,
     {34120, 30291, 27208, 14267, 3257},
     2447097,
     {42976, 7318, 16395, 33467, 9803},
     45698494,
     91359534},
    {5,
     {24166, 42699, 15927, 7473, 5070},
     1124520010,
     {26055, 40319, 39555, 37473, 13609},
     2262929,
     {36320, 42778, 9630, 20421, 39544},
     44858090,
     90143521},
};

/// The whole run of Random without a test: no network is trained, so the pixels may be one each.
std::vector<std::vector<std::int32_t>> random_acquisitions(std::int64_t seed, const TempDir& out) {
  auto data = std::make_shared<ImageDataset>();
  data->name = "cifar10";
  data->shape = {1, 1, 1};
  data->n_classes = 2;
  data->train.n = 50000;
  data->train.pixels.assign(50000, 0);
  data->train.labels.assign(50000, 1);
  StudyRun run = study_run({"run.seed=" + std::to_string(seed)});
  run.config.tested = {1};  // never
  Context context({}, 1);
  const std::unique_ptr<ImageExecutor> executor = make_image_executor(context, nullptr);
  executor->load(data);
  const std::string directory = out.path() + "/" + std::to_string(seed);
  ImageLearningRun learning(posix_file_system(), run, data, directory, {});
  while (!learning.finished()) {
    const std::vector<ImageJob> jobs = learning.jobs();
    EXPECT_FALSE(jobs.at(0).member.has_value());
    executor->run(jobs, [&](std::size_t job, ImageResult result) { learning.give(job, std::move(result)); });
  }
  const std::string path = directory + "/journal.jsonl";
  const JournalContents journal = parse_journal(read_file(path), path);
  return parse_queried_indices(learning_cell_files(run, journal.records).at(1).text, "queried_indices.json");
}

TEST(ImageRunStream, SplitInitialPoolAndRandomAreThePublishedOnes) {
  const TempDir out;
  for (const Published& golden : kPublished) {
    SCOPED_TRACE(golden.seed);
    RunStream stream(study_run({"run.seed=" + std::to_string(golden.seed)}).config);
    const std::vector<std::int32_t> rows = stream.pool_rows(50000);
    ASSERT_EQ(rows.size(), 45000u);
    EXPECT_EQ(first_five(rows), golden.pool);
    EXPECT_EQ(sum_of(rows), golden.pool_sum);
    const std::vector<std::int32_t> initial = stream.initial_pool(45000);
    EXPECT_EQ(first_five(initial), golden.initial);
    EXPECT_EQ(sum_of(initial), golden.initial_sum);

    const auto cycles = random_acquisitions(golden.seed, out);
    ASSERT_EQ(cycles.size(), 40u);
    EXPECT_EQ(cycles[0], initial);
    EXPECT_EQ(first_five(cycles[1]), golden.first_query);
    std::set<std::int32_t> different;
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < cycles.size(); ++c) {
      ASSERT_EQ(cycles[c].size(), 100u);
      sum += sum_of(cycles[c]);
      different.insert(cycles[c].begin(), cycles[c].end());
      if (c == 19) {
        EXPECT_EQ(sum, golden.sum_20);
      }
    }
    EXPECT_EQ(sum, golden.sum_40);
    EXPECT_EQ(different.size(), 4000u);
  }
}

TEST(ImageRunStream, FoldsOfTheSearchAreThePublishedOnes) {
  const std::pair<int, std::vector<std::int32_t>> golden[] = {
      {1, {1458, 198, 1276, 1243}}, {2, {116, 1409, 199, 12}}, {3, {1350, 1463, 1396, 1948}}};
  for (const auto& [seed, head] : golden) {
    const std::vector<Split> folds = search_splits(study_run({"run.seed=" + std::to_string(seed)}).config, 2000);
    ASSERT_EQ(folds.size(), 10u);
    for (const Split& fold : folds) {
      EXPECT_EQ(fold.validation.size(), 200u);
      EXPECT_EQ(fold.train.size(), 1800u);
    }
    for (const std::int32_t position : head)
      EXPECT_TRUE(std::binary_search(folds[0].validation.begin(), folds[0].validation.end(), position)) << position;
  }
}

TEST(ImageRunStream, AStreamGoesOnFromItsPlace) {
  const RunConfig config = study_run({"run.seed=1"}).config;
  RunStream whole(config), again(config);
  whole.pool_rows(1000);
  const std::vector<std::int32_t> all = {3, 5, 8, 13, 21, 34, 55};
  whole.candidates(all, 3, 1);
  const std::uint64_t place = whole.place();
  EXPECT_GT(place, 0u);
  again.skip_to(place);
  EXPECT_EQ(again.candidates(all, 4, 2), whole.candidates(all, 4, 2));
}

TEST(ImageRunStream, PhiloxStreamsDependOnTheSeedAndTheCycleAlone) {
  const auto config = [](int seed) { return study_run({"run.rng=philox", "run.seed=" + std::to_string(seed)}).config; };
  std::vector<std::int32_t> all(100);
  std::iota(all.begin(), all.end(), 0);
  RunStream one(config(1)), other(config(2)), late(config(1));
  const std::vector<std::int32_t> rows = one.pool_rows(1000);
  EXPECT_EQ(rows.size(), 900u);
  EXPECT_NE(rows, other.pool_rows(1000));
  const std::vector<std::int32_t> third = one.candidates(all, 10, 3);
  EXPECT_TRUE(std::is_sorted(third.begin(), third.end()));
  EXPECT_NE(third, one.candidates(all, 10, 4));
  EXPECT_EQ(third, late.candidates(all, 10, 3));
  EXPECT_EQ(one.candidates(all, 100, 5), all) << "as many as there are: no draw";
}

TEST(ImageFits, ColdStartFromTheSameWeightsWithNewOrders) {
  const ImageDataset data = test::tiny_images();
  const auto member = [&](const std::string& weights, int seed, int cycle) {
    return learning_member(
        study_run({"run.seed=" + std::to_string(seed), "training.initial_weights=" + weights}).config, data, cycle,
        {1, 2});
  };
  EXPECT_EQ(member("fixed", 1, 0).init_key, member("fixed", 1, 7).init_key);
  EXPECT_NE(member("fixed", 1, 0).order_key, member("fixed", 1, 7).order_key);
  EXPECT_NE(member("fixed", 1, 0).augment_key, member("fixed", 1, 7).augment_key);
  EXPECT_NE(member("fixed", 1, 0).init_key, member("fixed", 2, 0).init_key);
  EXPECT_NE(member("per_use", 1, 0).init_key, member("per_use", 1, 7).init_key);
}

TEST(ImageFits, TrialsOfACellShareTheirRandomNumbersByFold) {
  const ImageDataset data = test::tiny_images();
  const auto member = [&](const std::string& weights, int trial, int fold) {
    return trial_member(study_run({"run.seed=1", "training.initial_weights=" + weights}).config, data, 0.1, 0.01,
                        {trial, fold}, {1, 2}, {3});
  };
  const auto keys = [](const ConvMemberSpec& m) { return std::vector{m.init_key, m.order_key, m.augment_key}; };
  EXPECT_EQ(keys(member("fixed", 0, 3)), keys(member("fixed", 9, 3)));
  EXPECT_NE(keys(member("fixed", 0, 3)), keys(member("fixed", 0, 4)));
  EXPECT_NE(keys(member("per_use", 0, 3)), keys(member("per_use", 9, 3)));
  const ConvMemberSpec spec = member("fixed", 0, 3);
  EXPECT_EQ(spec.batches, BatchRule::drop_last) << "spec 4.5: the search drops what the loop fills up";
  EXPECT_TRUE(spec.augment_validation);
  EXPECT_FALSE(spec.keep_network);
}

TEST(ImagePlan, CostsAreThoseOfThePublishedStudy) {
  // Spec 12.2 and 12.3, CIFAR-10.
  DataSize size{50000, 10000, 3072, 10, {3, 32, 32}};
  const RunCost learning = run_cost(study_run({}).config, size);
  EXPECT_EQ(learning.fits, 40);
  EXPECT_EQ(learning.image_passes, 16544000);
  EXPECT_EQ(learning.steps, 517000);
  EXPECT_NEAR(learning.training_flops, 5.51e16, 0.005e16);
  const RunCost shortcut = run_cost(study_run({"acquisition.tested=[2000,4000]"}).config, size);
  EXPECT_EQ(shortcut.fits, 2);
  EXPECT_EQ(shortcut.image_passes, 1209600);
  const auto search = [&](int labels, std::vector<std::string> more) {
    more.insert(more.end(), {"search.mode=frozen_set", "pool.acquired=somewhere", "model.lr=0.001",
                             "pool.acquired_labels=" + std::to_string(labels)});
    return run_cost(study_run(more).config, size);
  };
  EXPECT_EQ(search(2000, {}).image_passes, 179596800);
  EXPECT_EQ(search(4000, {}).image_passes, 359200000);
  EXPECT_EQ(search(2000, {}).steps, 5612400);
  EXPECT_EQ(
      search(2000, {"search.cross_validation=shuffle_split", "pool.val_share=0.1", "search.folds=3"}).image_passes,
      54156800);
}

}  // namespace
}  // namespace quarry
