// SPDX-License-Identifier: MIT
// The user's own data set, from keys of [data] alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "quarry/data/data_table.h"
#include "quarry/data/describe.h"
#include "quarry/data/npz.h"
#include "tests/data/support.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string fifo(const std::string& path) {
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
  return path;
}

DataConfig file_config(const std::string& path, const std::string& label = "") {
  DataConfig config;
  config.name = "file";
  config.path = path;
  config.label = label;
  return config;
}

std::string load_error(const DataConfig& config, ErrorKind kind = ErrorKind::failed) {
  return error_of([&] { load_dataset(config); }, kind);
}

TEST(FileSet, CsvWithItsOwnTestPart) {
  const test::TempDir folder;
  DataConfig config = file_config(folder.write("flowers.csv", "x,y,kind\n0,10,b\n4,10,a\n2,10,b\n"), "kind");
  config.test_path = folder.write("test.csv", "x,y,kind\n8,12,c\n1,10,a\n");
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.name, "flowers.csv");
  EXPECT_THAT(set.class_names, ElementsAre("a", "b", "c"));
  EXPECT_EQ(set.n_classes, 3);
  EXPECT_EQ(set.n_features, 2);
  EXPECT_THAT(set.train.labels, ElementsAre(1, 0, 1));
  EXPECT_THAT(set.test.labels, ElementsAre(2, 0));
  // min-max by the pool; a column that does not vary is shifted only
  EXPECT_THAT(set.train.features, ElementsAre(0, 0, 1, 0, 0.5, 0));
  EXPECT_THAT(set.test.features, ElementsAre(2, 2, 0.25, 0));
  EXPECT_THAT(set.source, HasSubstr("flowers.csv (30 bytes, CRC-32 "));
  EXPECT_THAT(set.source, HasSubstr("test.csv"));
  EXPECT_TRUE(set.train.honeypot.empty());

  config.scaler = Scaler::none;
  EXPECT_THAT(load_dataset(config).test.features, ElementsAre(8, 12, 1, 10));
  config.scaler = Scaler::minmax;
  config.scaler_fit = ScalerFit::test;
  EXPECT_THAT(load_dataset(config).test.features, ElementsAre(1, 1, 0, 0));
  config.scaler = Scaler::standard;
  config.scaler_fit = ScalerFit::train;
  EXPECT_NEAR(load_dataset(config).train.features[2], 2 / std::sqrt(8.0 / 3), 1e-6);
}

/// 100 instances with the features i, -i and the label i % 3.
std::string counting_csv() {
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("{},{},{}\n", i, -i, i % 3);
  return text;
}

TEST(FileSet, HoldsOutAShareOfAFixedShuffle) {
  const test::TempDir folder;
  DataConfig config = file_config(folder.write("c.csv", counting_csv()), "2");
  config.scaler = Scaler::none;
  config.test_share = 0.25;
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.train.n, 75);
  EXPECT_EQ(set.test.n, 25);
  // numpy.random.RandomState(42).permutation(100) starts 83, 53, 70
  EXPECT_EQ(set.train.features[0], 83);
  EXPECT_EQ(set.train.features[2], 53);
  EXPECT_EQ(set.train.features[4], 70);
  std::vector<float> seen;
  for (const DataPart* part : {&set.train, &set.test}) {
    for (std::size_t i = 0; i < part->labels.size(); ++i) {
      const float x = part->features[2 * i];
      EXPECT_EQ(part->features[2 * i + 1], -x);
      EXPECT_EQ(part->labels[i], static_cast<int>(x) % 3);
      seen.push_back(x);
    }
  }
  std::sort(seen.begin(), seen.end());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
  for (const double bad : {0.0, 1.0, -1.0, std::nan("")}) {
    config.test_share = bad;
    EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.test_share"));
  }
}

TEST(FileSet, LibsvmPartsAgreeOnTheLargerNumberOfFeatures) {
  const test::TempDir folder;
  DataConfig config = file_config(folder.write("train", "1 1:1\n2 2:1\n"));
  config.test_path = folder.write("test", "1 3:1\n2 1:1\n");
  config.format = "libsvm";
  config.scaler = Scaler::none;
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.n_features, 3);
  EXPECT_THAT(set.train.features, ElementsAre(1, 0, 0, 0, 1, 0));
  EXPECT_THAT(set.test.features, ElementsAre(0, 0, 1, 1, 0, 0));
  EXPECT_THAT(set.class_names, ElementsAre("1", "2"));
}

