// SPDX-License-Identifier: MIT
#include "quarry/data/csv.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/bytes.h"
#include "src/data/numbers.h"

namespace quarry {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

struct Field {
  std::string text;
  std::size_t offset = 0;  // in the file
};

/// Hands out the records of the text one by one.
class Records {
 public:
  Records(std::string_view text, const std::string& path, const Limits& limits)
      : text_(text), path_(path), limits_(limits) {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  /// The next record's fields in record[0 .. size). False at the end. Entries are reused: no allocation per field.
  bool next(std::vector<Field>& record, std::size_t& size) {
    while (at_ < text_.size() && at_end_of_line()) skip_end_of_line();
    if (at_ == text_.size()) return false;
    size = 0;
    for (;;) {
      if (size == limits_.max_columns + 1) error(at_, fmt::format("more than {} columns", limits_.max_columns));
      if (size == record.size()) record.emplace_back();
      read_field(record[size++]);
      if (at_ == text_.size()) return true;
      if (at_end_of_line()) {
        skip_end_of_line();
        return true;
      }
      ++at_;  // the comma
    }
  }

  const std::string& path() const { return path_; }
  [[noreturn]] void error(std::size_t offset, std::string_view what) const {
    fail("{}: {}", position_in(path_, text_, offset), what);
  }

 private:
  bool at_end_of_line() const {
    return text_[at_] == '\n' || (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
  }
  void skip_end_of_line() { at_ += text_[at_] == '\r' ? 2 : 1; }

  /// Leaves at_ at a comma, a line end or the end of the text.
  void read_field(Field& field) {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    field.offset = at_;
    field.text.clear();
    if (at_ < text_.size() && text_[at_] == '"') {
      read_quoted(field);
    } else {
      read_plain(field);
    }
  }

  void read_plain(Field& field) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && !at_end_of_line()) {
      const char c = text_[at_];
      if (c == '"') error(at_, "a quote inside an unquoted field; put the whole field in quotes and double this one");
      if (c == '\r') error(at_, "a carriage return without a line feed");
      if (c == '\0') error(at_, "a NUL byte; expected text");
      ++at_;
    }
    std::size_t end = at_;
    while (end > begin && is_blank(text_[end - 1])) --end;
    field.text = text_.substr(begin, end - begin);
  }

  void read_quoted(Field& field) {
    const std::size_t open = at_++;
    for (;;) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos) error(open, "this quote is never closed");
      const std::string_view piece = text_.substr(at_, quote - at_);
      const std::size_t nul = piece.find('\0');
      if (nul != std::string_view::npos) error(at_ + nul, "a NUL byte; expected text");
      field.text += piece;
      at_ = quote + 1;
      if (at_ == text_.size() || text_[at_] != '"') break;
      field.text += '"';
      ++at_;
    }
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    if (at_ < text_.size() && text_[at_] != ',' && !at_end_of_line()) {
      error(at_, "text after a closing quote; expected a comma or the end of the line");
    }
  }

  std::string_view text_;
  const std::string& path_;
  const Limits& limits_;
  std::size_t at_ = 0;
};

std::string columns_found(const std::vector<Field>& first, std::size_t size) {
  constexpr std::size_t kMostShown = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(size, kMostShown); ++i) {
    text += fmt::format("{}{} '{}'", i == 0 ? "" : ", ", i, printable(first[i].text.substr(0, 40)));
  }
  return size > kMostShown ? text + ", ..." : text;
}

/// What the first pass finds out.
struct Shape {
  std::uint64_t rows = 0;  // records without the header
  std::size_t fields = 0, label = 0;
  bool header = false;
};

bool is_column_number(const std::string& label) {
  return !label.empty() && label.size() <= 9 && label.find_first_not_of("0123456789") == std::string::npos;
}

std::size_t find_label(const std::vector<Field>& first, std::size_t size, const std::string& label,
                       const std::string& path) {
  if (is_column_number(label)) {
    const std::size_t column = std::stoul(label);
    if (column < size) return column;
    usage_error("{}: data.label is column {}, but there are {}, counted from 0", path, label, size);
  }
  std::size_t found = size;
  for (std::size_t i = 0; i < size; ++i) {
    if (first[i].text != label) continue;
    if (found != size) usage_error("{}: data.label is '{}', but two columns have that name", path, printable(label));
    found = i;
  }
  if (found == size) {
    usage_error("{}: data.label is '{}', but the first line has no such column. It has {}", path, printable(label),
                columns_found(first, size));
  }
  return found;
}

