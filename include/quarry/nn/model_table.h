// SPDX-License-Identifier: MIT
// The kinds of networks that a study can train.
#pragma once

#include <span>
#include <string_view>

namespace quarry {

struct ModelEntry {
  std::string_view name;
  std::string_view summary;  ///< one line: shape, and the config keys that set it
};

/// Every kind, in the order `quarry list models` prints. One line per kind in src/nn/model_table.cpp.
std::span<const ModelEntry> model_table();

}  // namespace quarry
