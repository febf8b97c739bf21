// SPDX-License-Identifier: MIT
// quarry data synthetic, fetch and info as their users meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "quarry/data/fetch.h"
#include "tests/support/http_server.h"
#include "tests/support/program.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

namespace quarry::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DataCommands : public ::testing::Test {
 protected:
  ProgramResult quarry(std::vector<std::string> arguments) const {
    ProgramOptions options;
    options.environment = {"QUARRY_DATA=" + data_.path(), "XDG_DATA_HOME=" + home_.path(), "no_proxy=127.0.0.1"};
    arguments.insert(arguments.begin(), "data");
    return run_program(QUARRY_PROGRAM, arguments, options);
  }
  const TempDir data_, home_;
};

TEST_F(DataCommands, AMadeUpSetIsFoundAndDescribed) {
  const ProgramResult made = quarry({"synthetic", "cifar100", "--to", data_.path(), "--train", "250", "--test", "100"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("250 + 100 made-up images"));
  const ProgramResult info = quarry({"info", "cifar100"});
  EXPECT_EQ(info.exit_code, 0) << info.err;
  EXPECT_THAT(info.out, AllOf(HasSubstr("250 images in the pool, 100 for testing; 3 x 32 x 32"),
                              HasSubstr("100 classes"), HasSubstr("origin: unverified"), HasSubstr("synthetic 0 "),
                              HasSubstr("0.5071 (0.2673)"), HasSubstr("train.bin (768500 bytes, CRC-32 ")));
  const ProgramResult features = quarry({"info", "cifar100", "--scaler", "standard"});
  EXPECT_EQ(features.exit_code, 0) << features.err;
  EXPECT_THAT(features.out, HasSubstr("3072 features"));
  const ProgramResult again = quarry({"synthetic", "cifar100", "--to", data_.path()});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("is there already"));
  const ProgramResult misspelt = quarry({"synthetic", "cifar", "--to", data_.path()});
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("cifar10 and cifar100"));
}

TEST_F(DataCommands, WithoutFilesInfoSaysHowToGetThem) {
  const ProgramResult result = quarry({"info", "cifar10"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("cifar-10-batches-bin"), HasSubstr("cifar-10-batches-py"),
                                HasSubstr("quarry data fetch cifar10"), HasSubstr("QUARRY_DATA")));
}

TEST_F(DataCommands, MissingFilesAreBadUsageForEverySet) {
  const std::string nowhere = data_ / "nowhere";
  for (const char* name : {"splice", "dna", "fashion_mnist", "cifar10", "cifar100"}) {
    const ProgramResult result = quarry({"info", name, "--path", nowhere});
    EXPECT_EQ(result.exit_code, 2) << name << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr(nowhere));
  }
  const ProgramResult csv = quarry({"info", "./no_such_file.csv", "--label", "0"});
  EXPECT_EQ(csv.exit_code, 2);
  EXPECT_THAT(csv.err, AllOf(HasSubstr("no_such_file.csv"), HasSubstr("(looked in /")));
  EXPECT_EQ(quarry({"import-config", nowhere}).exit_code, 2);
}

TEST_F(DataCommands, InfoTakesTheHeaderAndWarns) {
  const std::string path = data_.write("numbered.csv", "0,1\n5,1\n7,0\n6,1\n8,0\n9,1\n");
  const ProgramResult undecided = quarry({"info", path, "--label", "1"});
  EXPECT_EQ(undecided.exit_code, 2);
  EXPECT_THAT(undecided.err, HasSubstr("--header"));
  const ProgramResult header = quarry({"info", path, "--label", "1", "--header", "yes", "--test", path});
  EXPECT_EQ(header.exit_code, 0) << header.err;
  EXPECT_THAT(header.out, AllOf(HasSubstr("5 instances in the pool, 5 for testing"), HasSubstr("same contents")));
  EXPECT_THAT(quarry({"info", path, "--label", "1", "--header", "no"}).out, HasSubstr("4 instances in the pool, 2 "));
  EXPECT_EQ(quarry({"info", path, "--label", "1", "--header", "maybe"}).exit_code, 2);
}

