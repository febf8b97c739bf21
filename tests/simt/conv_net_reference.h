// SPDX-License-Identifier: MIT
// A residual network in double precision by its definition, trained by stochastic gradient descent: one image set, one
// member. Only the description of the network (ResNetPlan) is shared with the code under test.
#pragma once

#include <functional>

#include "quarry/nn/resnet.h"
#include "tests/simt/conv_reference.h"

namespace quarry::test {

/// A plan of a stem of `width` channels, a block of as many, and one of twice as many with stride 2.
inline ResNetPlan tiny_plan(ImageShape input, std::int32_t width, std::int32_t classes, double dropout) {
  ResNetPlan plan;
  plan.spec.input = input;
  plan.spec.classes = classes;
  plan.spec.dropout = dropout;
  const auto add = [&](std::int32_t in, std::int32_t out, std::int32_t kernel, std::int32_t stride, std::int32_t height,
                       std::int32_t w) {
    ConvLayer l;
    const ConvShape s = conv_shape(in, out, kernel, stride, height, w, 1);
    l.in_channels = in, l.out_channels = out, l.kernel = kernel, l.stride = stride, l.padding = s.padding;
    l.in_height = height, l.in_width = w, l.out_height = s.out_height, l.out_width = s.out_width;
    l.weight = plan.n_parameters;
    l.gamma = l.weight + out * in * kernel * kernel;
    l.beta = l.gamma + out;
    plan.n_parameters = l.beta + out;
    l.mean = plan.n_buffers;
    l.variance = l.mean + out;
    plan.n_buffers = l.variance + out;
    plan.layers.push_back(l);
    return static_cast<std::int32_t>(plan.layers.size()) - 1;
  };
  const std::int32_t h = input.height, w = input.width, half = (h + 1) / 2, half_w = (w + 1) / 2;
  add(input.channels, width, 3, 1, h, w);
  plan.blocks.push_back({add(width, width, 3, 1, h, w), add(width, width, 3, 1, h, w), -1});
  ResNetBlock wide;
  wide.conv1 = add(width, 2 * width, 3, 2, h, w);
  wide.conv2 = add(2 * width, 2 * width, 3, 1, half, half_w);
  wide.shortcut = add(width, 2 * width, 1, 2, h, w);
  plan.blocks.push_back(wide);
  plan.features = 2 * width;
  plan.linear_weight = plan.n_parameters;
  plan.linear_bias = plan.linear_weight + classes * plan.features;
  plan.n_parameters = plan.linear_bias + classes;
  return plan;
}

class NetReference {
 public:
  /// Factor of dropout of an image (place), site and channel.
  using Drop = std::function<double(std::int32_t, std::int32_t, std::int32_t)>;
  struct Outputs {
    std::vector<double> logits, features;  ///< [image][...]
    double loss_sum = 0;
  };

  ResNetPlan plan;
  std::vector<double> parameters, buffers, velocity;

  NetReference(const ResNetPlan& p, const std::vector<float>& start, const std::vector<float>& start_buffers)
      : plan(p),
        parameters(start.begin(), start.end()),
        buffers(start_buffers.begin(), start_buffers.end()),
        velocity(start.size(), 0) {}

