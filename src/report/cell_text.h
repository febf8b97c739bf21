// SPDX-License-Identifier: MIT
// The text of a cell's file on its way to the JSON parser.
#pragma once

#include <string>
#include <string_view>

#include "quarry/core/json.h"

namespace quarry {

/// As Json::parse, but NaN, Infinity and -Infinity are read as Python writes them (a byte position in a message counts
/// the quotes that they get), and the value of every key `passed_over` that is a list of whole numbers of at most ten
/// digits becomes an empty list, its bytes blanks.
Json parse_cell_json(std::string_view text, std::string_view where, std::string_view passed_over = {});

}  // namespace quarry
