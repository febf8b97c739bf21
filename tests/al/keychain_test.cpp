// SPDX-License-Identifier: MIT
// Keychain's credits against an independent program (tests/goldens/study/make_keychain_goldens.py) and by hand.
#include "quarry/al/keychain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/json.h"

namespace quarry {
namespace {

std::vector<double> numbers(const Json& array) {
  std::vector<double> values;
  for (const Json& item : array.items()) values.push_back(item.number());
  return values;
}

std::vector<std::int32_t> integers(const Json& array) {
  std::vector<std::int32_t> values;
  for (const Json& item : array.items()) values.push_back(static_cast<std::int32_t>(item.integer()));
  return values;
}

KeychainOptions options_of(const Json& golden) {
  const std::string form = golden.at("form").string();
  KeychainOptions options;
  options.form = form == "draws"       ? KeychainForm::draws
                 : form == "leave_out" ? KeychainForm::leave_out
                                       : KeychainForm::duplicate;
  options.first = static_cast<std::int32_t>(golden.at("first").integer());
  options.second = static_cast<std::int32_t>(golden.at("second").integer());
  options.passes = static_cast<std::int32_t>(golden.at("passes").integer());
  options.n_draws = static_cast<std::int32_t>(golden.at("n_draws").integer());
  options.share = golden.at("share").number();
  options.steepness = golden.at("steepness").number();
  options.base_loss = golden.at("base_loss").number();
  return options;
}

void expect_near(std::span<const double> got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-13 * (1 + std::abs(want[i]))) << i;
}

TEST(KeychainPasses, RowsAndCreditsAreThoseOfAnIndependentProgram) {
  const std::string path = QUARRY_GOLDENS "/study/keychain.json";
  const Json goldens = Json::parse(read_file(path), path);
  EXPECT_GE(goldens.at("passes").items().size(), 18u);
  for (const Json& golden : goldens.at("passes").items()) {
    const KeychainOptions options = options_of(golden);
    SCOPED_TRACE(golden.at("form").string() + " " + std::to_string(options.first) + " + " +
                 std::to_string(options.second));
    const std::vector<double> losses = numbers(golden.at("losses"));
    KeychainPasses passes(options);
    std::size_t asked = 0, told = 0;
    while (!passes.done()) {
      const std::int32_t together = passes.independent_asks();
      EXPECT_EQ(together, options.form == KeychainForm::draws ? 1 : options.passes);
      for (std::int32_t i = 0; i < together; ++i, ++asked)
        EXPECT_EQ(passes.ask(), integers(golden.at("rows").items().at(asked))) << "pass " << asked;
      for (std::int32_t i = 0; i < together; ++i) passes.tell(losses[told++]);
    }
    EXPECT_EQ(passes.independent_asks(), 0);
    expect_near(passes.credits(), numbers(golden.at("credits")));
    expect_near(passes.probabilities(), numbers(golden.at("probabilities")));
    std::vector<double> targets;
    for (const double credit : passes.credits())
      targets.push_back(keychain_target(options.form, options.steepness, credit));
    expect_near(targets, numbers(golden.at("targets")));
    const auto broken = std::count_if(losses.begin(), losses.begin() + options.passes,
                                      [](double loss) { return !std::isfinite(loss); });
    EXPECT_EQ(passes.without_credit(), broken);
  }
}

TEST(KeychainPasses, RowsAndCreditsAreThoseOfThePublishedProgram) {
  const std::string path = QUARRY_GOLDENS "/study/keychain_reference.json";
  const Json goldens = Json::parse(read_file(path), path);
  EXPECT_GE(goldens.at("passes").items().size(), 15u);
  for (const Json& golden : goldens.at("passes").items()) {
    const KeychainOptions options = options_of(golden);
    SCOPED_TRACE(golden.at("form").string() + " " + std::to_string(options.first) + " + " +
                 std::to_string(options.second));
    const std::vector<double> losses = numbers(golden.at("losses")), credits = numbers(golden.at("credits"));
    KeychainPasses passes(options);
    for (std::size_t pass = 0; !passes.done(); ++pass) {
      std::vector<std::int32_t> rows = passes.ask(), want = integers(golden.at("rows").items().at(pass));
      std::sort(rows.begin(), rows.end());  // that program has them in another order before it shuffles them
      std::sort(want.begin(), want.end());
      EXPECT_EQ(rows, want) << "pass " << pass;
      passes.tell(losses[pass]);
    }
    ASSERT_EQ(passes.credits().size(), credits.size());
    for (std::size_t i = 0; i < credits.size(); ++i)  // rounded to float32 there
      EXPECT_NEAR(passes.credits()[i], credits[i], 1e-7 * (1 + std::abs(credits[i]))) << i;
  }
}

TEST(KeychainPasses, CreditsByHand) {
  KeychainOptions options;
  options.first = 2;
  options.passes = 1;
  options.n_draws = 3;
  options.base_loss = 0.5;
  KeychainPasses passes(options);
  const std::vector<std::int32_t> rows = passes.ask();
  ASSERT_EQ(rows.size(), 5u);
  const double second = static_cast<double>(std::count(rows.begin(), rows.end(), 1));
  passes.tell(0.25);  // half the loss: a gain of 1/2 for each time that an instance is there
  EXPECT_EQ(passes.credits()[0], (5 - second) / 2);
  EXPECT_EQ(passes.credits()[1], second / 2);
}

TEST(KeychainPasses, NothingThatIsNotFiniteCounts) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const KeychainForm form : {KeychainForm::draws, KeychainForm::leave_out, KeychainForm::duplicate}) {
    for (const double base : {0.0, nan, infinity}) {
      KeychainOptions options;
      options.form = form;
      options.first = 6;
      options.passes = 4;
      options.n_draws = 5;
      options.share = 0.4;
      options.base_loss = base;
      KeychainPasses passes(options);
      for (const double loss : {0.5, nan, infinity, 0.0}) {
        passes.ask();
        passes.tell(loss);
      }
      for (const double credit : passes.credits()) EXPECT_TRUE(std::isfinite(credit));
      for (const double p : passes.probabilities()) EXPECT_DOUBLE_EQ(p, 1.0 / 6);
      // From L0 = 0 a difference and a quotient still say something.
      const int meaningful = base != 0                         ? 0
                             : form == KeychainForm::leave_out ? 2
                             : form == KeychainForm::duplicate ? 1
                                                               : 0;
      EXPECT_EQ(passes.without_credit(), 4 - meaningful);
    }
  }
}

