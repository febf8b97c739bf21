// SPDX-License-Identifier: MIT
#include "quarry/nn/model_table.h"

#include <array>

namespace quarry {

std::span<const ModelEntry> model_table() {
  static constexpr std::array<ModelEntry, 1> table = {{
      {"mlp", "multi-layer perceptron, ReLU, dropout before every layer but the first (model.hidden, model.dropout)"},
  }};
  return table;
}

}  // namespace quarry
