// SPDX-License-Identifier: MIT
// The real data sets of the study, where they are at hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "quarry/data/data_table.h"
#include "quarry/data/images.h"
#include "tests/data/support.h"
#include "tests/support/kept_variable.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DataConfig named(const std::string& name) {
  DataConfig config;
  config.name = name;
  return config;
}

/// The constants of a set are the mean and deviation of its pool. In double, from the counts of the 256 values.
void expect_normalisation(const ImageDataset& set, double tolerance) {
  const auto channels = static_cast<std::size_t>(set.shape.channels);
  const auto plane = static_cast<std::size_t>(set.shape.height * set.shape.width);
  const std::uint8_t* const pixels = set.train.pixels.data();
  for (std::size_t c = 0; c < channels; ++c) {
    std::int64_t counts[256] = {};
    for (std::size_t i = c * plane; i < set.train.pixels.size(); i += channels * plane)
      for (const std::uint8_t *at = pixels + i, *end = at + plane; at != end; ++at) ++counts[*at];
    const double n = static_cast<double>(set.train.n) * static_cast<double>(plane);
    double mean = 0, variance = 0;
    for (int v = 0; v < 256; ++v) mean += static_cast<double>(counts[v]) / n * v / 255;
    for (int v = 0; v < 256; ++v)
      variance += static_cast<double>(counts[v]) / n * (v / 255.0 - mean) * (v / 255.0 - mean);
    EXPECT_NEAR(static_cast<double>(set.mean[c]), mean, tolerance) << "channel " << c;
    EXPECT_NEAR(static_cast<double>(set.deviation[c]), std::sqrt(variance), tolerance) << "channel " << c;
  }
}

template <class Part>
std::vector<std::int64_t> counts(const Part& part, std::int32_t n_classes) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(n_classes));
  for (const std::int32_t label : part.labels) ++result[static_cast<std::size_t>(label)];
  return result;
}

TEST(PublishedSets, WithoutAFolderTheMessageNamesTheFiles) {
  const test::TempDir empty;
  const test::KeptVariable home("XDG_DATA_HOME", empty.path());
  test::KeptVariable kept("QUARRY_DATA", "");
  EXPECT_THAT(error_of([] { load_dataset(named("splice")); }, ErrorKind::usage), HasSubstr("splice.t, splice"));
  EXPECT_THAT(error_of([] { load_dataset(named("dna")); }, ErrorKind::usage), HasSubstr("QUARRY_DATA"));
  kept.set("/nonexistent");
  EXPECT_THAT(error_of([] { load_dataset(named("dna")); }, ErrorKind::usage),
              HasSubstr("/nonexistent/libsvm/dna.scale.tr"));
}

TEST(PublishedSets, AnotherFileOfThatNameIsRefused) {
  const test::TempDir folder;
  DataConfig config = named("splice");
  config.path = folder.path();
  folder.write("splice", "1 61:1\n-1 1:1\n");
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("61 features; this set has 60"));
  folder.write("splice", "1 1:1\n3 1:1\n");
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("Is it another file?"));
}

TEST(PublishedSets, SpliceIsReadFromAFolder) {
  const test::TempDir folder;
  DataConfig config = named("splice");
  config.path = folder.path();
  folder.write("splice", "+1 1:1 60:4\n" + libsvm_lines("-1 1:3 60:4", 999));
  folder.write("splice.t", "-1 1:2 60:2\n" + libsvm_lines("+1 1:5", 2174));
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.n_features, 60);
  ASSERT_EQ(set.train.n, 1000);
  EXPECT_EQ(set.train.labels[0], 1);
  EXPECT_EQ(set.train.labels[999], 0);
  EXPECT_EQ(set.train.features[0], 0);
  EXPECT_EQ(set.train.features[60], 1);
  EXPECT_EQ(set.test.features[0], 0.5);
}

TEST(PublishedSets, TheFirstVersionTrainsOnScaledSpliceAndTestsOnRaw) {  // spec 3.4
  const test::TempDir folder;
  DataConfig config = named("splice");
  config.path = folder.path();
  config.scaler_fit = ScalerFit::test;
  folder.write("splice", libsvm_lines("+1 1:1 60:4", 500) + libsvm_lines("-1 1:4 60:1", 500));
  config.version = "seed";
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage),
              HasSubstr("splice_scale: is missing: get it with `quarry data"));
  config.version = "final";
  folder.write("splice_scale", libsvm_lines("+1 1:-1 60:1", 500) + libsvm_lines("-1 1:-0.333333 60:-1", 500));
  folder.write("splice.t", libsvm_lines("-1 1:1 60:4", 2000) + libsvm_lines("+1 1:4 60:1", 175));
  const Dataset raw = load_dataset(config);
  EXPECT_EQ(raw.train.features[0], 0.0f);
  EXPECT_EQ(raw.train.features[59], 1.0f);
  for (const char* version : {"keychain", "seed"}) {
    config.version = version;
    const Dataset mixed = load_dataset(config);
    EXPECT_NEAR(mixed.train.features[0], -2.0 / 3, 1e-6);
    EXPECT_NEAR(mixed.train.features[59], 0, 1e-6);
    const auto [low, high] = std::minmax_element(mixed.test.features.begin(), mixed.test.features.end());
    EXPECT_EQ(*low, 0.0f);
    EXPECT_EQ(*high, 1.0f);
    EXPECT_EQ(mixed.test.features, raw.test.features);
    EXPECT_THAT(mixed.source, HasSubstr("splice_scale"));
  }
  config.version = "july_17";
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("expected final, keychain or seed"));
  config = named("file");
  config.path = "x.csv";
  config.version = "seed";
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("where the preset gives it"));
}

