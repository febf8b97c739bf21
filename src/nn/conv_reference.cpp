// SPDX-License-Identifier: MIT
// The reference engine: every layer as its definition says, in float or double. Slow, and what the others are
// compared with.
#include <algorithm>
#include <cmath>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet.h"
#include "src/nn/conv_engine.h"
#include "src/nn/conv_gemm.h"
#include "src/nn/conv_loops.h"

namespace quarry {
namespace {

/// The nearest number of 8 significant bits, ties to even; exponents beyond Bfloat16's do not occur.
template <class T>
T to_bf16(T value) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent;
  const T fraction = std::frexp(value, &exponent);  // in [1/2, 1)
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

template <class T>
class ReferenceEngine : public ConvEngine<T> {
 public:
  ReferenceEngine(const ResNetPlan& plan, ConvPrecision precision)
      : plan_(plan),
        precision_(precision),
        sites_(dropout_sites(plan)),
        parameters_(static_cast<std::size_t>(plan.n_parameters)),
        buffers_(static_cast<std::size_t>(plan.n_buffers)),
        gradients_(parameters_.size()),
        momentum_(parameters_.size()),
        convolved_(plan.layers.size()),
        statistics_(plan.layers.size()),
        hidden_(plan.blocks.size()),
        outputs_(plan.blocks.size() + 1) {}

  void load(const T* parameters, const T* buffers) override {
    std::copy_n(parameters, parameters_.size(), parameters_.begin());
    std::copy_n(buffers, buffers_.size(), buffers_.begin());
    std::fill(momentum_.begin(), momentum_.end(), T(0));
  }

  void store(T* parameters, T* buffers) override {
    std::copy(parameters_.begin(), parameters_.end(), parameters);
    std::copy(buffers_.begin(), buffers_.end(), buffers);
  }

  T* images(std::int32_t rows) override {
    images_.resize(static_cast<std::size_t>(rows * plan_.spec.input.pixels()));
    return images_.data();
  }

  void train(std::int32_t rows, const std::int32_t* labels, const T* dropout, double* losses) override {
    forward(rows, dropout, true);
    const std::int64_t classes = plan_.spec.classes, features = plan_.features;
    std::vector<T> slope(logits_.size());
    cross_entropy(rows, classes, logits_.data(), labels, losses, slope.data());
    conv_gemm<T>(true, false, classes, features, rows, slope.data(), pooled_.data(), false,
                 gradient(plan_.linear_weight));
    for (std::int64_t c = 0; c < classes; ++c) {
      T sum = 0;
      for (std::int64_t r = 0; r < rows; ++r) sum += slope[static_cast<std::size_t>(r * classes + c)];
      gradient(plan_.linear_bias)[c] = sum;
    }
    std::vector<T> pooled_slope(pooled_.size());
    conv_gemm<T>(false, false, rows, features, classes, slope.data(), parameter(plan_.linear_weight), false,
                 pooled_slope.data());
    const std::int64_t positions = last_positions();
    slope.resize(outputs_.back().size());
    for (std::size_t i = 0; i < slope.size(); ++i) {
      slope[i] = pooled_slope[i / static_cast<std::size_t>(positions)] / static_cast<T>(positions);
    }
    for (std::size_t b = plan_.blocks.size(); b-- > 0;) block_backward(b, rows, dropout, slope);
    through_dropout(0, rows, dropout, slope.data());
    through_relu(outputs_[0], slope);
    layer_backward(0, rows, images_.data(), slope.data(), nullptr);
  }

  void gradients(T* packed) override { std::copy(gradients_.begin(), gradients_.end(), packed); }

  void update(T lr, T weight_decay, T momentum) override {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      momentum_[i] = momentum * momentum_[i] + (gradients_[i] + weight_decay * parameters_[i]);
      parameters_[i] -= lr * momentum_[i];
    }
  }

  void evaluate(std::int32_t rows, const T* dropout, T* logits, T* features) override {
    forward(rows, dropout, false);
    if (logits != nullptr) std::copy(logits_.begin(), logits_.end(), logits);
    if (features != nullptr) std::copy(pooled_.begin(), pooled_.end(), features);
  }

