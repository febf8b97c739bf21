// SPDX-License-Identifier: MIT
// Parameters of networks between the packed form of the host and the arrays of the device.
#include <algorithm>
#include <utility>

#include "quarry/core/bfloat16.h"
#include "quarry/core/error.h"
#include "src/nn/conv_fleet_net.h"
#include "src/nn/conv_networks.h"

namespace quarry::cuda {
namespace {

/// Calls visit(place on the device, place in the packed weights) for every weight of a layer.
template <class F>
void each_weight(const ConvLayer& l, const F& visit) {
  const std::size_t taps = static_cast<std::size_t>(l.kernel) * static_cast<std::size_t>(l.kernel);
  const auto in = static_cast<std::size_t>(l.in_channels),
             padded = static_cast<std::size_t>(padded_channels(l.in_channels));
  for (std::size_t o = 0; o < static_cast<std::size_t>(l.out_channels); ++o) {
    for (std::size_t i = 0; i < in; ++i) {
      for (std::size_t tap = 0; tap < taps; ++tap) visit((o * taps + tap) * padded + i, (o * in + i) * taps + tap);
    }
  }
}

/// A layer's numbers for each channel: where they lie on the device and, of `packed`, on the host.
template <class F>
void each_channel_array(const NetworkArrays::Layer& on_device, const ConvLayer& l, const F& visit) {
  visit(on_device.gamma, l.gamma, true);
  visit(on_device.beta, l.beta, true);
  visit(on_device.running_mean, l.mean, false);
  visit(on_device.running_variance, l.variance, false);
}

void check_sizes(const ResNetPlan& plan, std::int32_t network, std::int32_t networks, std::size_t parameters,
                 std::size_t buffers) {
  QUARRY_CHECK(network >= 0 && network < networks, "network {} of {}", network, networks);
  QUARRY_CHECK(static_cast<std::int64_t>(parameters) == plan.n_parameters &&
                   static_cast<std::int64_t>(buffers) == plan.n_buffers,
               "{} parameters and {} buffers, not {} and {}", parameters, buffers, plan.n_parameters, plan.n_buffers);
}

std::size_t places(const ConvLayer& layer) {
  return static_cast<std::size_t>(conv_weight_size(conv_shape(layer, 1)));
}

/// Copies out in one go: what was asked for lies there, in order, once the queue has got there.
class Reading {
 public:
  Reading(gpu::Session& session, std::size_t most) : session_(session), host_(session, most) {}
  ~Reading() {
    if (waited_) return;
    try {  // an exception is on its way, and copies too
      session_.synchronize();
    } catch (const Error&) {
    }
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  void ask(const float* device, std::size_t n) {
    session_.copy_out(host_.data() + used_, device, n * sizeof(float));
    used_ += n;
  }
  void wait() {
    session_.synchronize();
    waited_ = true;
  }
  /// The next n numbers.
  const float* next(std::size_t n) {
    taken_ += n;
    return host_.data() + taken_ - n;
  }

 private:
  gpu::Session& session_;
  const gpu::Pinned<float> host_;
  std::size_t used_ = 0, taken_ = 0;
  bool waited_ = false;
};

}  // namespace

ConvNetworks::ConvNetworks(gpu::Session& session, const ResNetPlan& plan, std::int32_t networks)
    : impl_(std::make_unique<Impl>(session, plan, networks)) {}
ConvNetworks::~ConvNetworks() = default;

const ResNetPlan& ConvNetworks::plan() const {
  return impl_->plan;
}

void ConvNetworks::Impl::send(std::int32_t network, std::span<const float> parameters, std::span<const float> buffers,
                              Staging& staging, std::span<const NetLayer> copies) {
  check_sizes(plan, network, networks, parameters.size(), buffers.size());
  // `row` of an array of rows of padded channels.
  const auto send_row = [&](float* rows, std::int64_t row, std::int32_t channels, std::int64_t from_offset,
                            std::span<const float> from) {
    std::vector<float> padded(static_cast<std::size_t>(padded_channels(channels)), 0.0f);
    std::copy_n(from.begin() + from_offset, channels, padded.begin());
    staging.send(rows + row * padded_channels(channels), padded);
  };
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const ConvLayer& from = plan.layers[i];
    const std::size_t n = places(from), first = static_cast<std::size_t>(network) * n;
    std::vector<float> weights(n, 0.0f);
    each_weight(from, [&](std::size_t place, std::size_t packed) {
      weights[place] = parameters[static_cast<std::size_t>(from.weight) + packed];
    });
    staging.send(arrays.layers[i].weights + first, weights);
    if (!copies.empty()) {
      std::vector<Bfloat16> copy;
      for (const float w : weights) copy.push_back(to_bfloat16(w));
      staging.send(static_cast<Bfloat16*>(copies[i].weights.copy) + first, copy);
    }
    each_channel_array(arrays.layers[i], from, [&](float* to, std::int64_t offset, bool learnt) {
      send_row(to, network, from.out_channels, offset, learnt ? parameters : buffers);
    });
  }
  const std::int32_t classes = plan.spec.classes, features = plan.features;
  for (std::int32_t c = 0; c < classes; ++c) {
    send_row(arrays.head_weights, std::int64_t{network} * classes + c, features,
             plan.linear_weight + std::int64_t{c} * features, parameters);
  }
  const auto biases = parameters.subspan(static_cast<std::size_t>(plan.linear_bias), static_cast<std::size_t>(classes));
  staging.send(arrays.head_biases + std::int64_t{network} * classes, std::vector<float>(biases.begin(), biases.end()));
}

void ConvNetworks::read(std::int32_t network, std::span<float> parameters, std::span<float> buffers) const {
  const ResNetPlan& plan = impl_->plan;
  const NetworkArrays& arrays = impl_->arrays;
  check_sizes(plan, network, impl_->networks, parameters.size(), buffers.size());
  const auto classes = static_cast<std::size_t>(plan.spec.classes), features = static_cast<std::size_t>(plan.features),
             padded = static_cast<std::size_t>(padded_channels(plan.features)),
             which = static_cast<std::size_t>(network);
  Reading reading(impl_->session, memory(plan, 1) / sizeof(float));
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const std::size_t n = places(plan.layers[i]),
                      channels = static_cast<std::size_t>(padded_channels(plan.layers[i].out_channels));
    reading.ask(arrays.layers[i].weights + which * n, n);
    each_channel_array(arrays.layers[i], plan.layers[i],
                       [&](const float* from, std::int64_t, bool) { reading.ask(from + which * channels, channels); });
  }
  reading.ask(arrays.head_weights + which * classes * padded, classes * padded);
  reading.ask(arrays.head_biases + which * classes, classes);
  reading.wait();
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const ConvLayer& to = plan.layers[i];
    const float* const weights = reading.next(places(to));
    each_weight(to, [&](std::size_t place, std::size_t packed) {
      parameters[static_cast<std::size_t>(to.weight) + packed] = weights[place];
    });
    each_channel_array(arrays.layers[i], to, [&](const float*, std::int64_t offset, bool learnt) {
      std::copy_n(reading.next(static_cast<std::size_t>(padded_channels(to.out_channels))), to.out_channels,
                  (learnt ? parameters : buffers).begin() + offset);
    });
  }
  for (std::size_t c = 0; c < classes; ++c)
    std::copy_n(reading.next(padded), features,
                &parameters[static_cast<std::size_t>(plan.linear_weight) + c * features]);
  std::copy_n(reading.next(classes), classes, &parameters[static_cast<std::size_t>(plan.linear_bias)]);
}

