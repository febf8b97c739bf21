// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/data/idx.h"
#include "src/data/checksum.h"
#include "src/data/image_sets.h"
#include "src/data/input.h"

namespace quarry {
namespace {

constexpr std::string_view kPackageFolder = "/usr/share/datasets/fashion-mnist";
constexpr std::uint64_t kSide = 28, kClasses = 10;

/// SHA-256 of the unpacked contents in Debian's package dataset-fashion-mnist 0.0~git20200523.55506a9-1.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kPublished = {{
    {"train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {"train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {"t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {"t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}};

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// The file or its gzipped form.
InputFile read_either(const std::string& folder, const std::string& name) {
  const std::string plain = join_path(folder, name), zipped = plain + ".gz";
  if (exists(zipped)) return read_input(zipped);
  if (exists(plain)) return read_input(plain);
  usage_error(
      "{}: there is no such file. Fashion-MNIST comes with the Debian package dataset-fashion-mnist (install it with "
      "`apt-get install dataset-fashion-mnist`); or set data.path to a folder with its four IDX files",
      zipped);
}

/// Whether the elements are those of the published file, whose header the reader has checked.
bool is_published(const std::string& name, const NumericArray& array) {
  Checksum checksum(Digest::sha256);
  std::string header = {0, 0, 8, static_cast<char>(array.shape.size())};
  for (const std::uint64_t extent : array.shape) {
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(extent >> shift);
  }
  checksum.update(header);
  checksum.update(array.bytes);
  const std::string sum = checksum.hex();
  return std::any_of(kPublished.begin(), kPublished.end(),
                     [&](const auto& published) { return published.first == name && published.second == sum; });
}

/// `limit` > 0: only the first images. Clears `published` if the files are others.
ImagePart read_part(const std::string& folder, const std::string& prefix, std::int64_t limit, std::string& source,
                    bool& published) {
  ImagePart part;
  std::uint64_t n = 0;
  const std::string images_name = prefix + "-images-idx3-ubyte", labels_name = prefix + "-labels-idx1-ubyte";
  {
    const InputFile file = read_either(folder, images_name);
    const NumericArray images = parse_idx(file.bytes, file.path);
    if (images.type != ElementType::u8 || images.shape.size() != 3 || images.shape[1] != kSide ||
        images.shape[2] != kSide) {
      fail("{}: not a file of {}x{} byte images", file.path, kSide, kSide);
    }
    published = published && is_published(images_name, images);
    n = images.shape[0];
    part.n = static_cast<std::int64_t>(n);
    if (limit > 0) part.n = std::min(part.n, limit);
    part.pixels.assign(images.bytes.begin(), images.bytes.begin() + part.n * static_cast<std::int64_t>(kSide * kSide));
    source += file.provenance;
  }
  const InputFile file = read_either(folder, labels_name);
  const NumericArray labels = parse_idx(file.bytes, file.path);
  if (labels.type != ElementType::u8 || labels.shape.size() != 1 || labels.shape[0] != n) {
    fail("{}: not a byte label for each of the {} images", file.path, n);
  }
  published = published && is_published(labels_name, labels);
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

ImageDataset load_fashion_images(const std::string& path, std::int64_t limit) {
  const std::string folder = path.empty() ? std::string(kPackageFolder) : path;
  ImageDataset set;
  set.name = "fashion_mnist";
  set.shape = {1, kSide, kSide};
  set.n_classes = kClasses;
  set.mean = {0.2860f};
  set.deviation = {0.3530f};
  set.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                     "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  bool published = true;
  set.train = read_part(folder, "train", limit, set.source, published);
  set.source += "; ";
  set.test = read_part(folder, "t10k", 0, set.source, published);
  set.origin = published ? PixelOrigin::published : PixelOrigin::unverified;
  return set;
}

}  // namespace quarry
