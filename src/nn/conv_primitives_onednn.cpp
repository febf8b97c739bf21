// SPDX-License-Identifier: MIT
// Which primitives there are: made once per number of rows.
#include <algorithm>
#include <string_view>

#include "quarry/core/error.h"
#include "src/nn/conv_describe_onednn.h"

namespace quarry::onednn {
namespace {

std::size_t round16(std::size_t n) {
  return (n + 15) / 16 * 16;
}

}  // namespace

void OneDnnEngine::choose_layout() {
  const ConvLayer& l = plan_.layers[1];
  const auto f32 = memory::data_type::f32;
  const memory::dims in = {kConvChunk, l.in_channels, l.in_height, l.in_width};
  const memory::dims out = {kConvChunk, l.out_channels, l.out_height, l.out_width};
  const auto desc = describe<dnnl::convolution_forward>(
      engine_, attributes(), prop_kind::forward_training, algorithm::convolution_direct, Desc(in, f32, Tag::any),
      Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, f32, Tag::any), Desc(out, f32, Tag::any),
      memory::dims{1, 1}, memory::dims{1, 1}, memory::dims{1, 1});
  for (const auto& [tag, block] : {std::pair(Tag::nChw16c, 16), std::pair(Tag::nChw8c, 8)}) {
    if (desc.src_desc() == Desc(in, f32, tag)) {
      layout_ = tag;
      block_ = block;
    }
  }
}

void OneDnnEngine::place_parameters() {
  std::size_t end = 0;
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    const ConvLayer& l = plan_.layers[i];
    LayerPlace place;
    place.packed = Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, memory::data_type::f32, Tag::oihw);
    LayerSteps steps = forward_steps(i, kConvChunk);
    place.own = steps.weights;
    if (precision_ == ConvPrecision::bf16) {  // the float layout that the gradient comes in
      training_steps(i, kConvChunk, steps);
      place.own = steps.weights_slope;
    }
    place.weights = end;
    place.norm = end + round16(place.own.get_size() / sizeof(float));
    end = place.norm + round16(2 * static_cast<std::size_t>(l.out_channels));
    places_.push_back(place);
  }
  linear_ = end;
  end += static_cast<std::size_t>(plan_.n_parameters - plan_.linear_weight);
  for (Buffer<float>* buffer : {&parameters_, &gradients_, &momentum_}) *buffer = Buffer<float>(end);
}

/// A plain loop would be slower in bf16 than the fast one in fp32.
void OneDnnEngine::require_fast(const char* implementation) const {
  if (precision_ == ConvPrecision::bf16 && std::string_view(implementation).find("ref") != std::string_view::npos)
    usage_error("oneDNN has no fast bf16 convolution for this network on this CPU (it would take {}); use fp32",
                implementation);
}

/// Empty if there is nothing to round.
Step OneDnnEngine::rounding(const Desc& from, const Desc& to) const {
  if (from == to) return {};
  const dnnl::reorder::primitive_desc desc(engine_, from, engine_, to, attributes());
  return {dnnl::reorder(desc), desc.scratchpad_desc()};
}

LayerSteps OneDnnEngine::forward_steps(std::size_t index, std::int32_t rows) const {
  const ConvLayer& l = plan_.layers[index];
  const auto f32 = memory::data_type::f32;
  LayerSteps steps;
  steps.in = Desc({rows, l.in_channels, l.in_height, l.in_width}, f32, index == 0 ? Tag::nchw : layout_);
  steps.conv_in = Desc({rows, l.in_channels, l.in_height, l.in_width}, read_type(), index == 0 ? Tag::nchw : layout_);
  steps.out = map_desc(l, rows);
  steps.round_in = rounding(steps.in, steps.conv_in);
  const auto forward = describe<dnnl::convolution_forward>(
      engine_, attributes(), prop_kind::forward_training, algorithm::convolution_direct, steps.conv_in,
      Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, read_type(), Tag::any), steps.out,
      memory::dims{l.stride, l.stride}, memory::dims{l.padding, l.padding}, memory::dims{l.padding, l.padding});
  require_fast(forward.impl_info_str());
  steps.weights = forward.weights_desc();
  steps.forward = {dnnl::convolution_forward(forward), forward.scratchpad_desc()};
  Flags flags = Flags::use_global_stats | Flags::use_scale | Flags::use_shift;
  if (relu_after(index)) flags |= Flags::fuse_norm_relu;
  const auto normalise = describe<dnnl::batch_normalization_forward>(
      engine_, attributes(), prop_kind::forward_inference, steps.out, static_cast<float>(kNormEpsilon), flags);
  steps.normalise_eval = {dnnl::batch_normalization_forward(normalise), normalise.scratchpad_desc()};
  return steps;
}

