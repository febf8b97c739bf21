// SPDX-License-Identifier: MIT
#include "src/study/config_grid.h"

#include <algorithm>
#include <unordered_map>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0;
  for (const char c : text) hash = hash_combine(hash, static_cast<unsigned char>(c));
  return hash;
}

bool in_id(const ConfigRow& row) {
  static constexpr std::string_view kNamed[] = {"data.name",      "acquisition.strategy", "search.mode",
                                                "pool.n_initial", "pool.val_share",       "run.seed"};
  return std::find(std::begin(kNamed), std::end(kNamed), row.full_name()) != std::end(kNamed);
}

[[noreturn]] void report(const ConfigProblem& problem, const std::vector<ConfigAxis>& axes, const std::string& path) {
  for (const std::string_view key : problem.keys)
    for (const ConfigAxis& axis : axes)
      if (axis.place.known() && axis.row->full_name() == key)
        usage_error("{}: {}", describe(path, axis.place), problem.message);
  usage_error("{}: {}", path, problem.message);
}

std::int64_t count_runs(const std::vector<const ConfigAxis*>& axes, const std::string& path, std::int64_t max_runs) {
  std::int64_t count = 1;
  for (const ConfigAxis* axis : axes) {
    count *= static_cast<std::int64_t>(axis->values.size());  // each factor is far below 2^32, count below 2^20
    if (count <= max_runs) continue;
    std::string sizes;
    for (const ConfigAxis* a : axes)
      sizes += fmt::format("{}{} {}", sizes.empty() ? "" : ", ", a->row->full_name(), a->values.size());
    usage_error("{}: the grid has more than {} runs (values per key: {}); split the study", path, max_runs, sizes);
  }
  return count;
}

std::string base_id(const RunConfig& run) {
  std::string id = fmt::format("{}__{}__{}", run.data.name, run.strategy, to_string(run.mode));
  id += run.n_initial < 0 ? "__nall" : fmt::format("__n{}", run.n_initial);
  return id + fmt::format("__v{}__s{}", format_exact(run.val_share), run.seed);
}

// Ids become names of directories: a long one is cut and made unique by its hash.
void shorten(std::string& id) {
  constexpr std::size_t kLongest = 120;
  if (id.size() <= kLongest) return;
  const std::uint64_t hash = hash_text(id);
  id.resize(kLongest - 19);
  id += fmt::format("__h{:016x}", hash);
}

// Hex digits of the variants' hashes: 8, or 16 if two variants share the first 8.
int hash_digits(const std::vector<StudyRun>& runs) {
  std::unordered_map<std::uint32_t, std::string_view> seen;
  for (const StudyRun& run : runs) {
    const auto [at, is_new] = seen.emplace(static_cast<std::uint32_t>(hash_text(run.variant) >> 32), run.variant);
    if (!is_new && at->second != run.variant) return 16;
  }
  return 8;
}

}  // namespace

std::vector<StudyRun> expand_grid(const ConfigDraft& draft, const std::vector<ConfigAxis>& axes,
                                  const std::string& path, std::int64_t max_runs) {
  std::vector<const ConfigAxis*> grid;  // outermost first
  const ConfigAxis* seeds = nullptr;
  for (const ConfigAxis& axis : axes) {
    if (axis.values.size() < 2) continue;
    if (axis.row->full_name() == "run.seed") {
      seeds = &axis;
    } else {
      grid.push_back(&axis);
    }
  }
  if (seeds) grid.push_back(seeds);
  const std::int64_t count = count_runs(grid, path, max_runs);

  std::vector<StudyRun> runs(static_cast<std::size_t>(count));
  ConfigDraft cell = draft;
  for (std::int64_t i = 0; i < count; ++i) {
    StudyRun& run = runs[static_cast<std::size_t>(i)];
    std::int64_t stride = count;
    for (const ConfigAxis* axis : grid) {
      const auto size = static_cast<std::int64_t>(axis->values.size());
      stride /= size;
      const ConfigValue& value = axis->values[static_cast<std::size_t>(i / stride % size)];
      axis->row->set(*axis->row, cell, value);
      if (!in_id(*axis->row))
        run.variant += fmt::format("{}{}={}", run.variant.empty() ? "" : " ", axis->row->full_name(), to_toml(value));
    }
    run.config = cell.run;
    run.id = base_id(run.config);
    if (const auto problem = check_run(run.config)) report(*problem, axes, path);
  }
  const int digits = hash_digits(runs);
  for (StudyRun& run : runs) {
    if (!run.variant.empty())
      run.id += digits == 8 ? fmt::format("__x{:08x}", hash_text(run.variant) >> 32)
                            : fmt::format("__x{:016x}", hash_text(run.variant));
    shorten(run.id);
  }
  return runs;
}

}  // namespace quarry
