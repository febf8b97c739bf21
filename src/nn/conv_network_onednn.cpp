// SPDX-License-Identifier: MIT
// The network: a training step and an evaluation.
#include <algorithm>
#include <utility>

#include "src/nn/conv_gemm.h"
#include "src/nn/conv_loops.h"
#include "src/nn/conv_onednn.h"

namespace quarry::onednn {

/// Mean over positions and the linear layer.
void OneDnnEngine::head(std::int32_t rows, const float* maps) {
  const ConvLayer& last = plan_.layers[static_cast<std::size_t>(plan_.blocks.back().conv2)];
  const std::int32_t positions = last.out_height * last.out_width;
  const float share = 1.0f / static_cast<float>(positions);
  pooled_.assign(static_cast<std::size_t>(rows * plan_.features), 0.0f);
  for (float* sums = pooled_.data(); sums < pooled_.data() + pooled_.size(); sums += block_) {
    for (std::int32_t p = 0; p < positions; ++p) {
      for (std::int32_t c = 0; c < block_; ++c) sums[c] += *maps++;
    }
    for (std::int32_t c = 0; c < block_; ++c) sums[c] *= share;
  }
  const std::int64_t classes = plan_.spec.classes;
  logits_.resize(static_cast<std::size_t>(rows * classes));
  const float* const weights = parameters_.data() + linear_;
  conv_gemm<float>(false, true, rows, classes, plan_.features, pooled_.data(), weights, false, logits_.data());
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    logits_[i] += weights[classes * plan_.features + static_cast<std::int64_t>(i) % classes];
  }
}

void OneDnnEngine::head_back(std::int32_t rows, const std::int32_t* labels, double* losses, float* maps_slope) {
  const std::int64_t classes = plan_.spec.classes, features = plan_.features;
  slopes_.resize(logits_.size());
  cross_entropy(rows, classes, logits_.data(), labels, losses, slopes_.data());
  float* const weights = gradients_.data() + linear_;
  conv_gemm<float>(true, false, classes, features, rows, slopes_.data(), pooled_.data(), false, weights);
  for (std::int64_t c = 0; c < classes; ++c) {
    float sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += slopes_[static_cast<std::size_t>(r * classes + c)];
    weights[classes * features + c] = sum;
  }
  pooled_slopes_.resize(pooled_.size());
  conv_gemm<float>(false, false, rows, features, classes, slopes_.data(), parameters_.data() + linear_, false,
                   pooled_slopes_.data());
  const ConvLayer& last = plan_.layers[static_cast<std::size_t>(plan_.blocks.back().conv2)];
  const std::int32_t positions = last.out_height * last.out_width;
  const float share = 1.0f / static_cast<float>(positions);
  for (const float* from = pooled_slopes_.data(); from < pooled_slopes_.data() + pooled_slopes_.size();
       from += block_) {
    for (std::int32_t p = 0; p < positions; ++p) {
      for (std::int32_t c = 0; c < block_; ++c) *maps_slope++ = from[c] * share;
    }
  }
}

void OneDnnEngine::evaluate(std::int32_t rows, const float* dropout, float* logits, float* features) {
  const OneThread guard;
  const RowSteps& steps = steps_of(rows, false);
  float *in = spare_[0].data(), *hidden = spare_[1].data(), *out = spare_[2].data();
  float* const shortcut = spare_[3].data();
  layer_evaluate(steps.layers[0], 0, images_.data(), in);
  through_dropout(0, rows, dropout, in);
  for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
    const ResNetBlock& block = plan_.blocks[b];
    const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
    layer_evaluate(steps.layers[conv1], conv1, in, hidden);
    through_dropout(b + 1, rows, dropout, hidden);
    layer_evaluate(steps.layers[conv2], conv2, hidden, out);
    if (block.shortcut >= 0) {
      const auto s = static_cast<std::size_t>(block.shortcut);
      layer_evaluate(steps.layers[s], s, in, shortcut);
    }
    const Desc& desc = steps.layers[conv2].out;
    run(steps.add_relu[b], {{DNNL_ARG_SRC_0, at(desc, out)},
                            {DNNL_ARG_SRC_1, at(desc, block.shortcut >= 0 ? shortcut : in)},
                            {DNNL_ARG_DST, at(desc, out)}});
    std::swap(in, out);
  }
  head(rows, in);
  if (logits != nullptr) std::copy(logits_.begin(), logits_.end(), logits);
  if (features != nullptr) std::copy(pooled_.begin(), pooled_.end(), features);
}