TEST_F(DataCommands, FetchGoesToQuarryData) {
  if (!can_fetch()) GTEST_SKIP() << "built without libcurl and libarchive";
  const std::string folder = "cifar-100-binary", record = std::string(2, '\1') + std::string(3072, 'x');
  std::string names;
  for (int c = 0; c < 100; ++c) names += "class" + std::to_string(c) + "\n";
  HttpBehaviour behaviour;
  behaviour.files["/" + folder + ".tar.gz"] =
      gzip(tar_member(folder + "/train.bin", record + record) + tar_member(folder + "/test.bin", record) +
           tar_member(folder + "/fine_label_names.txt", names) + tar_end());
  const HttpServer server(behaviour);
  const ProgramResult refused = quarry({"fetch", "cifar100", "--from", server.address()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("expected 03b5dce01913d631647c71ecec9e9cb8 (as published)"));
  EXPECT_TRUE(std::filesystem::is_empty(data_.path()));
  const ProgramResult taken = quarry({"fetch", "cifar100", "--from", server.address(), "--checksum", "none"});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_THAT(taken.out, AllOf(HasSubstr(data_ / folder), HasSubstr("sha256:"), HasSubstr("not the published one")));
  EXPECT_EQ(quarry({"info", "cifar100"}).exit_code, 0);
  const ProgramResult again = quarry({"fetch", "cifar100", "--from", server.address(), "--checksum", "none"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, HasSubstr("(was there)"));
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(DataCommands, FetchOfSingleFilesGivesTheirSums) {
  if (!can_fetch()) GTEST_SKIP() << "built without libcurl and libarchive";
  HttpBehaviour behaviour;
  std::string pool, held_out;
  for (int i = 0; i < 500; ++i) pool += "+1 1:1 60:4\n-1 1:3 60:4\n";
  for (int i = 0; i < 2175; ++i) held_out += i % 2 == 0 ? "-1 1:2 60:2\n" : "+1 1:5\n";
  behaviour.files = {{"/splice", pool}, {"/splice.t", held_out}, {"/splice_scale", pool}};
  const HttpServer server(behaviour);
  const ProgramResult result = quarry({"fetch", "splice", "--from", server.address()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr(data_ / "libsvm"), HasSubstr("splice.t sha256:"), HasSubstr("no sums")));
  EXPECT_EQ(quarry({"info", "splice"}).exit_code, 0);
}

TEST_F(DataCommands, ImportConfigPrintsAConfigAndNotesTheRest) {
  const test::TempDir folder;
  const std::string json = folder.write("moons.json", R"({"budget": 3, "n_labeled": 12, "colour": "red"})");
  const ProgramResult result = quarry({"import-config", json});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("moons.json: unknown key 'colour' is left out"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("name = \"moons\""), HasSubstr("n_initial = 12"), HasSubstr("budget = 3")));
  const ProgramResult wrong = quarry({"import-config", folder.write("blobs.json", "{\"budget\": true}")});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("blobs.json: budget: expected an integer"));
  EXPECT_EQ(wrong.out, "");
}

TEST_F(DataCommands, FetchExplainsWhatItCannotDo) {
  if (!can_fetch()) GTEST_SKIP() << "built without libcurl and libarchive";
  const ProgramResult unknown = quarry({"fetch", "moons"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("cannot get 'moons'"), HasSubstr("cifar10, cifar100, splice, dna")));
  const ProgramResult checksum = quarry({"fetch", "cifar10", "--checksum", "md5"});
  EXPECT_EQ(checksum.exit_code, 2);
  EXPECT_THAT(checksum.err, HasSubstr("md5:HEX, sha256:HEX or none"));
  const ProgramResult nobody = quarry({"fetch", "cifar10", "--from", "http://127.0.0.1:1"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.err, HasSubstr("Is there a network"));
}

}  // namespace
}  // namespace quarry::test
