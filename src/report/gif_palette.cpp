// SPDX-License-Identifier: MIT
#include <algorithm>

#include "quarry/core/error.h"
#include "src/report/gif.h"

namespace quarry {
namespace {

constexpr int kBits = 6;
constexpr std::size_t kBins = std::size_t{1} << (3 * kBits);

std::size_t bin_of(const std::uint8_t* rgb) {
  return static_cast<std::size_t>(rgb[0] >> 2) << (2 * kBits) | static_cast<std::size_t>(rgb[1] >> 2) << kBits |
         static_cast<std::size_t>(rgb[2] >> 2);
}

/// A colour that was seen: the mean of a bin.
struct Seen {
  std::size_t bin;
  double count;
  std::array<double, 3> colour;
};

struct Box {
  std::size_t begin, end;  ///< of the list of colours seen
  int axis = 0;            ///< along which they differ most
  double spread = 0;       ///< sum of the squared differences from the mean along it
};

Box measured(const std::vector<Seen>& seen, std::size_t begin, std::size_t end) {
  Box box{begin, end, 0, -1};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    double count = 0, sum = 0, squares = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double value = seen[i].colour[axis];
      count += seen[i].count;
      sum += seen[i].count * value;
      squares += seen[i].count * value * value;
    }
    const double spread = std::max(0.0, squares - sum * sum / count);
    if (spread > box.spread) {
      box.axis = static_cast<int>(axis);
      box.spread = spread;
    }
  }
  return box;
}

/// Where to divide a box, sorted along its axis: at its mean, with something on both sides.
std::size_t middle_of(const std::vector<Seen>& seen, const Box& box) {
  const auto axis = static_cast<std::size_t>(box.axis);
  double count = 0, sum = 0;
  for (std::size_t i = box.begin; i < box.end; ++i) {
    count += seen[i].count;
    sum += seen[i].count * seen[i].colour[axis];
  }
  std::size_t middle = box.begin + 1;
  while (middle + 1 < box.end && seen[middle].colour[axis] <= sum / count) ++middle;
  return middle;
}

std::uint8_t nearest_of(const std::vector<GifPalette::Colour>& colours, const std::array<double, 3>& wanted) {
  std::size_t best = 0;
  double least = 1e30;
  for (std::size_t i = 0; i < colours.size(); ++i) {
    double distance = 0;
    for (std::size_t c = 0; c < 3; ++c) distance += (wanted[c] - colours[i][c]) * (wanted[c] - colours[i][c]);
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  return static_cast<std::uint8_t>(best);
}

}  // namespace

GifPalette::GifPalette() : bins_(kBins) {}

void GifPalette::add(const Raster& frame) {
  for (std::size_t i = 0; i < frame.pixels(); ++i) {
    const std::uint8_t* rgb = frame.rgb.data() + 3 * i;
    Bin& bin = bins_[bin_of(rgb)];
    ++bin.count;
    for (std::size_t c = 0; c < 3; ++c) bin.sum[c] += rgb[c];
  }
}

void GifPalette::choose() {
  std::vector<Seen> seen;
  for (std::size_t b = 0; b < kBins; ++b) {
    const auto count = static_cast<double>(bins_[b].count);
    if (bins_[b].count == 0) continue;
    Seen colour{b, count, {}};
    for (std::size_t c = 0; c < 3; ++c) colour.colour[c] = static_cast<double>(bins_[b].sum[c]) / count;
    seen.push_back(colour);
  }
  QUARRY_CHECK(!seen.empty(), "a palette of no frame");
  std::vector<Box> boxes = {measured(seen, 0, seen.size())};
  while (boxes.size() < kMost) {
    const auto widest =
        std::max_element(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) { return a.spread < b.spread; });
    const Box box = *widest;
    if (box.spread <= 0 || box.end - box.begin < 2) break;
    const auto axis = static_cast<std::size_t>(box.axis);
    const auto at = [&](std::size_t i) { return seen.begin() + static_cast<std::ptrdiff_t>(i); };
    std::sort(at(box.begin), at(box.end), [axis](const Seen& a, const Seen& b) {
      return a.colour[axis] != b.colour[axis] ? a.colour[axis] < b.colour[axis] : a.bin < b.bin;
    });
    const std::size_t middle = middle_of(seen, box);
    *widest = measured(seen, box.begin, middle);
    boxes.push_back(measured(seen, middle, box.end));
  }
  colours_.clear();
  for (const Box& box : boxes) {
    std::size_t most = box.begin;
    for (std::size_t i = box.begin; i < box.end; ++i)
      if (seen[i].count > seen[most].count) most = i;
    Colour colour;
    for (std::size_t c = 0; c < 3; ++c) colour[c] = static_cast<std::uint8_t>(seen[most].colour[c] + 0.5);
    colours_.push_back(colour);
  }
  nearest_.assign(kBins, 0);
  for (const Seen& s : seen) nearest_[s.bin] = nearest_of(colours_, s.colour);
}

std::vector<std::uint8_t> GifPalette::index(const Raster& frame) const {
  QUARRY_CHECK(!nearest_.empty(), "no colours were chosen");
  std::vector<std::uint8_t> indices(frame.pixels());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = nearest_[bin_of(frame.rgb.data() + 3 * i)];
  return indices;
}

}  // namespace quarry
