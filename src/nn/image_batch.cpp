// SPDX-License-Identifier: MIT
#include "src/nn/image_batch.h"

#include <algorithm>

#include "quarry/core/error.h"

namespace quarry {

ImageReader::ImageReader(const ImageDataset& data) : shape_(data.shape) {
  const auto channels = static_cast<std::size_t>(shape_.channels);
  QUARRY_CHECK(data.mean.size() == channels && data.deviation.size() == channels,
               "{}: {} means and {} deviations for {} channels", data.name, data.mean.size(), data.deviation.size(),
               channels);
  table_.resize(channels * 256);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      table_[c * 256 + byte] = normalised_pixel(static_cast<std::uint8_t>(byte), data.mean[c], data.deviation[c]);
    }
  }
}

void ImageReader::read(const ImagePart& part, std::int64_t row, AugmentDraw draw, float* out) const {
  const std::int32_t height = shape_.height, width = shape_.width;
  const std::uint8_t* plane = part.pixels.data() + row * shape_.pixels();
  // columns [first, last) of the result lie inside the image, the rest is padding
  const std::int32_t shift = draw.dx - kAugmentPadding;
  const std::int32_t first = std::clamp(-shift, 0, width), last = std::clamp(width - shift, first, width);
  for (std::int32_t c = 0; c < shape_.channels; ++c, plane += height * width) {
    const float* const seen = table_.data() + std::ptrdiff_t{c} * 256;
    for (std::int32_t y = 0; y < height; ++y, out += width) {
      const std::int32_t from = y + draw.dy - kAugmentPadding;
      if (from < 0 || from >= height) {
        std::fill(out, out + width, seen[0]);
        continue;
      }
      std::fill(out, out + first, seen[0]);
      const std::uint8_t* const line = plane + from * width;
      for (std::int32_t x = first; x < last; ++x) out[x] = seen[line[x + shift]];
      std::fill(out + last, out + width, seen[0]);
      if (draw.flip) std::reverse(out, out + width);
    }
  }
}

void check_part(const ImageDataset& data, const ImagePart& part) {
  QUARRY_CHECK(part.n >= 0 && static_cast<std::int64_t>(part.pixels.size()) == part.n * data.shape.pixels(),
               "{}: {} bytes for {} images of {} pixels", data.name, part.pixels.size(), part.n, data.shape.pixels());
  QUARRY_CHECK(static_cast<std::int64_t>(part.labels.size()) == part.n, "{}: {} labels for {} images", data.name,
               part.labels.size(), part.n);
}

}  // namespace quarry
