// SPDX-License-Identifier: MIT
#include "src/report/maps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"
#include "quarry/data/data_table.h"
#include "quarry/nn/checkpoint.h"
#include "quarry/report/report.h"
#include "src/report/subprocess.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

Dataset square() {
  Dataset data;
  data.name = "square";
  data.n_features = 2;
  data.n_classes = 2;
  data.train = {3, {0, 0, 1, 0, 0, 1}, {0, 1, 1}, {}};
  data.test = {1, {1, 1}, {0}, {}};
  data.class_names = {"no", "yes"};
  return data;
}

/// p(class 1) rises with x only.
TrainedMlp<float> steps_in_x() {
  return {{2, 2}, {0, 0, 8, 0, 0, -4}, 0, Loss::ce_on_logits};
}

TEST(Maps, GridIsTheDataWidened) {
  const MapGrid grid = map_grid(square());
  EXPECT_DOUBLE_EQ(grid.x_low, -0.5);  // half of the coordinates are 0, half are 1: standard deviation 0.5
  EXPECT_DOUBLE_EQ(grid.y_high, 1.5);
  ASSERT_EQ(grid.points.size(), 2u * kMapSide * kMapSide);
  EXPECT_FLOAT_EQ(grid.points[0], -0.5f);
  EXPECT_FLOAT_EQ(grid.points[2 * (kMapSide - 1)], 1.5f);
  EXPECT_FLOAT_EQ(grid.points.back(), 1.5f);
}

TEST(Maps, FramesWanted) {
  EXPECT_EQ(frame_iterations(19, 0), (std::vector<std::int32_t>{19}));
  EXPECT_EQ(frame_iterations(5, 3), (std::vector<std::int32_t>{-1, 2, 5}));
  EXPECT_EQ(frame_iterations(4, 3), (std::vector<std::int32_t>{-1, 2, 4}));
}

TEST(Maps, ScoresAreThoseOfTheStrategy) {
  Context context({}, 1);
  const Dataset data = square();
  RunConfig config;
  const float points[] = {0.5f, 0, 0, 0, 3, 0};
  const auto view = matrix<const float>(points, 3, 2);
  config.strategy = "entropy";
  const std::vector<float> entropy = score_points(context, config, data, steps_in_x(), 0, {0}, view);
  ASSERT_EQ(entropy.size(), 3u);
  EXPECT_NEAR(entropy[0], std::log(2.0), 1e-6);  // on the boundary
  EXPECT_GT(entropy[1], entropy[2]);
  config.strategy = "coreset";
  const std::vector<float> distance = score_points(context, config, data, steps_in_x(), 0, {0, 1}, view);
  EXPECT_FLOAT_EQ(distance[0], 0.5f);
  EXPECT_FLOAT_EQ(distance[1], 0);
  EXPECT_FLOAT_EQ(distance[2], 2);
  for (const char* name : {"random", "badge"}) {
    config.strategy = name;
    EXPECT_TRUE(score_points(context, config, data, steps_in_x(), 0, {0}, view).empty()) << name;
  }
}

const std::vector<std::string> kStudy = {"--quiet",
                                         "--set",
                                         "acquisition.strategy=[\"entropy\",\"random\"]",
                                         "--set",
                                         "run.seed=0",
                                         "--set",
                                         "acquisition.budget=3",
                                         "--set",
                                         "search.mode=fixed",
                                         "--set",
                                         "training.epochs=20"};

void run_study_at(const std::string& out, const std::string& networks) {
  std::vector<std::string> arguments = {
      "run", QUARRY_SOURCE_DIR "/configs/smoke.toml", "--out", out, "--set", "output.networks=" + networks};
  arguments.insert(arguments.end(), kStudy.begin(), kStudy.end());
  const auto result = test::run_program(QUARRY_PROGRAM, arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

std::int64_t maps_at(const std::string& out, ReportOptions::Panels panels, std::vector<std::string>* notes = nullptr) {
  ReportOptions options;
  options.directories = {out + "/smoke"};
  options.panels = panels;
  options.every = 2;
  const ReportSummary summary = write_report(posix_file_system(), options);
  if (notes != nullptr) *notes = summary.notes;
  if (!posix_file_system().is_directory(out + "/smoke/report/maps")) return 0;
  const std::vector<std::string> files = posix_file_system().list(out + "/smoke/report/maps");
  return std::count_if(files.begin(), files.end(), [](const std::string& name) { return name.ends_with(".png"); });
}

TEST(Maps, DrawnFromARealStudy) {
  if (!run_program({"gnuplot", "--version"}, "/", 60).found) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  run_study_at(folder.path(), "every");
  std::vector<std::string> notes;
  EXPECT_EQ(maps_at(folder.path(), ReportOptions::Panels::every, &notes), 2 * 3);  // labels 20, 22 and 23, two arms
  EXPECT_TRUE(notes.empty());
  const std::string html = test::slurp(folder / "smoke/report/report.html");
  EXPECT_NE(html.find("data:image/png;base64,iVBOR"), std::string::npos);
}

TEST(Maps, SayWhatTheyNeed) {
  if (!run_program({"gnuplot", "--version"}, "/", 60).found) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  run_study_at(folder.path(), "final");
  std::vector<std::string> notes;
  EXPECT_EQ(maps_at(folder.path(), ReportOptions::Panels::every, &notes), 0);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("networks = \"every\""), std::string::npos) << notes[0];
  EXPECT_EQ(maps_at(folder.path(), ReportOptions::Panels::none), 0);
  EXPECT_EQ(maps_at(folder.path(), ReportOptions::Panels::final, &notes), 2);
  EXPECT_TRUE(notes.empty());
}

TEST(Maps, RefuseANetworkOfAnotherShape) {
  const test::TempDir folder;
  run_study_at(folder.path(), "final");
  for (const std::string& run : posix_file_system().list(folder / "smoke/runs"))
    posix_file_system().write_atomically(folder / ("smoke/runs/" + run + "/networks/iteration_0002.safetensors"),
                                         write_checkpoint({{3, 2}, std::vector<float>(8), 0, Loss::mse}));
  try {
    maps_at(folder.path(), ReportOptions::Panels::final);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("a network of 3 inputs and 2 classes"), std::string::npos) << error.what();
  }
}

TEST(Report, AStudyThatWasStoppedIsReportedFromItsJournals) {
  const test::TempDir folder;
  run_study_at(folder.path(), "none");
  posix_file_system().remove(folder / "smoke/results.csv");
  ReportOptions options;
  options.directories = {folder / "smoke"};
  options.html = options.markdown = false;
  const ReportSummary summary = write_report(posix_file_system(), options);
  EXPECT_EQ(summary.completed, 2);
}

}  // namespace
}  // namespace quarry
