// SPDX-License-Identifier: MIT
#include "src/report/maps.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

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

// What ranked last in the run, because a class has probability 0, is no number in its map either.
TEST(Maps, ScoresAreUnguardedWhereTheRunsWere) {
  Context context({}, 1);
  const Dataset data = square();
  const float points[] = {0.5f, 0, 100, 0};  // the second: logits 0 and 796
  const auto view = matrix<const float>(points, 2, 2);
  for (const char* name : {"entropy", "bald"}) {
    RunConfig config;
    config.strategy = name;
    config.mc_passes = 3;
    const auto scores = [&] { return score_points(context, config, data, steps_in_x(), 0, {0}, view); };
    EXPECT_TRUE(std::isfinite(scores()[1])) << name;
    config.log_epsilon = false;
    const std::vector<float> unguarded = scores();
    EXPECT_TRUE(std::isfinite(unguarded[0])) << name;
    EXPECT_TRUE(std::isnan(unguarded[1])) << name;
  }
}

struct Drawn {
  ReportRun run;
  MapFrame frame;
  Drawn() {
    run.request.dataset = "square";
    run.request.strategy = "entropy";
    run.rows.resize(2);
    run.rows[0].iteration = -1;
    for (std::int32_t i = 0; i < 2; ++i) run.rows[static_cast<std::size_t>(i)].len_lb = 1 + i;
    run.rows[1].idx_added = {0};
    frame.train = {2};
    frame.chosen = {0};
    frame.scores.assign(kMapSide * kMapSide, 0.3f);
    frame.surface.assign(kMapSide * kMapSide, 0.7f);
  }
  ProgramResult draw(const Dataset& data) const {
    const test::TempDir folder;
    const MapGrid grid = map_grid(data);
    posix_file_system().write_atomically(folder / "a.dat", map_data(run, data, grid, frame));
    posix_file_system().write_atomically(
        folder / "a.gp", "data = 'a.dat'\n" + png_header(330, 345, 0.3) + map_script(run, data, grid, frame));
    return run_program({"gnuplot", "-d", "a.gp"}, folder.path(), 60);
  }
};

// B10: the instance with index 0 is a point like any other.
TEST(Maps, TheFirstInstanceCanBeChosen) {
  Drawn drawn;
  const Dataset data = square();
  const std::string text = map_data(drawn.run, data, map_grid(data), drawn.frame);
  std::vector<std::string> blocks;  // two empty lines between them
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find("\n\n\n", at), text.size());
    blocks.push_back(text.substr(at, end - at));
    at = end + 3;
  }
  ASSERT_EQ(blocks.size(), 8u);
  EXPECT_EQ(blocks[5], "0 0 2188972");  // x, y and colour of instance 0, the one that is circled
  EXPECT_EQ(blocks[4], "NaN NaN 0");    // nothing was acquired before
  EXPECT_NE(blocks[1].find("0 0 2188972\n"), std::string::npos) << blocks[1];
}

