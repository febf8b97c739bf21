// SPDX-License-Identifier: MIT
// CIFAR-10 and CIFAR-100 in both layouts, from the folders of tests/goldens/data/make_cifar_goldens.py, whose images
// have labels and pixels by a formula.
#include "quarry/data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/data/checksum.h"
#include "src/data/fetch_record.h"
#include "tests/data/cifar_support.h"
#include "tests/support/kept_variable.h"

namespace quarry {
namespace {

using test::KeptVariable;
using test::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

DataConfig config_of(const std::string& name, const std::string& path) {
  DataConfig config;
  config.name = name;
  config.path = path;
  return config;
}

void expect_image(const ImagePart& part, std::size_t row, std::size_t i, std::size_t file) {
  std::vector<std::uint8_t> wanted(3072);
  wanted[0] = static_cast<std::uint8_t>((i + 1) * (file + 1));
  wanted[1024] = static_cast<std::uint8_t>(200 + i);
  wanted[3071] = static_cast<std::uint8_t>(100 + file);
  const auto begin = part.pixels.begin() + static_cast<std::ptrdiff_t>(row * 3072);
  EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), begin)) << "row " << row;
}

TEST(Cifar10, BothLayoutsGiveTheImages) {
  const TempDir folder;
  for (const char* layout : {"cifar-10-batches-bin", "cifar-10-batches-py"}) {
    SCOPED_TRACE(layout);
    const ImageDataset set = load_images(config_of("cifar10", unpack_golden(layout, folder)));
    EXPECT_EQ(set.name, "cifar10");
    EXPECT_EQ(set.shape.channels, 3);
    EXPECT_EQ(set.shape.pixels(), 3072);
    EXPECT_EQ(set.n_classes, 10);
    ASSERT_EQ(set.train.n, 15);
    ASSERT_EQ(set.test.n, 2);
    ASSERT_EQ(set.train.pixels.size(), 15u * 3072);
    ASSERT_EQ(set.test.pixels.size(), 2u * 3072);
    for (std::size_t row = 0; row < 15; ++row) {
      expect_image(set.train, row, row % 3, row / 3);
      EXPECT_EQ(set.train.labels[row], static_cast<std::int32_t>((7 * (row % 3) + 3 * (row / 3)) % 10));
    }
    for (std::size_t row = 0; row < 2; ++row) expect_image(set.test, row, row, 5);
    EXPECT_THAT(set.test.labels, ElementsAre(5, 2));
    EXPECT_THAT(set.class_names,
                ElementsAre("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"));
    EXPECT_THAT(set.mean, ElementsAre(0.4914f, 0.4822f, 0.4465f));
    EXPECT_THAT(set.deviation, ElementsAre(0.247f, 0.243f, 0.262f));
    EXPECT_THAT(set.source, AllOf(HasSubstr("data_batch_1"), HasSubstr("; "), HasSubstr("test_batch")));
    EXPECT_EQ(set.origin, PixelOrigin::unverified);
  }
}

TEST(Cifar100, BothLayoutsGiveTheFineLabels) {
  const TempDir folder;
  for (const char* layout : {"cifar-100-binary", "cifar-100-python"}) {
    SCOPED_TRACE(layout);
    const ImageDataset set = load_images(config_of("cifar100", unpack_golden(layout, folder)));
    EXPECT_EQ(set.n_classes, 100);
    ASSERT_EQ(set.train.n, 4);
    ASSERT_EQ(set.test.n, 2);
    for (std::size_t row = 0; row < 4; ++row) expect_image(set.train, row, row, 0);
    for (std::size_t row = 0; row < 2; ++row) expect_image(set.test, row, row, 1);
    EXPECT_THAT(set.train.labels, ElementsAre(0, 7, 14, 21));
    EXPECT_THAT(set.test.labels, ElementsAre(3, 10));
    ASSERT_EQ(set.class_names.size(), 100u);
    EXPECT_EQ(set.class_names[99], "fine_99");
    EXPECT_THAT(set.mean, ElementsAre(0.5071f, 0.4865f, 0.4409f));
    EXPECT_THAT(set.deviation, ElementsAre(0.2673f, 0.2564f, 0.2762f));
  }
}

