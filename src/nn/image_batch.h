// SPDX-License-Identifier: MIT
// Images from bytes to numbers: gather, crop, flip and normalise in one pass (ops/augment.h).
#pragma once

#include <cstdint>
#include <vector>

#include "quarry/data/images.h"
#include "quarry/ops/augment.h"

namespace quarry {

class ImageReader {
 public:
  /// Error: a check fails where mean and deviation are not those of the channels, or a part is not n images.
  explicit ImageReader(const ImageDataset& data);

  /// Image `row` of a part of the data set, seen through `draw`: out [channels][height][width].
  void read(const ImagePart& part, std::int64_t row, AugmentDraw draw, float* out) const;

 private:
  const ImageShape shape_;
  std::vector<float> table_;  ///< [channels][256]: a byte as the network sees it
};

/// Check that `part` holds n images of the set's shape.
void check_part(const ImageDataset& data, const ImagePart& part);

}  // namespace quarry