TEST(KeychainPasses, PhiloxDependsOnItsKeyAndNumpyOnThePassAlone) {
  KeychainOptions options;
  options.first = 30;
  options.passes = 2;
  options.n_draws = 20;
  options.base_loss = 1;
  const auto first_rows = [&] { return KeychainPasses(options).ask(); };
  const auto published = first_rows();
  options.key = 5;
  EXPECT_EQ(first_rows(), published);
  options.numpy_random = false;
  const auto own = first_rows();
  EXPECT_NE(own, published);
  EXPECT_EQ(first_rows(), own);
  options.key = 6;
  EXPECT_NE(first_rows(), own);
}

TEST(KeychainPasses, OrderIsChecked) {
  KeychainOptions options;
  options.first = 3;
  options.passes = 2;
  KeychainPasses passes(options);
  EXPECT_THROW(passes.tell(1), Error);
  passes.ask();
  EXPECT_THROW(passes.ask(), Error);  // its probabilities depend on the first
  options.form = KeychainForm::leave_out;
  options.first = 1;
  EXPECT_THROW(KeychainPasses{options}, Error);  // nothing is kept
}

TEST(Keychain, StandardisedTargets) {
  std::vector<double> values = {1, 3, 5, 7};
  standardise(values);
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0), 0, 1e-15);
  EXPECT_NEAR(values[3], 3 / std::sqrt(5.0), 1e-15);
  std::vector<double> equal = {0.1, 0.1, 0.1};
  standardise(equal);
  EXPECT_EQ(equal, std::vector<double>(3, 0.0));
}

}  // namespace
}  // namespace quarry
