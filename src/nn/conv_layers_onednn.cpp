// SPDX-License-Identifier: MIT
// One layer: convolution and normalisation, forward and backward.
#include "src/nn/conv_describe_onednn.h"

namespace quarry::onednn {

void OneDnnEngine::run(const Step& step, std::unordered_map<int, memory> arguments) {
  if (step.scratch.get_size() > 0) {
    grow(scratch_, step.scratch.get_size() / sizeof(float) + 1);
    arguments.insert({DNNL_ARG_SCRATCHPAD, at(step.scratch, scratch_.data())});
  }
  step.primitive.execute(stream_, arguments);
}

void OneDnnEngine::reorder(const Desc& from_desc, const float* from, const Desc& to_desc, void* to) {
  Step step;
  {
    const std::lock_guard lock(primitives());
    const dnnl::reorder::primitive_desc desc(engine_, from_desc, engine_, to_desc, attributes());
    step = {dnnl::reorder(desc), desc.scratchpad_desc()};
  }
  run(step, {{DNNL_ARG_FROM, at(from_desc, from)}, {DNNL_ARG_TO, at(to_desc, to)}});
  const std::lock_guard lock(primitives());
  step = {};
}

/// What a convolution reads: the numbers themselves, or rounded ones in `place`.
const float* OneDnnEngine::rounded(const Step& step, const Desc& from_desc, const float* from, const Desc& to_desc,
                                   Buffer<float>& place) {
  if (!step.primitive) return from;
  grow(place, to_desc.get_size() / sizeof(float) + 1);
  run(step, {{DNNL_ARG_FROM, at(from_desc, from)}, {DNNL_ARG_TO, at(to_desc, place.data())}});
  return place.data();
}

/// The layer's weights in the layout and the type a primitive wants: in place, or a copy that lives until the next
/// call.
memory OneDnnEngine::weights_for(std::size_t layer, const Desc& wanted) {
  const float* const own = parameters_.data() + places_[layer].weights;
  if (wanted == places_[layer].own) return at(wanted, own);
  grow(weights_copy_, wanted.get_size() / sizeof(float) + 1);
  reorder(places_[layer].own, own, wanted, weights_copy_.data());
  return at(wanted, weights_copy_.data());
}

void OneDnnEngine::convolve_forward(const LayerSteps& steps, std::size_t layer, const float* in, float* out) {
  const float* const read = rounded(steps.round_in, steps.in, in, steps.conv_in, rounded_in_[layer]);
  run(steps.forward, {{DNNL_ARG_SRC, at(steps.conv_in, read)},
                      {DNNL_ARG_WEIGHTS, weights_for(layer, steps.weights)},
                      {DNNL_ARG_DST, at(steps.out, out)}});
}

void OneDnnEngine::layer_evaluate(const LayerSteps& steps, std::size_t layer, const float* in, float* out) {
  const ConvLayer& l = plan_.layers[layer];
  convolve_forward(steps, layer, in, out);
  run(steps.normalise_eval, {{DNNL_ARG_SRC, at(steps.out, out)},
                             {DNNL_ARG_MEAN, per_channel(buffers_.data() + l.mean, layer)},
                             {DNNL_ARG_VARIANCE, per_channel(buffers_.data() + l.variance, layer)},
                             {DNNL_ARG_SCALE, scale(parameters_, layer)},
                             {DNNL_ARG_SHIFT, shift(parameters_, layer)},
                             {DNNL_ARG_DST, at(steps.out, out)}});
}

void OneDnnEngine::layer_train(const LayerSteps& steps, std::size_t layer, std::int32_t rows, const float* in,
                               float* out) {
  const ConvLayer& l = plan_.layers[layer];
  convolve_forward(steps, layer, in, convolved_[layer].data());
  float* const mean = batch_statistics_.data() + l.mean;
  float* const variance = batch_statistics_.data() + l.variance;
  run(steps.normalise, {{DNNL_ARG_SRC, at(steps.out, convolved_[layer].data())},
                        {DNNL_ARG_MEAN, per_channel(mean, layer)},
                        {DNNL_ARG_VARIANCE, per_channel(variance, layer)},
                        {DNNL_ARG_SCALE, scale(parameters_, layer)},
                        {DNNL_ARG_SHIFT, shift(parameters_, layer)},
                        {DNNL_ARG_WORKSPACE, at(steps.workspace, workspaces_[layer].data())},
                        {DNNL_ARG_DST, at(steps.out, out)}});
  const double count = static_cast<double>(rows) * l.out_height * l.out_width;
  float* const running_mean = buffers_.data() + l.mean;
  float* const running_variance = buffers_.data() + l.variance;
  for (std::int32_t c = 0; c < l.out_channels; ++c) {
    running_mean[c] = static_cast<float>((1 - kRunningShare) * running_mean[c] + kRunningShare * mean[c]);
    running_variance[c] = static_cast<float>((1 - kRunningShare) * running_variance[c] +
                                             kRunningShare * variance[c] * (count / (count - 1)));
  }
}

/// From the slope at the layer's output: its gradients, and the slope at its input unless null. `inner` holds the
/// slope between convolution and normalisation; it may be `slope`.
void OneDnnEngine::layer_back(const LayerSteps& steps, std::size_t layer, const float* in, const float* slope,
                              float* inner, float* in_slope) {
  const ConvLayer& l = plan_.layers[layer];
  run(steps.normalise_back, {{DNNL_ARG_SRC, at(steps.out, convolved_[layer].data())},
                             {DNNL_ARG_DIFF_DST, at(steps.out, slope)},
                             {DNNL_ARG_MEAN, per_channel(batch_statistics_.data() + l.mean, layer)},
                             {DNNL_ARG_VARIANCE, per_channel(batch_statistics_.data() + l.variance, layer)},
                             {DNNL_ARG_SCALE, scale(parameters_, layer)},
                             {DNNL_ARG_SHIFT, kBackReadsShift ? shift(parameters_, layer) : memory()},
                             {DNNL_ARG_WORKSPACE, at(steps.workspace, workspaces_[layer].data())},
                             {DNNL_ARG_DIFF_SRC, at(steps.out, inner)},
                             {DNNL_ARG_DIFF_SCALE, scale(gradients_, layer)},
                             {DNNL_ARG_DIFF_SHIFT, shift(gradients_, layer)}});
  float* const own = gradients_.data() + places_[layer].weights;
  const bool same = steps.weights_slope == places_[layer].own;
  if (!same) grow(gradient_copy_, steps.weights_slope.get_size() / sizeof(float));
  const float* const read = steps.round_in.primitive ? rounded_in_[layer].data() : in;  // as the forward pass read it
  const float* const slope_read = rounded(steps.round_slope, steps.out, inner, steps.conv_slope, rounded_slope_);
  run(steps.to_weights, {{DNNL_ARG_SRC, at(steps.conv_in, read)},
                         {DNNL_ARG_DIFF_DST, at(steps.conv_slope, slope_read)},
                         {DNNL_ARG_DIFF_WEIGHTS, at(steps.weights_slope, same ? own : gradient_copy_.data())}});
  if (!same) reorder(steps.weights_slope, gradient_copy_.data(), places_[layer].own, own);
  if (in_slope == nullptr) return;
  run(steps.to_inputs, {{DNNL_ARG_DIFF_DST, at(steps.conv_slope, slope_read)},
                        {DNNL_ARG_WEIGHTS, weights_for(layer, steps.weights_back)},
                        {DNNL_ARG_DIFF_SRC, at(steps.in, in_slope)}});
}

/// Every channel of every image times its factor.
void OneDnnEngine::through_dropout(std::size_t site, std::int32_t rows, const float* dropout, float* maps) const {
  if (dropout == nullptr) return;
  const ConvLayer& l = plan_.layers[static_cast<std::size_t>(sites_.layers[site])];
  const std::int32_t positions = l.out_height * l.out_width;
  for (std::int32_t r = 0; r < rows; ++r) {
    const float* factors = dropout + std::ptrdiff_t{r} * sites_.width + sites_.offsets[site];
    for (std::int32_t group = 0; group < l.out_channels / block_; ++group, factors += block_) {
      for (std::int32_t p = 0; p < positions; ++p) {
        for (std::int32_t c = 0; c < block_; ++c) *maps++ *= factors[c];
      }
    }
  }
}

}  // namespace quarry::onednn
