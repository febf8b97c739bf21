// SPDX-License-Identifier: MIT
#include "quarry/nn/resnet.h"

#include <cmath>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

/// A layer's name in a state dict, and what to do with it: sizes are chained, offsets handed out in order.
class PlanBuilder {
 public:
  explicit PlanBuilder(ResNetPlan& plan) : plan_(plan) {}

  std::int32_t add(std::string name, std::string norm, std::int32_t in, std::int32_t out, std::int32_t kernel,
                   std::int32_t stride, std::int32_t height, std::int32_t width) {
    ConvLayer layer;
    layer.name = std::move(name);
    layer.norm = std::move(norm);
    layer.in_channels = in;
    layer.out_channels = out;
    layer.kernel = kernel;
    layer.stride = stride;
    layer.padding = (kernel - 1) / 2;
    layer.in_height = height;
    layer.in_width = width;
    layer.out_height = (height + 2 * layer.padding - kernel) / stride + 1;
    layer.out_width = (width + 2 * layer.padding - kernel) / stride + 1;
    layer.weight = take(plan_.n_parameters, std::int64_t{out} * in * kernel * kernel);
    layer.gamma = take(plan_.n_parameters, out);
    layer.beta = take(plan_.n_parameters, out);
    layer.mean = take(plan_.n_buffers, out);
    layer.variance = take(plan_.n_buffers, out);
    plan_.layers.push_back(std::move(layer));
    return static_cast<std::int32_t>(plan_.layers.size()) - 1;
  }

  static std::int64_t take(std::int64_t& end, std::int64_t count) {
    const std::int64_t at = end;
    end += count;
    return at;
  }

 private:
  ResNetPlan& plan_;
};

struct Stages {
  std::vector<std::int32_t> widths;
  std::int32_t blocks = 0;
};

Stages stages_of(ResNetKind kind) {
  if (kind == ResNetKind::resnet18) return {{64, 128, 256, 512}, 2};
  return {{16, 32, 64}, kind == ResNetKind::resnet14 ? 2 : 1};
}

std::int64_t macs_of(const ConvLayer& layer) {
  return std::int64_t{layer.out_channels} * layer.in_channels * layer.kernel * layer.kernel * layer.out_height *
         layer.out_width;
}

}  // namespace

ResNetPlan plan_resnet(const ResNetSpec& spec) {
  const ImageShape& in = spec.input;
  QUARRY_CHECK(in.channels >= 1 && in.height >= 1 && in.width >= 1,
               "images of {} channels, {} rows and {} columns have no pixels", in.channels, in.height, in.width);
  QUARRY_CHECK(spec.classes >= 2, "a classifier needs at least 2 classes, got {}", spec.classes);
  QUARRY_CHECK(spec.dropout >= 0 && spec.dropout < 1, "dropout is {}; it must be in [0, 1)", spec.dropout);
  ResNetPlan plan;
  plan.spec = spec;
  PlanBuilder builder(plan);
  const Stages stages = stages_of(spec.kind);
  builder.add("conv1", "bn1", in.channels, stages.widths.front(), 3, 1, in.height, in.width);
  for (std::size_t s = 0; s < stages.widths.size(); ++s) {
    for (std::int32_t b = 0; b < stages.blocks; ++b) {
      const ConvLayer before =
          plan.layers[static_cast<std::size_t>(plan.blocks.empty() ? 0 : plan.blocks.back().conv2)];
      const std::int32_t width = stages.widths[s], stride = b == 0 && s > 0 ? 2 : 1;
      const std::string name = fmt::format("layer{}.{}.", s + 1, b);
      ResNetBlock block;
      block.conv1 = builder.add(name + "conv1", name + "bn1", before.out_channels, width, 3, stride, before.out_height,
                                before.out_width);
      const ConvLayer first = plan.layers[static_cast<std::size_t>(block.conv1)];
      block.conv2 = builder.add(name + "conv2", name + "bn2", width, width, 3, 1, first.out_height, first.out_width);
      if (stride != 1 || before.out_channels != width) {
        block.shortcut = builder.add(name + "downsample.0", name + "downsample.1", before.out_channels, width, 1,
                                     stride, before.out_height, before.out_width);
      }
      plan.blocks.push_back(block);
    }
  }
  plan.features = stages.widths.back();
  plan.linear_weight = PlanBuilder::take(plan.n_parameters, std::int64_t{spec.classes} * plan.features);
  plan.linear_bias = PlanBuilder::take(plan.n_parameters, spec.classes);
  return plan;
}

std::int64_t forward_macs(const ResNetPlan& plan) {
  std::int64_t macs = std::int64_t{plan.spec.classes} * plan.features;
  for (const ConvLayer& layer : plan.layers) macs += macs_of(layer);
  return macs;
}

std::int64_t training_macs(const ResNetPlan& plan) {
  return 3 * forward_macs(plan) - macs_of(plan.layers.front());
}

std::string_view to_string(ResNetKind kind) {
  switch (kind) {
    case ResNetKind::resnet8:
      return "resnet8";
    case ResNetKind::resnet14:
      return "resnet14";
    case ResNetKind::resnet18:
      break;
  }
  return "resnet18";
}

std::vector<float> initial_parameters(const ResNetPlan& plan, std::uint64_t init_key) {
  std::vector<float> parameters(static_cast<std::size_t>(plan.n_parameters), 0.0f);
  const auto draw = [&](std::int64_t first, std::int64_t count, std::int64_t fan_in) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    PhiloxBlock block{};
    for (std::int64_t i = first; i < first + count; ++i) {
      if (i % 4 == 0 || i == first) block = random_block(init_key, static_cast<std::uint64_t>(i / 4));
      const double u = (static_cast<double>(block.word[i % 4]) + 0.5) * 0x1.0p-32;
      parameters[static_cast<std::size_t>(i)] = static_cast<float>((2 * u - 1) * bound);
    }
  };
  for (const ConvLayer& layer : plan.layers) {
    draw(layer.weight, layer.gamma - layer.weight, std::int64_t{layer.in_channels} * layer.kernel * layer.kernel);
    for (std::int64_t c = 0; c < layer.out_channels; ++c) parameters[static_cast<std::size_t>(layer.gamma + c)] = 1.0f;
  }
  draw(plan.linear_weight, plan.n_parameters - plan.linear_weight, plan.features);
  return parameters;
}

std::vector<float> initial_buffers(const ResNetPlan& plan) {
  std::vector<float> buffers(static_cast<std::size_t>(plan.n_buffers), 0.0f);
  for (const ConvLayer& layer : plan.layers) {
    for (std::int64_t c = 0; c < layer.out_channels; ++c) buffers[static_cast<std::size_t>(layer.variance + c)] = 1.0f;
  }
  return buffers;
}

DropoutSites dropout_sites(const ResNetPlan& plan) {
  DropoutSites sites;
  const auto add = [&](std::int32_t layer) {
    sites.layers.push_back(layer);
    sites.offsets.push_back(sites.width);
    sites.width += plan.layers[static_cast<std::size_t>(layer)].out_channels;
  };
  add(0);
  for (const ResNetBlock& block : plan.blocks) add(block.conv1);
  return sites;
}

}  // namespace quarry
