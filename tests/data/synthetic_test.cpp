// SPDX-License-Identifier: MIT
// Made-up image sets: the published sizes, read back by the loader; and that a class can be told by its images.
#include "quarry/data/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "src/data/checksum.h"
#include "tests/data/support.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::TempDir;
using ::testing::HasSubstr;

DataConfig config_of(const std::string& name, const std::string& path) {
  DataConfig config;
  config.name = name;
  config.path = path;
  return config;
}

TEST(Synthetic, ASetOfThePublishedSizeIsWrittenAndRead) {
  const TempDir folder;
  const std::string path = write_synthetic_cifar(CifarKind::cifar100, folder.path(), 50'000, 10'000);
  EXPECT_EQ(path, folder / "cifar-100-binary");
  EXPECT_EQ(std::filesystem::file_size(path + "/train.bin"), 50'000u * 3074);
  EXPECT_EQ(std::filesystem::file_size(path + "/test.bin"), 10'000u * 3074);
  const ImageDataset set = load_images(config_of("cifar100", folder.path()));
  EXPECT_EQ(set.train.n, 50'000);
  EXPECT_EQ(set.test.n, 10'000);
  EXPECT_EQ(set.origin, PixelOrigin::unverified);
  EXPECT_EQ(set.class_names[99], "synthetic 99");
  std::vector<int> counts(100);
  for (const std::int32_t label : set.train.labels) ++counts[static_cast<std::size_t>(label)];
  EXPECT_THAT(counts, ::testing::Each(500));
  const std::string record = synthetic_cifar_record(CifarKind::cifar100, 0, 49'999);
  EXPECT_TRUE(std::equal(record.begin() + 2, record.end(), set.train.pixels.end() - 3072,
                         [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
}

TEST(Synthetic, TheFiveBatchesOfCifar10AreOneSequence) {
  const TempDir folder;
  write_synthetic_cifar(CifarKind::cifar10, folder.path(), 23, 7);
  const ImageDataset set = load_images(config_of("cifar10", folder.path()));
  ASSERT_EQ(set.train.n, 23);
  ASSERT_EQ(set.test.n, 7);
  for (std::int64_t i = 0; i < 23; ++i) {
    EXPECT_EQ(set.train.labels[static_cast<std::size_t>(i)], i % 10);
    const std::string record = synthetic_cifar_record(CifarKind::cifar10, 0, i);
    EXPECT_TRUE(std::equal(record.begin() + 1, record.end(), set.train.pixels.begin() + i * 3072,
                           [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; }));
  }
}

TEST(Synthetic, TheBytesAreThoseOfAnotherProgram) {
  std::istringstream golden(golden_bytes("synthetic.txt"));
  std::string line;
  int records = 0;
  for (std::getline(golden, line); std::getline(golden, line); ++records) {
    int classes = 0, part = 0;
    std::int64_t image = 0;
    std::string sum;
    std::istringstream(line) >> classes >> part >> image >> sum;
    const CifarKind kind = classes == 10 ? CifarKind::cifar10 : CifarKind::cifar100;
    EXPECT_EQ(checksum_of(Digest::sha256, synthetic_cifar_record(kind, part, image)), sum) << line;
  }
  EXPECT_EQ(records, 20);
}

TEST(Synthetic, NoTwoImagesAreAlike) {
  std::set<std::string> images;
  for (std::int64_t i = 0; i < 500; ++i) {
    images.insert(synthetic_cifar_record(CifarKind::cifar10, 0, 10 * i).substr(1));
    images.insert(synthetic_cifar_record(CifarKind::cifar10, 1, 10 * i).substr(1));
  }
  EXPECT_EQ(images.size(), 1000u) << "of one class, and no two alike";
}

/// The strength of the grating with this many periods across and down, in the differences of two channels and in their
/// sum: a Fourier coefficient, of whatever phase.
double strength(const std::string& pixels, int across, int down, const std::vector<int>& weights) {
  double re = 0, im = 0;
  for (int k = 0; k < 1024; ++k) {
    double value = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      value += weights[c] * static_cast<unsigned char>(pixels[c * 1024 + static_cast<std::size_t>(k)]);
    }
    const double angle = 2 * 3.14159265358979 / 32 * (across * (k % 32) + down * (k / 32));
    re += value * std::cos(angle);
    im += value * std::sin(angle);
  }
  return std::hypot(re, im) /
         std::sqrt(static_cast<double>(weights[0] * weights[0] + weights[1] * weights[1] + weights[2] * weights[2]));
}

TEST(Synthetic, AClassCanBeToldByItsGrating) {
  const std::vector<std::vector<int>> colours = {{1, 1, 1}, {1, 0, -1}, {0, 1, -1}, {1, -1, 0}};
  int right = 0;
  for (std::int64_t i = 0; i < 100; ++i) {
    const std::string record = synthetic_cifar_record(CifarKind::cifar100, 1, i);
    ASSERT_EQ(static_cast<unsigned char>(record[1]), i);
    ASSERT_EQ(static_cast<unsigned char>(record[0]), i / 5);
    double best = 0;
    int answer = -1;
    for (int c = 0; c < 100; ++c) {
      const double s = strength(record.substr(2), 1 + c % 5, c / 5 % 5 - 2, colours[static_cast<std::size_t>(c / 25)]);
      if (s > best) {
        best = s;
        answer = c;
      }
    }
    right += answer == i ? 1 : 0;
  }
  EXPECT_GE(right, 95);
}

TEST(Synthetic, NothingIsOverwritten) {
  const TempDir folder;
  write_synthetic_cifar(CifarKind::cifar10, folder.path(), 10, 1);
  EXPECT_THAT(error_of([&] { write_synthetic_cifar(CifarKind::cifar10, folder.path(), 10, 1); }),
              HasSubstr("is there already"));
  EXPECT_THAT(error_of([&] { write_synthetic_cifar(CifarKind::cifar100, folder.path(), 9, 1); }, ErrorKind::usage),
              HasSubstr("9 training and 1 test images"));
  const std::string file = folder.write("file", "");
  EXPECT_THAT(error_of([&] { write_synthetic_cifar(CifarKind::cifar100, file, 10, 1); }), HasSubstr(file));
}

}  // namespace
}  // namespace quarry
