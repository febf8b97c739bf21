// SPDX-License-Identifier: MIT
// The arrays of a fleet and their bytes: pure functions, for plans without a GPU too.
#include "src/nn/conv_fleet_arrays.h"

#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet_device.h"

namespace quarry::cuda {
namespace {

class Layout {
 public:
  Layout(const ResNetPlan& plan, const NetSize& size, DeviceArrays& memory)
      : plan_(plan), size_(size), memory_(memory) {}

  NetArrays run() {
    for (const ConvLayer& layer : plan_.layers) add_layer(layer);
    for (std::size_t site = 0; plan_.spec.dropout > 0 && site <= plan_.blocks.size(); ++site) {
      NetLayer& layer = out_.layers[site == 0 ? 0 : static_cast<std::size_t>(plan_.blocks[site - 1].conv1)];
      layer.site = static_cast<std::uint32_t>(site);
      layer.drop = members(std::int64_t{size_.batch} * padded_channels(layer.conv.out_channels));
    }
    out_.images = in_precision(conv_input_size(out_.layers.front().conv));
    for (void*& gradient : out_.gradients)
      if (size_.trains) gradient = in_precision(largest_);
    out_.statistics = members(statistics_);
    out_.scratch = memory_.take<unsigned char>(static_cast<std::int64_t>(scratch_));
    if (size_.trains && size_.means.choice == ConvChoice::cudnn) out_.weight_gradient = in_precision(weights_);
    add_head();
    add_members();
    return std::move(out_);
  }

 private:
  float* members(std::int64_t n) { return memory_.take<float>(size_.members * n); }
  void* in_precision(std::int64_t n) {
    const std::int64_t number = size_.means.precision == ConvPrecision::bf16 ? 2 : 4;
    return memory_.take<unsigned char>(size_.members * n * number);
  }

  void add_layer(const ConvLayer& l) {
    NetLayer layer;
    layer.conv = conv_shape(l, size_.batch);
    layer.shape = {l.out_channels, l.out_height, l.out_width, size_.batch};
    const std::int64_t channels = padded_channels(l.out_channels), weights = conv_weight_size(layer.conv);
    if (size_.means.precision == ConvPrecision::bf16) {
      layer.weights.copy = memory_.take<std::uint16_t>(size_.members * weights);
    }
    for (float** each : {&layer.norm.mean, &layer.norm.scale}) *each = members(channels);
    if (size_.trains) {
      layer.weights.velocity = members(weights);
      for (float** each : {&layer.gamma_velocity, &layer.beta_velocity}) *each = members(channels);
    }
    layer.y = in_precision(conv_output_size(layer.conv));
    layer.out = in_precision(conv_output_size(layer.conv));
    largest_ = std::max({largest_, conv_output_size(layer.conv), conv_input_size(layer.conv)});
    statistics_ = std::max(statistics_, conv_statistics_size(layer.conv));
    weights_ = std::max(weights_, weights);
    const std::size_t of_gradient =
        size_.means.choice == ConvChoice::cudnn ? 0 : conv_scratch(layer.conv, size_.members);
    scratch_ = std::max({scratch_, of_gradient, batch_norm_scratch(layer.shape, size_.members)});
    out_.layers.push_back(layer);
  }

  void add_head() {
    const BatchNormShape& last = out_.layers[static_cast<std::size_t>(plan_.blocks.back().conv2)].shape;
    QUARRY_CHECK(last.channels == plan_.features, "{} features behind {} channels", plan_.features, last.channels);
    const std::int32_t classes = plan_.spec.classes;
    out_.head_shape = {plan_.features, classes, last.height, last.width, size_.batch};
    const std::int64_t padded = padded_channels(plan_.features), rows = size_.batch;
    if (size_.trains) {
      out_.head.weight_velocity = members(classes * padded);
      out_.head.bias_velocity = members(classes);
      out_.d_logits = members(rows * classes);
    }
    out_.features = members(rows * padded);
    out_.logits = members(rows * classes);
    out_.losses = members(rows);
    out_.labels = memory_.take<std::int32_t>(size_.members * rows);
  }

  void add_members() {
    const std::int64_t n = size_.members;
    for (std::int32_t** each : {&out_.slots, &out_.epochs, &out_.step, &out_.epoch, &out_.present, &out_.first_slot,
                                &out_.augment, &out_.correct, &out_.diverged_epoch, &out_.non_finite}) {
      *each = memory_.take<std::int32_t>(n);
    }
    for (float** each : {&out_.lr, &out_.weight_decay, &out_.momentum}) *each = memory_.take<float>(n);
    out_.rates = memory_.take<float>(n * size_.epochs);
    for (std::uint32_t** each : {&out_.steps_done, &out_.passes}) *each = memory_.take<std::uint32_t>(n);
    for (std::uint64_t** each : {&out_.augment_keys, &out_.dropout_keys, &out_.mc_keys}) {
      *each = memory_.take<std::uint64_t>(n);
    }
    out_.loss_sum = memory_.take<double>(n);
  }

