// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/data/idx.h"
#include "src/data/assemble.h"
#include "src/data/input.h"

namespace quarry {
namespace {

constexpr std::string_view kPackageFolder = "/usr/share/datasets/fashion-mnist";
constexpr std::uint64_t kSide = 28, kClasses = 10;

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// The file or its gzipped form.
InputFile read_either(const std::string& folder, const std::string& name) {
  const std::string plain = join_path(folder, name), zipped = plain + ".gz";
  if (exists(zipped)) return read_input(zipped);
  if (exists(plain)) return read_input(plain);
  fail(
      "{}: there is no such file. Fashion-MNIST comes with the Debian package dataset-fashion-mnist (install it with "
      "`apt-get install dataset-fashion-mnist`); or set data.path to a folder with its four IDX files",
      zipped);
}

/// `limit` > 0: only the first rows.
RawPart<float> read_part(const std::string& folder, const std::string& prefix, std::int64_t limit,
                         std::string& source) {
  RawPart<float> part;
  std::uint64_t n = 0;
  {
    const InputFile file = read_either(folder, prefix + "-images-idx3-ubyte");
    NumericArray images = parse_idx(file.bytes, file.path);
    if (images.type != ElementType::u8 || images.shape.size() != 3 || images.shape[1] != kSide ||
        images.shape[2] != kSide) {
      fail("{}: not a file of {}x{} byte images", file.path, kSide, kSide);
    }
    n = images.shape[0];
    part.n = static_cast<std::int64_t>(n);
    if (limit > 0) part.n = std::min(part.n, limit);
    images.bytes.resize(static_cast<std::size_t>(part.n) * kSide * kSide);
    part.features = to_floats(images, file.path);
    for (float& value : part.features) value /= 255.0f;
    source += file.provenance;
  }
  const InputFile file = read_either(folder, prefix + "-labels-idx1-ubyte");
  const NumericArray labels = parse_idx(file.bytes, file.path);
  if (labels.type != ElementType::u8 || labels.shape.size() != 1 || labels.shape[0] != n) {
    fail("{}: not a byte label for each of the {} images", file.path, n);
  }
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(part.n); ++i) {
    const double label = labels.at(i);
    if (label >= kClasses) {
      fail("{}: label {} is {}; expected 0 to 9", file.path, i, label);
    }
    part.labels.push_back(static_cast<std::int32_t>(label));
  }
  source += "; " + file.provenance;
  return part;
}

}  // namespace

Dataset load_fashion_mnist(const DataConfig& config) {
  static constexpr std::array<std::string_view, 1> kKeys = {"path"};
  refuse_unused_keys(config, kKeys);
  const std::string folder = config.path.empty() ? std::string(kPackageFolder) : config.path;
  RawDataset<float> raw;
  raw.name = config.name;
  raw.n_features = kSide * kSide;
  raw.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                     "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  // A scaler is fitted on the whole pool; without one, rows beyond the limit need not be made.
  const bool unscaled = config.scaler == Scaler::automatic || config.scaler == Scaler::none;
  raw.train = read_part(folder, "train", unscaled ? config.pool_limit : 0, raw.source);
  raw.source += "; ";
  raw.test = read_part(folder, "t10k", 0, raw.source);
  return assemble(std::move(raw), config, Scaler::none);
}

}  // namespace quarry
