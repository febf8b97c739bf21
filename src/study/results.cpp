// SPDX-License-Identifier: MIT
#include "quarry/study/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

// ---- cells: text of a value, and back. read() is false if the text is not such a value. ----

constexpr std::string_view kFormulaStarts = "=+-@\t\r'";

std::string write(const std::string& value) {
  const bool guarded = !value.empty() && kFormulaStarts.find(value[0]) != std::string_view::npos;
  if (!guarded && value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string cell = guarded ? "\"'" : "\"";
  for (const char c : value) {
    if (c == '"') cell += '"';
    cell += c;
  }
  return cell + '"';
}

bool read(std::string_view cell, std::string& value) {
  const bool guarded = cell.size() >= 2 && cell[0] == '\'' && kFormulaStarts.find(cell[1]) != std::string_view::npos;
  value = cell.substr(guarded ? 1 : 0);
  return true;
}

template <class T>
requires std::is_integral_v<T> std::string write(T value) {
  return std::to_string(value);
}

template <class T>
requires std::is_integral_v<T>
bool read(std::string_view cell, T& value) {
  std::int64_t wide = 0;
  if (!parse_number(cell, wide) || wide < std::int64_t{std::numeric_limits<T>::min()} ||
      wide > std::int64_t{std::numeric_limits<T>::max()}) {
    return false;
  }
  value = static_cast<T>(wide);
  return true;
}

template <class T>
requires std::is_floating_point_v<T> std::string write(T value) {
  return format_exact(value);
}

template <class T>
requires std::is_floating_point_v<T>
bool read(std::string_view cell, T& value) {
  if (cell == "NaN") return value = std::numeric_limits<T>::quiet_NaN(), true;
  if (cell == "Infinity") return value = std::numeric_limits<T>::infinity(), true;
  if (cell == "-Infinity") return value = -std::numeric_limits<T>::infinity(), true;
  return parse_number(cell, value);
}

template <class T>
std::string write_list(const std::vector<T>& values, char separator) {
  std::string cell;
  for (const T& value : values) {
    if (!cell.empty()) cell += separator;
    cell += write(value);
  }
  return cell;
}

template <class T>
bool read_list(std::string_view cell, std::vector<T>& values, char separator) {
  values.clear();
  while (!cell.empty()) {
    const std::size_t end = std::min(cell.find(separator), cell.size());
    T value{};
    if (end + 1 == cell.size() || !read(cell.substr(0, end), value)) return false;
    values.push_back(value);
    cell.remove_prefix(std::min(end + 1, cell.size()));
  }
  return true;
}

// ---- columns ----

struct Column {
  std::string_view name, expected;
  std::string (*text)(const ResultRow&);
  bool (*parse)(std::string_view cell, ResultRow&);
};

template <auto Member>
using MemberType = std::remove_cvref_t<decltype(std::declval<ResultRow>().*Member)>;

template <auto Member>
constexpr Column column(std::string_view name) {
  using T = MemberType<Member>;
  constexpr std::string_view expected = std::is_same_v<T, std::string>    ? "a text"
                                        : std::is_same_v<T, bool>         ? "0 or 1"
                                        : std::is_same_v<T, std::int32_t> ? "an integer of 32 bits"
                                        : std::is_same_v<T, std::int64_t> ? "an integer of 64 bits"
                                                                          : "a number, NaN, Infinity or -Infinity";
  return {name, expected, [](const ResultRow& row) { return write(row.*Member); },
          [](std::string_view cell, ResultRow& row) { return read(cell, row.*Member); }};
}

template <auto Member, char Separator>
constexpr Column list_column(std::string_view name, std::string_view expected) {
  return {name, expected, [](const ResultRow& row) { return write_list(row.*Member, Separator); },
          [](std::string_view cell, ResultRow& row) { return read_list(cell, row.*Member, Separator); }};
}

constexpr std::string_view kIntegers = "integers separated by blanks";

// The order of the file. New columns go last.
constexpr Column kColumns[] = {
    column<&ResultRow::study>("study"),
    column<&ResultRow::run>("run"),
    column<&ResultRow::dataset>("dataset"),
    column<&ResultRow::strategy>("strategy"),
    column<&ResultRow::mode>("mode"),
    column<&ResultRow::seed>("seed"),
    column<&ResultRow::n_initial>("n_initial"),
    column<&ResultRow::val_share>("val_share"),
    column<&ResultRow::variant>("variant"),
    column<&ResultRow::iteration>("iteration"),
    list_column<&ResultRow::idx_added, ' '>("idx_added", kIntegers),
    list_column<&ResultRow::target_added, ' '>("target_added", kIntegers),
    list_column<&ResultRow::features_added, ' '>("features_added", "numbers separated by blanks"),
    column<&ResultRow::test_loss>("test_loss"),
    column<&ResultRow::test_acc>("test_acc"),
    column<&ResultRow::test_nll>("test_nll"),
    column<&ResultRow::test_auc>("test_auc"),
    column<&ResultRow::test_acc_clean>("test_acc_clean"),
    column<&ResultRow::val_loss>("val_loss"),
    column<&ResultRow::val_acc>("val_acc"),
    column<&ResultRow::train_loss>("train_loss"),
    column<&ResultRow::train_acc>("train_acc"),
    column<&ResultRow::len_ulb>("len_ulb"),
    column<&ResultRow::len_lb>("len_lb"),
    column<&ResultRow::honeypots>("honeypots"),
    column<&ResultRow::lr>("lr"),
    column<&ResultRow::weight_decay>("weight_decay"),
    column<&ResultRow::momentum>("momentum"),
    column<&ResultRow::drop_rate>("drop_rate"),
    list_column<&ResultRow::hidden, '-'>("hidden", "widths separated by '-'"),
    column<&ResultRow::trials>("trials"),
    column<&ResultRow::pruned>("pruned"),
    column<&ResultRow::diverged>("diverged"),
};

std::string header() {
  std::string line;
  for (const Column& each : kColumns) {
    if (!line.empty()) line += ',';
    line += each.name;
  }
  return line + '\n';
}

/// Walks over the cells of a text and knows where it is.
class CellReader {
 public:
  CellReader(std::string_view text, const std::string& path) : text_(text), path_(printable(path)) {}

  bool at_end() const { return next_ == text_.size(); }

  [[noreturn]] void refuse(const std::string& what) const {
    fail("{}:{}:{}: {}", path_, line_, start_ - line_start_ + 1, what);
  }

  /// Takes the next cell, which must end with `end` (a comma or a newline).
  std::string_view take(char end) {
    start_ = next_;
    line_ = next_line_;
    line_start_ = next_line_start_;
    const std::string_view cell = next_ < text_.size() && text_[next_] == '"' ? take_quoted() : take_plain();
    if (next_ == text_.size() || text_[next_] != end) {
      refuse(fmt::format("expected {} after the cell", end == ',' ? "a comma" : "the end of the line"));
    }
    step();
    return cell;
  }

 private:
  void step() {
    if (text_[next_++] != '\n') return;
    ++next_line_;
    next_line_start_ = next_;
  }

  std::string_view take_plain() {
    const std::size_t end = std::min(text_.find_first_of(",\"\r\n", next_), text_.size());
    if (end < text_.size() && (text_[end] == '"' || text_[end] == '\r')) refuse("a cell with this must be quoted");
    const std::string_view cell = text_.substr(next_, end - next_);
    next_ = end;
    return cell;
  }

  std::string_view take_quoted() {
    unquoted_.clear();
    step();
    for (;;) {
      if (next_ == text_.size()) refuse("the quote of this cell is not closed");
      const char c = text_[next_];
      step();
      if (c == '"') {
        if (next_ == text_.size() || text_[next_] != '"') return unquoted_;
        step();
      }
      unquoted_ += c;
    }
  }

  std::string_view text_;
  std::string path_, unquoted_;
  std::size_t next_ = 0, next_line_ = 1, next_line_start_ = 0;  // of the next byte
  std::size_t start_ = 0, line_ = 1, line_start_ = 0;           // of the cell last taken
};

}  // namespace