void OneDnnEngine::training_steps(std::size_t index, std::int32_t rows, LayerSteps& steps) const {
  const ConvLayer& l = plan_.layers[index];
  const memory::dims sizes = {l.out_channels, l.in_channels, l.kernel, l.kernel};
  const Desc weights(sizes, read_type(), Tag::any), weights_slope(sizes, memory::data_type::f32, Tag::any);
  const memory::dims stride = {l.stride, l.stride}, padding = {l.padding, l.padding};
  steps.conv_slope = Desc({rows, l.out_channels, l.out_height, l.out_width}, read_type(), layout_);
  steps.round_slope = rounding(steps.out, steps.conv_slope);
  const auto hint = describe<dnnl::convolution_forward>(engine_, attributes(), prop_kind::forward_training,
                                                        algorithm::convolution_direct, steps.conv_in, weights,
                                                        steps.out, stride, padding, padding);
  const auto to_weights = describe_back<dnnl::convolution_backward_weights>(
      engine_, attributes(), hint, algorithm::convolution_direct, steps.conv_in, weights_slope, steps.conv_slope,
      stride, padding, padding);
  require_fast(to_weights.impl_info_str());
  steps.weights_slope = to_weights.diff_weights_desc();
  steps.to_weights = {dnnl::convolution_backward_weights(to_weights), to_weights.scratchpad_desc()};
  if (index > 0) {
    const auto to_inputs =
        describe_back<dnnl::convolution_backward_data>(engine_, attributes(), hint, algorithm::convolution_direct,
                                                       steps.in, weights, steps.conv_slope, stride, padding, padding);
    require_fast(to_inputs.impl_info_str());
    steps.weights_back = to_inputs.weights_desc();
    steps.to_inputs = {dnnl::convolution_backward_data(to_inputs), to_inputs.scratchpad_desc()};
  }
  Flags flags = Flags::use_scale | Flags::use_shift;
  if (relu_after(index)) flags |= Flags::fuse_norm_relu;
  const auto epsilon = static_cast<float>(kNormEpsilon);
  const Desc out = map_desc(l, rows);
  const auto normalise = describe<dnnl::batch_normalization_forward>(engine_, attributes(), prop_kind::forward_training,
                                                                     out, epsilon, flags);
  steps.workspace = normalise.workspace_desc();
  steps.normalise = {dnnl::batch_normalization_forward(normalise), normalise.scratchpad_desc()};
  const auto back = describe_back<dnnl::batch_normalization_backward>(engine_, attributes(), normalise,
                                                                      prop_kind::backward, out, out, epsilon, flags);
  steps.normalise_back = {dnnl::batch_normalization_backward(back), back.scratchpad_desc()};
}

/// The primitives for so many rows, made when they are first wanted.
void OneDnnEngine::make_steps(RowSteps& steps, std::int32_t rows, bool training) const {
  const std::lock_guard lock(primitives());
  if (steps.layers.empty()) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) steps.layers.push_back(forward_steps(i, rows));
    dnnl::post_ops relu;
    append_relu(relu);
    dnnl::primitive_attr then_relu = attributes();
    then_relu.set_post_ops(relu);
    for (const ResNetBlock& block : plan_.blocks) {
      const Desc out = steps.layers[static_cast<std::size_t>(block.conv2)].out;
      const auto add = describe<dnnl::binary>(engine_, then_relu, algorithm::binary_add, out, out, out);
      steps.add_relu.push_back({dnnl::binary(add), add.scratchpad_desc()});
    }
  }
  if (training && !steps.trains) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) training_steps(i, rows, steps.layers[i]);
    for (const ResNetBlock& block : plan_.blocks) {
      const Desc out = steps.layers[static_cast<std::size_t>(block.conv2)].out;
      const Desc in = steps.layers[static_cast<std::size_t>(block.conv1)].in;
      const algorithm relu = algorithm::eltwise_relu_use_dst_for_bwd;
      const auto hint = describe<dnnl::eltwise_forward>(engine_, attributes(), prop_kind::forward_training, relu, out);
      const auto back = describe_back<dnnl::eltwise_backward>(engine_, attributes(), hint, relu, out, out);
      steps.relu_back.push_back({dnnl::eltwise_backward(back), back.scratchpad_desc()});
      const auto add = describe<dnnl::binary>(engine_, attributes(), algorithm::binary_add, in, in, in);
      steps.add.push_back({dnnl::binary(add), add.scratchpad_desc()});
    }
    steps.trains = true;
  }
}

const RowSteps& OneDnnEngine::steps_of(std::int32_t rows, bool training) {
  RowSteps& steps = steps_[rows];
  if (steps.layers.empty() || (training && !steps.trains)) make_steps(steps, rows, training);
  std::size_t largest = 0;
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) largest = std::max(largest, map_size(i, rows));
  for (Buffer<float>& spare : spare_) grow(spare, largest);
  if (training) {
    convolved_.resize(plan_.layers.size());
    workspaces_.resize(plan_.layers.size());
    hidden_.resize(plan_.blocks.size());
    outputs_.resize(plan_.blocks.size() + 1);
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
      grow(convolved_[i], map_size(i, rows));
      grow(workspaces_[i], steps.layers[i].workspace.get_size() / sizeof(float) + 1);
    }
    grow(outputs_[0], map_size(0, rows));
    for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
      grow(hidden_[b], map_size(static_cast<std::size_t>(plan_.blocks[b].conv1), rows));
      grow(outputs_[b + 1], map_size(static_cast<std::size_t>(plan_.blocks[b].conv2), rows));
    }
    grow(batch_statistics_, 2 * static_cast<std::size_t>(plan_.n_buffers));
  }
  return steps;
}

}  // namespace quarry::onednn
