// SPDX-License-Identifier: MIT
// The reference engine's layers in double against finite differences and direct sums: convolution, batch
// normalisation in training mode, and a whole network of residual blocks.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "quarry/core/rng.h"
#include "src/nn/conv_engine.h"
#include "src/nn/conv_loops.h"

namespace quarry {
namespace {

using Doubles = std::vector<double>;

Doubles numbers(std::size_t n, std::uint64_t key) {
  Doubles values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = 2 * random_uniform(key, i) - 1;
  return values;
}

double dot(const Doubles& a, const Doubles& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Central difference of f(x) along a direction, from four points.
double slope_along(const std::function<double(const Doubles&)>& f, const Doubles& x, const Doubles& direction) {
  const auto at = [&](double step) {
    Doubles moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] += step * direction[i];
    return f(moved);
  };
  constexpr double h = 1e-4;
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

ConvLayer layer_of(std::int32_t in, std::int32_t out, std::int32_t kernel, std::int32_t stride, std::int32_t height,
                   std::int32_t width) {
  ConvLayer l;
  l.in_channels = in;
  l.out_channels = out;
  l.kernel = kernel;
  l.stride = stride;
  l.padding = (kernel - 1) / 2;
  l.in_height = height;
  l.in_width = width;
  l.out_height = (height - 1) / stride + 1;
  l.out_width = (width - 1) / stride + 1;
  return l;
}

const ConvLayer kLayers[] = {layer_of(3, 4, 3, 1, 6, 5), layer_of(2, 3, 3, 2, 7, 6), layer_of(4, 2, 1, 2, 5, 4),
                             layer_of(1, 1, 3, 1, 1, 1), layer_of(2, 2, 3, 2, 8, 8)};

TEST(ConvGradient, ConvolutionIsItsDefinition) {
  for (const ConvLayer& l : kLayers) {
    constexpr std::int64_t rows = 2;
    const Doubles x = numbers(static_cast<std::size_t>(rows * map_in(l)), 1);
    const Doubles w = numbers(static_cast<std::size_t>(l.out_channels * l.in_channels * l.kernel * l.kernel), 2);
    Doubles y(static_cast<std::size_t>(rows * map_out(l))), columns;
    convolve(l, rows, x.data(), w.data(), y.data(), columns);
    std::size_t at = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int32_t o = 0; o < l.out_channels; ++o) {
        for (std::int32_t i = 0; i < l.out_height; ++i) {
          for (std::int32_t j = 0; j < l.out_width; ++j) {
            double sum = 0;
            for (std::int32_t c = 0; c < l.in_channels; ++c) {
              for (std::int32_t a = 0; a < l.kernel; ++a) {
                for (std::int32_t b = 0; b < l.kernel; ++b) {
                  const std::int32_t u = i * l.stride + a - l.padding, v = j * l.stride + b - l.padding;
                  if (u < 0 || u >= l.in_height || v < 0 || v >= l.in_width) continue;
                  sum += x[static_cast<std::size_t>(((r * l.in_channels + c) * l.in_height + u) * l.in_width + v)] *
                         w[static_cast<std::size_t>(((o * l.in_channels + c) * l.kernel + a) * l.kernel + b)];
                }
              }
            }
            EXPECT_NEAR(y[at++], sum, 1e-12);
          }
        }
      }
    }
  }
}

TEST(ConvGradient, ConvolutionBackward) {
  for (const ConvLayer& l : kLayers) {
    constexpr std::int64_t rows = 3;
    const Doubles x = numbers(static_cast<std::size_t>(rows * map_in(l)), 1);
    const Doubles w = numbers(static_cast<std::size_t>(l.out_channels * l.in_channels * l.kernel * l.kernel), 2);
    const Doubles dy = numbers(static_cast<std::size_t>(rows * map_out(l)), 3);
    Doubles columns, dw(w.size()), dx(x.size(), 0.5);  // dx is added to
    convolve_weights(l, rows, x.data(), dy.data(), dw.data(), columns);
    convolve_inputs(l, rows, dy.data(), w.data(), dx.data(), columns);
    for (double& value : dx) value -= 0.5;
    const auto loss = [&](const Doubles& at_x, const Doubles& at_w) {
      Doubles y(dy.size());
      convolve(l, rows, at_x.data(), at_w.data(), y.data(), columns);
      return dot(y, dy);
    };
    for (std::uint64_t key = 10; key < 18; ++key) {
      const Doubles in_w = numbers(w.size(), key), in_x = numbers(x.size(), key + 100);
      EXPECT_NEAR(slope_along([&](const Doubles& v) { return loss(x, v); }, w, in_w), dot(dw, in_w), 1e-8);
      EXPECT_NEAR(slope_along([&](const Doubles& v) { return loss(v, w); }, x, in_x), dot(dx, in_x), 1e-8);
    }
  }
}

TEST(ConvGradient, BatchNormalisation) {
  constexpr std::int64_t rows = 4, channels = 3, positions = 5;
  const Doubles x = numbers(rows * channels * positions, 1), gamma = numbers(channels, 2), beta = numbers(channels, 3);
  const Doubles dy = numbers(x.size(), 4);
  const auto run = [&](const Doubles& in, const Doubles& g, const Doubles& b, NormStatistics<double>& s) {
    Doubles y(in.size()), mean(channels), variance(channels);
    norm_statistics(rows, channels, positions, in.data(), s, mean.data(), variance.data());
    normalise(rows, channels, positions, in.data(), s, g.data(), b.data(), y.data());
    return y;
  };
  NormStatistics<double> s;
  const Doubles y = run(x, gamma, beta, s);
  for (std::size_t c = 0; c < channels; ++c) {  // mean beta, biased variance gamma^2 but for epsilon
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t p = 0; p < positions; ++p) sum += y[(r * channels + c) * positions + p];
    }
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t p = 0; p < positions; ++p) {
        squares += std::pow(y[(r * channels + c) * positions + p] - beta[c], 2);
      }
    }
    EXPECT_NEAR(sum / 20, beta[c], 1e-12);
    EXPECT_NEAR(squares / 20, gamma[c] * gamma[c], 1e-4);
  }
  Doubles dx = dy, dgamma(channels), dbeta(channels);
  normalise_backward(rows, channels, positions, x.data(), s, gamma.data(), dx.data(), dgamma.data(), dbeta.data());
  NormStatistics<double> other;
  for (std::uint64_t key = 10; key < 18; ++key) {
    const Doubles in_x = numbers(x.size(), key), in_c = numbers(channels, key + 50);
    EXPECT_NEAR(slope_along([&](const Doubles& v) { return dot(run(v, gamma, beta, other), dy); }, x, in_x),
                dot(dx, in_x), 1e-7);
    EXPECT_NEAR(slope_along([&](const Doubles& v) { return dot(run(x, v, beta, other), dy); }, gamma, in_c),
                dot(dgamma, in_c), 1e-8);
    EXPECT_NEAR(slope_along([&](const Doubles& v) { return dot(run(x, gamma, v, other), dy); }, beta, in_c),
                dot(dbeta, in_c), 1e-8);
  }
}

