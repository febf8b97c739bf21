// SPDX-License-Identifier: MIT
#include "src/report/facts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

#include "quarry/core/text.h"
#include "quarry/study/environment.h"
#include "src/report/pictures.h"
#include "src/report/setting_text.h"

namespace quarry {

void add_once(std::vector<std::string>& values, const std::string& value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

Facts study_facts(const std::vector<StudyDirectory>& directories, const std::vector<Setting>& settings) {
  std::vector<std::string> studies, data, strategies, modes;
  std::int64_t fewest = INT64_MAX, most = 0, runs = 0, completed = 0;
  for (const StudyDirectory& d : directories) add_once(studies, fmt::format("{} (preset {})", d.study, d.preset));
  for (const Setting& setting : settings) {
    add_once(data, data_name(setting));
    for (const std::string& strategy : setting.strategies) add_once(strategies, strategy);
    for (const std::string& mode : setting.modes) add_once(modes, mode);
    for (const Arm& arm : setting.arms) {
      fewest = std::min(fewest, static_cast<std::int64_t>(arm.runs.size()));
      most = std::max(most, static_cast<std::int64_t>(arm.runs.size()));
      runs += static_cast<std::int64_t>(arm.runs.size());
      completed += arm.completed();
    }
  }
  return {{{"Study", join(studies, ", ")},
           {"Data", join(data, ", ")},
           {"Strategies", join(strategies, ", ")},
           {"Hyperparameter modes", join(modes, ", ")},
           {"Repeats of each", seeds_text(std::min(fewest, most), most)},
           {"Runs completed", fmt::format("{} of {}", completed, runs)}}};
}

Facts setting_facts(const SettingSummary& summary) {
  const Setting& setting = *summary.setting;
  Facts facts;
  facts.items = {{"Study", setting.study}, {"Preset", setting.preset}};
  if (!shown_variant(setting).empty()) facts.items.push_back({"Variant", shown_variant(setting)});
  const ResultRow *first = nullptr, *last = nullptr;
  for (const Arm& arm : setting.arms)
    for (const ReportRun& run : arm.runs)
      if (!run.rows.empty() && (last == nullptr || run.rows.back().len_lb > last->len_lb)) {
        first = &run.rows.front();
        last = &run.rows.back();
      }
  if (first == nullptr) return facts;
  if (setting.modes == std::vector<std::string>{"frozen_set"}) {
    facts.items.push_back({"Labels", fmt::format("{}, a frozen set", last->len_lb)});
    return facts;
  }
  facts.items.push_back({"Pool", fmt::format("{} instances", first->len_lb + first->len_ulb)});
  facts.items.push_back({"Labels", fmt::format("{} to {}", first->len_lb, last->len_lb)});
  facts.items.push_back(
      {"Kept for validation",
       setting.val_share == 0 ? "none" : fmt::format("{:.4g} % of the first labels", 100 * setting.val_share)});
  return facts;
}

std::string report_directory(const std::string& out, const std::vector<std::string>& directories,
                             const std::string& name) {
  if (!out.empty()) return out;
  std::string first = directories.front();
  while (first.size() > 1 && first.back() == '/') first.pop_back();
  return first + "/" + name;
}

std::string made_by() {
  return fmt::format("Made by quarry {} (commit {}).", build_info().version, build_info().commit);
}

Section missing_section(const std::vector<std::string>& notes) {
  Section section{"What is missing", {}};
  for (const std::string& note : notes) section.blocks.push_back(Paragraph{note});
  return section;
}

const char* const kNoGnuplot =
    "gnuplot is not installed, so there are no pictures. Install it (Debian: apt install gnuplot-nox) and run quarry "
    "report again.";

}  // namespace quarry
