// SPDX-License-Identifier: MIT
// The program as its users meet it: help, exit codes, messages, odd arguments, odd standard streams.
#include "tests/support/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace quarry::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::vector<std::string>> kCommands = {
    {"run"},          {"report"},        {"compare"},           {"list"},  {"data"},
    {"data", "info"}, {"data", "fetch"}, {"data", "synthetic"}, {"doctor"}};

ProgramResult quarry(const std::vector<std::string>& arguments, const ProgramOptions& options = {}) {
  return run_program(QUARRY_PROGRAM, arguments, options);
}

ProgramResult quarry_in(const std::string& directory, const std::vector<std::string>& arguments) {
  ProgramOptions options;
  options.directory = directory;
  return quarry(arguments, options);
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::string& last) {
  arguments.push_back(last);
  return arguments;
}

bool has_control_bytes(const std::string& text) {
  for (const char c : text) {
    if (c != '\n' && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) return true;
  }
  return false;
}

TEST(Program, EveryHelpShowsAnExample) {
  for (const auto& command : kCommands) {
    for (const char* option : {"--help", "-h"}) {
      const ProgramResult result = quarry(with(command, option));
      EXPECT_EQ(result.exit_code, 0) << command.front();
      EXPECT_THAT(result.out, HasSubstr("Example:\n  quarry " + command.front())) << command.front();
      EXPECT_EQ(result.err, "");
    }
  }
}

