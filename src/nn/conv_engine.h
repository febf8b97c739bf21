// SPDX-License-Identifier: MIT
// One residual network at work on one thread: a training step, an update, an evaluation. What the fleets call; each
// engine chooses its own layouts. Batches of up to `rows` images; every tensor below is row-major.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "quarry/nn/resnet.h"
#include "quarry/ops/conv_precision.h"

namespace quarry {

/// Images per evaluation call: fixed, so that results depend on nothing else.
inline constexpr std::int32_t kConvChunk = 32;

template <class T>
class ConvEngine {
 public:
  virtual ~ConvEngine() = default;

  /// Takes packed parameters and buffers; the momentum becomes zero.
  virtual void load(const T* parameters, const T* buffers) = 0;
  virtual void store(T* parameters, T* buffers) = 0;

  /// Where the images of the next call go: [rows][channels][height][width].
  virtual T* images(std::int32_t rows) = 0;

  /// Forward in training mode and backward: gradients of the mean loss; running statistics move on.
  /// labels [rows]; dropout: factors [rows][DropoutSites::width] or null; losses [rows] out.
  virtual void train(std::int32_t rows, const std::int32_t* labels, const T* dropout, double* losses) = 0;
  /// The gradients of the last train(), packed as the parameters.
  virtual void gradients(T* packed) = 0;
  /// g' = g + weight_decay w; v = momentum v + g'; w -= lr v.
  virtual void update(T lr, T weight_decay, T momentum) = 0;

  /// Evaluation mode: logits [rows][classes], features [rows][features]; either may be null. Dropout as above.
  virtual void evaluate(std::int32_t rows, const T* dropout, T* logits, T* features) = 0;
};

/// Plain code, float or double (src/nn/conv_reference.cpp). bf16: what convolutions read is rounded first, a number at
/// a time; slow, for comparison.
template <class T>
std::unique_ptr<ConvEngine<T>> make_reference_engine(const ResNetPlan& plan,
                                                     ConvPrecision precision = ConvPrecision::fp32);

/// The engine of this build: oneDNN, or the reference without it. Error: check_conv_precision's.
std::unique_ptr<ConvEngine<float>> make_conv_engine(const ResNetPlan& plan,
                                                    ConvPrecision precision = ConvPrecision::fp32);

}  // namespace quarry
