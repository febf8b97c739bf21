// SPDX-License-Identifier: MIT
// Whole Keychain selections against an independent program in float64 (tests/goldens/study/make_keychain_goldens.py).
#include <gtest/gtest.h>

#include "tests/study/run_driver.h"

namespace quarry {
namespace {

using test::Driver;

const Json& goldens() {
  static const Json all = [] {
    const std::string path = QUARRY_GOLDENS "/study/keychain.json";
    return Json::parse(read_file(path), path);
  }();
  return all;
}

std::shared_ptr<const Dataset> data_of(const Json& golden) {
  auto data = std::make_shared<Dataset>();
  data->name = "golden";
  data->n_features = data->n_classes = 2;
  for (const Json& row : golden.at("x").items())
    for (const Json& x : row.items()) data->train.features.push_back(static_cast<float>(x.number()));
  for (const Json& label : golden.at("labels").items())
    data->train.labels.push_back(static_cast<std::int32_t>(label.integer()));
  data->train.n = static_cast<std::int64_t>(data->train.labels.size());
  data->test = data->train;
  data->class_names = {"0", "1"};
  return data;
}

StudyConfig study_of(const Json& golden) {
  const auto number = [&](const char* key) { return golden.at(key).dump(); };
  return parse_study(
      fmt::format(
          "[run]\nseed = {}\nrng = \"numpy\"\n[pool]\nn_initial = {}\nval_share = {}\n"
          "[acquisition]\nstrategy = {}\nbudget = {}\nkeychain_form = {}\nkeychain_passes = {}\nkeychain_share = {}\n"
          "keychain_steepness = {}\nkeychain_capacity = {}\nkeychain_trials = {}\nkeychain_repeats = {}\n"
          "keychain_ae_trials = {}\nkeychain_ae_error = {}\nkeychain_meta_share = {}\n"
          "[model]\nhidden = {}\nlr = {}\nweight_decay = {}\n"
          "[training]\nepochs = {}\nbatch_size = {}\nloss = {}\ndrop_last = true\ndropout_epochs = \"none\"\n"
          "initial_weights = \"fixed\"\n"
          "[search]\nsampler_seed = \"fixed\"\nlr_high = 0.3\ndepth_high = 2\nwidth_high = 7\n",
          number("seed"), number("n_initial"), number("val_share"), number("strategy"), number("budget"),
          number("form"), number("passes"), number("share"), number("steepness"), number("capacity"), number("trials"),
          number("repeats"), number("ae_trials"), number("ae_error"), number("meta_share"), number("hidden"),
          number("lr"), number("weight_decay"), number("epochs"), number("batch_size"), number("loss")),
      "golden.toml", {});
}

void expect_near(const Json& got, const Json& want, double tolerance) {
  ASSERT_EQ(got.items().size(), want.items().size());
  for (std::size_t i = 0; i < want.items().size(); ++i)
    EXPECT_NEAR(got.items()[i].number(), want.items()[i].number(), tolerance) << i;
}

void expect_trials(const Json& record, const Json& values, const Json& chosen) {
  EXPECT_EQ(record.at("chosen").integer(), chosen.integer());
  ASSERT_EQ(record.at("trials").items().size(), values.items().size());
  for (std::size_t i = 0; i < values.items().size(); ++i)
    EXPECT_NEAR(record.at("trials").items()[i].at("value").number(), values.items()[i].number(), 2e-4) << "trial " << i;
}

TEST(Keychain, WholeSelectionsAreThoseOfAnIndependentProgram) {
  for (const Json& golden : goldens().at("runs").items()) {
    SCOPED_TRACE(golden.at("strategy").string() + " " + golden.at("form").string() + " seed " +
                 golden.at("seed").dump());
    const Driver run(study_of(golden), data_of(golden));
    const auto passes = run.keychain_records("passes"), meta = run.keychain_records("meta");
    const auto ae = run.keychain_records("autoencoder");
    const auto& iterations = golden.at("iterations").items();
    ASSERT_EQ(passes.size(), iterations.size());
    ASSERT_EQ(run.picks().size(), iterations.size());
    for (std::size_t i = 0; i < iterations.size(); ++i) {
      SCOPED_TRACE(i);
      const Json& want = iterations[i];
      EXPECT_NEAR(passes[i]->at("base_loss").number(), want.at("base_loss").number(), 2e-6);
      EXPECT_EQ(passes[i]->at("instances").dump(), want.at("instances").dump());
      expect_near(passes[i]->at("losses"), want.at("losses"), 5e-6);
      expect_near(passes[i]->at("credits"), want.at("credits"), 1e-4);
      expect_trials(*meta.at(i), want.at("meta_values"), want.at("meta_chosen"));
      if (want.find("ae_values") != nullptr) expect_trials(*ae.at(i), want.at("ae_values"), want.at("ae_chosen"));
      ASSERT_EQ(run.scores.at(i).size(), want.at("scores").items().size());
      for (std::size_t k = 0; k < run.scores[i].size(); ++k)
        EXPECT_NEAR(run.scores[i][k], want.at("scores").items()[k].number(), 3e-4) << "candidate " << k;
      EXPECT_EQ(run.picks()[i], want.at("pick").integer());
    }
  }
}

}  // namespace
}  // namespace quarry