void ConvFleetNet::load(std::int32_t member, std::span<const float> parameters, std::span<const float> buffers) {
  Impl& net = *impl_;
  QUARRY_CHECK(net.size.trains, "a network is loaded into a fleet that scores alone");
  net.begin();
  const bool copies = net.size.means.precision == ConvPrecision::bf16;
  net.networks->impl_->send(member, parameters, buffers, net.staging(),
                            copies ? std::span<const NetLayer>(net.arrays.layers) : std::span<const NetLayer>());
  const auto clear = [&](float* of_fleet, std::int64_t n) {
    net.session.fill(of_fleet + member * n, 0, static_cast<std::size_t>(n) * sizeof(float));
  };
  for (const NetLayer& layer : net.arrays.layers) {
    clear(layer.weights.velocity, conv_weight_size(layer.conv));
    clear(layer.gamma_velocity, padded_channels(layer.conv.out_channels));
    clear(layer.beta_velocity, padded_channels(layer.conv.out_channels));
  }
  const Head& head = net.arrays.head;
  const std::int32_t classes = net.plan.spec.classes;
  clear(head.weight_velocity, std::int64_t{classes} * padded_channels(net.plan.features));
  clear(head.bias_velocity, classes);
  net.session.fill(net.arrays.steps_done + member, 0xff, sizeof(std::uint32_t));
  net.session.fill(net.arrays.diverged_epoch + member, 0xff, sizeof(std::int32_t));
  net.session.fill(net.arrays.non_finite + member, 0, sizeof(std::int32_t));
  net.session.fill(net.arrays.loss_sum + member, 0, sizeof(double));
  net.end();
}

void ConvFleetNet::store(std::int32_t member, std::span<float> parameters, std::span<float> buffers) {
  QUARRY_CHECK(impl_->networks != nullptr, "a fleet that scores stores nothing");
  impl_->networks->read(member, parameters, buffers);
}

void ConvFleetNet::check_finite() {
  Impl& net = *impl_;
  const auto look = [&](std::int64_t rows, std::int32_t width, std::int32_t used, const float* values) {
    flag_non_finite(net.session, {net.size.members, rows, width, used, values}, net.arrays.non_finite);
  };
  for (const NetLayer& layer : net.arrays.layers) {
    const std::int32_t in = padded_channels(layer.conv.in_channels), out = padded_channels(layer.conv.out_channels);
    look(conv_weight_size(layer.conv) / in, in, layer.conv.in_channels, layer.weights.weights);
    for (const float* each : {layer.norm.gamma, layer.norm.beta, layer.norm.running_mean, layer.norm.running_variance})
      look(1, out, layer.conv.out_channels, each);
  }
  const std::int32_t classes = net.plan.spec.classes;
  look(classes, padded_channels(net.plan.features), net.plan.features, net.arrays.head.weights);
  look(1, classes, classes, net.arrays.head.biases);
}

std::shared_ptr<const ConvNetworks> ConvFleetNet::leave_networks() {
  impl_->pass.release();
  impl_->memory = DeviceArrays(nullptr);
  impl_->order = {};
  return std::exchange(impl_->networks, nullptr);
}

}  // namespace quarry::cuda
