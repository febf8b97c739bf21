// SPDX-License-Identifier: MIT
#include "quarry/study/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "tests/fuzz/results_csv_body.h"
#include "tests/support/corpus.h"

namespace quarry {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  try {
    parse_results_csv(text, "r.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    return error.what();
  }
  return "";
}

std::string header() {
  return results_csv({});
}

double random_double(std::uint64_t i) {
  const std::uint64_t bits = random_u64(8, i);
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

float random_float(std::uint64_t i) {
  const std::uint32_t bits = random_u32(9, i);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Fills every field; texts are hostile.
ResultRow row_of(std::uint64_t i) {
  static const std::vector<std::string> texts = {"moons", "",         "a,b", "say \"x\"", "=1+1", "-x",  "+",
                                                 "@a",    "'",        "'=",  "''=",       "\tx",  "\rx", "line\nbreak",
                                                 "\"",    "\xc3\xa9", " x ", "x'"};
  const auto text = [&](std::uint64_t k) {
    return texts[random_below(1, texts.size(), i, 0, static_cast<std::uint32_t>(k))];
  };
  ResultRow row;
  row.study = text(0), row.run = text(1), row.dataset = text(2), row.strategy = text(3), row.mode = text(4);
  row.variant = text(5);
  row.seed = static_cast<std::int64_t>(random_u64(2, i));
  row.n_initial = static_cast<std::int32_t>(random_u32(3, i));
  row.iteration = static_cast<std::int32_t>(i) - 1;
  for (std::uint64_t k = 0; k < i % 4; ++k) {
    row.idx_added.push_back(static_cast<std::int32_t>(random_u32(4, i + k)));
    row.target_added.push_back(static_cast<std::int32_t>(k));
    row.features_added.push_back(random_float(10 * i + k));
    row.hidden.push_back(static_cast<std::int32_t>(2 + k));
  }
  std::uint64_t next = 100 * i;
  for (double* field :
       {&row.val_share, &row.test_loss, &row.test_acc, &row.test_nll, &row.test_auc, &row.test_acc_clean, &row.val_loss,
        &row.val_acc, &row.train_loss, &row.train_acc, &row.lr, &row.weight_decay, &row.momentum, &row.drop_rate}) {
    *field = random_double(next++);
  }
  if (i % 5 == 0) row.test_loss = std::nan(""), row.test_nll = HUGE_VAL, row.val_loss = -HUGE_VAL, row.lr = -0.0;
  row.len_ulb = 480, row.len_lb = 20, row.honeypots = 3, row.trials = 50, row.pruned = 7;
  row.diverged = i % 2;
  return row;
}

TEST(Results, EveryFieldReadsBackAndTheTextIsTheSame) {
  std::vector<ResultRow> rows;
  for (std::uint64_t i = 0; i < 500; ++i) rows.push_back(row_of(i));
  const std::string text = results_csv(rows);
  const std::vector<ResultRow> back = parse_results_csv(text, "r.csv");
  ASSERT_EQ(back.size(), rows.size());
  EXPECT_EQ(results_csv(back), text);
  const auto same = [](double a, double b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, 8) == 0; };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ResultRow &a = rows[i], &b = back[i];
    ASSERT_EQ(a.study, b.study);
    ASSERT_EQ(a.run, b.run);
    ASSERT_EQ(a.dataset, b.dataset);
    ASSERT_EQ(a.variant, b.variant);
    ASSERT_EQ(a.seed, b.seed);
    ASSERT_EQ(a.iteration, b.iteration);
    ASSERT_EQ(a.idx_added, b.idx_added);
    ASSERT_EQ(a.hidden, b.hidden);
    ASSERT_EQ(a.diverged, b.diverged);
    ASSERT_EQ(a.features_added.size(), b.features_added.size());
    for (std::size_t k = 0; k < a.features_added.size(); ++k) {
      ASSERT_TRUE(same(a.features_added[k], b.features_added[k])) << a.features_added[k];
    }
    ASSERT_TRUE(same(a.test_loss, b.test_loss) && same(a.test_nll, b.test_nll) && same(a.lr, b.lr)) << i;
    ASSERT_TRUE(same(a.drop_rate, b.drop_rate) && same(a.val_loss, b.val_loss)) << i;
  }
}

TEST(Results, LooksAsDocumented) {
  ResultRow row;
  row.study = "quick", row.run = "r0", row.dataset = "moons", row.strategy = "entropy", row.mode = "fixed";
  row.seed = 3, row.n_initial = 20, row.val_share = 0.25, row.iteration = 0;
  row.idx_added = {7, 12}, row.target_added = {0, 1}, row.features_added = {0.5f, -1, 0.1f, 2};
  row.test_loss = std::nan(""), row.test_acc = 0.5, row.hidden = {48, 48}, row.diverged = true;
  EXPECT_EQ(results_csv({row}),
            "study,run,dataset,strategy,mode,seed,n_initial,val_share,variant,iteration,idx_added,target_added,"
            "features_added,test_loss,test_acc,test_nll,test_auc,test_acc_clean,val_loss,val_acc,train_loss,train_acc,"
            "len_ulb,len_lb,honeypots,lr,weight_decay,momentum,drop_rate,hidden,trials,pruned,diverged\n"
            "quick,r0,moons,entropy,fixed,3,20,0.25,,0,7 12,0 1,0.5 -1 0.1 2,NaN,0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,48-48,"
            "0,0,1\n");
}

TEST(Results, NoTextCellStartsAFormula) {
  for (const char* text : {"=cmd", "+1", "-1", "@x", "\t=1", "\r=1"}) {
    ResultRow row;
    row.study = text;
    EXPECT_THAT(results_csv({row}).substr(header().size()), StartsWith(std::string("\"'") + text[0]));
  }
}

TEST(Results, RefusesWithPathLineAndColumn) {
  const std::string good = results_csv({ResultRow{}});
  const std::string row = good.substr(header().size());
  EXPECT_EQ(error_of(good), "");
  EXPECT_EQ(error_of(header()), "");
  EXPECT_THAT(error_of(""), HasSubstr("r.csv:1:1: "));
  EXPECT_THAT(error_of("study,rum" + header().substr(9)), HasSubstr("r.csv:1:7: expected the column 'run'"));
  EXPECT_THAT(error_of(header() + row.substr(0, row.size() - 1)), HasSubstr("expected the end of the line"));
  EXPECT_THAT(error_of(header() + row + "a,b\n"), HasSubstr("r.csv:3:3: expected a comma"));
  EXPECT_THAT(error_of(header() + row.substr(0, row.size() - 1) + ",\n"), HasSubstr("expected the end of the line"));
  EXPECT_THAT(error_of(header() + "\"open" + row), HasSubstr("r.csv:2:1: the quote of this cell is not closed"));
  EXPECT_THAT(error_of(header() + "a\"b" + row), HasSubstr("r.csv:2:1: a cell with this must be quoted"));
  EXPECT_THAT(error_of(header() + "\"a\nb\",\"c\"d" + row), HasSubstr("r.csv:3:4: expected a comma"));
  const auto with_seed = [&](const std::string& seed) { return header() + ",,,,," + seed + row.substr(6); };
  EXPECT_EQ(error_of(with_seed("-9223372036854775808")), "");
  for (const char* seed : {"", "1.5", "x", " 1", "9223372036854775808", "1e3"}) {
    EXPECT_THAT(error_of(with_seed(seed)), HasSubstr("r.csv:2:6: column 'seed': expected an integer")) << seed;
  }
}

TEST(Results, RefusesBadValuesInEveryNumericColumn) {
  const std::string names = header();
  const std::string row = results_csv({ResultRow{}}).substr(header().size());
  int checked = 0;
  std::size_t name_start = 0, cell_start = 0;
  while (name_start < names.size()) {
    const std::size_t name_end = names.find_first_of(",\n", name_start);
    const std::size_t cell_end = row.find_first_of(",\n", cell_start);
    const std::string name = names.substr(name_start, name_end - name_start);
    if (name != "study" && name != "run" && name != "dataset" && name != "strategy" && name != "mode" &&
        name != "variant") {
      for (const char* bad : {"x", "1 2 ", "4294967296x", "nan", "+1"}) {
        const std::string text = row.substr(0, cell_start) + bad + row.substr(cell_end);
        EXPECT_THAT(error_of(header() + text), HasSubstr("column '" + name + "'")) << bad;
        ++checked;
      }
    }
    name_start = name_end + 1;
    cell_start = cell_end + 1;
  }
  EXPECT_EQ(checked, 27 * 5);
}

// Any bytes: an error with a place, or rows that write back to the same text.
TEST(Results, EveryFlippedByteIsRefusedOrReadsAsWhatItSays) {
  const std::string text = results_csv({row_of(3), row_of(7)});
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char flip : {1, 4, 16, 64}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      try {
        const auto rows = parse_results_csv(damaged, "r.csv");
        EXPECT_EQ(parse_results_csv(results_csv(rows), "r.csv").size(), rows.size());
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), StartsWith("r.csv:"));
      }
    }
  }
}

TEST(Results, HoldsOnTheFuzzCorpus) {
  test::replay_corpus("results_csv", fuzz_results_csv);
}

}  // namespace
}  // namespace quarry