TEST(Cifar, ThePoolLimitKeepsTheFirstImagesAcrossFiles) {
  const TempDir folder;
  DataConfig config = config_of("cifar10", unpack_golden("cifar-10-batches-bin", folder));
  for (const std::int64_t limit : {1, 3, 4, 15, 100}) {
    config.pool_limit = limit;
    const ImageDataset set = load_images(config);
    const std::int64_t wanted = std::min<std::int64_t>(limit, 15);
    ASSERT_EQ(set.train.n, wanted);
    EXPECT_EQ(set.train.labels.size(), static_cast<std::size_t>(wanted));
    ASSERT_EQ(set.train.pixels.size(), static_cast<std::size_t>(wanted) * 3072);
    for (std::size_t row = 0; row < static_cast<std::size_t>(wanted); ++row) {
      expect_image(set.train, row, row % 3, row / 3);
    }
    EXPECT_EQ(set.test.n, 2);
  }
}

TEST(Cifar, TheFolderIsFound) {
  const TempDir folder, empty;
  unpack_golden("cifar-10-batches-py", folder);
  EXPECT_EQ(load_images(config_of("cifar10", folder.path())).train.n, 15) << "by its parent";
  EXPECT_EQ(load_images(config_of("cifar10", folder / "cifar-10-batches-py/")).train.n, 15) << "by itself";
  const KeptVariable data("QUARRY_DATA", folder.path());
  KeptVariable home("XDG_DATA_HOME", empty.path());
  EXPECT_EQ(load_images(config_of("cifar10", "")).train.n, 15) << "by QUARRY_DATA";
  const std::string message = error_of([] { load_images(config_of("cifar100", "")); }, ErrorKind::usage);
  for (const std::string& part :
       {std::string("cifar-100-binary"), std::string("cifar-100-python"), std::string("train.bin"),
        std::string("`quarry data fetch cifar100`"), std::string("QUARRY_DATA"), folder.path(), empty / "quarry"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
  std::filesystem::create_directories(folder / "quarry");
  unpack_golden("cifar-100-binary", folder);
  std::filesystem::rename(folder / "cifar-100-binary", folder / "quarry/cifar-100-binary");
  home.set(folder.path());
  EXPECT_EQ(load_images(config_of("cifar100", "")).train.n, 4) << "in the folder of data fetch";
}

TEST(Cifar, AMissingBatchIsNamed) {
  const TempDir folder;
  const DataConfig config = config_of("cifar10", unpack_golden("cifar-10-batches-bin", folder));
  for (const char* name : {"data_batch_1.bin", "data_batch_4.bin", "test_batch.bin"}) {
    const std::string path = config.path + "/" + name;
    std::filesystem::rename(path, folder / "aside");
    EXPECT_THAT(error_of([&] { load_images(config); }, ErrorKind::usage),
                AllOf(HasSubstr(path), HasSubstr("there is no such file")));
    std::filesystem::rename(folder / "aside", path);
  }
  EXPECT_NO_THROW(load_images(config));
}

TEST(Cifar, RecordsAreChecked) {
  const auto message = [](const std::string& bytes, CifarKind kind) {
    return error_of([&] { parse_cifar_records(bytes, "file", kind); });
  };
  const std::string ten = cifar_golden("cifar-10-batches-bin/data_batch_1.bin");
  const std::string hundred = cifar_golden("cifar-100-binary/train.bin");
  EXPECT_THAT(message(ten.substr(0, ten.size() - 1), CifarKind::cifar10),
              HasSubstr("9218 bytes, which are 2 records of 3073 bytes and 3072 more"));
  EXPECT_THAT(message(hundred + "x", CifarKind::cifar100), HasSubstr("4 records of 3074 bytes and 1 more"));
  EXPECT_THAT(message("", CifarKind::cifar10), HasSubstr("empty"));
  std::string bad = ten;
  bad[2 * 3073] = 10;
  EXPECT_THAT(message(bad, CifarKind::cifar10), HasSubstr("file: the label of record 2 is 10; expected 0 to 9"));
  bad = hundred;
  bad[3074] = '\xff';  // a coarse label, which is not used
  EXPECT_NO_THROW(parse_cifar_records(bad, "file", CifarKind::cifar100));
  bad[3074 + 1] = 100;
  EXPECT_THAT(message(bad, CifarKind::cifar100), HasSubstr("the fine label of record 1 is 100; expected 0 to 99"));
}

/// A pickled dict with these members, written by hand.
std::string dict(const std::string& members) {
  return "\x80\x02}(" + members + "u.";
}
std::string images(std::uint64_t n, std::uint64_t width) {
  return "U\x04"
         "datacnumpy.core.numeric\n_frombuffer\n(T" +
         little_bytes(n * width, 4) + std::string(n * width, 'x') + "cnumpy\ndtype\nU\x02u1\x89\x88\x87RM" +
         little_bytes(n, 2) + "M" + little_bytes(width, 2) +
         "\x86U\x01"
         "CtR";
}

TEST(Cifar, BatchesAreChecked) {
  const auto message = [](const std::string& bytes, CifarKind kind = CifarKind::cifar10) {
    return error_of([&] { parse_cifar_batch(bytes, "file", kind); });
  };
  const std::string two =
      "U\x06labels](K\x01K\x09"
      "e";
  EXPECT_EQ(parse_cifar_batch(dict(images(2, 3072) + two), "file", CifarKind::cifar10).n, 2);
  EXPECT_THAT(message(dict(images(3, 3072) + two)), HasSubstr("3 images, but 2 'labels'"));
  EXPECT_THAT(message(dict(images(2, 3071) + two)), HasSubstr("'data' has the shape (2, 3071); expected (n, 3072)"));
  EXPECT_THAT(message(dict(images(0, 3072) + "U\x06labels]")), HasSubstr("(0, 3072)"));
  EXPECT_THAT(message(dict(images(2, 3072) + "U\x06labels](K\x01K\x0a"
                                             "e")),
              HasSubstr("label of record 1 is 10"));
  EXPECT_THAT(message(dict(images(2, 3072) + "U\x06labels](K\x01J\xff\xff\xff\xff"
                                             "e")),
              HasSubstr("record 1 is -1"));
  EXPECT_THAT(message(dict(images(2, 3072) + "U\x06labels](K\x01Ne")), HasSubstr("item 1 of 'labels' is None"));
  EXPECT_THAT(message(dict(images(2, 3072) + "U\x06labelsK\x01")),
              HasSubstr("'labels' is an integer; expected a list"));
  EXPECT_THAT(message(dict(two)), HasSubstr("the pickled dict has no 'data'"));
  EXPECT_THAT(message(dict(images(2, 3072) + two), CifarKind::cifar100), HasSubstr("no 'fine_labels'"));
  EXPECT_THAT(message("\x80\x02]."), HasSubstr("the pickle is a list; expected a dict"));
}

TEST(Cifar, ClassNames) {
  const auto message = [](const std::string& text) {
    return error_of([&] { parse_cifar_names(text, "file", CifarKind::cifar10); });
  };
  EXPECT_THAT(parse_cifar_names("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", "file", CifarKind::cifar10),
              ElementsAre("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"));
  EXPECT_EQ(parse_cifar_names("a\r\nb\r\nc\nd\ne\nf\ng\nh\ni\nj", "file", CifarKind::cifar10)[9], "j");
  EXPECT_THAT(message("a\nb\n"), HasSubstr("2 names of classes; expected 10"));
  EXPECT_THAT(message(std::string(1000, '\n') + "a"), HasSubstr("expected 10"));
  EXPECT_THAT(message("a\nb\n\nd\ne\nf\ng\nh\ni\nj"), HasSubstr("the name of class 2"));
  EXPECT_THAT(message("a\nb\nc\nd\ne\nf\ng\nh\ni\n\x1b[2J"), HasSubstr("the name of class 9"));

  const TempDir folder;
  const DataConfig ten = config_of("cifar10", unpack_golden("cifar-10-batches-bin", folder));
  std::filesystem::remove(ten.path + "/batches.meta.txt");
  EXPECT_EQ(load_images(ten).class_names[9], "truck");
  const DataConfig hundred = config_of("cifar100", unpack_golden("cifar-100-python", folder));
  std::filesystem::remove(hundred.path + "/meta");
  EXPECT_EQ(load_images(hundred).class_names[99], "99");
}

/// The record that a fetch of the published archive would have left.
void write_record(const std::string& folder, const std::string& md5) {
  FetchRecord record;
  record.data_set = "cifar100";
  record.archive = "cifar-100-binary.tar.gz";
  record.md5 = md5;
  for (const char* name : {"train.bin", "test.bin", "fine_label_names.txt"}) {
    record.files.emplace_back(name, checksum_of(Digest::sha256, read_file(folder + "/" + name)));
  }
  std::ofstream(folder + "/quarry-fetched.json", std::ios::binary) << to_json(record);
}

TEST(Cifar, TheOriginIsPublishedWhileTheFilesAreThoseOfTheArchive) {
  const TempDir folder;
  const DataConfig config = config_of("cifar100", unpack_golden("cifar-100-binary", folder));
  const auto origin = [&] { return load_images(config).origin; };
  EXPECT_EQ(origin(), PixelOrigin::unverified);
  write_record(config.path, "03b5dce01913d631647c71ecec9e9cb8");
  EXPECT_EQ(origin(), PixelOrigin::published);
  const std::string path = config.path + "/train.bin", good = read_file(path);
  std::string bad = good;
  bad[5000] ^= 1;
  std::ofstream(path, std::ios::binary) << bad;
  EXPECT_EQ(origin(), PixelOrigin::unverified) << "a pixel has changed";
  std::ofstream(path, std::ios::binary) << good;
  EXPECT_EQ(origin(), PixelOrigin::published);
  write_record(config.path, "03b5dce01913d631647c71ecec9e9cb9");
  EXPECT_EQ(origin(), PixelOrigin::unverified) << "of another archive";
  std::ofstream(config.path + "/quarry-fetched.json", std::ios::binary) << "{}";
  EXPECT_THAT(error_of([&] { load_images(config); }), HasSubstr("not a record of `quarry data fetch`"));
}

TEST(Cifar, PerceptronsGetPixelsOver255) {
  const TempDir folder;
  DataConfig config = config_of("cifar100", unpack_golden("cifar-100-binary", folder));
  const ImageDataset images_of = load_images(config);
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.n_features, 3072);
  EXPECT_EQ(set.n_classes, 100);
  EXPECT_EQ(set.train.labels, images_of.train.labels);
  EXPECT_EQ(set.test.labels, images_of.test.labels);
  EXPECT_EQ(set.class_names, images_of.class_names);
  ASSERT_EQ(set.train.features.size(), images_of.train.pixels.size());
  for (std::size_t i = 0; i < set.train.features.size(); ++i) {
    ASSERT_EQ(set.train.features[i], static_cast<float>(images_of.train.pixels[i]) / 255.0f);
  }
  config.pool_limit = 2;
  config.scaler = Scaler::minmax;  // fitted on the whole pool: pixel 1024 is 200, 201, 202, 203
  EXPECT_NEAR(static_cast<double>(load_dataset(config).train.features[3072 + 1024]), 1.0 / 3, 1e-6);
}

TEST(Images, KeysThatMeanNothingAreRefused) {
  EXPECT_TRUE(has_images("cifar10") && has_images("cifar100") && has_images("fashion_mnist"));
  EXPECT_FALSE(has_images("moons") || has_images("file") || has_images("cifar") || has_images(""));
  const auto message = [](const DataConfig& config) {
    return error_of([&] { load_images(config); }, ErrorKind::usage);
  };
  EXPECT_THAT(message(config_of("moons", "")),
              HasSubstr("'moons' has no images; a convolutional network needs one of"));
  DataConfig config = config_of("cifar10", "/nonexistent");
  EXPECT_THAT(message(config), HasSubstr("/nonexistent"));
  config.scaler = Scaler::standard;
  EXPECT_THAT(message(config), HasSubstr("data.scaler"));
  config.scaler = Scaler::automatic;
  config.pool_limit = -1;
  EXPECT_THAT(message(config), HasSubstr("data.pool_limit is -1"));
  config.label = "x";
  EXPECT_THAT(message(config), HasSubstr("data.label has no meaning"));
}

TEST(Checksum, KnownSums) {  // RFC 1321, FIPS 180-4
  EXPECT_EQ(checksum_of(Digest::md5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(checksum_of(Digest::md5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(checksum_of(Digest::sha256, "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Checksum pieces(Digest::sha256);
  pieces.update("a");
  pieces.update("bc");
  EXPECT_EQ(pieces.hex(), checksum_of(Digest::sha256, "abc"));
}

}  // namespace
}  // namespace quarry
