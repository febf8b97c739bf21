// SPDX-License-Identifier: MIT
#include "quarry/data/libsvm.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/bytes.h"
#include "src/data/numbers.h"

namespace quarry {
namespace {

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// A text for a message: printable and short.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest ? printable(text) : printable(text.substr(0, kLongest)) + "...";
}

/// Walks over the text, calling on_label(label) for each instance and then on_value(index, value) for its entries.
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& path, const Limits& limits)
      : text_(text), path_(path), limits_(limits) {}

  template <class OnLabel, class OnValue>
  void scan(OnLabel&& on_label, OnValue&& on_value) const {
    std::size_t start = 0;
    while (start < text_.size()) {
      std::size_t end = std::min(text_.find('\n', start), text_.size());
      const std::size_t next = end + 1;
      if (end > start && text_[end - 1] == '\r') --end;
      end = start + std::min(text_.substr(start, end - start).find('#'), end - start);
      scan_line(start, end, on_label, on_value);
      start = next;
    }
  }

 private:
  template <class OnLabel, class OnValue>
  void scan_line(std::size_t at, std::size_t end, OnLabel&& on_label, OnValue&& on_value) const {
    std::string_view token = next_token(at, end);
    if (token.empty()) return;
    on_label(label(token, at));
    std::uint64_t last = 0;
    for (at += token.size(); !(token = next_token(at, end)).empty(); at += token.size()) {
      const std::size_t colon = token.find(':');
      if (colon == std::string_view::npos) error(at, token, "index:value");
      const std::uint64_t index = feature_index(token.substr(0, colon), at);
      if (index <= last) error(at, token, fmt::format("an index above {}: they ascend within a line", last));
      last = index;
      const std::optional<float> value = float_in(token.substr(colon + 1));
      if (!value) error(at + colon + 1, token.substr(colon + 1), "a finite number within the range of a float");
      on_value(index, *value);
    }
  }

  /// Skips blanks; the token starts at `at` and ends at a blank or the end of the line.
  std::string_view next_token(std::size_t& at, std::size_t end) const {
    while (at < end && is_blank(text_[at])) ++at;
    std::size_t stop = at;
    while (stop < end && !is_blank(text_[stop])) ++stop;
    return text_.substr(at, stop - at);
  }

  std::int64_t label(std::string_view token, std::size_t at) const {
    const std::optional<std::int64_t> value = integer_in(token);
    if (value && *value >= std::numeric_limits<std::int32_t>::min() &&
        *value <= std::numeric_limits<std::int32_t>::max()) {
      return *value;
    }
    error(at, token,
          token.find(',') != std::string_view::npos ? "one class per line (this has several)"
                                                    : "a class: an integer of 32 bits");
  }

  std::uint64_t feature_index(std::string_view token, std::size_t at) const {
    std::int64_t index = 0;
    if (!parse_number(token, index) || index < 1) {
      error(at, token,
            token == "qid" ? "an index (ranking files with qid are not supported)" : "an index of 1 or more");
    }
    if (static_cast<std::uint64_t>(index) > limits_.max_columns) {
      error(at, token, fmt::format("an index of at most {}", limits_.max_columns));
    }
    return static_cast<std::uint64_t>(index);
  }

  [[noreturn]] void error(std::size_t at, std::string_view found, std::string_view expected) const {
    fail("{}: found '{}'; expected {}", position_in(path_, text_, at), shown(found), expected);
  }

  std::string_view text_;
  const std::string& path_;
  const Limits& limits_;
};

}  // namespace

LibsvmTable parse_libsvm(std::string_view text, const std::string& path, std::int32_t min_columns,
                         const Limits& limits) {
  QUARRY_CHECK(min_columns >= 0, "{} columns", min_columns);
  const Scanner scanner(text, path, limits);
  std::uint64_t rows = 0, columns = static_cast<std::uint64_t>(min_columns);
  scanner.scan([&](std::int64_t) { ++rows; }, [&](std::uint64_t index, float) { columns = std::max(columns, index); });
  if (rows > limits.max_rows) fail("{}: {} instances; at most {} are supported", path, rows, limits.max_rows);
  if (!Limits::affordable(rows * (columns + 1) * sizeof(float), text.size())) {
    fail(
        "{}: {} instances with {} features make a dense table of {} MB from a file of {} MB; this set is too sparse "
        "for quarry, which keeps tables dense",
        path, rows, columns, rows * columns * sizeof(float) >> 20, text.size() >> 20);
  }

  LibsvmTable table;
  table.rows = static_cast<std::int64_t>(rows);
  table.columns = static_cast<std::int32_t>(columns);
  table.features.assign(static_cast<std::size_t>(rows * columns), 0.0f);
  std::vector<std::int64_t> labels;
  labels.reserve(static_cast<std::size_t>(rows));
  scanner.scan([&](std::int64_t label) { labels.push_back(label); },
               [&](std::uint64_t index, float value) {
                 table.features[(labels.size() - 1) * static_cast<std::size_t>(columns) + index - 1] = value;
               });
  table.labels = label_column(labels, path);
  return table;
}

}  // namespace quarry