TEST(ConvGradient, RunningStatistics) {
  const Doubles x = {1, 2, 3, 6};  // one channel: mean 3, biased variance 3.5, unbiased 14 / 3
  NormStatistics<double> s;
  double mean = 10, variance = 20;
  norm_statistics<double>(2, 1, 2, x.data(), s, &mean, &variance);
  EXPECT_DOUBLE_EQ(s.mean[0], 3);
  EXPECT_DOUBLE_EQ(s.inverse[0], 1 / std::sqrt(3.5 + 1e-5));
  EXPECT_DOUBLE_EQ(mean, 0.9 * 10 + 0.1 * 3);
  EXPECT_DOUBLE_EQ(variance, 0.9 * 20 + 0.1 * 14 / 3);
}

TEST(ConvGradient, WholeNetworkWithDropout) {
  const ResNetPlan plan = plan_resnet({ResNetKind::resnet8, {2, 6, 5}, 3, 0.2});
  constexpr std::int32_t rows = 4;
  const std::vector<float> start = initial_parameters(plan, 7), start_buffers = initial_buffers(plan);
  const Doubles parameters(start.begin(), start.end()), buffers(start_buffers.begin(), start_buffers.end());
  const Doubles pixels = numbers(static_cast<std::size_t>(rows * plan.spec.input.pixels()), 8);
  Doubles factors = numbers(static_cast<std::size_t>(rows * dropout_sites(plan).width), 9);
  for (double& f : factors) f = f < 0.6 ? 1.25 : 0;
  const std::int32_t labels[rows] = {0, 2, 1, 2};
  const auto engine = make_reference_engine<double>(plan);
  const auto loss = [&](const Doubles& at) {
    engine->load(at.data(), buffers.data());
    std::copy(pixels.begin(), pixels.end(), engine->images(rows));
    double losses[rows];
    engine->train(rows, labels, factors.data(), losses);
    return std::accumulate(losses, losses + rows, 0.0) / rows;
  };
  loss(parameters);
  Doubles gradient(parameters.size());
  engine->gradients(gradient.data());
  // one tensor at a time, steps small enough to stay between the kinks of most units
  const auto along = [&](std::int64_t first, std::int64_t count, const std::string& what) {
    Doubles direction(parameters.size(), 0.0);
    for (std::int64_t i = first; i < first + count; ++i) {
      direction[static_cast<std::size_t>(i)] = 2 * random_uniform(20, static_cast<std::uint64_t>(i)) - 1;
    }
    const double expected = dot(gradient, direction);
    constexpr double h = 1e-7;
    Doubles up = parameters, down = parameters;
    for (std::size_t i = 0; i < up.size(); ++i) {
      up[i] += h * direction[i];
      down[i] -= h * direction[i];
    }
    EXPECT_NEAR((loss(up) - loss(down)) / (2 * h), expected, 1e-5 * std::max(1.0, std::fabs(expected))) << what;
    EXPECT_GT(std::fabs(expected), 1e-5) << what;
  };
  for (const ConvLayer& l : plan.layers) {
    along(l.weight, l.gamma - l.weight, l.name);
    along(l.gamma, l.out_channels, l.name + " gamma");
    along(l.beta, l.out_channels, l.name + " beta");
  }
  along(plan.linear_weight, plan.linear_bias - plan.linear_weight, "linear");
  along(plan.linear_bias, 3, "bias");
}

}  // namespace
}  // namespace quarry
