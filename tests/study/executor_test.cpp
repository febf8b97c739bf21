// SPDX-License-Identifier: MIT
#include "quarry/study/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "quarry/data/data_table.h"

namespace quarry {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Nine rows; the expected figures are scikit-learn 1.2.2's (roc_auc_score ovr macro, log_loss) on the same logits.
const std::vector<float> kLogits = {0.9f,  -0.7f, 4.9f,  -0.5f, 0.2f,  3.2f,  -1.8f, -1.2f, 0.4f,
                                    -0.7f, -2.4f, -0.4f, -0.7f, 1.2f,  -3.3f, -1.4f, 2.3f,  3.7f,
                                    -3.0f, 1.3f,  -2.0f, -1.7f, -1.7f, -0.8f, 2.0f,  1.4f,  0.1f};
DataPart part_of(std::vector<std::int32_t> labels) {
  DataPart part;
  part.n = static_cast<std::int64_t>(labels.size());
  part.labels = std::move(labels);
  return part;
}

TEST(TestMetrics, AgreeWithScikitLearn) {
  const DataPart part = part_of({0, 1, 2, 2, 1, 0, 1, 1, 2});
  const auto logits = matrix<const float>(kLogits.data(), 9, 3);
  const TestMetrics plain = test_metrics(logits, part, Loss::ce_on_logits, 32, true);
  EXPECT_NEAR(plain.auc, 0.40343915343915343, 1e-12);
  EXPECT_NEAR(plain.nll, 1.9381338628298215, 1e-6);
  EXPECT_EQ(plain.loss, plain.nll);
  EXPECT_NEAR(plain.accuracy, 4.0 / 9, 1e-15);
  EXPECT_EQ(plain.accuracy_clean, plain.accuracy);
  const TestMetrics twice = test_metrics(logits, part, Loss::ce_on_probs, 32, true);
  EXPECT_NEAR(twice.loss, 1.1047562423575517, 1e-6);
  EXPECT_NEAR(twice.nll, 1.9381338628298215, 1e-6);
  const TestMetrics batches = test_metrics(logits, part, Loss::ce_on_probs, 4, false);  // B17: 4 + 4 + 1 rows
  EXPECT_NEAR(batches.loss, 1.1697663869897745, 1e-6);
}

TEST(TestMetrics, CleanAccuracyLeavesHoneypotsOut) {
  DataPart part = part_of({0, 1, 2, 2, 1, 0, 1, 1, 2});
  part.honeypot = {1, 1, 0, 0, 0, 1, 0, 1, 1};
  const TestMetrics m = test_metrics(matrix<const float>(kLogits.data(), 9, 3), part, Loss::ce_on_logits, 32, true);
  EXPECT_EQ(m.accuracy_clean, 1.0);  // rows 2, 3, 4, 6 are right
  EXPECT_NEAR(m.accuracy, 4.0 / 9, 1e-15);
}

TEST(TestMetrics, NonFiniteLogitsAreRecordedNotHidden) {
  const std::vector<float> logits = {kNan, 1, 0, kNan, 2, 1};
  const TestMetrics m =
      test_metrics(matrix<const float>(logits.data(), 3, 2), part_of({0, 1, 0}), Loss::ce_on_logits, 32, true);
  EXPECT_TRUE(std::isnan(m.loss));
  EXPECT_TRUE(std::isnan(m.auc));
  EXPECT_NEAR(m.accuracy, 1.0, 1e-15);  // the first NaN counts as the largest: classes 0, 1, 0
}

struct Fixture : ::testing::Test {
  Fixture() : context(Device{}, 2), executor(make_in_process_executor(context, nullptr)) {
    data = std::make_shared<const Dataset>(load_dataset(DataConfig{}));
    number = executor->load(data);
  }
  FitJob job(std::uint64_t key) const {
    FitJob j;
    j.data = number;
    j.member.sizes = {2, 3, 2};
    j.member.epochs = 2;
    j.member.init_key = key;
    for (std::int32_t i = 0; i < 10; ++i) j.member.train.push_back(i);
    return j;
  }
  Context context;
  std::unique_ptr<Executor> executor;
  std::shared_ptr<const Dataset> data;
  std::int32_t number = 0;
};

TEST_F(Fixture, LoadKnowsADataSetAgain) {
  EXPECT_EQ(executor->load(data), number);
  EXPECT_NE(executor->load(std::make_shared<const Dataset>(*data)), number);
}

TEST_F(Fixture, IdenticalJobsGiveIdenticalResultsInJobOrder) {
  std::vector<FitJob> jobs = {job(1), job(2), job(1), job(3), job(2)};
  const auto together = executor->fit(jobs);
  ASSERT_EQ(together.size(), jobs.size());
  for (std::size_t j = 0; j < jobs.size(); ++j)
    EXPECT_EQ(together[j].parameters, executor->fit({&jobs[j], 1}).front().parameters) << j;
  EXPECT_EQ(together[0].parameters, together[2].parameters);
  EXPECT_NE(together[0].parameters, together[1].parameters);
}

TEST_F(Fixture, EveryFieldOfAJobCounts) {
  const auto differs = [&](auto change) {
    std::vector<FitJob> jobs = {job(1), job(1)};
    jobs[0].member.dropout = jobs[1].member.dropout = 0.25;
    jobs[0].member.validation = jobs[1].member.validation = {20, 21};
    jobs[0].member.validate_every_epoch = jobs[1].member.validate_every_epoch = true;
    change(jobs[1].member);
    const auto both = executor->fit(jobs);
    return both[0].parameters != both[1].parameters || both[0].epoch_losses != both[1].epoch_losses ||
           both[0].validation.loss != both[1].validation.loss;
  };
  EXPECT_FALSE(differs([](MemberSpec&) {}));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.lr = 0.2; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.weight_decay = 0.2; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.momentum = 0.5; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.dropout = 0.5; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.dropout_epochs = DropoutEpochs::first; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.dropout_key = 9; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.loss = Loss::ce_on_probs; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.optimizer = Optimizer::adam; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.epochs = 3; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.batch_size = 4; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.train.pop_back(); }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.validation.pop_back(); }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.validate_every_epoch = false; }));
  EXPECT_TRUE(differs([](MemberSpec& m) { m.sizes = {2, 4, 2}; }));
}

TEST_F(Fixture, AStopIsNoticedBetweenJobs) {
  const std::atomic<bool> stop{true};
  const auto stopping = make_in_process_executor(context, &stop);
  stopping->load(data);
  const FitJob one = job(1);
  EXPECT_THROW(stopping->fit({&one, 1}), Interrupted);
}

}  // namespace
}  // namespace quarry
