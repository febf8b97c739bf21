// SPDX-License-Identifier: MIT
// Claims on made-up runs whose differences are known.
#include "quarry/report/online_tuning_claims.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "quarry/report/online_tuning_report.h"
#include "tests/report/synthetic.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

/// Curves without luck: accuracy `base` plus `gain` under online_dynamic, and a hair of difference between seeds.
StudyDirectory made_up(const Synthetic& wanted, double base, double gain, const std::string& preset = "corrected") {
  StudyDirectory study = synthetic_study(wanted);
  study.preset = preset;
  for (ResultRow& row : study.rows)
    row.test_acc = base + (row.mode == "online_dynamic" ? gain : 0) + 1e-4 * static_cast<double>(row.seed % 3);
  return study;
}

struct Held {
  std::vector<StudyDirectory> directories;
  std::vector<Setting> settings;
  std::vector<SettingSummary> summaries;
  std::vector<Claim> claims;
};
Held held(std::vector<StudyDirectory> directories) {
  Held all{std::move(directories), {}, {}, {}};
  all.settings = combine(all.directories);
  all.summaries = summarise(all.settings);
  all.claims = online_tuning_claims(all.summaries);
  return all;
}
const Claim& claim_of(const Held& all, std::string_view part) {
  for (const Claim& claim : all.claims)
    if (claim.name.find(part) != std::string::npos) return claim;
  throw std::runtime_error("no claim '" + std::string(part) + "'");
}

Synthetic ten_seeds() {
  Synthetic wanted;
  wanted.seeds = 10;
  wanted.budget = 5;
  return wanted;
}

TEST(OnlineTuningClaims, AGainIsSupported) {
  const Held all = held({made_up(ten_seeds(), 0.8, 0.03)});
  const Claim& claim = claim_of(all, "tuning again");
  ASSERT_EQ(claim.rows.size(), 4u);  // a strategy each
  for (const ClaimRow& row : claim.rows) {
    EXPECT_NEAR(row.difference.mean, 0.03, 1e-12);
    EXPECT_EQ(row.difference.n, 10);
    EXPECT_DOUBLE_EQ(row.p, 2.0 / 1024);
    EXPECT_DOUBLE_EQ(row.p_holm, 4 * 2.0 / 1024);
    EXPECT_EQ(row.verdict, Verdict::supported);
  }
  EXPECT_EQ(claim.verdict(), Verdict::supported);
  EXPECT_EQ(claim.why(), "of 4 comparisons 4 support it, 0 speak against it, 0 are undecided (n = 10 seeds)");
}

TEST(OnlineTuningClaims, ALossAndNothingAreNotSupported) {
  EXPECT_EQ(claim_of(held({made_up(ten_seeds(), 0.8, -0.03)}), "tuning again").verdict(), Verdict::not_supported);
  EXPECT_EQ(claim_of(held({made_up(ten_seeds(), 0.8, 0)}), "tuning again").verdict(), Verdict::not_supported);
}

TEST(OnlineTuningClaims, FewSeedsOrMuchLuckAreUndecided) {
  Synthetic wanted = ten_seeds();
  wanted.seeds = 3;  // 2 / 2^3 is above 5 %
  EXPECT_EQ(claim_of(held({made_up(wanted, 0.8, 0.03)}), "tuning again").verdict(), Verdict::undecided);
  StudyDirectory lucky = made_up(ten_seeds(), 0.8, 0);
  for (ResultRow& row : lucky.rows)
    if (row.mode == "online_dynamic") row.test_acc += row.seed % 2 == 0 ? 0.1 : -0.1;
  EXPECT_EQ(claim_of(held({lucky}), "tuning again").verdict(), Verdict::undecided);
}

TEST(OnlineTuningClaims, RowsThatContradictEachOtherAreUndecided) {
  StudyDirectory study = made_up(ten_seeds(), 0.8, 0.03);
  for (ResultRow& row : study.rows)
    if (row.mode == "online_dynamic" && row.strategy == "random") row.test_acc -= 0.06;
  const Held all = held({study});
  const Claim& claim = claim_of(all, "tuning again");
  EXPECT_EQ(claim.verdict(), Verdict::mixed);
  EXPECT_NE(claim.why().find("3 support it, 1 speak against it"), std::string::npos);
}