// A network may diverge, or say the same everywhere: its panel is empty or plain, and the picture is drawn.
TEST(Maps, DrawnWhateverTheNetworkSays) {
  if (!run_program({"gnuplot", "--version"}, "/", 60).found) GTEST_SKIP() << "gnuplot is not installed";
  Dataset data = square();
  Drawn drawn;
  const auto drawn_well = [&](const char* what) {
    const ProgramResult result = drawn.draw(data);
    EXPECT_EQ(result.status, 0) << what << ": " << result.errors;
    EXPECT_EQ(result.errors, "") << what;
    EXPECT_EQ(result.output.substr(1, 3), "PNG") << what;
    return result.output;
  };
  const std::string constant = drawn_well("the same everywhere");
  drawn.frame.scores[77] = NAN;
  drawn.frame.surface[77] = NAN;
  drawn_well("one point is not known");
  drawn.frame.scores.assign(kMapSide * kMapSide, NAN);
  drawn.frame.surface.assign(kMapSide * kMapSide, NAN);
  for (ResultRow& row : drawn.run.rows) row.test_loss = row.test_acc = row.train_acc = row.val_acc = NAN;
  EXPECT_NE(drawn_well("nothing is a number"), constant);
  data.n_classes = 3;
  drawn_well("three classes, nothing is a number");
  drawn.frame.surface.assign(kMapSide * kMapSide, 2);
  drawn.frame.scores.clear();
  drawn.frame.no_scores = "none";
  drawn_well("three classes, no scores");
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

TEST(Maps, AFrameShowsWhatIsPickedNext) {
  const test::TempDir folder;
  run_study_at(folder.path(), "every");
  const std::vector<StudyDirectory> directories = {read_study_directory(posix_file_system(), folder / "smoke")};
  const std::vector<Setting> settings = combine(directories);
  const ReportRun& run = settings.at(0).find("entropy", "fixed")->runs.at(0);
  const RunConfig& config = *config_of(directories, run);
  const Dataset data = load_dataset(config.data);
  Context context({}, 1);
  RunFrames frames(posix_file_system(), context, run, config, data, -1);
  std::vector<std::int32_t> picks;
  for (std::size_t i = 1; i < 4; ++i) picks.push_back(run.rows.at(i).idx_added.at(0));
  for (std::int32_t i = -1; i < 3; ++i) {
    const MapFrame frame = frames.frame(i);
    const auto acquired = static_cast<std::size_t>(i + 1);
    EXPECT_EQ(frame.added, std::vector<std::int32_t>(picks.begin(), picks.begin() + i + 1));
    EXPECT_EQ(frame.chosen, std::vector<std::int32_t>{picks[std::min<std::size_t>(acquired, 2)]});
    EXPECT_EQ(frame.last, i == 2);
    EXPECT_EQ(frame.train.size() + frame.validation.size(), 20u);
  }
}

// A Keychain scores points, by a meta model that is gone.
TEST(Maps, AFrameWithoutScoresSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {{"keychain_naive", "the meta model that scored is not saved"},
                                                       {"random", "this strategy gives single points no score"},
                                                       {"entropy", ""}};
  for (const auto& [strategy, why] : cases) {
    const test::TempDir folder;
    const auto result = test::run_program(QUARRY_PROGRAM, {"run",
                                                           QUARRY_SOURCE_DIR "/configs/smoke.toml",
                                                           "--quiet",
                                                           "--out",
                                                           folder.path(),
                                                           "--set",
                                                           fmt::format("acquisition.strategy={}", strategy),
                                                           "--set",
                                                           "run.seed=0",
                                                           "--set",
                                                           "acquisition.budget=1",
                                                           "--set",
                                                           "search.mode=fixed",
                                                           "--set",
                                                           "training.epochs=2",
                                                           "--set",
                                                           "acquisition.keychain_passes=1",
                                                           "--set",
                                                           "acquisition.keychain_trials=1",
                                                           "--set",
                                                           "output.networks=every"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const std::vector<StudyDirectory> directories = {read_study_directory(posix_file_system(), folder / "smoke")};
    const std::vector<Setting> settings = combine(directories);
    const ReportRun& run = settings.at(0).find(strategy, "fixed")->runs.at(0);
    const RunConfig& config = *config_of(directories, run);
    const Dataset data = load_dataset(config.data);
    Context context({}, 1);
    RunFrames frames(posix_file_system(), context, run, config, data, -1);
    EXPECT_EQ(frames.frame(-1).no_scores, why);
  }
}

TEST(Maps, SavingNetworksChangesNoResult) {
  std::string results[3];
  for (int i = 0; i < 3; ++i) {
    const test::TempDir folder;
    const char* const kinds[] = {"none", "final", "every"};
    run_study_at(folder.path(), kinds[i]);
    results[i] = test::slurp(folder / "smoke/results.csv");
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
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
