// SPDX-License-Identifier: MIT
#include "src/study/timings.h"

#include <fmt/core.h>

#include <sstream>

#include "quarry/core/text.h"

namespace quarry {

void Timings::add(const std::string& run, const std::string& phase, double seconds, std::size_t jobs) {
  Entry& entry = entries_[{run, phase}];
  entry.seconds += seconds;
  entry.jobs += jobs;
}

void Timings::write(FileSystem& files, const std::string& path) const {
  auto sums = entries_;
  if (files.exists(path)) {
    std::istringstream lines(files.read(path));
    std::string run, phase, seconds_text, jobs_text;
    while (std::getline(lines, run, ',') && std::getline(lines, phase, ',') && std::getline(lines, seconds_text, ',') &&
           std::getline(lines, jobs_text)) {
      double seconds;
      std::int64_t jobs;
      if (!parse_number(seconds_text, seconds) || !parse_number(jobs_text, jobs)) continue;  // the header
      sums[{run, phase}].seconds += seconds;
      sums[{run, phase}].jobs += static_cast<std::size_t>(jobs);
    }
  }
  std::string text = "run,phase,seconds,jobs\n";
  for (const auto& [key, entry] : sums)
    text += fmt::format("{},{},{:.6f},{}\n", key.first, key.second, entry.seconds, entry.jobs);
  files.write_atomically(path, text);
}

}  // namespace quarry
