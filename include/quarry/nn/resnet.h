// SPDX-License-Identifier: MIT
// Residual networks for small images (He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016,
// in the form of the hyperparameter study): which layers there are, and where their numbers lie.
//
//   stem   conv 3x3 -> BN -> ReLU, no pooling
//   block  conv 3x3 (stride s) -> BN -> ReLU -> conv 3x3 -> BN -> + shortcut -> ReLU
//          shortcut: identity, or conv 1x1 (stride s) -> BN where stride or width change
//   head   mean over all positions -> linear with bias
//   resnet18: widths 64 128 256 512, two blocks each; resnet14, resnet8: widths 16 32 64, two blocks or one each.
//   The first block of every stage but the first has stride 2. Convolutions have padding (k - 1) / 2 and no bias.
//   With dropout > 0: channel dropout (a whole map or nothing, scale 1 / (1 - p)) after the stem's ReLU and after the
//   first ReLU of each block, for Monte-Carlo dropout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/images.h"

namespace quarry {

enum class ResNetKind { resnet8, resnet14, resnet18 };

struct ResNetSpec {
  ResNetKind kind = ResNetKind::resnet18;
  ImageShape input;
  std::int32_t classes = 10;
  double dropout = 0;
};

/// One convolution with the batch normalisation after it.
struct ConvLayer {
  std::string name;  ///< of the convolution in a state dict of torchvision: "conv1", "layer2.0.downsample.0"
  std::string norm;  ///< of the normalisation there: "bn1", "layer2.0.downsample.1"
  std::int32_t in_channels = 0, out_channels = 0;
  std::int32_t kernel = 3, stride = 1, padding = 1;
  std::int32_t in_height = 0, in_width = 0, out_height = 0, out_width = 0;
  std::int64_t weight = 0;              ///< offset in the packed parameters: [out][in][k][k]
  std::int64_t gamma = 0, beta = 0;     ///< offsets in the packed parameters: [out]
  std::int64_t mean = 0, variance = 0;  ///< offsets in the packed buffers: [out]
};

struct ResNetBlock {
  std::int32_t conv1 = 0, conv2 = 0;  ///< indices of ResNetPlan::layers
  std::int32_t shortcut = -1;         ///< the same; -1 = identity
};

/// The whole network. Parameters are packed layer by layer in the order of `layers` (weight, gamma, beta), then the
/// linear layer's weight [classes][features] and bias [classes]. Buffers: mean, variance of each layer in that order.
struct ResNetPlan {
  ResNetSpec spec;
  std::vector<ConvLayer> layers;  ///< stem, then of each block conv1, conv2, shortcut if any
  std::vector<ResNetBlock> blocks;
  std::int32_t features = 0;  ///< width of the last stage
  std::int64_t linear_weight = 0, linear_bias = 0;
  std::int64_t n_parameters = 0, n_buffers = 0;
};

/// Error: a check fails on a shape without pixels, fewer than two classes, or a dropout rate outside [0, 1).
ResNetPlan plan_resnet(const ResNetSpec& spec);

/// Multiply-adds of one image: nominal, padding included (spec 12.1).
std::int64_t forward_macs(const ResNetPlan& plan);
/// Forward, both gradients of every layer, without the input gradient of the stem: 3 forward - stem.
std::int64_t training_macs(const ResNetPlan& plan);

std::string_view to_string(ResNetKind kind);

/// The parameters before training: element i of the packed parameters is (2 u - 1) / sqrt(fan_in) with
/// u = (word + 0.5) / 2^32, word = random_block(init_key, i / 4).word[i % 4]; gamma 1, beta 0.
std::vector<float> initial_parameters(const ResNetPlan& plan, std::uint64_t init_key);
/// Means 0, variances 1.
std::vector<float> initial_buffers(const ResNetPlan& plan);

/// Where channel dropout acts: the stem (site 0), then conv1 of each block. One row of factors holds the channels of
/// every site, one after another.
struct DropoutSites {
  std::vector<std::int32_t> layers;   ///< index of ResNetPlan::layers
  std::vector<std::int32_t> offsets;  ///< of the site's channels in a row of factors
  std::int32_t width = 0;             ///< channels of all sites
};
DropoutSites dropout_sites(const ResNetPlan& plan);

}  // namespace quarry
