// SPDX-License-Identifier: MIT
// Image sets: pixels as bytes, as the published files have them. What a convolutional network trains on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/data_table.h"

namespace quarry {

struct ImageShape {
  std::int32_t channels = 3, height = 32, width = 32;
  std::int64_t pixels() const { return std::int64_t{channels} * height * width; }
};

struct ImagePart {
  std::int64_t n = 0;
  std::vector<std::uint8_t> pixels;  ///< [n][channels][height][width]
  std::vector<std::int32_t> labels;  ///< [n], 0 .. n_classes-1
};

/// Whether the pixels are known to be those of the published files: by the checksums of the files that were read, or
/// of the archive that `quarry data fetch` unpacked. Tables say so when they are not.
enum class PixelOrigin { published, unverified };

struct ImageDataset {
  std::string name;
  ImageShape shape;
  std::int32_t n_classes = 0;
  ImagePart train, test;
  std::vector<float> mean, deviation;  ///< [channels], of pixel / 255: the normalisation, constants of the set
  std::vector<std::string> class_names;
  std::string source;  ///< where it came from, one line for the environment record
  PixelOrigin origin = PixelOrigin::unverified;
};

/// Whether a name of the data set table has images (cifar10, cifar100, fashion_mnist).
bool has_images(std::string_view name);

/// How large a set is.
struct ImageSetSize {
  std::int64_t train = 0, test = 0;
  ImageShape shape;
  std::int32_t classes = 0;
};

/// Of the set that the [data] keys name: as load_images would find it, or, where its files are not here and no path is
/// given, as it was published (`published` says so). For plans. Errors: those of load_images otherwise.
ImageSetSize image_set_size(const DataConfig& config, bool& published);

/// Loads an image set by the [data] keys name, path and pool_limit. Never a function of the run seed. A part may hold
/// fewer images than the published one. Where the files are looked for: cifar.h, docs/data_sets.md.
/// `published` are: CIFAR in the Python layout whose batches have the published MD5 sums; CIFAR in the binary layout
/// whose files are still those that `quarry data fetch` unpacked from the published archive; Fashion-MNIST whose
/// unpacked contents are those of Debian's package.
/// Errors: usage for a set without images, files that are not found, and keys that have no meaning for it (a scaler is
/// one: images have their own normalisation); failed for unreadable files.
ImageDataset load_images(const DataConfig& config);

}  // namespace quarry
