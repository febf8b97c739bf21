// SPDX-License-Identifier: MIT
// What was run, at a glance.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/summary.h"
#include "src/report/page.h"

namespace quarry {

Facts study_facts(const std::vector<StudyDirectory>& directories, const std::vector<Setting>& settings);
Facts setting_facts(const SettingSummary& summary);

/// Appends a value that is not there yet.
void add_once(std::vector<std::string>& values, const std::string& value);

/// Where a report goes: `out`, or if that is empty `name` in the first directory.
std::string report_directory(const std::string& out, const std::vector<std::string>& directories,
                             const std::string& name);

/// "Made by quarry VERSION (commit C)."
std::string made_by();

/// "What is missing", a paragraph for each note.
Section missing_section(const std::vector<std::string>& notes);

/// What a report says instead of pictures.
extern const char* const kNoGnuplot;

}  // namespace quarry
