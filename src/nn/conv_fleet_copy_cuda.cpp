// SPDX-License-Identifier: MIT
// Parameters of a fleet's members between the packed form of the host and the arrays of the device.
#include <algorithm>

#include "quarry/core/bfloat16.h"
#include "quarry/core/error.h"
#include "src/nn/conv_fleet_net.h"

namespace quarry::cuda {
namespace {

/// Calls visit(place on the device, place in the packed weights) for every weight of a layer.
template <class F>
void each_weight(const ConvShape& s, const F& visit) {
  const std::size_t taps = static_cast<std::size_t>(s.kernel) * static_cast<std::size_t>(s.kernel);
  const auto in = static_cast<std::size_t>(s.in_channels),
             padded = static_cast<std::size_t>(padded_channels(s.in_channels));
  for (std::size_t o = 0; o < static_cast<std::size_t>(s.out_channels); ++o) {
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t tap = 0; tap < taps; ++tap) visit((o * taps + tap) * padded + i, (o * in + i) * taps + tap);
    }
  }
}

}  // namespace

void ConvFleetNet::load(std::int32_t member, std::span<const float> parameters, std::span<const float> buffers) {
  Impl& net = *impl_;
  QUARRY_CHECK(member >= 0 && member < net.size.members, "member {} of {}", member, net.size.members);
  QUARRY_CHECK(static_cast<std::int64_t>(parameters.size()) == net.plan.n_parameters &&
                   static_cast<std::int64_t>(buffers.size()) == net.plan.n_buffers,
               "{} parameters and {} buffers, not {} and {}", parameters.size(), buffers.size(), net.plan.n_parameters,
               net.plan.n_buffers);
  net.begin();
  // `row` of an array of rows of padded channels.
  const auto send_row = [&](float* rows, std::int64_t row, std::int32_t channels, std::int64_t from_offset,
                            std::span<const float> from) {
    std::vector<float> padded(static_cast<std::size_t>(padded_channels(channels)), 0.0f);
    std::copy_n(from.begin() + from_offset, channels, padded.begin());
    net.staging().send(rows + row * padded_channels(channels), padded);
  };
  const auto clear = [&](float* of_fleet, std::int64_t n) {
    net.session.fill(of_fleet + member * n, 0, static_cast<std::size_t>(n) * sizeof(float));
  };
  for (std::size_t i = 0; i < net.plan.layers.size(); ++i) {
    const ConvLayer& from = net.plan.layers[i];
    const NetLayer& to = net.arrays.layers[i];
    const std::int64_t n = conv_weight_size(to.conv), first = member * n;
    std::vector<float> weights(static_cast<std::size_t>(n), 0.0f);
    each_weight(to.conv, [&](std::size_t place, std::size_t packed) {
      weights[place] = parameters[static_cast<std::size_t>(from.weight) + packed];
    });
    net.staging().send(to.weights.weights + first, weights);
    if (net.size.means.precision == ConvPrecision::bf16) {
      std::vector<Bfloat16> copy;
      for (const float w : weights) copy.push_back(to_bfloat16(w));
      net.staging().send(static_cast<Bfloat16*>(to.weights.copy) + first, copy);
    }
    clear(to.weights.velocity, n);
    clear(to.gamma_velocity, padded_channels(from.out_channels));
    clear(to.beta_velocity, padded_channels(from.out_channels));
    send_row(to.norm.gamma, member, from.out_channels, from.gamma, parameters);
    send_row(to.norm.beta, member, from.out_channels, from.beta, parameters);
    send_row(to.norm.running_mean, member, from.out_channels, from.mean, buffers);
    send_row(to.norm.running_variance, member, from.out_channels, from.variance, buffers);
  }
  const Head& head = net.arrays.head;
  const std::int32_t classes = net.plan.spec.classes, features = net.plan.features, padded = padded_channels(features);
  for (std::int32_t c = 0; c < classes; ++c) {
    send_row(head.weights, std::int64_t{member} * classes + c, features,
             net.plan.linear_weight + std::int64_t{c} * features, parameters);
  }
  const auto biases =
      parameters.subspan(static_cast<std::size_t>(net.plan.linear_bias), static_cast<std::size_t>(classes));
  net.staging().send(head.biases + std::int64_t{member} * classes, std::vector<float>(biases.begin(), biases.end()));
  clear(head.weight_velocity, std::int64_t{classes} * padded);
  clear(head.bias_velocity, classes);
  net.session.fill(net.arrays.steps_done + member, 0xff, sizeof(std::uint32_t));
  net.session.fill(net.arrays.diverged_epoch + member, 0xff, sizeof(std::int32_t));
  net.session.fill(net.arrays.loss_sum + member, 0, sizeof(double));
  net.settle();
}

void ConvFleetNet::store(std::int32_t member, std::span<float> parameters, std::span<float> buffers) {
  Impl& net = *impl_;
  QUARRY_CHECK(member >= 0 && member < net.size.members, "member {} of {}", member, net.size.members);
  QUARRY_CHECK(static_cast<std::int64_t>(parameters.size()) == net.plan.n_parameters &&
                   static_cast<std::int64_t>(buffers.size()) == net.plan.n_buffers,
               "room for {} parameters and {} buffers, not {} and {}", parameters.size(), buffers.size(),
               net.plan.n_parameters, net.plan.n_buffers);
  net.settle();
  const auto take = [&](const float* of_fleet, std::int64_t n) {
    std::vector<float> values(static_cast<std::size_t>(n));
    gpu::download<float>(net.session, of_fleet + member * n, values);
    return values;
  };
  const auto take_channels = [&](const float* of_fleet, std::int32_t channels, std::span<float> to) {
    const std::vector<float> values = take(of_fleet, padded_channels(channels));
    std::copy_n(values.begin(), channels, to.begin());
  };
  for (std::size_t i = 0; i < net.plan.layers.size(); ++i) {
    const ConvLayer& to = net.plan.layers[i];
    const NetLayer& from = net.arrays.layers[i];
    const std::vector<float> weights = take(from.weights.weights, conv_weight_size(from.conv));
    each_weight(from.conv, [&](std::size_t place, std::size_t packed) {
      parameters[static_cast<std::size_t>(to.weight) + packed] = weights[place];
    });
    take_channels(from.norm.gamma, to.out_channels, parameters.subspan(static_cast<std::size_t>(to.gamma)));
    take_channels(from.norm.beta, to.out_channels, parameters.subspan(static_cast<std::size_t>(to.beta)));
    take_channels(from.norm.running_mean, to.out_channels, buffers.subspan(static_cast<std::size_t>(to.mean)));
    take_channels(from.norm.running_variance, to.out_channels, buffers.subspan(static_cast<std::size_t>(to.variance)));
  }
  const auto classes = static_cast<std::size_t>(net.plan.spec.classes),
             features = static_cast<std::size_t>(net.plan.features);
  const auto padded = static_cast<std::size_t>(padded_channels(net.plan.features));
  const std::vector<float> weights = take(net.arrays.head.weights, static_cast<std::int64_t>(classes * padded));
  const std::vector<float> biases = take(net.arrays.head.biases, static_cast<std::int64_t>(classes));
  for (std::size_t c = 0; c < classes; ++c) {
    std::copy_n(&weights[c * padded], features,
                &parameters[static_cast<std::size_t>(net.plan.linear_weight) + c * features]);
  }
  std::copy(biases.begin(), biases.end(), &parameters[static_cast<std::size_t>(net.plan.linear_bias)]);
}

}  // namespace quarry::cuda
