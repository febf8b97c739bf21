// SPDX-License-Identifier: MIT
// quarry run CONFIG.toml: runs a study, or continues it.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/json.h"
#include "quarry/data/data_table.h"
#include "quarry/data/describe.h"
#include "quarry/data/images.h"
#include "quarry/study/environment.h"
#include "quarry/study/plan.h"
#include "quarry/study/runner.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"
#include "src/cli/worker.h"
#include "src/core/device_failure.h"
#include "src/study/study_runner.h"

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
  bool plan = false, quiet = false, json = false, no_graphs = false;
};

void parse_shard(const std::string& text, RunOptions& options) {
  if (text.empty()) return;
  int i = 0, n = 0, used = 0;  // shard_runs checks the range
  if (std::sscanf(text.c_str(), "%d/%d%n", &i, &n, &used) != 2 || used != static_cast<int>(text.size()))
    usage_error("--shard '{}': expected i/n with 1 <= i <= n, for example 1/2", text);
  options.shard = i;
  options.shards = n;
}

/// The report that a study is for: searches on frozen sets have tables of their own, where there are cells to fill
/// them.
std::string next_command(const StudyConfig& study, const std::string& directory) {
  const bool searches = std::all_of(study.runs.begin(), study.runs.end(),
                                    [](const StudyRun& run) { return run.config.mode == Mode::frozen_set; });
  const bool has_cells = posix_file_system().is_directory(directory + "/cells");
  return fmt::format("quarry report {}{}", searches && has_cells ? "--study hyperparameter " : "", directory);
}

void print_summary(const StudyConfig& study, const RunOptions& options, const RunSummary& summary) {
  if (summary.runs == 0)
    return print("shard {}/{} has no runs: the study has {} in all\n", options.shard, options.shards,
                 study.runs.size());
  if (summary.resumed > 0) print("{} of {} runs continued from their journals\n", summary.resumed, summary.runs);
  if (summary.diverged > 0)
    print("{} of {} runs had a network that diverged; they are kept and marked\n", summary.diverged, summary.runs);
  if (summary.by_position > 0)
    print(
        "{} picks were made by position: all distances that were left were zero or not finite (notes.json of the "
        "cells, docs/formats.md)\n",
        summary.by_position);
  if (summary.failed > 0)
    print("{} of {} runs were left out: the GPU failed in them ({}/failed_runs.txt)\n", summary.failed, summary.runs,
          summary.directory);
  if (summary.interrupted)
    print("stopped: {} of {} runs finished; the same command continues from here\n", summary.finished, summary.runs);
  else
    print("{} runs finished: {}/results.csv\nnext: {}\n", summary.finished, summary.directory,
          next_command(study, summary.directory));
}

bool trains_images(const StudyConfig& study) {
  return std::any_of(study.runs.begin(), study.runs.end(),
                     [](const StudyRun& run) { return run.config.network != NetworkKind::mlp; });
}

std::string device_text(Device device) {
  return fmt::format("{}: {}", to_string(device), gpu_text(gpu::device_info(device.ordinal)));
}

void print_plan(const StudyConfig& study, const RunOptions& options) {
  const bool images = trains_images(study);
  const auto size_of = [images, &options](const DataConfig& config) {
    if (images) {
      bool published = false;
      const ImageSetSize set = image_set_size(config, published);
      if (published)
        options.note(fmt::format("the files of {} are not here: its published size is taken", config.name));
      return DataSize{set.train, set.test, static_cast<std::int32_t>(set.shape.pixels()), set.classes, set.shape};
    }
    const Dataset data = load_dataset(config);
    for (const std::string& line : warning_lines(data)) options.note(line);
    return DataSize{data.train.n, data.test.n, data.n_features, data.n_classes, {}};
  };
  Context context({}, options.workers);  // the estimate is for the CPU
  PlanMachine machine;
  machine.workers = context.pool().workers();
  machine.fleet = fleet_width(options);
  machine.memory = machine_info().memory_bytes;
  const std::vector<const StudyRun*> runs = shard_runs(study, options.shard, options.shards);
  if (options.device.kind == DeviceKind::cuda) {
    machine.device = device_text(options.device);
    for (const StudyRun* run : runs) refuse_on_device(*run);
  }
  std::optional<DataSize> first;  // of the first run
  const auto seen_size_of = [&](const DataConfig& config) {
    const DataSize size = size_of(config);
    if (!first) first = size;
    return size;
  };
  const Plan plan = plan_study(study, seen_size_of, machine, options.shard, options.shards);
  put(plan_text(first ? at_rate(plan, measure_gflops(context, runs.front()->config, *first)) : plan));
}

/// Ends by the signal itself, so that the caller sees what happened.
[[noreturn]] void end_by(int signal) {
  std::fflush(stdout);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  fail("stopped by signal {}", signal);
}

