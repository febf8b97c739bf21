// SPDX-License-Identifier: MIT
// A trained network as one safetensors file, readable by any safetensors library.
//
//   u64 little endian: length of the header; JSON header, padded with blanks to 8 bytes; the numbers, little endian.
//   Perceptrons
//     tensors  layer<i>.weight [out][in], layer<i>.bias [out], F32, in this order and without holes
//     __metadata__  format = "quarry.mlp.1", sizes = "2-48-48-2", dropout, loss, all as text
//   Residual networks
//     tensors  F32 without holes, names and order of torchvision's ResNet, so that its load_state_dict takes them:
//              of each layer conv1.weight [out][in][k][k], bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var
//              [out] (layer<s>.<b>.conv1 and so on in the blocks; downsample.0 and downsample.1 are a shortcut), then
//              fc.weight [classes][features], fc.bias [classes]
//     __metadata__  format = "quarry.resnet.1", network = "resnet18", input = "3x32x32" (channels, rows, columns),
//                   classes, dropout, all as text
#pragma once

#include <string>
#include <string_view>

#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry {

/// The file's bytes: a function of the network alone. Errors: a check fails if parameters and sizes disagree.
std::string write_checkpoint(const TrainedMlp<float>& network);

/// Reads what write_checkpoint wrote and nothing else: every tensor there once, of the right type, shape and place, no
/// byte left over. Non-finite parameters are allowed: a diverged network is a result. Pure function of bytes; never
/// allocates more than a small multiple of their number. Error: failed, with `path`, what was expected and where.
TrainedMlp<float> parse_checkpoint(std::string_view bytes, const std::string& path);

/// The same for residual networks.
std::string write_checkpoint(const TrainedConvNet& network);
TrainedConvNet parse_conv_checkpoint(std::string_view bytes, const std::string& path);

}  // namespace quarry
