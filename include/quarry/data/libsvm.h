// SPDX-License-Identifier: MIT
// LIBSVM (SVMlight) text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/labels.h"
#include "quarry/data/limits.h"

namespace quarry {

struct LibsvmTable {
  std::int64_t rows = 0;
  std::int32_t columns = 0;
  std::vector<float> features;  ///< [rows][columns]; absent entries are 0
  LabelColumn labels;
};

/// Accepts lines "label index:value index:value ... # comment", separated by LF or CRLF, the last with or without;
/// lines without a label are skipped. Between the parts: spaces and tabs. label: an integer of 32 bits, also written
/// +1 or 1.0. index: 1 or more, ascending within the line, at most limits.max_columns. value: a finite number within a
/// float's range, rounded to float by way of double. The table has as many columns as the largest index, and at least
/// `min_columns`; it must be affordable (limits.h): this format can ask for a huge dense table in few bytes.
/// Pure function, the same in every locale. Errors: failed, with path:line:column.
LibsvmTable parse_libsvm(std::string_view text, const std::string& path, std::int32_t min_columns = 0,
                         const Limits& limits = {});

}  // namespace quarry