std::string results_csv(const std::vector<ResultRow>& rows) {
  std::string text = header();
  for (const ResultRow& row : rows) {
    char before = 0;
    for (const Column& each : kColumns) {
      if (before) text += before;
      before = ',';
      text += each.text(row);
    }
    text += '\n';
  }
  return text;
}

std::vector<ResultRow> parse_results_csv(std::string_view text, const std::string& path) {
  constexpr std::size_t n = std::size(kColumns);
  CellReader reader(text, path);
  for (std::size_t i = 0; i < n; ++i) {
    if (reader.take(i + 1 < n ? ',' : '\n') != kColumns[i].name) {
      reader.refuse(fmt::format("expected the column '{}'; is this a results.csv of this version?", kColumns[i].name));
    }
  }
  std::vector<ResultRow> rows;
  while (!reader.at_end()) {
    ResultRow& row = rows.emplace_back();
    for (std::size_t i = 0; i < n; ++i) {
      const std::string_view cell = reader.take(i + 1 < n ? ',' : '\n');
      if (!kColumns[i].parse(cell, row)) {
        reader.refuse(fmt::format("column '{}': expected {}, found '{}'", kColumns[i].name, kColumns[i].expected,
                                  printable(cell.substr(0, 40))));
      }
    }
  }
  return rows;
}

}  // namespace quarry
