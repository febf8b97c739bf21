// SPDX-License-Identifier: MIT
// quarry run CONFIG.toml: runs a study, or continues it.
#include <fmt/core.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/data/data_table.h"
#include "quarry/study/plan.h"
#include "quarry/study/runner.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};

extern "C" void request_stop(int signal) {
  stop_signal = signal;
  stop_requested = true;
  std::signal(signal, SIG_DFL);  // a second signal ends the program at once; committed work is safe anyway
}

struct RunArguments {
  std::string config, device = "auto", shard;
  std::vector<std::string> overrides;
  RunOptions options;
  bool plan = false, quiet = false, json = false;
};

void parse_shard(const std::string& text, RunOptions& options) {
  if (text.empty()) return;
  int i = 0, n = 0, used = 0;  // run_study checks the range
  if (std::sscanf(text.c_str(), "%d/%d%n", &i, &n, &used) != 2 || used != static_cast<int>(text.size()))
    usage_error("--shard '{}': expected i/n with 1 <= i <= n, for example 1/2", text);
  options.shard = i;
  options.shards = n;
}

void print_summary(const RunSummary& summary) {
  if (summary.resumed > 0) print("{} of {} runs continued from their journals\n", summary.resumed, summary.runs);
  if (summary.diverged > 0)
    print("{} of {} runs had a network that diverged; they are kept and marked\n", summary.diverged, summary.runs);
  if (summary.interrupted)
    print("stopped: {} of {} runs finished; the same command continues from here\n", summary.finished, summary.runs);
  else
    print("{} runs finished: {}/results.csv\nnext: quarry report {}\n", summary.finished, summary.directory,
          summary.directory);
}

void print_plan(const StudyConfig& study, const RunOptions& options) {
  const auto size_of = [](const DataConfig& config) {
    const Dataset data = load_dataset(config);
    return DataSize{data.train.n, data.test.n, data.n_features, data.n_classes};
  };
  Context context(options.device, options.workers);
  PlanMachine machine;
  machine.workers = context.pool().workers();
  const RunConfig& first = study.runs.front().config;
  machine.gflops = measure_gflops(context, first, size_of(first.data));
  put(plan_text(plan_study(study, size_of, machine)));
}

int execute(const RunArguments& arguments) {
  const StudyConfig study = load_study(arguments.config, arguments.overrides);
  RunOptions options = arguments.options;
  options.device = parse_device(arguments.device);
  parse_shard(arguments.shard, options);
  if (arguments.plan) {
    print_plan(study, options);
    return 0;
  }
  const std::string no_cuda = why_no_cuda();
  if (arguments.device == "auto" && !arguments.quiet && !no_cuda.empty())
    put_note(fmt::format("running on the CPU: {}", no_cuda));
  options.progress = arguments.quiet  ? ProgressMode::quiet
                     : arguments.json ? ProgressMode::json
                                      : ProgressMode::automatic;
  options.stop = &stop_requested;
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const RunSummary summary = run_study(posix_file_system(), study, options);
  if (!arguments.quiet) print_summary(summary);
  if (summary.interrupted) {  // end by the signal itself, so that the caller sees what happened
    std::fflush(stdout);
    std::signal(stop_signal, SIG_DFL);
    std::raise(stop_signal);
  }
  return 0;
}

}  // namespace

void add_run_command(Command& program) {
  auto arguments = std::make_shared<RunArguments>();
  Command run = program.add("run", "Run a study, or continue it: the same command again repeats nothing that is done",
                            "quarry run configs/smoke.toml --set run.seed=[0,1,2] --out results");
  run.option("CONFIG", arguments->config, "The study, a TOML file (every key: docs/config.md)", true);
  run.option("--set", arguments->overrides, "Override a key, section.key=value; may be repeated");
  run.option("--out", arguments->options.out, "Folder for results (default: results)");
  run.option("--device", arguments->device, "auto, cpu or cuda:0 (default: auto)");
  run.option("--workers", arguments->options.workers, "Worker threads; 0 = one per core (default)", 0, 1024);
  run.option("--fleet", arguments->options.fleet, "Runs advanced in lock step; 0 = all, at most 256 (default)", 0, 256);
  run.option("--shard", arguments->shard, "Part i of n, as 1/2; shards write separate folders, report reads them all");
  run.flag("--plan", arguments->plan, "Print cost, memory and statistical power, and stop");
  run.flag("--quiet", arguments->quiet, "Print nothing but errors");
  run.flag("--json", arguments->json, "Progress as JSON lines on standard error");
  run.action([arguments] { return execute(*arguments); });
}

}  // namespace quarry::cli