/// Whether the first record is a header, as the contract says.
bool is_header(const std::vector<Field>& first, const Shape& shape, bool other_labels_integer, const Records& records) {
  bool counts = true;
  for (std::size_t i = 0; i < shape.fields; ++i) counts = counts && first[i].text == std::to_string(i);
  if (counts)
    usage_error(
        "{}: the first line is 0 to {}: the column numbers that pandas writes as a header, or an instance? Set "
        "data.header to \"yes\" or \"no\" (`quarry data info`: --header)",
        records.path(), shape.fields - 1);
  std::size_t numbers = 0;
  const Field* text = nullptr;
  for (std::size_t i = 0; i < shape.fields; ++i) {
    if (i == shape.label) continue;
    if (number_in(first[i].text)) {
      ++numbers;
    } else if (text == nullptr) {
      text = &first[i];
    }
  }
  if (numbers == 0) return true;
  if (text != nullptr) {
    records.error(text->offset,
                  fmt::format("'{}' is not a number, though other features of the first line are. If it is "
                              "a header, set data.label to the label's name",
                              printable(text->text.substr(0, 40))));
  }
  return shape.rows > 1 && other_labels_integer && !integer_in(first[shape.label].text);
}

Shape find_shape(std::string_view text, const std::string& path, const std::string& label, CsvHeader header,
                 const Limits& limits, std::vector<Field>& first) {
  Records records(text, path, limits);
  Shape shape;
  if (!records.next(first, shape.fields)) fail("{}: no records; expected one instance per line", path);
  if (shape.fields < 2) {
    records.error(first[0].offset, first[0].text.find_first_of(";\t|") != std::string::npos
                                       ? "one field per line; fields must be separated by commas"
                                       : "one field per line; expected a label and at least one feature");
  }
  shape.label = find_label(first, shape.fields, label, path);
  shape.rows = 1;
  bool other_labels_integer = true;
  std::vector<Field> record;
  for (std::size_t size = 0; records.next(record, size); ++shape.rows) {
    if (size != shape.fields) {
      records.error(record[0].offset, fmt::format("{} fields; the first line has {}", size, shape.fields));
    }
    other_labels_integer = other_labels_integer && integer_in(record[shape.label].text).has_value();
  }
  shape.header = header == CsvHeader::yes || !is_column_number(label) ||
                 (header == CsvHeader::automatic && is_header(first, shape, other_labels_integer, records));
  if (shape.header) --shape.rows;
  if (shape.rows == 0) fail("{}: a header and no instances", path);
  return shape;
}

float feature(const Field& field, const Records& records) {
  const std::optional<float> value = float_in(field.text);
  if (value) return *value;
  if (field.text.empty())
    records.error(field.offset, "an empty field; expected a number (fill or drop missing values)");
  records.error(field.offset, fmt::format("'{}'; expected a finite number within the range of a float",
                                          printable(field.text.substr(0, 40))));
}

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& path, const std::string& label, CsvHeader header,
                   const Limits& limits) {
  if (label.empty())
    usage_error("{}: data.label is missing: the name or the number (from 0) of the label's column", path);
  if (header == CsvHeader::no && !is_column_number(label))
    usage_error("{}: data.label is '{}', a name, but data.header is \"no\": give the number of the column, from 0",
                path, printable(label));
  std::vector<Field> record;
  const Shape shape = find_shape(text, path, label, header, limits, record);
  CsvTable table;
  if (shape.rows > limits.max_rows)
    fail("{}: {} instances; at most {} are supported", path, shape.rows, limits.max_rows);
  const std::size_t columns = shape.fields - 1;
  QUARRY_CHECK(Limits::affordable(shape.rows * shape.fields * sizeof(float), text.size()), "two bytes make one field");
  table.rows = static_cast<std::int64_t>(shape.rows);
  table.columns = static_cast<std::int32_t>(columns);
  table.features.reserve(static_cast<std::size_t>(shape.rows) * columns);

  Records records(text, path, limits);
  LabelCollector labels;
  std::size_t size = 0;
  for (bool in_header = shape.header; records.next(record, size); in_header = false) {
    for (std::size_t i = 0; i < size; ++i) {
      if (i == shape.label) continue;
      if (in_header) {
        table.feature_names.push_back(record[i].text);
      } else {
        table.features.push_back(feature(record[i], records));
      }
    }
    if (in_header) continue;
    const Field& field = record[shape.label];
    if (field.text.empty()) records.error(field.offset, "an empty label");
    if (!labels.add(field.text)) {
      records.error(field.offset,
                    fmt::format("the {}th different label. Are they measurements?", Limits::kMaxClasses + 1));
    }
  }
  table.labels = labels.take();
  return table;
}

}  // namespace quarry
