// SPDX-License-Identifier: MIT
// What must hold for any bytes taken as a config; run by libFuzzer and, over the seed corpus, by the ordinary tests.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/core/error.h"
#include "src/study/config_grid.h"

namespace quarry {

/// The input is a TOML text, then "section.key=value" options, separated by zero bytes.
inline void fuzz_config(std::string_view input) {
  constexpr std::int64_t kMostRuns = 2000;  // keeps memory small; the real limit is checked by a test
  const std::size_t end = std::min(input.find('\0'), input.size());
  const std::string_view toml = input.substr(0, end);
  std::vector<std::string> options;
  for (std::size_t at = end; at < input.size() && options.size() < 8;) {
    const std::size_t next = std::min(input.find('\0', at + 1), input.size());
    options.emplace_back(input.substr(at + 1, next - at - 1));
    at = next;
  }
  StudyConfig study;
  try {
    study = parse_study_limited(toml, "fuzz.toml", options, kMostRuns);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return;
  }
  const StudyConfig again = parse_study_limited(study.resolved, "resolved.toml", {}, kMostRuns);
  if (again.resolved != study.resolved || again.hash != study.hash || again.runs.size() != study.runs.size())
    throw std::logic_error("the resolved text is another study");
  for (std::size_t i = 0; i < study.runs.size(); ++i)
    if (again.runs[i].id != study.runs[i].id || again.runs[i].variant != study.runs[i].variant)
      throw std::logic_error("the resolved text has other runs");
}

}  // namespace quarry