TEST(PublishedSets, AFileThatIsCutOffIsRefused) {
  const test::TempDir folder;
  DataConfig config = named("splice");
  config.path = folder.path();
  folder.write("splice", "+1 1:1 60:4\n" + libsvm_lines("-1 1:3 60:4", 999));
  folder.write("splice.t", "-1 1:2 60:2\n" + libsvm_lines("+1 1:5", 2173));
  EXPECT_THAT(error_of([&] { load_dataset(config); }),
              ::testing::AllOf(HasSubstr("splice.t: 2174 instances; splice.t has 2175. Is it cut off?"),
                               HasSubstr("get it again with `quarry data fetch splice`")));
}

bool have_libsvm() {
  const char* root = std::getenv("QUARRY_DATA");
  return root != nullptr && *root != '\0';
}

TEST(PublishedSets, SpliceFromQuarryData) {
  if (!have_libsvm()) GTEST_SKIP() << "QUARRY_DATA is not set: the real splice files were not read";
  const Dataset set = load_dataset(named("splice"));
  EXPECT_EQ(set.n_features, 60);
  EXPECT_EQ(set.train.n, 1000);
  EXPECT_EQ(set.test.n, 2175);
  EXPECT_THAT(counts(set.train, 2), ElementsAre(483, 517));
  EXPECT_THAT(counts(set.test, 2), ElementsAre(1044, 1131));
  const std::set<float> values(set.train.features.begin(), set.train.features.end());
  EXPECT_THAT(std::vector<float>(values.begin(), values.end()), ElementsAre(0.0f, 1.0f / 3, 2.0f / 3, 1.0f));
}

TEST(PublishedSets, DnaFromQuarryData) {
  if (!have_libsvm()) GTEST_SKIP() << "QUARRY_DATA is not set: the real DNA files were not read";
  const Dataset set = load_dataset(named("dna"));
  EXPECT_EQ(set.n_features, 180);
  EXPECT_EQ(set.train.n, 2000);
  EXPECT_EQ(set.test.n, 1186);
  EXPECT_THAT(counts(set.train, 3), ElementsAre(464, 485, 1051));
  EXPECT_THAT(counts(set.test, 3), ElementsAre(303, 280, 603));
  double ones = 0;
  for (const float value : set.train.features) {
    EXPECT_TRUE(value == 0 || value == 1);
    ones += static_cast<double>(value);
  }
  EXPECT_NEAR(ones / 2000, 45.7, 0.1);
}

TEST(PublishedSets, FashionMnistFromThePackage) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  }
  DataConfig config = named("fashion_mnist");
  config.pool_limit = 5000;
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.train.n, 5000);
  EXPECT_EQ(set.test.n, 10'000);
  EXPECT_EQ(set.n_features, 784);
  EXPECT_EQ(set.n_classes, 10);
  EXPECT_EQ(set.train.features.size(), 5000u * 784);
  EXPECT_THAT(std::vector<std::int32_t>(set.train.labels.begin(), set.train.labels.begin() + 10),
              ElementsAre(9, 0, 0, 3, 0, 2, 7, 2, 5, 5));
  EXPECT_THAT(counts(set.test, 10), ::testing::Each(1000));
  const auto [low, high] = std::minmax_element(set.train.features.begin(), set.train.features.end());
  EXPECT_EQ(*low, 0);
  EXPECT_EQ(*high, 1);
}

