// SPDX-License-Identifier: MIT
#include "quarry/report/study_results.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quarry/core/error.h"
#include "quarry/report/summary.h"
#include "src/report/tables.h"
#include "tests/report/synthetic.h"

namespace quarry {
namespace {

std::string error_of(const std::vector<StudyDirectory>& directories) {
  try {
    combine(directories);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The runs at odd positions go to a second directory.
std::vector<StudyDirectory> shards_of(const StudyDirectory& whole) {
  std::vector<StudyDirectory> shards = {whole, whole};
  shards[0].path += ".shard-1-of-2";
  shards[1].path += ".shard-2-of-2";
  for (std::size_t s = 0; s < 2; ++s) {
    std::erase_if(shards[s].rows, [&](const ResultRow& row) { return std::stoul(row.run.substr(3)) % 2 != s; });
    std::erase_if(shards[s].times, [&](const PhaseTime& time) { return std::stoul(time.run.substr(3)) % 2 != s; });
  }
  return shards;
}

TEST(StudyResults, GroupsRunsInGridOrder) {
  const std::vector<Setting> settings = combine({synthetic_study({})});
  ASSERT_EQ(settings.size(), 1u);
  const Setting& setting = settings[0];
  EXPECT_EQ(setting.strategies, (std::vector<std::string>{"random", "entropy", "bald", "coreset"}));
  EXPECT_EQ(setting.modes, (std::vector<std::string>{"constant_initial", "online_dynamic"}));
  ASSERT_EQ(setting.arms.size(), 8u);
  for (const Arm& arm : setting.arms) {
    EXPECT_EQ(arm.runs.size(), 3u);
    EXPECT_EQ(arm.completed(), 3);
    EXPECT_EQ(arm.runs[2].rows.size(), 21u);
    EXPECT_EQ(arm.runs[2].times.size(), 2u);
  }
}

TEST(StudyResults, ShardsGiveWhatTheWholeGives) {
  const StudyDirectory whole = synthetic_study({});
  const std::vector<Setting> one = combine({whole}), two = combine(shards_of(whole));
  EXPECT_EQ(curves_csv(summarise(one)), curves_csv(summarise(two)));
  EXPECT_EQ(runs_csv(summarise(one)), runs_csv(summarise(two)));
}

TEST(StudyResults, AMissingShardIsSeenAsMissing) {
  const std::vector<Setting> settings = combine({shards_of(synthetic_study({}))[0]});
  const std::vector<SettingSummary> summaries = summarise(settings);
  const Table table = trouble_table(settings);
  EXPECT_EQ(table.rows.size(), 12u);
  EXPECT_EQ(table.rows[0].back(), "missing");
}

TEST(StudyResults, StudiesStayApart) {
  Synthetic other;
  other.study = "other";
  EXPECT_EQ(combine({synthetic_study({}), synthetic_study(other)}).size(), 2u);
}

TEST(StudyResults, RefusesWhatDoesNotFit) {
  const StudyDirectory whole = synthetic_study({});
  EXPECT_NE(error_of({whole, whole}).find("given twice"), std::string::npos);
  StudyDirectory copy = whole;
  copy.path = "elsewhere";
  EXPECT_NE(error_of({whole, copy}).find("in results/study and in elsewhere"), std::string::npos);
  copy.config += "# other\n";
  EXPECT_NE(error_of({whole, copy}).find("configs differ"), std::string::npos);
  StudyDirectory stranger = whole;
  stranger.rows[0].run = "nobody";
  EXPECT_NE(error_of({stranger}).find("no run 'nobody'"), std::string::npos);
  StudyDirectory hole = whole;
  hole.rows.erase(hole.rows.begin() + 3);
  EXPECT_NE(error_of({hole}).find("iteration 3 where 2 was expected"), std::string::npos);
  StudyDirectory shrinking = whole;
  shrinking.rows[4].len_lb = 20;
  EXPECT_NE(error_of({shrinking}).find("not more than before"), std::string::npos);
}

TEST(Summary, FiguresOfAHandMadeStudy) {
  Synthetic wanted;
  wanted.strategies = {"random", "entropy"};
  wanted.modes = {"fixed"};
  wanted.seeds = 2;
  wanted.budget = 2;
  StudyDirectory study = synthetic_study(wanted);
  // accuracy by run (random seeds 0 and 1, entropy seeds 0 and 1) and label count 20, 21, 22
  const double accuracy[4][3] = {{0.5, 0.6, 0.7}, {0.5, 0.5, 0.6}, {0.5, 0.7, 0.9}, {0.5, 0.6, 0.6}};
  for (std::size_t i = 0; i < study.rows.size(); ++i) study.rows[i].test_acc = accuracy[i / 3][i % 3];
  study.rows[11].diverged = true;
  study.rows[11].test_loss = std::nan("");
  study.rows[11].honeypots = 2;
  const std::vector<Setting> settings = combine({study});
  const std::vector<SettingSummary> summaries = summarise(settings);
  ASSERT_EQ(summaries.size(), 1u);
  const ArmSummary& random = *summaries[0].find("random", "fixed");
  const ArmSummary& entropy = *summaries[0].find("entropy", "fixed");
  EXPECT_DOUBLE_EQ(random.accuracy_area.mean, (0.6 + 0.525) / 2);
  EXPECT_DOUBLE_EQ(entropy.accuracy_area.mean, (0.7 + 0.575) / 2);
  EXPECT_DOUBLE_EQ(random.final_accuracy.mean, 0.65);
  EXPECT_EQ(entropy.arm->diverged(), 1);
  EXPECT_EQ(entropy.arm->completed(), 2);
  EXPECT_EQ(entropy.loss_area.n, 1);
  EXPECT_EQ(entropy.loss_area.non_finite, 1);
  EXPECT_DOUBLE_EQ(entropy.honeypots.mean, 1);
  EXPECT_EQ(entropy.queried, 2);
  // entropy reaches 0.65 with 21 labels for seed 0, never for seed 1
  EXPECT_EQ(entropy.reached, 1);
  EXPECT_EQ(entropy.labels_to_reach, 21);
  ASSERT_EQ(summaries[0].by_mode.size(), 1u);
  const PairTest& pair = summaries[0].by_mode[0].pairs.at(0);
  EXPECT_EQ(pair.difference.n, 2);
  EXPECT_DOUBLE_EQ(pair.difference.mean, (-0.1 - 0.05) / 2);
  EXPECT_EQ(pair.p, 0.5);
  EXPECT_TRUE(summaries[0].by_strategy.empty());
  EXPECT_EQ(summaries[0].win_rates.at(0).budgets, 3);
  // constant difference of 0.1 with 21 labels: t is infinite up to rounding, so entropy wins there before correction
  EXPECT_EQ(summaries[0].win_rates[0].raw[1][0], 1);
  EXPECT_EQ(summaries[0].win_rates[0].raw[0][1], 0);
  const Table trouble = trouble_table(settings);
  ASSERT_EQ(trouble.rows.size(), 1u);
  EXPECT_EQ(trouble.rows[0].back(), "diverged 1 time, first with 22 labels");
}

TEST(Summary, UnfinishedRunsStayOutOfAreasOnly) {
  StudyDirectory study = synthetic_study({});
  std::erase_if(study.rows, [](const ResultRow& row) { return row.run == "run0" && row.iteration > 4; });
  const std::vector<Setting> settings = combine({study});
  const std::vector<SettingSummary> summaries = summarise(settings);
  const ArmSummary& arm = *summaries[0].find("random", "constant_initial");
  EXPECT_EQ(arm.accuracy_area.n, 2);
  EXPECT_FALSE(arm.runs[0].accuracy_area.has_value());
  const std::vector<CurvePoint> curve = learning_curve(*arm.arm, Metric::accuracy);
  EXPECT_EQ(curve[5].value.n, 3);
  EXPECT_EQ(curve[6].value.n, 2);
  EXPECT_EQ(trouble_table(settings).rows.at(0).back(), "unfinished: iteration 5 of 20");
}

TEST(Summary, EverythingLabelledJoinsItsSetting) {
  Synthetic wanted;
  wanted.modes = {"fixed"};
  StudyDirectory study = synthetic_study(wanted);
  for (std::int64_t seed = 0; seed < 3; ++seed) {
    RequestedRun run = study.requested[0];
    run.run = "all" + std::to_string(seed);
    run.n_initial = -1;
    run.seed = seed;
    run.iterations = {-1};
    study.requested.push_back(run);
    ResultRow row = study.rows[0];
    row.run = run.run;
    row.len_lb = 480;
    row.test_acc = 0.9 + 0.01 * static_cast<double>(seed);
    study.rows.push_back(row);
  }
  const std::vector<Setting> settings = combine({study});
  ASSERT_EQ(settings.size(), 2u);
  const std::vector<SettingSummary> summaries = summarise(settings);
  ASSERT_EQ(summaries.size(), 1u);
  ASSERT_EQ(summaries[0].upper_bounds.size(), 1u);
  EXPECT_EQ(summaries[0].upper_bounds[0].first, "fixed");
  EXPECT_DOUBLE_EQ(summaries[0].upper_bounds[0].second.first.mean, 0.91);
  EXPECT_EQ(summaries[0].upper_bounds[0].second.first.n, 3);
}

}  // namespace
}  // namespace quarry
