// SPDX-License-Identifier: MIT
// Animations of real small studies: frames, choice of runs, refusals, and networks whose scores are no numbers.
#include "src/report/animation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "quarry/core/error.h"
#include "quarry/nn/checkpoint.h"
#include "src/report/subprocess.h"
#include "tests/report/gif_decoder.h"
#include "tests/support/program.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const std::string kEntropy = "moons__entropy__fixed__n20__v0.25__s0";
const std::string kBald = "moons__bald__fixed__n20__v0.25__s0";

bool have_gnuplot() {
  return run_program({"gnuplot", "--version"}, "/", 60).found;
}

/// Two arms of three acquisitions each.
struct Animations : ::testing::Test {
  void study(const std::string& networks) {
    const auto result = test::run_program(
        QUARRY_PROGRAM, {"run", QUARRY_SOURCE_DIR "/configs/smoke.toml", "--out", folder.path(), "--quiet", "--set",
                         "output.networks=" + networks, "--set", "acquisition.strategy=[\"entropy\",\"bald\"]", "--set",
                         "run.seed=0", "--set", "acquisition.budget=3", "--set", "search.mode=fixed", "--set",
                         "training.epochs=20", "--set", "model.dropout=0.2"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  test::ProgramResult report(std::vector<std::string> more, const std::vector<std::string>& environment = {}) {
    std::vector<std::string> arguments = {"report", folder / "smoke", "--panels", "none", "--format", "csv"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    test::ProgramOptions options;
    options.environment = environment;
    return test::run_program(QUARRY_PROGRAM, arguments, options);
  }
  std::string animation(const std::string& name) { return folder / ("smoke/report/animations/" + name); }

  test::TempDir folder;
};

TEST_F(Animations, AFramePerIterationInAGif) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  study("every");
  auto result = report({"--animate", "gif", "--animate-size", "331", "--animate-rate", "4", "--bald-passes", "3"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(posix_file_system().list(folder / "smoke/report/animations"),
            (std::vector<std::string>{kBald + ".gif", kEntropy + ".gif"}));  // and no script or data of a frame
  EXPECT_NE(result.out.find("animations/" + kEntropy + ".gif"), std::string::npos) << result.out;
  const std::string first = test::slurp(animation(kEntropy + ".gif"));
  const test::DecodedGif gif = test::decode_gif(first);
  EXPECT_EQ(gif.width, 332);  // even
  EXPECT_EQ(gif.height, 346);
  EXPECT_TRUE(gif.endless);
  EXPECT_EQ(gif.delays, (std::vector<int>{25, 25, 25, 200}));
  for (std::size_t f = 1; f < gif.frames.size(); ++f) EXPECT_NE(gif.frames[f], gif.frames[f - 1]) << "frame " << f;
  const std::vector<std::uint8_t> corner(gif.frames[0].begin(), gif.frames[0].begin() + 3);
  EXPECT_EQ(corner, (std::vector<std::uint8_t>{255, 255, 255}));

  result = report({"--animate", "gif", "--animate-size", "331", "--animate-rate", "4", "--animate-runs", kEntropy,
                   "--out", folder / "again"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(test::slurp(folder / ("again/animations/" + kEntropy + ".gif")), first);
  EXPECT_EQ(posix_file_system().list(folder / "again/animations").size(), 1u);

  result = report({"--animate", "gif", "--animate-size", "320", "--animate-runs", "all", "--animate-every", "2",
                   "--bald-passes", "0"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(test::decode_gif(test::slurp(animation(kBald + ".gif"))).frames.size(), 3u);  // 20, 22 and 23 labels
}

TEST_F(Animations, WhatCannotBeDoneIsSaidFirst) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  study("final");
  const auto refused = [&](std::vector<std::string> more, const std::string& expected,
                           const std::vector<std::string>& environment = {}) {
    const auto result = report(more, environment);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_NE(result.err.find(expected), std::string::npos) << result.err;
    EXPECT_FALSE(posix_file_system().exists(folder / "smoke/report"));
  };
  refused({"--animate", "gif"}, "no network was saved for iteration -1 of run " + kEntropy +
                                    ": maps need [output] networks = \"every\" in the config (quarry run " +
                                    (folder / "smoke") + "/config.toml --set output.networks=every --out again)");
  refused({"--animate", "gif", "--animate-runs", "moons"}, "expected first, all or a run's name, as " + kEntropy);
  refused({"--animate", "film.mov"}, "expected gif or mp4");
  refused({"--animate-rate", "7"}, "need --animate");
  refused({"--animate", "gif"}, "needs gnuplot", {"PATH=/nowhere"});
}

// The first completed run of each arm, all completed ones, or one by name, finished or not.
TEST(RunsToAnimate, FirstAllOrOne) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  std::vector<Setting> settings(1);
  for (const char* mode : {"fixed", "online_static"}) {
    Arm arm;
    for (int seed = 0; seed < 4; ++seed) {
      ReportRun run;
      run.request.run = mode + std::to_string(seed);
      run.request.iterations = {-1, 0, 1};
      run.directory = folder.path();
      for (int i = -1; i <= (seed == 0 ? 0 : 1) && seed != 3; ++i) {  // 0 is unfinished, 3 was never started
        ResultRow row;
        row.iteration = i;
        if (i >= 0) row.idx_added = {i};
        row.features_added.assign(2 * row.idx_added.size(), 0);
        run.rows.push_back(row);
        const std::string networks = folder / ("runs/" + run.request.run + "/networks");
        posix_file_system().make_directories(networks);
        posix_file_system().write_atomically(
            networks + "/iteration_" + (i < 0 ? "initial" : "000" + std::to_string(i)) + ".safetensors", "");
      }
      arm.runs.push_back(run);
    }
    settings[0].arms.push_back(arm);
  }
  const auto chosen = [&](const std::string& runs) {
    AnimationOptions options;
    options.format = AnimationOptions::Format::gif;
    options.runs = runs;
    std::string names;
    for (const ReportRun* run : runs_to_animate(posix_file_system(), options, settings))
      names += run->request.run + " ";
    return names;
  };
  EXPECT_EQ(chosen("first"), "fixed1 online_static1 ");
  EXPECT_EQ(chosen("all"), "fixed1 fixed2 online_static1 online_static2 ");
  EXPECT_EQ(chosen("fixed0"), "fixed0 ");
  EXPECT_THROW(chosen("fixed3"), Error);
  EXPECT_THROW(chosen("fixed4"), Error);
  posix_file_system().remove(folder / "runs/online_static1/networks/iteration_0001.safetensors");
  EXPECT_THROW(chosen("first"), Error);
  for (Arm& arm : settings[0].arms)
    for (ReportRun& run : arm.runs)
      for (ResultRow& row : run.rows) row.features_added.resize(3 * row.idx_added.size());
  EXPECT_THROW(chosen("first"), Error);  // nothing is left on data of two features
  EXPECT_THROW(chosen("fixed1"), Error);
}

/// A program that stands for another one on PATH.
std::string stand_in(const test::TempDir& folder, const std::string& name, const std::string& text) {
  posix_file_system().make_directories(folder / "bin");
  posix_file_system().write_atomically(folder / ("bin/" + name), "#!/bin/sh\n" + text);
  chmod((folder / ("bin/" + name)).c_str(), 0755);
  return "PATH=" + (folder / "bin") + ":/usr/bin:/bin";
}

// What ffmpeg is asked for, by a program that takes its place; the real one is an optional tool.
TEST_F(Animations, Mp4IsFfmpegsWork) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  study("every");
  const std::string frames = folder / "frames";
  std::string path = stand_in(folder, "ffmpeg",
                              "[ \"$1\" = -version ] && exit 0\n"
                              "while [ $# -gt 1 ]; do [ \"$1\" = -i ] && cp \"$2\" " +
                                  frames + "; echo \"$1\" >> " + frames + ".args; shift; done\necho film > \"$1\"\n");
  auto result = report({"--animate", "mp4", "--animate-size", "320", "--animate-runs", kEntropy}, {path});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(test::slurp(animation(kEntropy + ".mp4")), "film\n");
  EXPECT_EQ(posix_file_system().list(folder / "smoke/report/animations").size(), 1u);
  const std::string pngs = test::slurp(frames);
  std::size_t count = 0;
  for (std::size_t at = pngs.find("\x89PNG"); at != std::string::npos; at = pngs.find("\x89PNG", at + 1)) ++count;
  EXPECT_EQ(count, 4u);
  EXPECT_NE(test::slurp(frames + ".args").find("-framerate\n5\n"), std::string::npos);

  path = stand_in(folder, "ffmpeg", "[ \"$1\" = -version ] && exit 0\necho no such encoder >&2\nexit 9\n");
  result = report({"--animate", "mp4", "--animate-size", "320", "--animate-runs", kEntropy}, {path});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("no such encoder"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("exit status 9"), std::string::npos) << result.err;
  const std::string gnuplot = run_program({"sh", "-c", "command -v gnuplot"}, "/", 60).output;
  posix_file_system().make_directories(folder / "only_gnuplot");
  ASSERT_EQ(symlink(gnuplot.substr(0, gnuplot.find('\n')).c_str(), (folder / "only_gnuplot/gnuplot").c_str()), 0);
  result = report({"--animate", "mp4"}, {"PATH=" + (folder / "only_gnuplot")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("needs ffmpeg, which is not on PATH"), std::string::npos) << result.err;
}

// A diverged network is a result: its panels are empty, and the rest of the film is there.
TEST_F(Animations, ANetworkThatDivergedLeavesItsPanelsEmpty) {
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  study("every");
  const std::string network = folder / ("smoke/runs/" + kEntropy + "/networks/iteration_0001.safetensors");
  TrainedMlp<float> diverged = parse_checkpoint(test::slurp(network), network);
  std::fill(diverged.parameters.begin(), diverged.parameters.end(), kNan);
  posix_file_system().write_atomically(network, write_checkpoint(diverged));
  const auto result = report({"--animate", "gif", "--animate-size", "320", "--animate-runs", kEntropy});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const test::DecodedGif gif = test::decode_gif(test::slurp(animation(kEntropy + ".gif")));
  ASSERT_EQ(gif.frames.size(), 4u);
  const auto white = [&](std::size_t frame) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < gif.frames[frame].size(); i += 3)
      count += gif.frames[frame][i] == 255 && gif.frames[frame][i + 1] == 255 && gif.frames[frame][i + 2] == 255;
    return count;
  };
  EXPECT_GT(white(2), white(1) + 25000);  // of three maps of 118 x 118 pixels
  EXPECT_GT(white(2), white(3) + 25000);
}

}  // namespace
}  // namespace quarry
