// SPDX-License-Identifier: MIT
#include "quarry/nn/model_table.h"

#include <array>

namespace quarry {

std::span<const ModelEntry> model_table() {
  static constexpr std::array<ModelEntry, 4> table = {{
      {"mlp", "multi-layer perceptron, ReLU, dropout before every layer but the first (model.hidden, model.dropout)"},
      {"resnet8", "residual network for images, widths 16 32 64, one block each (model.network, model.dropout)"},
      {"resnet14", "the same with two blocks each"},
      {"resnet18", "residual network of the hyperparameter study, widths 64 128 256 512, two blocks each"},
  }};
  return table;
}

}  // namespace quarry