TEST(Program, ItsOwnHelpListsTheCommands) {
  const ProgramResult result = quarry({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  for (const auto& command : kCommands) EXPECT_THAT(result.out, HasSubstr("\n  " + command.front() + " "));
  EXPECT_THAT(result.out, HasSubstr("Example:\n  quarry run"));
}

TEST(Program, VersionIsOneLine) {
  const ProgramResult result = quarry({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("quarry 0."));
  EXPECT_EQ(result.out.find('\n'), result.out.size() - 1);
}

TEST(Program, NoCommandIsBadUsage) {
  const ProgramResult result = quarry({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("quarry: error: "));
  EXPECT_THAT(result.err, HasSubstr("quarry --help"));
}

TEST(Program, UnknownNamesGetSuggestions) {
  struct Case {
    std::vector<std::string> arguments;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"rnu"}, "quarry has no command 'rnu'. Did you mean 'run'?"},
      {{"reprot", "x"}, "quarry has no command 'reprot'. Did you mean 'report'?"},
      {{"xyzzy"}, "quarry has no command 'xyzzy'. The commands are run, report, compare, list, data, doctor."},
      {{"--versoin"}, "quarry has no option '--versoin'. Did you mean '--version'?"},
      {{"data", "inf"}, "quarry data has no command 'inf'. Did you mean 'info'?"},
      {{"data"}, "quarry data needs a command: info, fetch, synthetic, import-config."},
      {{"doctor", "--hlep"}, "quarry doctor has no option '--hlep'. Did you mean '--help'?"},
      {{"doctor", "now"}, "quarry doctor has no use for the argument 'now'."},
      {{"list", "strategy"}, "quarry list knows no 'strategy'. Did you mean 'strategies'?"},
      {{"list", ""}, "quarry list: KIND: "},
      {{"run"}, "quarry run: "},
      {{"report"}, "quarry report: "},
      {{"data", "info"}, "quarry data info: "},
  };
  for (const Case& c : cases) {
    const ProgramResult result = quarry(c.arguments);
    EXPECT_EQ(result.exit_code, 2) << c.message;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("quarry: error: " + c.message));
  }
}

TEST(Program, AnEmptyTextIsNoFolderNoFileAndNoValue) {
  const TempDir folder;
  const std::string config = std::string(QUARRY_SOURCE_DIR) + "/configs/smoke.toml";
  struct Case {
    std::vector<std::string> arguments;
    std::string name;
  };
  const std::vector<Case> cases = {
      {{"run", config, "--out", ""}, "--out"},
      {{"run", config, "--device", ""}, "--device"},
      {{"run", config, "--shard", ""}, "--shard"},
      {{"run", config, "--set", ""}, "--set"},
      {{"run", ""}, "CONFIG"},
      {{"report", ""}, "DIR"},
      {{"report", folder.path(), "--out", ""}, "--out"},
      {{"compare", "", folder.path()}, "OURS"},
      {{"data", "info", ""}, "NAME|FILE"},
      {{"data", "info", "x.csv", "--test", ""}, "--test"},
      {{"data", "info", "cifar10", "--path", ""}, "--path"},
      {{"data", "fetch", "cifar10", "--to", ""}, "--to"},
      {{"data", "synthetic", "cifar10", "--to", ""}, "--to"},
      {{"data", "import-config", ""}, "FILE"},
  };
  for (const Case& c : cases) {
    const ProgramResult result = quarry_in(folder.path(), c.arguments);
    EXPECT_EQ(result.exit_code, 2) << c.arguments[0] << " " << c.name;
    EXPECT_THAT(result.err, HasSubstr(": " + c.name + ": expected a value, got an empty text"));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << c.name;
  }
}

TEST(Program, HostileArgumentsAreRefusedAndLeaveNothing) {
  const TempDir folder;
  const std::vector<std::string> hostile = {
      "-",
      "---",
      "--=",
      "-=",
      "=",
      "--a=b=c",
      "--no-such\x1b[2J",
      "\x1b]0;title\x07",
      "\xff\xfe\xc2\x9b",
      "%n",
      "{}{0:1}",
      "a\nb",
      "a\tb",
      "'\"",
      "$(echo x)",
      "../../x",
      std::string(100000, 'a'),
      "@x",
      "-12",
      "--1e5",
      "/////",
      "[x]",
      "--run",
      std::string(500, '-'),
  };
  for (const std::string& text : hostile) {
    for (const auto& command : std::vector<std::vector<std::string>>{{}, {"doctor"}, {"data"}, {"list"}}) {
      const ProgramResult result = quarry_in(folder.path(), with(command, text));
      EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(text.substr(0, 40));
      EXPECT_THAT(result.err, StartsWith("quarry: error: "));
      EXPECT_FALSE(has_control_bytes(result.err)) << testing::PrintToString(result.err);
      EXPECT_LT(result.err.size(), 5000u);
      EXPECT_EQ(result.out, "");
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Program, LostOutputIsAFailureAndALeftReaderIsNot) {
  ProgramOptions options;
  options.standard_output = Stdout::full_disk;
  ProgramResult result = quarry({"list", "strategies"}, options);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot write to standard output: No space left on device"));

  options.standard_output = Stdout::closed;
  result = quarry({"list", "strategies"}, options);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot write to standard output"));

  options.standard_output = Stdout::broken_pipe;
  result = quarry({"list", "strategies"}, options);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");

  options.standard_output = Stdout::closed;
  result = quarry({"rnu"}, options);
  EXPECT_EQ(result.exit_code, 2);  // the first error counts
}

TEST(Program, AStudyOutlivesItsReaders) {
  const TempDir folder;
  const std::vector<std::string> arguments = {"run", std::string(QUARRY_SOURCE_DIR) + "/configs/smoke.toml", "--set",
                                              "acquisition.budget=1"};
  ProgramOptions options;
  options.directory = folder.path();
  options.error_closed = true;
  options.standard_output = Stdout::broken_pipe;
  const ProgramResult result = quarry(arguments, options);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(slurp(folder / "results/smoke/results.csv"), "");
}

TEST(Program, ListKnowsEveryTable) {
  struct Case {
    std::string kind, name;
  };
  for (const Case& c : std::vector<Case>{{"strategies", "entropy"},
                                         {"datasets", "moons"},
                                         {"models", "mlp"},
                                         {"samplers", "tpe"},
                                         {"pruners", "median"},
                                         {"studies", "configs/smoke.toml"}}) {
    const ProgramResult result = quarry_in(QUARRY_SOURCE_DIR, {"list", c.kind});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT("\n" + result.out, HasSubstr("\n" + c.name + " "));
    const ProgramResult all = quarry_in(QUARRY_SOURCE_DIR, {"list"});
    EXPECT_THAT(all.out, HasSubstr(c.kind + ":\n"));
    EXPECT_THAT(all.out, HasSubstr(result.out));
  }
}

TEST(Program, ListAwayFromItsStudiesListsTheRest) {
  const TempDir folder;
  const std::string program = folder / "quarry";
  std::filesystem::copy_file(QUARRY_PROGRAM, program);
  ProgramOptions there;
  there.directory = folder.path();
  const ProgramResult all = run_program(program, {"list"}, there);
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("pruners:\n"));
  EXPECT_THAT(all.out, HasSubstr("studies:\ncannot list the studies in "));
  EXPECT_EQ(run_program(program, {"list", "studies"}, there).exit_code, 1);
}

TEST(Program, ItsHelpNamesEveryExitCode) {
  const std::string help = quarry({"--help"}).out;
  for (const char* code : {"0 done", "1 failed", "2 bad usage", "3 device", "129", "130", "143"})
    EXPECT_THAT(help, HasSubstr(code));
}

TEST(Program, EveryListedStudyIsAWholeConfig) {
  const std::string folder = std::string(QUARRY_SOURCE_DIR) + "/configs";
  int studies = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    ++studies;
    ProgramOptions without_data;
    without_data.environment = {"QUARRY_DATA"};
    std::vector<std::string> command = {"run", entry.path().string(), "--plan"};
    const bool residual = entry.path().parent_path().filename() == "hyperparameter_study";
    if (residual) command.insert(command.end(), {"--set", "model.network=resnet8"});  // a plan measures its network
    const ProgramResult result = quarry(command, without_data);
    if (result.err.find("QUARRY_DATA") != std::string::npos) continue;  // understood; only its files are not here
    EXPECT_EQ(result.exit_code, 0) << entry.path() << ": " << result.err;
    EXPECT_THAT(result.out, HasSubstr("runs"));
  }
  EXPECT_GE(studies, 1);
}

TEST(Program, DoctorSaysWhatIsThereAndWhatToDo) {
  ProgramOptions options;
  options.environment = {"QUARRY_DATA=/no/such/folder", "QUARRY_SIMD=portable", "PATH=/no/such/folder"};
  ProgramResult result = quarry({"doctor"}, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* text :
       {"ok       quarry", "ok       CUDA           O", "ok       CPU", "ok       memory", "portable is used", "GPU",
        " cuDNN          ", "missing  QUARRY_DATA    /no/such/folder is not a folder", "missing  gnuplot",
        "apt-get install gnuplot-nox", "Fashion-MNIST", "GiB free"}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
  options.environment = {"QUARRY_SIMD=mmx"};
  result = quarry({"doctor"}, options);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, HasSubstr("broken   SIMD"));
}

TEST(Program, AnUnknownRoleOfAWorkerIsBadUsage) {
  ProgramOptions options;
  options.environment = {"QUARRY_WORKER=boss"};
  const ProgramResult result =
      quarry({"run", std::string(QUARRY_SOURCE_DIR) + "/configs/smoke.toml", "--device", "cpu"}, options);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("expected first, takeover or alone"));
}

TEST(Program, UnavailableDeviceIsExitCodeThree) {
  const TempDir folder;
  const ProgramResult result =
      quarry_in(folder.path(), {"run", std::string(QUARRY_SOURCE_DIR) + "/configs/smoke.toml", "--device", "cuda:0"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("--device cpu"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace quarry::test
