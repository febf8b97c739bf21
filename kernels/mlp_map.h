// SPDX-License-Identifier: MIT
// Where a network lies in the memory of the thread block that works on it; the same function on the host (does it fit
// the shared memory?) and in the kernel (where is it?). Offsets and sizes count words of 4 bytes.
//
// [layer table][parameters][first moments][second moments] | scratch: [inputs][activations][gradients]...
//   weights     [round4(in)][stride]: inputs down, outputs across, so that a thread loads 4 outputs at once; the stride
//               is an odd multiple of 4 words, so that 8 rows of 4 words lie in 8 different groups of banks
//   bias        [round4(out)] after its weights
//   activations [round4(units)][36]: 32 batch rows across; 36 for the same reason
// Pads hold numbers of no meaning (zero at first) that never reach a result.
#pragma once

#include <cstdint>

#include "quarry/core/host_device.h"

namespace quarry {

/// Batch rows of a block, and words from one unit to the next.
inline constexpr std::int32_t kBlockRows = 32, kUnitStride = 36;
/// Threads of a block, and bytes of shared memory beside the network (at most).
inline constexpr std::int32_t kBlockThreads = 256, kBlockStateBytes = 1024;

struct MlpBlockLayer {
  std::int32_t in, out, stride;
  std::int32_t weights, input, output;  ///< offsets
  std::int32_t packed;                  ///< index of its first packed parameter
  std::int32_t units;                   ///< outputs of the layers before: its rows of bias_lanes
};

/// What a network has beside parameters and activations.
struct MlpBlockNeeds {
  bool training = false, moment1 = false, moment2 = false;
  bool accumulate = false;  ///< batches of more than 32 rows
  bool bald = false;
};

struct MlpBlockMap {
  std::int32_t n_layers;
  std::int32_t packed;  ///< packed parameters
  std::int32_t parameters, parameter_words;
  std::int32_t moment1, moment2;
  std::int32_t scratch;  ///< here ends what lives from step to step
  std::int32_t input;
  std::int32_t to_delta;  ///< training: from a hidden layer's output to the gradient there, laid out alike
  std::int32_t
      probabilities;        ///< softmax, then gradient at the logits; softmax of softmax, or mean: [2][round4(C)][36]
  std::int32_t gradient;    ///< accumulate: in the layout of the parameters
  std::int32_t bias_lanes;  ///< accumulate: [sum of out][36]
  std::int32_t first;       ///< bald: first hidden layer before dropout [round4(h1)][36]
  std::int64_t words;       ///< of it all; the offsets hold only if this is below 2^31
};

QUARRY_HD constexpr std::int64_t round_up4(std::int64_t n) {
  return (n + 3) / 4 * 4;
}
QUARRY_HD constexpr std::int64_t weight_stride(std::int64_t out) {
  return 4 * ((out + 3) / 4 | 1);
}

/// sizes {d, h1, ..., C}. layers [n_layers] is filled, unless null.
QUARRY_HD inline MlpBlockMap map_network(const std::int32_t* sizes, std::int32_t n_layers, MlpBlockNeeds needs,
                                         MlpBlockLayer* layers) {
  std::int64_t next = std::int64_t{n_layers} * static_cast<std::int64_t>(sizeof(MlpBlockLayer) / 4);
  const auto take = [&next](std::int64_t words) {
    const std::int64_t at = next;
    next += words;
    return static_cast<std::int32_t>(at);
  };
  const auto units = [](std::int64_t n) { return round_up4(n) * kUnitStride; };
  std::int64_t parameter_words = 0, packed = 0, outputs = 0;
  for (std::int32_t l = 0; l < n_layers; ++l) {
    const std::int64_t in = sizes[l], out = sizes[l + 1];
    parameter_words += round_up4(in) * weight_stride(out) + round_up4(out);
    packed += (in + 1) * out;
    outputs += out;
  }
  MlpBlockMap map = {};
  map.n_layers = n_layers;
  map.packed = static_cast<std::int32_t>(packed);
  map.parameter_words = static_cast<std::int32_t>(parameter_words);
  map.parameters = take(parameter_words);
  map.moment1 = take(needs.moment1 ? parameter_words : 0);
  map.moment2 = take(needs.moment2 ? parameter_words : 0);
  map.scratch = take(0);
  map.input = take(units(sizes[0]));
  const std::int64_t activations = next;
  for (std::int32_t l = 0; l < n_layers; ++l) take(units(sizes[l + 1]));
  map.to_delta = static_cast<std::int32_t>(next - activations);
  for (std::int32_t l = 0; l + 1 < n_layers && needs.training; ++l) take(units(sizes[l + 1]));
  map.probabilities = take(2 * units(sizes[n_layers]));
  map.gradient = take(needs.accumulate ? parameter_words : 0);
  map.bias_lanes = take(needs.accumulate ? outputs * kUnitStride : 0);
  map.first = take(needs.bald ? units(sizes[1]) : 0);
  map.words = next;
  if (layers == nullptr) return map;

  std::int64_t weights = map.parameters, input = map.input, output = activations;
  packed = outputs = 0;
  for (std::int32_t l = 0; l < n_layers; ++l) {
    const std::int64_t in = sizes[l], out = sizes[l + 1];
    layers[l] = {sizes[l],
                 sizes[l + 1],
                 static_cast<std::int32_t>(weight_stride(out)),
                 static_cast<std::int32_t>(weights),
                 static_cast<std::int32_t>(input),
                 static_cast<std::int32_t>(output),
                 static_cast<std::int32_t>(packed),
                 static_cast<std::int32_t>(outputs)};
    weights += round_up4(in) * weight_stride(out) + round_up4(out);
    input = output;
    output += units(out);
    packed += (in + 1) * out;
    outputs += out;
  }
  return map;
}

/// Offset of a layer's bias.
QUARRY_HD inline std::int32_t bias_of(const MlpBlockLayer& layer) {
  return layer.weights + static_cast<std::int32_t>(round_up4(layer.in)) * layer.stride;
}

/// Keys of the sort that makes a permutation of n: a power of two, at least 2.
QUARRY_HD inline std::int64_t permutation_keys(std::int64_t n) {
  std::int64_t keys = 2;
  while (keys < n) keys *= 2;
  return keys;
}

/// Words for the order of n training rows beside a network (its keys lie over the scratch), and in a place of its own.
QUARRY_HD inline std::int64_t words_with_order(const MlpBlockMap& map, std::int64_t n) {
  const std::int64_t scratch = map.words - map.scratch, keys = 2 * permutation_keys(n);
  return map.scratch + (keys > scratch ? keys : scratch) + round_up4(n);
}
QUARRY_HD inline std::int64_t order_words(std::int64_t n) {
  return 2 * permutation_keys(n) + round_up4(n);
}

}  // namespace quarry