  const ResNetPlan& plan_;
  const NetSize& size_;
  DeviceArrays& memory_;
  NetArrays out_;
  std::int64_t largest_ = 0, statistics_ = 0, weights_ = 0;
  std::size_t scratch_ = 0;
};

}  // namespace

ConvShape conv_shape(const ConvLayer& l, std::int32_t batch) {
  return {l.in_channels, l.out_channels, l.kernel,     l.stride,    l.padding,
          l.in_height,   l.in_width,     l.out_height, l.out_width, batch};
}

LayerEngines layer_engines(const ConvShape& shape, ConvMeans means, const gpu::DeviceInfo& device) {
  if (means.choice == ConvChoice::cudnn) return {ConvEngine::cudnn, ConvEngine::cudnn, ConvEngine::cudnn};
  const auto engine = [&](ConvPass pass) {
    return conv_engine(shape, pass, means.precision, device.major, device.minor);
  };
  return {engine(ConvPass::forward), engine(ConvPass::input_gradient), engine(ConvPass::weight_gradient)};
}

NetArrays lay_out(const ResNetPlan& plan, const NetSize& size, DeviceArrays& memory) {
  QUARRY_CHECK(!plan.layers.empty() && !plan.blocks.empty(), "a plan without layers or blocks");
  return Layout(plan, size, memory).run();
}

NetworkArrays lay_out_networks(const ResNetPlan& plan, std::int32_t members, DeviceArrays& memory) {
  NetworkArrays out;
  const auto take = [&](std::int64_t n) { return memory.take<float>(members * n); };
  for (const ConvLayer& layer : plan.layers) {
    NetworkArrays::Layer& to = out.layers.emplace_back();
    to.weights = take(conv_weight_size(conv_shape(layer, 1)));
    for (float** each : {&to.gamma, &to.beta, &to.running_mean, &to.running_variance})
      *each = take(padded_channels(layer.out_channels));
  }
  out.head_weights = take(std::int64_t{plan.spec.classes} * padded_channels(plan.features));
  out.head_biases = take(plan.spec.classes);
  return out;
}

void place_networks(const NetworkArrays& networks, std::int32_t first, NetArrays& arrays) {
  QUARRY_CHECK(networks.layers.size() == arrays.layers.size(), "networks of {} layers for {}", networks.layers.size(),
               arrays.layers.size());
  for (std::size_t i = 0; i < arrays.layers.size(); ++i) {
    const NetworkArrays::Layer& from = networks.layers[i];
    NetLayer& to = arrays.layers[i];
    const std::int64_t channels = first * std::int64_t{padded_channels(to.conv.out_channels)};
    to.weights.weights = from.weights + first * conv_weight_size(to.conv);
    to.norm.gamma = from.gamma + channels;
    to.norm.beta = from.beta + channels;
    to.norm.running_mean = from.running_mean + channels;
    to.norm.running_variance = from.running_variance + channels;
  }
  const HeadShape& head = arrays.head_shape;
  arrays.head.weights = networks.head_weights + std::int64_t{first} * head.classes * padded_channels(head.features);
  arrays.head.biases = networks.head_biases + std::int64_t{first} * head.classes;
}

std::size_t ConvNetworks::memory(const ResNetPlan& plan, std::int32_t members) {
  DeviceArrays count(nullptr);
  lay_out_networks(plan, members, count);
  return count.bytes();
}

std::size_t most_conv_workspace(const ResNetPlan& plan, ConvMeans means, std::int32_t batch, std::int32_t members) {
  if (means.choice != ConvChoice::cudnn) return 0;
  std::size_t most = 0;
  for (const ConvLayer& layer : plan.layers) {
    const ConvShape shape = conv_shape(layer, batch);
    most = std::max(most, gpu::most_workspace(convolution_problem(shape, ConvPass::forward, means.precision)));
  }
  return most * std::min(static_cast<std::size_t>(members), gpu::kConvolutionQueues);
}

std::size_t ConvFleetNet::memory(const ResNetPlan& plan, ConvMeans means, std::int32_t batch, std::int32_t members,
                                 std::int32_t epochs) {
  DeviceArrays count(nullptr);
  lay_out(plan, {means, batch, members, epochs}, count);
  return count.bytes() + ConvNetworks::memory(plan, members) + most_conv_workspace(plan, means, batch, members);
}

std::size_t ConvFleetNet::scoring_memory(const ResNetPlan& plan, std::int32_t batch, std::int64_t rows) {
  DeviceArrays count(nullptr);
  NetSize size{{}, batch, 1, 1};
  size.trains = false;
  lay_out(plan, size, count);
  return count.bytes() + static_cast<std::size_t>(rows) * sizeof(std::int32_t);
}

std::int32_t most_fleet_members(const ResNetPlan& plan, std::int32_t batch) {
  constexpr std::int32_t kMostBlocks = 65535;  // of a grid in z, and in y
  std::int32_t most = kMostBlocks;
  for (const ConvLayer& layer : plan.layers) {
    const auto of_one = static_cast<std::int32_t>(conv_weight_gradient_launch(conv_shape(layer, batch), 1).grid.z);
    most = std::min(most, std::max(kMostBlocks / of_one, 1));
  }
  return most;
}

std::size_t conv_member_memory(const ConvMemberSpec& member) {
  return ConvFleetNet::memory(plan_resnet(member.network), {member.precision, member.convolution}, member.batch_size, 1,
                              std::max(member.epochs, 1)) +
         static_cast<std::size_t>(conv_member_rows(member)) * sizeof(std::int32_t) + conv_notes_memory(member);
}

std::size_t conv_notes_memory(const ConvMemberSpec& member) {  // behind the training, each validation and at the end
  return (2 + static_cast<std::size_t>(member.epochs)) * sizeof(ConvNetProgress);
}

std::int64_t conv_member_rows(const ConvMemberSpec& member) {
  return std::max(static_cast<std::int64_t>(member.validation.size()),
                  batches_per_epoch(static_cast<std::int64_t>(member.train.size()), member.batch_size, member.batches) *
                      member.batch_size);
}

std::size_t DeviceImages::memory(const ImageShape& shape, std::int64_t images) {
  return static_cast<std::size_t>(images * (shape.pixels() + std::int64_t{sizeof(std::int32_t)}) +
                                  2 * std::int64_t{shape.channels} * std::int64_t{sizeof(float)});
}

}  // namespace quarry::cuda