TEST(FileSet, NpyNeedsAFileOfLabels) {
  DataConfig config = file_config(QUARRY_GOLDENS "/data/table_x.npy");
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.labels_path is missing"));
  config.labels_path = QUARRY_GOLDENS "/data/table_y.npy";
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.train.n, 16);
  EXPECT_EQ(set.test.n, 4);
  EXPECT_EQ(set.n_features, 6);
  EXPECT_THAT(set.class_names, ElementsAre("-1", "0", "1", "2"));
  DataConfig libsvm = file_config(QUARRY_GOLDENS "/data/table.libsvm");
  const Dataset same = load_dataset(libsvm);
  EXPECT_EQ(set.train.features, same.train.features);
  EXPECT_EQ(set.test.labels, same.test.labels);
}

TEST(FileSet, IdxImagesBecomeRows) {
  const test::TempDir folder;
  DataConfig config = file_config(QUARRY_GOLDENS "/data/u8.idx.gz");  // 2 images of 3x4
  config.labels_path =
      folder.write("labels.idx", big_bytes(0x00000801, 4) + big_bytes(2, 4) + std::string("\x00\x01", 2));
  config.test_path = QUARRY_GOLDENS "/data/u8.idx";
  config.test_labels_path = config.labels_path;
  config.scaler = Scaler::none;
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.n_features, 12);
  EXPECT_EQ(set.train.features, set.test.features);
  EXPECT_EQ(set.train.features[12], 15);
}

TEST(FileSet, NpzNamesTheArrayOfTheLabels) {
  DataConfig config = file_config(QUARRY_GOLDENS "/data/table.npz", "target");
  const Dataset set = load_dataset(config);
  EXPECT_EQ(set.train.n + set.test.n, 20);
  EXPECT_EQ(set.n_features, 6);
  config.label = "labels";
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("The file has 'data', 'target'"));
  config.label = "";
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("x_train, y_train, x_test and y_test"));
  config = file_config(QUARRY_GOLDENS "/data/keras.npz");
  const Dataset keras = load_dataset(config);
  EXPECT_EQ(keras.train.n, 15);
  EXPECT_EQ(keras.test.n, 5);
  EXPECT_EQ(keras.n_features, 6);
}

TEST(FileSet, ConfigErrorsSayWhatToDo) {
  const test::TempDir folder;
  const std::string csv = folder.write("c.csv", counting_csv());
  DataConfig config;
  config.name = "file";
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.path is missing"));
  EXPECT_THAT(load_error(file_config(csv), ErrorKind::usage), HasSubstr("data.label is missing"));
  EXPECT_THAT(load_error(file_config(folder.write("x", "")), ErrorKind::usage), HasSubstr("set data.format"));
  config = file_config(csv, "2");
  config.format = "xml";
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.format is 'xml'"));
  config = file_config(csv, "2");
  config.labels_path = csv;
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.labels_path has no meaning"));
  config = file_config(csv, "2");
  config.noise = 0.1;
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.noise has no meaning"));
  config = file_config(csv, "2");
  config.test_path = csv;
  config.test_share = 0.3;
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.test_share has no meaning"));
  config = file_config(folder.write("c.svm", "1 1:1\n"), "2");
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.label has no meaning"));
  config = file_config(QUARRY_GOLDENS "/data/table_x.npy");
  config.labels_path = QUARRY_GOLDENS "/data/table_y.npy";
  config.test_path = config.path;
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("belong together"));
}