 private:
  const ConvLayer& layer(std::int32_t index) const { return plan_.layers[static_cast<std::size_t>(index)]; }
  T* parameter(std::int64_t offset) { return parameters_.data() + offset; }
  T* gradient(std::int64_t offset) { return gradients_.data() + offset; }
  T* buffer(std::int64_t offset) { return buffers_.data() + offset; }
  std::int64_t last_positions() const {
    const ConvLayer& last = layer(plan_.blocks.back().conv2);
    return std::int64_t{last.out_height} * last.out_width;
  }

  void forward(std::int32_t rows, const T* dropout, bool training) {
    layer_forward(0, rows, images_.data(), training, outputs_[0]);
    relu(outputs_[0]);
    through_dropout(0, rows, dropout, outputs_[0].data());
    for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
      const ResNetBlock& block = plan_.blocks[b];
      const std::vector<T>& in = outputs_[b];
      layer_forward(block.conv1, rows, in.data(), training, hidden_[b]);
      relu(hidden_[b]);
      through_dropout(b + 1, rows, dropout, hidden_[b].data());
      std::vector<T>& out = outputs_[b + 1];
      layer_forward(block.conv2, rows, hidden_[b].data(), training, out);
      if (block.shortcut >= 0) layer_forward(block.shortcut, rows, in.data(), training, shortcut_);
      const std::vector<T>& shortcut = block.shortcut >= 0 ? shortcut_ : in;
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += shortcut[i];
      relu(out);
    }
    pool(rows);
    logits_.resize(static_cast<std::size_t>(rows * plan_.spec.classes));
    conv_gemm<T>(false, true, rows, plan_.spec.classes, plan_.features, pooled_.data(), parameter(plan_.linear_weight),
                 false, logits_.data());
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      logits_[i] += parameter(plan_.linear_bias)[i % static_cast<std::size_t>(plan_.spec.classes)];
    }
  }

  /// Convolution and normalisation.
  void layer_forward(std::int32_t index, std::int64_t rows, const T* in, bool training, std::vector<T>& out) {
    const ConvLayer& l = layer(index);
    const auto at = static_cast<std::size_t>(index);
    const std::int64_t positions = std::int64_t{l.out_height} * l.out_width;
    convolved_[at].resize(static_cast<std::size_t>(rows * map_out(l)));
    out.resize(convolved_[at].size());
    convolve(l, rows, read(in, rows * map_in(l), rounded_in_), read_weights(l), convolved_[at].data(), columns_);
    NormStatistics<T>& statistics = statistics_[at];
    if (training) {
      norm_statistics(rows, l.out_channels, positions, convolved_[at].data(), statistics, buffer(l.mean),
                      buffer(l.variance));
    } else {
      statistics.mean.assign(buffer(l.mean), buffer(l.mean) + l.out_channels);
      statistics.inverse.resize(static_cast<std::size_t>(l.out_channels));
      for (std::int64_t c = 0; c < l.out_channels; ++c) {
        statistics.inverse[static_cast<std::size_t>(c)] =
            static_cast<T>(1 / std::sqrt(buffer(l.variance)[c] + kNormEpsilon));
      }
    }
    normalise(rows, l.out_channels, positions, convolved_[at].data(), statistics, parameter(l.gamma), parameter(l.beta),
              out.data());
  }

  /// dx is added to, unless null; slope becomes that of the convolution's output.
  void layer_backward(std::int32_t index, std::int64_t rows, const T* in, T* slope, T* dx) {
    const ConvLayer& l = layer(index);
    const auto at = static_cast<std::size_t>(index);
    normalise_backward(rows, l.out_channels, std::int64_t{l.out_height} * l.out_width, convolved_[at].data(),
                       statistics_[at], parameter(l.gamma), slope, gradient(l.gamma), gradient(l.beta));
    const T* const slope_read = read(slope, rows * map_out(l), rounded_slope_);
    convolve_weights(l, rows, read(in, rows * map_in(l), rounded_in_), slope_read, gradient(l.weight), columns_);
    if (dx != nullptr) convolve_inputs(l, rows, slope_read, read_weights(l), dx, columns_);
  }

  /// Numbers as a convolution reads them: themselves, or rounded ones in `place`.
  const T* read(const T* from, std::int64_t n, std::vector<T>& place) const {
    if (precision_ == ConvPrecision::fp32) return from;
    place.resize(static_cast<std::size_t>(n));
    std::transform(from, from + n, place.begin(), to_bf16<T>);
    return place.data();
  }
  const T* read_weights(const ConvLayer& l) { return read(parameter(l.weight), l.gamma - l.weight, rounded_weights_); }

  /// slope: at the block's output, then at its input.
  void block_backward(std::size_t b, std::int64_t rows, const T* dropout, std::vector<T>& slope) {
    const ResNetBlock& block = plan_.blocks[b];
    const T* const in = outputs_[b].data();
    through_relu(outputs_[b + 1], slope);
    std::vector<T> in_slope(outputs_[b].size(), T(0));
    if (block.shortcut >= 0) {
      shortcut_ = slope;
      layer_backward(block.shortcut, rows, in, shortcut_.data(), in_slope.data());
    } else {
      in_slope = slope;
    }
    std::vector<T> hidden_slope(hidden_[b].size(), T(0));
    layer_backward(block.conv2, rows, hidden_[b].data(), slope.data(), hidden_slope.data());
    through_dropout(b + 1, rows, dropout, hidden_slope.data());
    through_relu(hidden_[b], hidden_slope);
    layer_backward(block.conv1, rows, in, hidden_slope.data(), in_slope.data());
    slope = std::move(in_slope);
  }

  static void relu(std::vector<T>& maps) {
    for (T& value : maps) value = 0 > value ? T(0) : value;  // a NaN stays a NaN
  }
  static void through_relu(const std::vector<T>& maps, std::vector<T>& slope) {
    for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = maps[i] <= 0 ? T(0) : slope[i];
  }

  void through_dropout(std::size_t site, std::int64_t rows, const T* dropout, T* maps) const {
    if (dropout == nullptr) return;
    const ConvLayer& l = layer(sites_.layers[site]);
    const std::int64_t positions = std::int64_t{l.out_height} * l.out_width;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < l.out_channels; ++c) {
        const T factor = dropout[r * sites_.width + sites_.offsets[site] + c];
        for (std::int64_t p = 0; p < positions; ++p) *maps++ *= factor;
      }
    }
  }

  void pool(std::int64_t rows) {
    const std::int64_t positions = last_positions();
    pooled_.resize(static_cast<std::size_t>(rows * plan_.features));
    const T* value = outputs_.back().data();
    for (T& mean : pooled_) {
      double sum = 0;
      for (std::int64_t p = 0; p < positions; ++p) sum += *value++;
      mean = static_cast<T>(sum / static_cast<double>(positions));
    }
  }

  const ResNetPlan plan_;
  const ConvPrecision precision_;
  const DropoutSites sites_;
  std::vector<T> parameters_, buffers_, gradients_, momentum_;
  std::vector<T> images_, pooled_, logits_, shortcut_, columns_;
  std::vector<T> rounded_in_, rounded_slope_, rounded_weights_;
  std::vector<std::vector<T>> convolved_;         ///< of each layer, before normalisation
  std::vector<NormStatistics<T>> statistics_;     ///< of each layer
  std::vector<std::vector<T>> hidden_, outputs_;  ///< inside each block; behind the stem and each block
};

}  // namespace

template <class T>
std::unique_ptr<ConvEngine<T>> make_reference_engine(const ResNetPlan& plan, ConvPrecision precision) {
  return std::make_unique<ReferenceEngine<T>>(plan, precision);
}

template std::unique_ptr<ConvEngine<float>> make_reference_engine(const ResNetPlan&, ConvPrecision);
template std::unique_ptr<ConvEngine<double>> make_reference_engine(const ResNetPlan&, ConvPrecision);

#if !QUARRY_HAS_ONEDNN
std::unique_ptr<ConvEngine<float>> make_conv_engine(const ResNetPlan& plan, ConvPrecision precision) {
  check_conv_precision(precision);
  return make_reference_engine<float>(plan);
}
void check_conv_precision(ConvPrecision precision) {
  if (precision == ConvPrecision::bf16)
    usage_error("bf16 on the CPU needs oneDNN, which this build is without; use fp32, or build with QUARRY_ONEDNN=ON");
}
std::string_view conv_engine_name(ConvPrecision) {
  return "reference, fp32";
}
#endif

}  // namespace quarry
