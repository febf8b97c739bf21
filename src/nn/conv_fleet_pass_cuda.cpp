// SPDX-License-Identifier: MIT
#include <utility>

#include "quarry/core/error.h"
#include "src/nn/conv_fleet_pass.h"

namespace quarry::cuda {

namespace {

/// The table's engines so far are kernels of conv_device.h, one for each precision.
ConvPrecision kernels_of(ConvEngine engine) {
  if (engine == ConvEngine::bf16_mma) return ConvPrecision::bf16;
  QUARRY_CHECK(engine == ConvEngine::fp32_fma, "the engine {} is none of a fleet's", to_string(engine));
  return ConvPrecision::fp32;
}

}  // namespace

FleetPass::FleetPass(gpu::Session& session, const ResNetPlan& plan, const NetSize& size, const NetArrays& arrays)
    : session_(session), plan_(plan), size_(size), arrays_(arrays) {
  if (size.means.choice == ConvChoice::cudnn) library_ = std::make_unique<LibraryConvolutions>(session, plan, size);
}

BatchNormEnd FleetPass::end_of(const NetLayer& l, const PassMode& mode) const {
  BatchNormEnd end;
  if (mode.drop == PassMode::no_drop || l.drop == nullptr) return end;
  end.drop = l.drop;
  end.per_image = mode.drop == PassMode::drop_by_image;
  return end;
}

void FleetPass::convolve(const NetLayer& l, const void* in, const BatchNormEnd& end, const PassMode& mode) {
  float* const statistics = mode.training ? arrays_.statistics : nullptr;
  if (l.engines.forward == ConvEngine::cudnn) {
    library_->run(l.conv, ConvPass::forward, in, weights_of(l), l.y);
    if (mode.training) conv_statistics(session_, precision(), l.conv, fleet(), l.y, statistics);
  } else {
    conv_forward(session_, kernels_of(l.engines.forward), l.conv, fleet(), in, weights_of(l), l.y, statistics);
  }
  if (mode.training) {
    batch_norm_statistics(session_, l.shape, fleet(), statistics, l.norm);
  } else {
    batch_norm_running(session_, l.shape, fleet(), l.norm);
  }
  batch_norm_apply(session_, precision(), l.shape, fleet(), l.y, l.norm, end, l.out);
}

void FleetPass::forward(const PassMode& mode) {
  convolve(layer(0), arrays_.images, end_of(layer(0), mode), mode);
  const void* in = layer(0).out;
  for (const ResNetBlock& block : plan_.blocks) {
    const NetLayer &first = layer(block.conv1), &second = layer(block.conv2);
    convolve(first, in, end_of(first, mode), mode);
    BatchNormEnd join;
    join.residual = in;
    if (block.shortcut >= 0) {
      BatchNormEnd plain;
      plain.relu = false;
      convolve(layer(block.shortcut), in, plain, mode);
      join.residual = layer(block.shortcut).out;
    }
    convolve(second, first.out, join, mode);
    in = second.out;
  }
  head_features(session_, precision(), arrays_.head_shape, fleet(), in, arrays_.features);
  head_logits(session_, arrays_.head_shape, fleet(), arrays_.features, arrays_.head, arrays_.logits);
}

void FleetPass::unnormalise(const NetLayer& l, const BatchNormEnd& end, const void* d_out, void* d_y,
                            void* d_residual) {
  BatchNormGradient gradient;
  gradient.y = l.y;
  gradient.out = l.out;
  gradient.d_out = d_out;
  gradient.d_y = d_y;
  gradient.d_residual = d_residual;
  gradient.rates = rates();
  gradient.gamma_velocity = l.gamma_velocity;
  gradient.beta_velocity = l.beta_velocity;
  batch_norm_gradient(session_, precision(), l.shape, fleet(), l.norm, end, gradient, arrays_.scratch);
}

void FleetPass::unconvolve(const NetLayer& l, const void* d_y, void* d_in, bool add, void* spare) {
  if (l.engines.input_gradient == ConvEngine::cudnn) {
    library_->run(l.conv, ConvPass::input_gradient, d_y, weights_of(l), add ? spare : d_in);
    if (add) conv_add_input_gradient(session_, precision(), l.conv, fleet(), spare, d_in);
    return;
  }
  conv_input_gradient(session_, kernels_of(l.engines.input_gradient), l.conv, fleet(), d_y, weights_of(l), d_in, add);
}

void FleetPass::step(const NetLayer& l, const void* in, const void* d_y) {
  if (l.engines.weight_gradient == ConvEngine::cudnn) {
    library_->run(l.conv, ConvPass::weight_gradient, in, d_y, arrays_.weight_gradient);
    conv_gradient_step(session_, precision(), l.conv, fleet(), arrays_.weight_gradient, rates(), l.weights);
    return;
  }
  conv_weight_step(session_, kernels_of(l.engines.weight_gradient), l.conv, fleet(), in, d_y, rates(), l.weights,
                   arrays_.scratch);
}

void FleetPass::backward(const PassMode& mode) {
  void *d_out = arrays_.gradients[0],
       *d_in = arrays_.gradients[1], *const d_second = arrays_.gradients[2], *const d_first = arrays_.gradients[3];
  head_gradient(session_, precision(), arrays_.head_shape, fleet(), arrays_.d_logits, arrays_.head, d_out);
  head_step(session_, arrays_.head_shape, fleet(), arrays_.d_logits, arrays_.features, rates(), arrays_.head);
  for (std::size_t b = plan_.blocks.size(); b-- > 0;) {
    const ResNetBlock& block = plan_.blocks[b];
    const NetLayer &first = layer(block.conv1), &second = layer(block.conv2);
    const void* const in = b == 0 ? layer(0).out : layer(plan_.blocks[b - 1].conv2).out;
    // A layer's weights take their step when the gradient of its input has been through them.
    unnormalise(second, {}, d_out, d_second, d_out);  // d_out becomes the shortcut's
    unconvolve(second, d_second, d_first, false, nullptr);
    step(second, first.out, d_second);
    unnormalise(first, end_of(first, mode), d_first, d_first, nullptr);
    if (block.shortcut >= 0) {
      const NetLayer& shortcut = layer(block.shortcut);
      BatchNormEnd plain;
      plain.relu = false;
      unnormalise(shortcut, plain, d_out, d_out, nullptr);
      unconvolve(shortcut, d_out, d_in, false, nullptr);
      step(shortcut, in, d_out);
      std::swap(d_out, d_in);
    }
    unconvolve(first, d_first, d_out, true, d_second);
    step(first, in, d_first);
  }
  unnormalise(layer(0), end_of(layer(0), mode), d_out, d_out, nullptr);
  step(layer(0), arrays_.images, d_out);
}

}  // namespace quarry::cuda
