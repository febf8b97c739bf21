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

// Axes that are walked side by side; most are alone.
using AxisGroup = std::vector<const ConfigAxis*>;

std::size_t size_of(const AxisGroup& group) {
  return group.front()->values.size();
}

std::int64_t count_runs(const std::vector<AxisGroup>& groups, const std::string& path, std::int64_t max_runs) {
  std::int64_t count = 1;
  for (const AxisGroup& group : groups) {
    count *= static_cast<std::int64_t>(size_of(group));  // each factor is far below 2^32, count below 2^20
    if (count <= max_runs) continue;
    std::string sizes;
    for (const AxisGroup& each : groups)
      for (const ConfigAxis* axis : each)
        sizes += fmt::format("{}{} {}", sizes.empty() ? "" : ", ", axis->row->full_name(), axis->values.size());
    usage_error("{}: the grid has more than {} runs (values per key: {}); split the study", path, max_runs, sizes);
  }
  return count;
}

// The keys that `together` names. Errors: usage, for keys that are none, are named twice or cannot be lists.
std::vector<const ConfigRow*> keys_together(const std::string& text, const std::string& where) {
  std::vector<const ConfigRow*> rows;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, comma - begin);
    std::erase(name, ' ');
    begin = comma + 1;
    const std::size_t dot = name.find('.');
    const ConfigRow* row =
        dot == std::string::npos ? nullptr : find_config_row(name.substr(0, dot), name.substr(dot + 1));
    if (row == nullptr)
      usage_error("{}: together: there is no key '{}'; write section.name, as model.lr", where, printable(name));
    if (row->study_wide) usage_error("{}: together: {} has one value per study", where, name);
    if (std::find(rows.begin(), rows.end(), row) != rows.end())
      usage_error("{}: together: {} is named twice", where, name);
    rows.push_back(row);
  }
  if (rows.size() == 1) usage_error("{}: together: needs two keys or more, got '{}'", where, printable(text));
  return rows;
}

// Values, or tuples of values, that are there twice: runs would repeat.
void refuse_repeats(const AxisGroup& group, const std::string& path) {
  std::vector<std::string> texts(size_of(group));
  for (std::size_t i = 0; i < texts.size(); ++i)
    for (const ConfigAxis* axis : group)
      texts[i] += fmt::format("{}{}", texts[i].empty() ? "" : ", ", to_toml(axis->values[i]));
  std::sort(texts.begin(), texts.end());
  const auto twice = std::adjacent_find(texts.begin(), texts.end());
  if (twice == texts.end()) return;
  std::string keys;
  for (const ConfigAxis* axis : group) keys += fmt::format("{}{}", keys.empty() ? "" : ", ", axis->row->full_name());
  usage_error("{}: {}: {} is in the list twice; runs would repeat", describe(path, group.front()->value_place), keys,
              *twice);
}

// The grid, outermost first: groups in the order of their first axis, seeds innermost.
std::vector<AxisGroup> group_axes(const std::vector<ConfigAxis>& axes, const std::string& together,
                                  const std::string& path) {
  std::string where = path;
  for (const ConfigAxis& axis : axes)
    if (axis.row->full_name() == "together") where = describe(path, axis.place);
  const std::vector<const ConfigRow*> rows = keys_together(together, where);
  std::vector<AxisGroup> groups;
  AxisGroup side_by_side, seeds;
  std::size_t place = 0;
  for (const ConfigAxis& axis : axes) {
    if (std::find(rows.begin(), rows.end(), axis.row) != rows.end()) {
      if (side_by_side.empty()) place = groups.size();
      side_by_side.push_back(&axis);
    } else if (axis.values.size() >= 2) {
      (axis.row->full_name() == "run.seed" ? seeds : groups.emplace_back()).push_back(&axis);
    }
  }
  for (const ConfigAxis* axis : side_by_side)
    if (axis->values.size() != size_of(side_by_side))
      usage_error("{}: together: {} has {} values and {} has {}; they are walked side by side", where,
                  side_by_side.front()->row->full_name(), size_of(side_by_side), axis->row->full_name(),
                  axis->values.size());
  const auto holds_seeds = [](const ConfigAxis* axis) { return axis->row->full_name() == "run.seed"; };
  if (!side_by_side.empty() && size_of(side_by_side) >= 2) {
    const bool innermost = std::any_of(side_by_side.begin(), side_by_side.end(), holds_seeds);
    groups.insert(innermost ? groups.end() : groups.begin() + static_cast<std::ptrdiff_t>(place), side_by_side);
  }
  if (!seeds.empty()) groups.push_back(seeds);
  for (const AxisGroup& group : groups) refuse_repeats(group, path);
  return groups;
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
  const std::vector<AxisGroup> grid = group_axes(axes, draft.together, path);
  const std::int64_t count = count_runs(grid, path, max_runs);

  std::vector<StudyRun> runs(static_cast<std::size_t>(count));
  ConfigDraft cell = draft;
  for (std::int64_t i = 0; i < count; ++i) {
    StudyRun& run = runs[static_cast<std::size_t>(i)];
    std::int64_t stride = count;
    for (const AxisGroup& group : grid) {
      const auto size = static_cast<std::int64_t>(size_of(group));
      stride /= size;
      for (const ConfigAxis* axis : group) {
        const ConfigValue& value = axis->values[static_cast<std::size_t>(i / stride % size)];
        axis->row->set(*axis->row, cell, value);
        if (!in_id(*axis->row))
          run.variant += fmt::format("{}{}={}", run.variant.empty() ? "" : " ", axis->row->full_name(), to_toml(value));
      }
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