int run_here(const StudyConfig& study, RunOptions options, const RunArguments& arguments) {
  options.stop = &stop_requested;
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const RunSummary summary = run_study(posix_file_system(), study, options);
  if (!arguments.quiet) print_summary(study, options, summary);
  if (summary.interrupted) end_by(stop_signal);
  if (summary.failed > 0)
    fail("the GPU failed in {} of {} runs; the others are finished, and the same command tries these again",
         summary.failed, summary.runs);
  return 0;
}

int run_as_worker(const StudyConfig& study, RunOptions options, const RunArguments& arguments, WorkerRole role) {
  options.takes_over = role != WorkerRole::first;
  options.alone = role == WorkerRole::alone;
  try {
    return run_here(study, options, arguments);
  } catch (const gpu::Failure& failure) {
    if (!failure.sticky()) throw;
    put_error(failure.what());
    return gpu::is_device_loss(failure.code()) ? kDeviceLost : kKernelFailed;
  }
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  return arguments;
}

/// As --quiet and --json have it.
void note(const RunArguments& arguments, const std::string& text) {
  if (arguments.quiet) return;
  put_note(arguments.json ? Json::object().set("event", "note").set("text", text).dump() : text);
}

int run_in_worker(const StudyConfig& study, const RunOptions& options, const RunArguments& arguments) {
  ChildEnd end;
  int stopped_by = 0;
  {
    WorkerProcess worker("/proc/self/exe", own_arguments());
    const std::string directory = study_directory(options.out, study.study, options.shard, options.shards);
    Supervisor supervisor({[&](WorkerRole role) { return worker.run(role); }, [&] { return study_state(directory); },
                           [&] { return worker.stop_signal() != 0; },
                           [&](const std::string& text) { note(arguments, text); }});
    end = supervisor.run();
    stopped_by = worker.stop_signal();
  }
  const bool lost = end.exit_code == kKernelFailed || end.exit_code == kDeviceLost;
  if (stopped_by != 0 && (lost || end.signal == SIGINT || end.signal == SIGTERM)) end_by(stopped_by);
  if (end.signal != 0)
    fail("the process that runs the study was ended by signal {}; the same command continues", end.signal);
  return end.exit_code;
}

void say_where(const RunArguments& arguments, Device device) {
  if (device.kind == DeviceKind::cuda)
    note(arguments, fmt::format("running on {}", device_text(device)));
  else if (arguments.device == "auto")
    note(arguments, fmt::format("running on the CPU: {}", why_no_cuda()));
}

int execute(const RunArguments& arguments) {
  const std::optional<WorkerRole> role = worker_role();
  if (role) die_with_parent();
  const StudyConfig study = load_study(arguments.config, arguments.overrides);
  RunOptions options = arguments.options;
  options.device = parse_device(role && arguments.device == "auto" ? "cuda" : arguments.device);
  options.graphs = !arguments.no_graphs;
  options.progress = arguments.quiet  ? ProgressMode::quiet
                     : arguments.json ? ProgressMode::json
                                      : ProgressMode::automatic;
  options.note = [&](const std::string& text) { note(arguments, text); };
  parse_shard(arguments.shard, options);
  if (!role)
    for (const std::string& line : study.notes) options.note(line);
  if (arguments.plan) {
    print_plan(study, options);
    return 0;
  }
  if (role) return run_as_worker(study, options, arguments, *role);
  say_where(arguments, options.device);
  return options.device.kind == DeviceKind::cuda ? run_in_worker(study, options, arguments)
                                                 : run_here(study, options, arguments);
}

}  // namespace

void add_run_command(Command& program) {
  auto arguments = std::make_shared<RunArguments>();
  Command run = program.add("run", "Run a study, or continue it: the same command again repeats nothing that is done",
                            "quarry run configs/smoke.toml --set run.seed=[0,1,2] --out results");
  run.option("CONFIG", arguments->config, "The study, a TOML file (every key: docs/config.md)", true);
  run.option("--set", arguments->overrides, "Override a key, section.key=value; may be repeated");
  run.option("--out", arguments->options.out, "Folder for results (default: results)");
  run.option("--device", arguments->device, "auto, cpu, cuda or cuda:1 (default: auto, a GPU if one can be used)");
  run.option("--workers", arguments->options.workers, "Worker threads; 0 = one per core (default)", 0, 1024);
  run.option("--fleet", arguments->options.fleet, "Runs advanced in lock step; 0 = all, at most 256 (default)", 0, 256);
  run.option("--shard", arguments->shard, "Part i of n, as 1/2; shards write separate folders, report reads them all");
  run.flag("--profile", arguments->options.profile,
           "On a GPU, perceptrons: mark one acquisition cycle for nsys and ncu (docs/profiling.md)");
  run.flag("--no-graphs", arguments->no_graphs, "On a GPU: single launches instead of CUDA graphs, same results");
  run.flag("--plan", arguments->plan, "Print cost, memory and statistical power, and stop");
  run.flag("--quiet", arguments->quiet, "Print nothing but errors");
  run.flag("--json", arguments->json, "Progress as JSON lines on standard error");
  run.action([arguments] { return execute(*arguments); });
}

}  // namespace quarry::cli