TEST(PublishedSets, FashionMnistAsImages) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "the package dataset-fashion-mnist is not installed";
  }
  DataConfig config = named("fashion_mnist");
  const ImageDataset set = load_images(config);
  EXPECT_EQ(set.origin, PixelOrigin::published);
  EXPECT_EQ(set.shape.channels, 1);
  EXPECT_EQ(set.shape.pixels(), 784);
  EXPECT_EQ(set.train.n, 60'000);
  ASSERT_EQ(set.train.pixels.size(), 60'000u * 784);
  expect_normalisation(set, 0.00005);
  config.pool_limit = 10;
  const ImageDataset few = load_images(config);
  EXPECT_EQ(few.origin, PixelOrigin::published) << "the files are, whatever is used of them";
  EXPECT_EQ(few.train.n, 10);
  EXPECT_TRUE(std::equal(few.train.pixels.begin(), few.train.pixels.end(), set.train.pixels.begin()));
  const Dataset features = load_dataset(config);
  for (std::size_t i = 0; i < features.train.features.size(); ++i) {
    ASSERT_EQ(features.train.features[i], static_cast<float>(few.train.pixels[i]) / 255.0f);
  }
}

/// Whether $QUARRY_DATA has a folder.
bool have_folder(const std::string& name) {
  const char* root = std::getenv("QUARRY_DATA");
  return root != nullptr && *root != '\0' && std::filesystem::exists(std::string(root) + "/" + name);
}

TEST(PublishedSets, Cifar10FromQuarryData) {
  if (!have_folder("cifar-10-batches-bin")) GTEST_SKIP() << "QUARRY_DATA has no cifar-10-batches-bin: it was not read";
  const ImageDataset set = load_images(named("cifar10"));
  EXPECT_EQ(set.train.n, 50'000);
  EXPECT_EQ(set.test.n, 10'000);
  EXPECT_THAT(counts(set.train, 10), ::testing::Each(5000));
  EXPECT_THAT(counts(set.test, 10), ::testing::Each(1000));
  EXPECT_THAT(std::vector<std::int32_t>(set.train.labels.begin(), set.train.labels.begin() + 10),
              ElementsAre(6, 9, 9, 4, 1, 1, 2, 7, 8, 3));
  EXPECT_THAT(std::vector<std::int32_t>(set.test.labels.begin(), set.test.labels.begin() + 10),
              ElementsAre(3, 8, 8, 0, 6, 6, 1, 6, 3, 1));
  expect_normalisation(set, 0.002);  // copies through JPEG differ a little
}

TEST(PublishedSets, Cifar100FromQuarryData) {
  if (!have_folder("cifar-100-binary")) GTEST_SKIP() << "QUARRY_DATA has no cifar-100-binary: it was not read";
  const ImageDataset set = load_images(named("cifar100"));
  EXPECT_GE(set.train.n, 1000);
  EXPECT_GE(set.test.n, 900);
  EXPECT_EQ(set.class_names[0], "apple");
  EXPECT_EQ(set.class_names[99], "worm");
  expect_normalisation(set, 0.02);  // of a part of the images
}

/// A folder with tiny files of the four names.
TEST(PublishedSets, FashionMnistFromAFolder) {
  const test::TempDir folder;
  DataConfig config = named("fashion_mnist");
  config.path = folder.path();
  EXPECT_THAT(error_of([&] { load_dataset(config); }, ErrorKind::usage), HasSubstr("dataset-fashion-mnist"));
  const std::string images = big_bytes(0x00000803, 4) + big_bytes(2, 4) + big_bytes(28, 4) + big_bytes(28, 4) +
                             std::string(784, '\xff') + std::string(784, '\x33');
  const auto labels = [](const std::string& values) {
    return big_bytes(0x00000801, 4) + big_bytes(values.size(), 4) + values;
  };
  folder.write("train-images-idx3-ubyte", images);
  folder.write("t10k-images-idx3-ubyte", images);
  folder.write("train-labels-idx1-ubyte", labels("\x09\x01"));
  folder.write("t10k-labels-idx1-ubyte", labels("\x02\x03"));
  const Dataset set = load_dataset(config);
  EXPECT_THAT(set.train.labels, ElementsAre(9, 1));
  EXPECT_EQ(set.train.features[0], 1.0f);
  EXPECT_EQ(set.train.features[784], 0.2f);
  EXPECT_EQ(set.class_names[9], "Ankle boot");
  EXPECT_EQ(load_images(config).origin, PixelOrigin::unverified);
  folder.write("t10k-labels-idx1-ubyte", labels("\x02\x0a"));
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("label 1 is 10"));
  folder.write("t10k-labels-idx1-ubyte", labels("\x02"));
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("not a byte label for each of the 2 images"));
  folder.write("train-images-idx3-ubyte", labels("\x02"));
  EXPECT_THAT(error_of([&] { load_dataset(config); }), HasSubstr("28x28"));
}

TEST(DataTable, EveryEntryIsDescribedAndRefusesKeysItDoesNotKnow) {
  for (const DataEntry& entry : data_table()) {
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    DataConfig config = named(std::string(entry.name));
    config.version = "seed";
    config.path = "/nonexistent/x.csv";
    config.label = "y";
    const std::string message = error_of([&] { load_dataset(config); }, ErrorKind::usage);
    EXPECT_THAT(message, HasSubstr("has no meaning for the data set '" + std::string(entry.name) + "'"));
  }
}

}  // namespace
}  // namespace quarry