TEST(OnlineTuningClaims, AGainBelowTheSmallestEffectIsNone) {
  const Held all = held({made_up(ten_seeds(), 0.8, 0.003)});
  for (const ClaimRow& row : claim_of(all, "tuning again").rows) EXPECT_LE(row.p_holm, 0.05);
  EXPECT_EQ(claim_of(all, "tuning again").verdict(), Verdict::not_supported);
}

TEST(OnlineTuningClaims, BothConstantModesWhereTheyAre) {
  Synthetic wanted = ten_seeds();
  wanted.modes = {"constant_whole", "constant_initial", "online_dynamic"};
  const Held all = held({made_up(wanted, 0.8, 0.03)});
  const Claim& claim = claim_of(all, "tuning again");
  ASSERT_EQ(claim.rows.size(), 8u);
  EXPECT_EQ(claim.rows[0].compared, "random, against constant_whole");
  EXPECT_EQ(claim.rows[4].compared, "random, against constant_initial");
}

TEST(OnlineTuningClaims, StudiesOfOneSettingAreToldApart) {
  Synthetic other = ten_seeds();
  other.study = "other";
  const Held all = held({made_up(ten_seeds(), 0.8, 0.03), made_up(other, 0.8, 0.03)});
  const Claim& claim = claim_of(all, "tuning again");
  ASSERT_EQ(claim.rows.size(), 8u);
  EXPECT_NE(claim.rows[0].setting.find("study study"), std::string::npos);
  EXPECT_NE(claim.rows[4].setting.find("study other"), std::string::npos);
}

TEST(OnlineTuningClaims, DropsAreOfOneStep) {
  StudyDirectory study = made_up(ten_seeds(), 0.8, 0);
  for (ResultRow& row : study.rows)
    if (row.mode == "constant_initial" && row.iteration == 2) row.test_acc = 0.6;  // down and up again
  const Held all = held({study});
  const Claim& claim = claim_of(all, "degrade");
  EXPECT_NEAR(claim.rows.at(0).difference.mean, 0.2, 1e-3);
  EXPECT_EQ(claim.verdict(), Verdict::supported);
}

TEST(OnlineTuningClaims, BaldAgainstEachOtherStrategy) {
  StudyDirectory study = made_up(ten_seeds(), 0.8, 0.01);
  for (ResultRow& row : study.rows)
    if (row.mode == "online_dynamic" && row.strategy == "bald") row.test_acc += 0.05;
  const Held all = held({study});
  const Claim& claim = claim_of(all, "BALD suffer");
  ASSERT_EQ(claim.rows.size(), 3u);
  for (const ClaimRow& row : claim.rows) EXPECT_NEAR(row.difference.mean, 0.05, 1e-12);
  EXPECT_EQ(claim.verdict(), Verdict::supported);
  for (ResultRow& row : study.rows)
    if (row.mode == "online_dynamic" && row.strategy == "coreset") row.test_acc += 0.1;  // it gains more
  EXPECT_EQ(claim_of(held({study}), "BALD suffer").verdict(), Verdict::not_supported) << "one is enough";
}

TEST(OnlineTuningClaims, SpreadIsBestMinusWorstOfASeed) {
  StudyDirectory study = made_up(ten_seeds(), 0.8, 0);
  for (ResultRow& row : study.rows)
    if (row.mode == "constant_initial" && row.strategy == "coreset") row.test_acc += 0.04;
  const Held all = held({study});
  ASSERT_EQ(claim_of(all, "narrow").rows.size(), 1u);
  EXPECT_NEAR(claim_of(all, "narrow").rows[0].difference.mean, 0.04, 1e-12);
}