  Outputs forward(const Images& images, const std::vector<std::int32_t>& labels, bool training, const Drop& drop) {
    const std::int32_t n = images.n;
    trace_.assign(plan.layers.size(), {});
    Images at = relu(normalised(0, images, training), 0, drop);
    trace_[0].out = at;
    for (std::size_t b = 0; b < plan.blocks.size(); ++b) {
      const ResNetBlock& block = plan.blocks[b];
      Images mid = relu(normalised(block.conv1, at, training), static_cast<std::int32_t>(b) + 1, drop);
      trace(block.conv1).out = mid;
      Images sum = normalised(block.conv2, mid, training);
      const Images other = block.shortcut < 0 ? at : normalised(block.shortcut, at, training);
      for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += other.values[i];
      at = relu(sum, -1, drop);
      trace(block.conv2).out = at;
    }
    Outputs out;
    d_logits_.clear();
    const double positions = at.height * at.width;
    for (std::int32_t i = 0; i < n; ++i) {
      std::vector<double> z;
      for (std::int32_t f = 0; f < plan.features; ++f) {
        double sum = 0;
        for (std::int32_t y = 0; y < at.height; ++y) {
          for (std::int32_t x = 0; x < at.width; ++x) sum += at.at(i, f, y, x);
        }
        out.features.push_back(sum / positions);
      }
      double total = 0;
      for (std::int32_t c = 0; c < plan.spec.classes; ++c) {
        z.push_back(parameters[index(plan.linear_bias + c)]);
        for (std::int32_t f = 0; f < plan.features; ++f) {
          z.back() += out.features[index(i * plan.features + f)] *
                      parameters[index(plan.linear_weight + c * plan.features + f)];
        }
        total += std::exp(z.back());
      }
      const std::int32_t label = labels[index(i)];
      out.loss_sum += std::log(total) - z[index(label)];
      for (std::int32_t c = 0; c < plan.spec.classes; ++c) {
        d_logits_.push_back((std::exp(z[index(c)]) / total - (c == label ? 1 : 0)) / n);
      }
      out.logits.insert(out.logits.end(), z.begin(), z.end());
    }
    features_ = out.features;
    return out;
  }

  /// After a training forward pass.
  void step(double lr, double decay, double momentum) {
    gradient_.assign(parameters.size(), 0);
    Images d = trace(plan.blocks.back().conv2).out;
    const double positions = d.height * d.width;
    for (std::int32_t i = 0; i < d.n; ++i) {
      for (std::int32_t c = 0; c < plan.spec.classes; ++c) {
        const double dz = d_logits_[index(i * plan.spec.classes + c)];
        gradient_[index(plan.linear_bias + c)] += dz;
        for (std::int32_t f = 0; f < plan.features; ++f) {
          gradient_[index(plan.linear_weight + c * plan.features + f)] += dz * features_[index(i * plan.features + f)];
        }
      }
      for (std::int32_t f = 0; f < plan.features; ++f) {
        double sum = 0;
        for (std::int32_t c = 0; c < plan.spec.classes; ++c) {
          sum += d_logits_[index(i * plan.spec.classes + c)] *
                 parameters[index(plan.linear_weight + c * plan.features + f)];
        }
        for (std::int32_t y = 0; y < d.height; ++y) {
          for (std::int32_t x = 0; x < d.width; ++x) d.at(i, f, y, x) = sum / positions;
        }
      }
    }
    for (std::size_t b = plan.blocks.size(); b-- > 0;) {
      const ResNetBlock& block = plan.blocks[b];
      d = through_relu(d, trace(block.conv2), false);
      Images d_in = back(block.conv1, through_relu(back(block.conv2, d), trace(block.conv1), true));
      const Images d_other = block.shortcut < 0 ? d : back(block.shortcut, d);
      for (std::size_t i = 0; i < d_in.values.size(); ++i) d_in.values[i] += d_other.values[i];
      d = d_in;
    }
    back(0, through_relu(d, trace_[0], true));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      velocity[i] = momentum * velocity[i] + gradient_[i] + decay * parameters[i];
      parameters[i] -= lr * velocity[i];
    }
  }

 private:
  struct Trace {
    Images in, xhat, out;
    std::vector<double> factor;  ///< 1 / sqrt(variance + 1e-5) of each channel
  };
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  Trace& trace(std::int32_t layer) { return trace_[index(layer)]; }
  ConvShape shape_of(const ConvLayer& l) const {
    return conv_shape(l.in_channels, l.out_channels, l.kernel, l.stride, l.in_height, l.in_width, 1);
  }
  std::vector<double> weights_of(const ConvLayer& l) const {
    return {parameters.begin() + l.weight, parameters.begin() + l.gamma};
  }

