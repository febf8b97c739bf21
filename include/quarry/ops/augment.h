// SPDX-License-Identifier: MIT
// The images of a batch: gather by row, random crop of the image padded with black, random flip, normalisation
// (spec 2.2), in one pass from bytes to numbers. Shared by the CPU and CUDA backends.
//
// Padding comes before normalisation: a padded pixel becomes (0 / 255 - mean) / deviation.
// The draw of a slot (place in the epoch's order) of an epoch is random_block(key, slot, epoch): offsets
// dx = floor(9 word0 / 2^32), dy = floor(9 word1 / 2^32), each 0..8, and flip = highest bit of word2.
#pragma once

#include <cstdint>

#include "quarry/core/host_device.h"
#include "quarry/core/rng.h"

namespace quarry {

inline constexpr std::int32_t kAugmentPadding = 4;

/// Pixel (y, x) of the result is pixel (y + dy - 4, x' + dx - 4) of the image, black outside, with x' = x or, flipped,
/// width - 1 - x.
struct AugmentDraw {
  std::int32_t dx = kAugmentPadding, dy = kAugmentPadding;  ///< the defaults change nothing
  bool flip = false;
};

QUARRY_HD constexpr AugmentDraw augment_draw(std::uint64_t key, std::uint64_t slot, std::uint32_t epoch) {
  const PhiloxBlock block = random_block(key, slot, epoch);
  constexpr std::uint64_t offsets = 2 * kAugmentPadding + 1;
  return {static_cast<std::int32_t>(offsets * block.word[0] >> 32),
          static_cast<std::int32_t>(offsets * block.word[1] >> 32), (block.word[2] >> 31) != 0};
}

/// A pixel byte as the network sees it.
QUARRY_HD constexpr float normalised_pixel(std::uint8_t byte, float mean, float deviation) {
  return (static_cast<float>(byte) / 255.0f - mean) / deviation;
}

}  // namespace quarry
