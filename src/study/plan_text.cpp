// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "quarry/core/error.h"
#include "quarry/study/plan.h"

namespace quarry {
namespace {

std::string bytes_text(std::int64_t bytes) {
  const double mib = static_cast<double>(bytes) / (1 << 20);
  return mib < 1024 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

std::string time_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", std::max(1.0, seconds));
  if (seconds < 100 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return seconds < 100 * 3600.0 ? fmt::format("{:.1f} h", seconds / 3600) : fmt::format("{:.1f} days", seconds / 86400);
}

std::string row_text(std::string_view data, std::string_view mode, const RunCost& cost) {
  return fmt::format("{:<20} {:<17} {:>7} {:>10} {:>14.3f} {:>9.3f} {:>13.3f}\n", data, mode, cost.runs, cost.fits,
                     static_cast<double>(cost.steps) / 1e6, (cost.training_flops + cost.scoring_flops) / 1e12,
                     static_cast<double>(cost.sequential_steps) / 1e6);
}

std::string packing_text(const Plan& plan) {
  const std::int64_t fleet = std::min<std::int64_t>(plan.machine.fleet, plan.total.runs);
  const std::string of = fleet < plan.total.runs ? fmt::format(" of {}", plan.total.runs) : "";
  return fmt::format(
      "Packing: {}{} runs side by side; a wave trains up to {} networks in start-up trials, {} afterwards.\n", fleet,
      of, plan.total.startup_members, plan.total.members);
}

std::string estimate_text(const Plan& plan) {
  const PlanMachine& machine = plan.machine;
  const bool measured = machine.gflops > 0;
  std::string out = fmt::format("Time: about {} on this CPU, {} {} at {:.1f} GFLOP/s each ({}).\n",
                                time_text(plan.seconds), machine.workers, machine.workers == 1 ? "worker" : "workers",
                                measured ? machine.gflops : kAssumedGflops,
                                measured ? "measured on this machine" : "assumed, not measured");
  if (!machine.device.empty())
    out += fmt::format("The study would run on {}, for which there is no estimate.\n", machine.device);
  return out;
}

std::string seeds_text(const Plan& plan) {
  constexpr double kAlpha = 0.05, kPower = 0.8;
  const std::int64_t pairs = plan.strategies * (plan.strategies - 1) / 2;
  std::string out = fmt::format(
      "Seeds: {}. To find a difference of 1 point between two strategies, paired by seed, with 80 % power\n"
      "(two-sided t test at 5 %), takes, by the standard deviation of the differences:\n"
      "  sd in points      one pair",
      plan.seeds);
  if (pairs > 1) out += fmt::format("   all {} pairs (Bonferroni)", pairs);
  for (const double sd : {0.5, 1.0, 2.0}) {
    out += fmt::format("\n  {:<12.1f} {:>13}", sd, pairs_needed(1, sd, kAlpha, kPower));
    if (pairs > 1) out += fmt::format(" {:>12}", pairs_needed(1, sd, kAlpha / static_cast<double>(pairs), kPower));
  }
  return out + "\n";
}

}  // namespace

std::string plan_text(const Plan& plan) {
  const PlanMachine& machine = plan.machine;
  const std::string part = plan.shards == 1 ? "" : fmt::format(", shard {} of {}", plan.shard, plan.shards);
  std::string out = fmt::format("Plan of study '{}'{}: {} runs\n\n", plan.study, part, plan.total.runs);
  if (plan.total.runs == 0) return out + "The study has fewer runs than shards: this one has nothing to do.\n";
  out += fmt::format("{:<20} {:<17} {:>7} {:>10} {:>14} {:>9} {:>13}\n", "data set", "mode", "runs", "fits",
                     "steps (10^6)", "TFLOP", "longest run");
  for (const PlanGroup& group : plan.groups) out += row_text(group.data, to_string(group.mode), group.cost);
  if (plan.groups.size() > 1) out += row_text("all", "", plan.total);
  out +=
      "\nUpper bounds: no trial is pruned, no tuning is shared between strategies; searched networks are counted as\n"
      "the average of their space. \"Longest run\": steps (10^6) that wait for each other in one run.\n\n";
  out += packing_text(plan);
  if (plan.total.image_passes > 0)
    out += fmt::format("Training passes of an image: {:.4g} million; test, candidates and validation come on top.\n",
                       static_cast<double>(plan.total.image_passes) / 1e6);
  const PlanMemory& m = plan.memory;
  out += fmt::format("Memory: about {} (data {}, {} workers {}, networks {}, scores {}, records {}).\n",
                     bytes_text(m.total()), bytes_text(m.data), machine.workers, bytes_text(m.workers),
                     bytes_text(m.networks), bytes_text(m.scores), bytes_text(m.records));
  if (machine.memory > 0 && static_cast<std::uint64_t>(m.total()) > machine.memory)
    out += fmt::format("This machine has {}: it may run out of memory; use fewer --workers, or a smaller --fleet.\n",
                       bytes_text(static_cast<std::int64_t>(machine.memory)));
  if (m.device.network > 0) {
    out += fmt::format(
        "GPU memory, with --device cuda: images {}; {}{} for each network in training, of which as many train side by\n"
        "side as there is room for ({} at most are ready together); {} of each stays until it is tested and has "
        "chosen, which\n"
        "takes {}, one after the other.\n",
        bytes_text(m.device.data),
        m.device.workspace > 0 ? fmt::format("{} for workspaces of cuDNN; ", bytes_text(m.device.workspace)) : "",
        bytes_text(m.device.network), plan.total.startup_members, bytes_text(m.device.parameters),
        bytes_text(m.device.scoring));
  }
  return out + estimate_text(plan) + "\n" + seeds_text(plan);
}

}  // namespace quarry