TEST(FileSet, UnusableDataIsRefused) {
  const test::TempDir folder;
  EXPECT_THAT(load_error(file_config(folder.write("one.csv", "1,0\n2,0\n3,0\n4,0\n"), "1")),
              HasSubstr("all 3 training instances are of class '0'"));
  EXPECT_THAT(load_error(file_config(folder.write("few.csv", "1,0\n"), "1")), HasSubstr("0 training and 1 test"));
  EXPECT_THAT(load_error(file_config(folder.write("none.svm", "1\n2\n1\n2\n1\n"))), HasSubstr("no features"));

  DataConfig config = file_config(folder.write("a.csv", "x,k\n1,0\n2,1\n"), "k");
  config.test_path = folder.write("b.csv", "y,k\n1,0\n2,1\n");
  EXPECT_THAT(load_error(config), HasSubstr("feature 0 is 'y'; in the training part it is 'x'"));
  config.test_path = folder.write("d.csv", "x,y,k\n1,0,0\n2,1,1\n");
  EXPECT_THAT(load_error(config), HasSubstr("2 features; the training part has 1"));

  const auto npy = [&](const std::string& name, const std::string& shape, const std::vector<float>& values) {
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    return folder.write(name, npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}", bytes));
  };
  config = file_config(npy("nan.npy", "(3, 2)", {1, 2, 3, 4, 5, std::nanf("")}));
  config.labels_path = npy("y.npy", "(3,)", {0, 1, 0});
  EXPECT_THAT(load_error(config), HasSubstr("is NaN; expected finite numbers"));
  config.path = npy("inf.npy", "(3, 2)", {1, 2, 3, 4, HUGE_VALF, 6});
  EXPECT_THAT(load_error(config), HasSubstr("feature 0"));
  config.path = npy("flat.npy", "(6,)", {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(load_error(config), HasSubstr("shape (6); expected (instances, features)"));
  config.path = npy("two.npy", "(2, 3)", {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(load_error(config), HasSubstr("labels of shape (3); expected one class number for each of the 2"));
  config.path = npy("wide.npy", "(1, 6)", {1, 2, 3, 4, 5, 6});
  config.labels_path = npy("y1.npy", "(1, 1)", {0.5});
  EXPECT_THAT(load_error(config), HasSubstr("element 0 is 0.5; expected an integer"));
}

TEST(FileSet, NotANumberIsNamedByTheRowOfTheFile) {
  const test::TempDir folder;
  std::vector<float> values(20 * 2, 1), labels(20, 0);
  labels[3] = labels[11] = labels[19] = 1;
  values[6 * 2 + 1] = std::nanf("");
  const auto npy = [&](const std::string& name, const std::string& shape, const std::vector<float>& numbers) {
    const std::string_view bytes(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
    return folder.write(name, npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}", bytes));
  };
  DataConfig config = file_config(npy("x.npy", "(20, 2)", values));
  config.labels_path = npy("y.npy", "(20,)", labels);
  EXPECT_THAT(load_error(config), HasSubstr("x.npy: feature 1 of row 6 is NaN"));
}

TEST(FileSet, WhatLooksLikeAMistakeIsSaid) {
  const test::TempDir folder;
  const auto warnings = [&](const std::string& pool, const std::string& test, const std::string& label = "k") {
    DataConfig config = file_config(folder.write("pool.csv", pool), label);
    if (!test.empty()) config.test_path = folder.write("test.csv", test);
    return load_dataset(config).warnings;
  };
  const std::string head = "x,k\n", good = head + "1,0\n2,1\n3,0\n4,1\n5,0\n6,1\n";
  EXPECT_THAT(warnings(good, head + "7,0\n8,1\n"), ElementsAre());
  EXPECT_THAT(warnings(good, good), ElementsAre(HasSubstr("data.path and data.test_path have the same contents")));
  EXPECT_THAT(warnings(good, head + "7,0\n8,2\n9,3\n"),
              ElementsAre(HasSubstr("no instance of 2 of the classes of the test part ('2', '3')")));
  EXPECT_THAT(warnings(good, head + "7,1\n8,1\n"), ElementsAre(HasSubstr("all 2 test instances are of class '1'")));
  std::string reals = head;
  for (int i = 0; i < 10; ++i) reals += fmt::format("{},{}.5\n", i, i * i);
  EXPECT_THAT(warnings(reals, ""), ::testing::Contains(HasSubstr("10 different labels for 10 instances")));
  DataConfig toys;
  EXPECT_THAT(load_dataset(toys).warnings, ElementsAre());
}

TEST(FileSet, TheKeyOfTheHeaderReachesTheReader) {
  const test::TempDir folder;
  DataConfig config = file_config(folder.write("p.csv", "0,1\n5,1\n7,0\n6,1\n8,0\n9,1\n"), "1");
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.header"));
  config.header = CsvHeader::yes;
  const Dataset with = load_dataset(config);
  EXPECT_EQ(with.train.n + with.test.n, 5);
  EXPECT_THAT(with.feature_names, ElementsAre("0"));
  config.header = CsvHeader::no;
  const Dataset without = load_dataset(config);
  EXPECT_EQ(without.train.n + without.test.n, 6);
  config = file_config(QUARRY_GOLDENS "/data/table.libsvm");
  config.header = CsvHeader::yes;
  EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("data.header has no meaning for the format libsvm"));
}

TEST(FileSet, AMissingFileSaysWhereItWasLookedFor) {
  const std::string message = load_error(file_config("no_such_file.csv", "k"), ErrorKind::usage);
  EXPECT_THAT(message, HasSubstr("no_such_file.csv: cannot open"));
  EXPECT_THAT(message, HasSubstr("(looked in " + std::filesystem::current_path().string() + ")"));
  EXPECT_THAT(load_error(file_config("/no/such/file.csv", "k"), ErrorKind::usage),
              ::testing::Not(HasSubstr("looked in")));
}

TEST(FileSet, EveryReaderRefusesMissingEmptyAndIrregularFiles) {
  const test::TempDir folder;
  struct Case {
    const char *format, *label;
    bool two_files;
  };
  for (const Case& c : {Case{"libsvm", "", false}, Case{"csv", "0", false}, Case{"npy", "", true},
                        Case{"npz", "y", false}, Case{"idx", "", true}}) {
    DataConfig config = file_config(folder / "missing", c.label);
    config.format = c.format;
    if (c.two_files) config.labels_path = folder / "missing";
    EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr(folder / "missing")) << c.format;
    config.path = folder.write("empty", "");
    if (c.two_files) config.labels_path = config.path;
    EXPECT_THAT(load_error(config), HasSubstr("empty")) << c.format;
    config.path = folder.path();
    EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("directory")) << c.format;
    config.path = fifo(folder / ("fifo_" + std::string(c.format)));
    EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("fifo_")) << c.format;
    config.path = "/dev/zero";
    EXPECT_THAT(load_error(config, ErrorKind::usage), HasSubstr("/dev/zero")) << c.format;
    config.path = folder.write("wrong",
                               "\x7f"
                               "ELF is not a data set\n");
    if (c.two_files) config.labels_path = config.path;
    EXPECT_THAT(load_error(config), HasSubstr("wrong")) << c.format;
  }
}

TEST(Describe, NamesTheColumnsOfAHeaderAndWarns) {
  const test::TempDir folder;
  DataConfig config = file_config(folder.write("p.csv", "width,height,k\n1,2,0\n3,4,1\n5,7,0\n"), "k");
  config.test_path = config.path;
  const std::string text = describe_dataset(load_dataset(config));
  EXPECT_THAT(text, HasSubstr("\n  0 width  "));
  EXPECT_THAT(text, HasSubstr("\n  1 height  "));
  EXPECT_THAT(text, HasSubstr("\n  warning: p.csv: data.path and data.test_path"));
}

TEST(Describe, SaysWhatThereIs) {
  DataConfig config;
  config.name = "blobs";
  config.scaler_fit = ScalerFit::test;
  EXPECT_EQ(describe_dataset(load_dataset(config)),
            "blobs\n"
            "  320 instances in the pool, 80 for testing; 2 features, 2 classes\n"
            "  source: generated, version final, NumPy's legacy generator seeded 42\n"
            "\n"
            "  class                             pool              test\n"
            "  0                         166 (51.9 %)       34 (42.5 %)\n"
            "  1                         154 (48.1 %)       46 (57.5 %)\n"
            "  majority: always answering '1' is right for 57.5 % of the test part\n"
            "  honeypots (meaningless labels): 157 in the pool, 43 in the test part\n"
            "\n"
            "  feature                        pool range           test range\n"
            "  0                       [-0.0634, 1.0295]     [0.0000, 1.0000]\n"
            "  1                       [-0.0023, 1.1461]     [0.0000, 1.0000]\n");
}

TEST(Describe, ManyClassesAndFeaturesAreSummedUp) {
  const test::TempDir folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("c\x1b[31m{},{},1,2,3,4,5,6,7,8,9,10,11\n", i % 30, i);
  const std::string shown = describe_dataset(load_dataset(file_config(folder.write("wide.csv", text), "0")));
  EXPECT_THAT(shown, HasSubstr("and 10 more classes"));
  EXPECT_THAT(shown, HasSubstr("all 12"));
  EXPECT_THAT(shown, HasSubstr("11 features do not vary"));
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace quarry
