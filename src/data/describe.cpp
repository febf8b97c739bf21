// SPDX-License-Identifier: MIT
#include "quarry/data/describe.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::size_t kMostClasses = 20, kMostFeatures = 10;

std::vector<std::int64_t> class_counts(const std::vector<std::int32_t>& labels, std::int32_t n_classes) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(n_classes));
  for (const std::int32_t label : labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

double percent(std::int64_t count, std::int64_t of) {
  return of == 0 ? 0 : 100.0 * static_cast<double>(count) / static_cast<double>(of);
}

/// Of a Dataset or an ImageDataset.
template <class Set>
std::string classes_text(const Set& set) {
  const std::vector<std::int64_t> pool = class_counts(set.train.labels, set.n_classes);
  const std::vector<std::int64_t> test = class_counts(set.test.labels, set.n_classes);
  std::string text = fmt::format("  {:<20} {:>17} {:>17}\n", "class", "pool", "test");
  for (std::size_t c = 0; c < std::min(pool.size(), kMostClasses); ++c) {
    const std::string name = c < set.class_names.size() ? printable(set.class_names[c]) : std::to_string(c);
    text += fmt::format("  {:<20} {:>8} ({:4.1f} %) {:>8} ({:4.1f} %)\n", name, pool[c], percent(pool[c], set.train.n),
                        test[c], percent(test[c], set.test.n));
  }
  if (pool.size() > kMostClasses) text += fmt::format("  ... and {} more classes\n", pool.size() - kMostClasses);
  const auto most = static_cast<std::size_t>(std::max_element(test.begin(), test.end()) - test.begin());
  text += fmt::format("  majority: always answering '{}' is right for {:.1f} % of the test part\n",
                      most < set.class_names.size() ? printable(set.class_names[most]) : std::to_string(most),
                      percent(test[most], set.test.n));
  return text;
}

struct Range {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  void add(float x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

std::vector<Range> column_ranges(const DataPart& part, std::int32_t n_features) {
  std::vector<Range> ranges(static_cast<std::size_t>(n_features));
  for (std::size_t i = 0; i < part.features.size();) {
    for (Range& range : ranges) range.add(part.features[i++]);
  }
  return ranges;
}

std::string range_text(const Range& range) {
  return fmt::format("[{:.4f}, {:.4f}]", range.low, range.high);
}

Range united(const std::vector<Range>& ranges) {
  Range all;
  for (const Range& range : ranges) {
    all.add(range.low);
    all.add(range.high);
  }
  return all;
}

std::string feature_name(const Dataset& set, std::size_t j) {
  return set.feature_names.empty() ? std::to_string(j) : fmt::format("{} {}", j, printable(set.feature_names[j]));
}

std::string features_text(const Dataset& set) {
  const std::vector<Range> pool = column_ranges(set.train, set.n_features);
  const std::vector<Range> test = column_ranges(set.test, set.n_features);
  std::string text = fmt::format("  {:<20} {:>20} {:>20}\n", "feature", "pool range", "test range");
  for (std::size_t j = 0; j < std::min(pool.size(), kMostFeatures); ++j) {
    text += fmt::format("  {:<20} {:>20} {:>20}\n", feature_name(set, j), range_text(pool[j]), range_text(test[j]));
  }
  if (pool.size() <= kMostFeatures) return text;
  text += fmt::format("  {:<20} {:>20} {:>20}\n", fmt::format("all {}", pool.size()), range_text(united(pool)),
                      range_text(united(test)));
  const auto constant =
      std::count_if(pool.begin(), pool.end(), [](const Range& range) { return range.low == range.high; });
  if (constant > 0) text += fmt::format("  {} features do not vary in the pool\n", constant);
  return text;
}

/// Per channel: what the pool has, and the constants of the set. Exact sums of bytes and their squares.
std::string channels_text(const ImageDataset& set) {
  const auto channels = static_cast<std::size_t>(set.shape.channels);
  const auto plane = static_cast<std::size_t>(set.shape.pixels()) / channels;
  std::vector<std::uint64_t> sums(channels), squares(channels);
  for (std::size_t i = 0; i < set.train.pixels.size(); ++i) {
    const std::uint64_t pixel = set.train.pixels[i];
    sums[i / plane % channels] += pixel;
    squares[i / plane % channels] += pixel * pixel;
  }
  const double n = static_cast<double>(set.train.n) * static_cast<double>(plane);
  std::string text = fmt::format("  {:<20} {:>20} {:>20}\n", "channel, pixel/255", "pool mean (sd)", "constants");
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = static_cast<double>(sums[c]) / n;
    const double variance = std::max(0.0, static_cast<double>(squares[c]) / n - mean * mean);
    text += fmt::format("  {:<20} {:>20} {:>20}\n", c,
                        fmt::format("{:.4f} ({:.4f})", mean / 255, std::sqrt(variance) / 255),
                        fmt::format("{:.4f} ({:.4f})", set.mean[c], set.deviation[c]));
  }
  return text;
}

std::int64_t flagged(const DataPart& part) {
  return std::accumulate(part.honeypot.begin(), part.honeypot.end(), std::int64_t{0});
}

}  // namespace

std::string describe_dataset(const Dataset& set) {
  std::string text = fmt::format("{}\n  {} instances in the pool, {} for testing; {} features, {} classes\n",
                                 printable(set.name), set.train.n, set.test.n, set.n_features, set.n_classes);
  text += fmt::format("  source: {}\n\n", printable(set.source));
  for (const std::string& line : warning_lines(set)) text += "  " + line + "\n";
  if (!set.warnings.empty()) text += "\n";
  text += classes_text(set);
  if (!set.train.honeypot.empty() || !set.test.honeypot.empty()) {
    text += fmt::format("  honeypots (meaningless labels): {} in the pool, {} in the test part\n", flagged(set.train),
                        flagged(set.test));
  }
  return text + "\n" + features_text(set);
}

std::vector<std::string> warning_lines(const Dataset& set) {
  std::vector<std::string> lines;
  for (const std::string& warning : set.warnings)
    lines.push_back(fmt::format("warning: {}: {}", printable(set.name), warning));
  return lines;
}

std::string describe_images(const ImageDataset& set) {
  std::string text =
      fmt::format("{}\n  {} images in the pool, {} for testing; {} x {} x {} (channels, height, width), {} classes\n",
                  printable(set.name), set.train.n, set.test.n, set.shape.channels, set.shape.height, set.shape.width,
                  set.n_classes);
  text += fmt::format("  source: {}\n", printable(set.source));
  text += fmt::format("  origin: {}\n\n", set.origin == PixelOrigin::published
                                              ? "the published files, by their checksums"
                                              : "unverified: not known to be the published files; say so with results");
  return text + classes_text(set) + "\n" + channels_text(set);
}

}  // namespace quarry
