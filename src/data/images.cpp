// SPDX-License-Identifier: MIT
#include "quarry/data/images.h"

#include <algorithm>
#include <array>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/cifar.h"
#include "src/data/assemble.h"
#include "src/data/image_sets.h"

namespace quarry {
namespace {

struct ImageEntry {
  std::string_view name;
  ImageSetSize published;
  ImageDataset (*load)(const std::string& path, std::int64_t limit);
};

/// One line per image set; each is in the data set table too.
constexpr ImageEntry kImageSets[] = {
    {"fashion_mnist", {60000, 10000, {1, 28, 28}, 10}, load_fashion_images},
    {"cifar10",
     {50000, 10000, {3, 32, 32}, 10},
     [](const std::string& path, std::int64_t limit) { return load_cifar(CifarKind::cifar10, path, limit); }},
    {"cifar100",
     {50000, 10000, {3, 32, 32}, 100},
     [](const std::string& path, std::int64_t limit) { return load_cifar(CifarKind::cifar100, path, limit); }},
};

const ImageEntry* find_entry(std::string_view name) {
  for (const ImageEntry& entry : kImageSets) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

void check_keys(const DataConfig& config) {
  static constexpr std::array<std::string_view, 1> kKeys = {"path"};
  refuse_unused_keys(config, kKeys);
  if (config.pool_limit < 0)
    usage_error("data.pool_limit is {}; expected 0 (all) or a number of rows", config.pool_limit);
}

ImageDataset load(const DataConfig& config, std::int64_t limit) {
  const ImageEntry* entry = find_entry(config.name);
  if (entry == nullptr) {
    std::string names;
    for (const ImageEntry& known : kImageSets) names += (names.empty() ? "" : ", ") + std::string(known.name);
    usage_error("the data set '{}' has no images; a convolutional network needs one of {}", printable(config.name),
                names);
  }
  check_keys(config);
  return entry->load(config.path, limit);
}

RawPart<float> as_features(ImagePart images) {
  RawPart<float> part;
  part.n = images.n;
  part.labels = std::move(images.labels);
  part.features.resize(images.pixels.size());
  std::transform(images.pixels.begin(), images.pixels.end(), part.features.begin(),
                 [](std::uint8_t pixel) { return static_cast<float>(pixel) / 255.0f; });
  return part;
}

/// The set as features [n][channels * height * width] = pixel / 255, for a perceptron.
Dataset load_as_features(const DataConfig& config) {
  // A scaler is fitted on the whole pool; without one, rows beyond the limit need not be made.
  const bool unscaled = config.scaler == Scaler::automatic || config.scaler == Scaler::none;
  ImageDataset images = load(config, unscaled ? config.pool_limit : 0);
  RawDataset<float> raw;
  raw.name = std::move(images.name);
  raw.source = std::move(images.source);
  raw.n_features = static_cast<std::int32_t>(images.shape.pixels());
  raw.class_names = std::move(images.class_names);
  raw.train = as_features(std::move(images.train));
  raw.test = as_features(std::move(images.test));
  return assemble(std::move(raw), config, Scaler::none);
}
}  // namespace

bool has_images(std::string_view name) {
  return find_entry(name) != nullptr;
}

ImageSetSize image_set_size(const DataConfig& config, bool& published) {
  published = false;
  try {
    const ImageDataset data = load_images(config);
    return {data.train.n, data.test.n, data.shape, data.n_classes};
  } catch (const Error& error) {
    const ImageEntry* entry = find_entry(config.name);
    if (error.kind() != ErrorKind::usage || entry == nullptr || !config.path.empty()) throw;
    published = true;
    ImageSetSize size = entry->published;
    if (config.pool_limit > 0) size.train = std::min(size.train, config.pool_limit);
    return size;
  }
}

ImageDataset load_images(const DataConfig& config) {
  if (find_entry(config.name) != nullptr &&
      (config.scaler != Scaler::automatic || config.scaler_fit != ScalerFit::train)) {
    usage_error(
        "data.scaler and data.scaler_fit have no meaning for the images of '{}', which are normalised by their own "
        "mean and deviation: take them out",
        config.name);
  }
  return load(config, config.pool_limit);
}

Dataset load_fashion_mnist(const DataConfig& config) {
  return load_as_features(config);
}
Dataset load_cifar10(const DataConfig& config) {
  return load_as_features(config);
}
Dataset load_cifar100(const DataConfig& config) {
  return load_as_features(config);
}

}  // namespace quarry