  Images normalised(std::int32_t number, const Images& in, bool training) {
    const ConvLayer& l = plan.layers[index(number)];
    Trace& t = trace(number);
    t.in = in;
    Images y = conv_forward(shape_of(l), in, weights_of(l), false);
    const double n = static_cast<double>(y.n) * y.height * y.width;
    t.xhat = y;
    t.factor.clear();
    for (std::int32_t c = 0; c < y.channels; ++c) {
      double mean = 0, variance = 0;
      each(y, c, [&](double& v) { mean += v / n; });
      each(y, c, [&](double& v) { variance += (v - mean) * (v - mean) / n; });
      double &running = buffers[index(l.mean + c)], &running_variance = buffers[index(l.variance + c)];
      if (training) {
        running = 0.9 * running + 0.1 * mean;
        running_variance = 0.9 * running_variance + 0.1 * variance * n / (n - 1);
      } else {
        mean = running;
        variance = running_variance;
      }
      t.factor.push_back(1 / std::sqrt(variance + 1e-5));
      each(t.xhat, c, [&](double& v) { v = (v - mean) * t.factor.back(); });
      each(y, c, [&](double& v) {
        v = (v - mean) * t.factor.back() * parameters[index(l.gamma + c)] + parameters[index(l.beta + c)];
      });
    }
    return y;
  }
  template <class F>
  static void each(Images& images, std::int32_t channel, const F& f) {
    for (std::int32_t i = 0; i < images.n; ++i) {
      for (std::int32_t y = 0; y < images.height; ++y) {
        for (std::int32_t x = 0; x < images.width; ++x) f(images.at(i, channel, y, x));
      }
    }
  }
  Images relu(Images z, std::int32_t site, const Drop& drop) const {
    for (std::int32_t i = 0; i < z.n; ++i) {
      for (std::int32_t c = 0; c < z.channels; ++c) {
        const double factor = drop && site >= 0 ? drop(i, site, c) : 1;
        for (std::int32_t y = 0; y < z.height; ++y) {
          for (std::int32_t x = 0; x < z.width; ++x) z.at(i, c, y, x) = std::max(z.at(i, c, y, x), 0.0) * factor;
        }
      }
    }
    return z;
  }
  /// Through a ReLU by what came out of it; scaled: times the factor of dropout, found from where a channel is dead.
  Images through_relu(Images d, const Trace& t, bool scaled) const {
    const double scale = scaled && plan.spec.dropout > 0 ? 1 / (1 - plan.spec.dropout) : 1;
    for (std::size_t i = 0; i < d.values.size(); ++i) d.values[i] = t.out.values[i] > 0 ? d.values[i] * scale : 0;
    return d;
  }
  /// Through normalisation and convolution; the gradient of the input.
  Images back(std::int32_t number, const Images& dz) {
    const ConvLayer& l = plan.layers[index(number)];
    Trace& t = trace(number);
    const double n = static_cast<double>(dz.n) * dz.height * dz.width;
    Images dy = dz, product = dz;
    for (std::size_t i = 0; i < product.values.size(); ++i) product.values[i] *= t.xhat.values[i];
    for (std::int32_t c = 0; c < dz.channels; ++c) {
      double d_beta = 0, d_gamma = 0;
      each(dy, c, [&](double& v) { d_beta += v; });
      each(product, c, [&](double& v) { d_gamma += v; });
      gradient_[index(l.beta + c)] += d_beta;
      gradient_[index(l.gamma + c)] += d_gamma;
      for (std::int32_t i = 0; i < dz.n; ++i) {
        for (std::int32_t y = 0; y < dz.height; ++y) {
          for (std::int32_t x = 0; x < dz.width; ++x) {
            dy.at(i, c, y, x) = parameters[index(l.gamma + c)] * t.factor[index(c)] *
                                (dz.at(i, c, y, x) - d_beta / n - t.xhat.at(i, c, y, x) * d_gamma / n);
          }
        }
      }
    }
    const std::vector<double> dw = conv_weight_gradient(shape_of(l), t.in, dy, false);
    for (std::size_t i = 0; i < dw.size(); ++i) gradient_[index(l.weight) + i] += dw[i];
    return conv_input_gradient(shape_of(l), dy, weights_of(l), false);
  }

  std::vector<Trace> trace_;
  std::vector<double> gradient_, d_logits_, features_;
};

}  // namespace quarry::test