void OneDnnEngine::train(std::int32_t rows, const std::int32_t* labels, const float* dropout, double* losses) {
  const OneThread guard;
  const RowSteps& steps = steps_of(rows, true);
  layer_train(steps.layers[0], 0, rows, images_.data(), outputs_[0].data());
  through_dropout(0, rows, dropout, outputs_[0].data());
  for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
    const ResNetBlock& block = plan_.blocks[b];
    const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
    const float* shortcut = outputs_[b].data();
    float* const out = outputs_[b + 1].data();
    layer_train(steps.layers[conv1], conv1, rows, outputs_[b].data(), hidden_[b].data());
    through_dropout(b + 1, rows, dropout, hidden_[b].data());
    layer_train(steps.layers[conv2], conv2, rows, hidden_[b].data(), out);
    if (block.shortcut >= 0) {
      const auto s = static_cast<std::size_t>(block.shortcut);
      layer_train(steps.layers[s], s, rows, outputs_[b].data(), spare_[0].data());
      shortcut = spare_[0].data();
    }
    const Desc& desc = steps.layers[conv2].out;
    run(steps.add_relu[b],
        {{DNNL_ARG_SRC_0, at(desc, out)}, {DNNL_ARG_SRC_1, at(desc, shortcut)}, {DNNL_ARG_DST, at(desc, out)}});
  }
  head(rows, outputs_.back().data());
  head_back(rows, labels, losses, spare_[0].data());
  for (std::size_t b = plan_.blocks.size(); b-- > 0;) block_back(steps, b, rows, dropout);
  through_dropout(0, rows, dropout, spare_[0].data());
  layer_back(steps.layers[0], 0, images_.data(), spare_[0].data(), spare_[0].data(), nullptr);
}

/// spare_[0]: slope at the block's output, then at its input.
void OneDnnEngine::block_back(const RowSteps& steps, std::size_t b, std::int32_t rows, const float* dropout) {
  const ResNetBlock& block = plan_.blocks[b];
  const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
  const float* const in = outputs_[b].data();
  float* const slope = spare_[0].data();
  float* const inner = spare_[1].data();
  float* const hidden_slope = spare_[2].data();
  float* const in_slope = spare_[3].data();
  const Desc& desc = steps.layers[conv2].out;
  run(steps.relu_back[b], {{DNNL_ARG_DST, at(desc, outputs_[b + 1].data())},
                           {DNNL_ARG_DIFF_DST, at(desc, slope)},
                           {DNNL_ARG_DIFF_SRC, at(desc, slope)}});
  layer_back(steps.layers[conv2], conv2, hidden_[b].data(), slope, inner, hidden_slope);
  through_dropout(b + 1, rows, dropout, hidden_slope);
  layer_back(steps.layers[conv1], conv1, in, hidden_slope, hidden_slope, in_slope);
  const float* past = slope;  // the slope that came past conv1 and conv2
  if (block.shortcut >= 0) {
    const auto s = static_cast<std::size_t>(block.shortcut);
    layer_back(steps.layers[s], s, in, slope, slope, inner);
    past = inner;
  }
  const Desc& in_desc = steps.layers[conv1].in;
  run(steps.add[b], {{DNNL_ARG_SRC_0, at(in_desc, in_slope)},
                     {DNNL_ARG_SRC_1, at(in_desc, past)},
                     {DNNL_ARG_DST, at(in_desc, slope)}});
}

}  // namespace quarry::onednn