TEST(OnlineTuningClaims, DropoutRatesAreOneGroup) {
  Synthetic wanted = ten_seeds();
  wanted.strategies = {"random", "bald"};
  wanted.modes = {"fixed"};
  StudyDirectory study;
  for (const double rate : {0.5, 0.05}) {
    StudyDirectory one = made_up(wanted, 0.8, 0);
    for (RequestedRun& run : one.requested) {
      run.variant = rate == 0.5 ? "model.dropout=0.5" : "model.dropout=0.05";
      run.run += run.variant;
    }
    for (ResultRow& row : one.rows) {
      row.variant = rate == 0.5 ? "model.dropout=0.5" : "model.dropout=0.05";
      row.run += row.variant;
      if (row.strategy == "bald") row.test_acc += 0.1 * rate;
    }
    if (study.study.empty()) {
      study = one;
    } else {
      study.requested.insert(study.requested.end(), one.requested.begin(), one.requested.end());
      study.rows.insert(study.rows.end(), one.rows.begin(), one.rows.end());
    }
  }
  const Held all = held({study});
  const Claim& claim = claim_of(all, "dropout");
  ASSERT_EQ(claim.rows.size(), 3u);
  EXPECT_EQ(claim.rows[0].compared, "dropout 0.05");
  EXPECT_NEAR(claim.rows[0].difference.mean, 0.005, 1e-12);
  EXPECT_NEAR(claim.rows[1].difference.mean, 0.05, 1e-12);
  EXPECT_EQ(claim.rows[2].compared, "dropout 0.5 against 0.05");
  EXPECT_NEAR(claim.rows[2].difference.mean, 0.045, 1e-12);
  EXPECT_FALSE(claim.rows[0].counts);
  EXPECT_TRUE(claim.rows[2].counts);
  EXPECT_DOUBLE_EQ(claim.rows[2].p_holm, claim.rows[2].p) << "rows beside are another family";
  EXPECT_EQ(claim.why(), "of 1 comparisons 1 support it, 0 speak against it, 0 are undecided (n = 10 seeds)");
}

TEST(OnlineTuningClaims, DropoutIsReadInModeFixedAloneAndTakesTwoRates) {
  for (const char* mode : {"fixed", "constant_initial"}) {
    Synthetic wanted = ten_seeds();
    wanted.strategies = {"random", "bald"};
    wanted.modes = {mode};
    StudyDirectory study = made_up(wanted, 0.8, 0);
    for (RequestedRun& run : study.requested) run.variant = "model.dropout=0.5";
    for (ResultRow& row : study.rows) row.variant = "model.dropout=0.5";
    for (const Claim& claim : held({study}).claims) EXPECT_EQ(claim.name.find("dropout"), std::string::npos) << mode;
  }
}

TEST(OnlineTuningClaims, HoneypotsAgainstOneHalf) {
  Synthetic wanted = ten_seeds();
  wanted.honeypots = true;  // 0, 10, 20, 30 % of the queries
  const Held all = held({made_up(wanted, 0.8, 0)});
  const Claim& claim = claim_of(all, "mostly noise");
  ASSERT_EQ(claim.rows.size(), 8u);
  EXPECT_EQ(claim.verdict(), Verdict::not_supported);
  EXPECT_NE(claim.why().find("of 6 comparisons"), std::string::npos) << "random is shown beside the strategies";
}

TEST(OnlineTuningClaims, PresetsAreCompared) {
  Synthetic other = ten_seeds();
  other.study = "other";
  const Held all = held({made_up(ten_seeds(), 0.8, 0), made_up(other, 0.75, 0, "faithful")});
  const Claim& claim = claim_of(all, "quirks");
  ASSERT_EQ(claim.rows.size(), 8u);
  for (const ClaimRow& row : claim.rows) EXPECT_NEAR(row.difference.mean, 0.05, 1e-12);
  other.budget = 4;  // another budget is another question
  for (const Claim& unlike : held({made_up(ten_seeds(), 0.8, 0), made_up(other, 0.75, 0, "faithful")}).claims)
    EXPECT_EQ(unlike.name.find("quirks"), std::string::npos);
}

TEST(OnlineTuningReport, PageAndTable) {
  const test::TempDir folder;
  write_synthetic_study(posix_file_system(), folder / "study", R"(study = "study"
[run]
seed = "0..2"
[data]
name = "moons"
[acquisition]
strategy = ["random", "bald"]
budget = 4
[search]
mode = ["constant_initial", "online_dynamic"]
)",
                        {});
  OnlineTuningReportOptions options;
  options.directories = {folder / "study/"};
  const OnlineTuningReportSummary summary = write_online_tuning_report(posix_file_system(), options);
  EXPECT_EQ(summary.out, folder / "study/findings");
  EXPECT_EQ(summary.claims, 4);  // gain, drops, bald, spread
  EXPECT_NE(summary.text.find("Does tuning again help? undecided"), std::string::npos);
  const std::string csv = test::slurp(folder / "study/findings/findings.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 + 2 + 1 + 1);
  const std::string page = test::slurp(folder / "study/findings/findings.md");
  EXPECT_NE(page.find("undecided"), std::string::npos);
  EXPECT_NE(page.find("quarry report --study online_tuning"), std::string::npos);
}

}  // namespace
}  // namespace quarry
