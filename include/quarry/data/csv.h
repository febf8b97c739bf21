// SPDX-License-Identifier: MIT
// CSV: one instance per record, all fields numbers but the label.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/labels.h"
#include "quarry/data/limits.h"

namespace quarry {

enum class CsvHeader { automatic, yes, no };

struct CsvTable {
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::vector<float> features;             ///< [rows][columns], in the order of the file without the label
  std::vector<std::string> feature_names;  ///< [columns], or empty if the file has no header
  LabelColumn labels;
};

/// Accepts RFC 4180: fields separated by commas, records by LF or CRLF, the last with or without; a field with a comma,
/// a quote or a line end is in double quotes, a quote in it doubled; all records have the same number of fields. A
/// UTF-8 byte order mark and empty lines are skipped; spaces and tabs around an unquoted field are not part of it. NUL
/// and a CR elsewhere are refused, and so are empty fields.
/// `label`: digits are the number of the label's column, from 0; anything else is its name in the header.
/// Header: as `header` says; a name of the label needs one. automatic: with a name, the first record. With a number,
/// the first record if none of its features is a number, or if only its label is none while all other labels are
/// integers; a mixture is refused, and so is a record of the numbers 0, 1, 2, ..., which may be either (pandas writes
/// such a header for columns without names). Features: finite numbers within a float's range (an optional sign, digits,
/// a point, an exponent), rounded to float by way of double. The label may be any text. Pure function, the same in
/// every locale. Errors: failed, with path:line:column; usage if `label` fits no column, and where only `header` can
/// decide.
CsvTable parse_csv(std::string_view text, const std::string& path, const std::string& label,
                   CsvHeader header = CsvHeader::automatic, const Limits& limits = {});

}  // namespace quarry
