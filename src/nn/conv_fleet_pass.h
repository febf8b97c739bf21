// SPDX-License-Identifier: MIT
// One step of a convolutional fleet as launches in the queue of a session: what a graph records.
#pragma once

#include <memory>

#include "src/nn/conv_fleet_arrays.h"
#include "src/nn/conv_fleet_library.h"

namespace quarry::cuda {

/// Forward pass: by the batch's statistics, or evaluation; with factors of dropout by image, by channel, or without.
struct PassMode {
  bool training = true;
  enum { no_drop, drop_by_image, drop_by_channel } drop = no_drop;
};

class FleetPass {
 public:
  /// Plans the convolutions of cuDNN where the size asks for them, and allocates their workspaces.
  FleetPass(gpu::Session& session, const ResNetPlan& plan, const NetSize& size, const NetArrays& arrays);

  /// From arrays.images to features and logits.
  void forward(const PassMode& mode);
  /// From d_logits to the step of every parameter; after a training forward pass of the same mode.
  void backward(const PassMode& mode);
  /// Gives back what only a training needs. No pass after it.
  void release() {
    if (library_) library_->release();
  }

 private:
  const NetLayer& layer(std::int32_t i) const { return arrays_.layers[static_cast<std::size_t>(i)]; }
  ConvPrecision precision() const { return size_.means.precision; }
  FleetImages fleet() const { return {size_.members, arrays_.present}; }
  SgdRates rates() const { return {arrays_.lr, arrays_.weight_decay, arrays_.momentum}; }
  const void* weights_of(const NetLayer& l) const {
    return precision() == ConvPrecision::bf16 ? l.weights.copy : l.weights.weights;
  }
  BatchNormEnd end_of(const NetLayer& l, const PassMode& mode) const;
  void convolve(const NetLayer& l, const void* in, const BatchNormEnd& end, const PassMode& mode);
  /// Through the normalisation of l, from d_out to d_y; the step of gamma and beta.
  void unnormalise(const NetLayer& l, const BatchNormEnd& end, const void* d_out, void* d_y, void* d_residual);
  /// d_in = gradient of the input; add: += it, by way of `spare`, which is large enough for any gradient.
  void unconvolve(const NetLayer& l, const void* d_y, void* d_in, bool add, void* spare);
  void step(const NetLayer& l, const void* in, const void* d_y);

  gpu::Session& session_;
  const ResNetPlan& plan_;
  const NetSize& size_;
  const NetArrays& arrays_;
  std::unique_ptr<LibraryConvolutions> library_;
};

}  // namespace quarry::cuda
