// SPDX-License-Identifier: MIT
// Downloads from a server on the loopback interface that misbehaves on demand, and archives that must not be unpacked.
#include "quarry/data/fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/core/rng.h"
#include "quarry/data/images.h"
#include "src/data/checksum.h"
#include "src/data/unpack.h"
#include "tests/data/cifar_support.h"
#include "tests/support/http_server.h"
#include "tests/support/kept_variable.h"
#include "tests/support/tar_writer.h"

namespace quarry {
namespace {

using test::gzip;
using test::HttpBehaviour;
using test::HttpServer;
using test::tar_end;
using test::tar_member;
using test::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFolder = "cifar-100-binary", kArchive = "cifar-100-binary.tar.gz";

/// n records in the layout of CIFAR-100 that do not compress.
std::string records(std::uint64_t n, std::uint64_t key) {
  std::string bytes;
  for (std::uint64_t i = 0; i < n; ++i) {
    bytes += static_cast<char>(i % 20);
    bytes += static_cast<char>(i % 100);
    for (std::uint64_t k = 0; k < 3072; ++k) bytes += static_cast<char>(random_u32(key, i * 3072 + k));
  }
  return bytes;
}

/// The files of a small set, and the archive of them.
struct SmallSet {
  std::string train = records(60, 1), test = records(20, 2),
              names = cifar_golden("cifar-100-binary/fine_label_names.txt");
  std::string archive = gzip(tar_member(kFolder + "/", "", '5') + tar_member(kFolder + "/test.bin", test) +
                             tar_member(kFolder + "/fine_label_names.txt", names) +
                             tar_member(kFolder + "/train.bin", train) + tar_end());
  std::string md5 = checksum_of(Digest::md5, archive);
};

const SmallSet& small_set() {
  static const SmallSet set;
  return set;
}

/// Like the two files of Splice, with as many instances; `first` is a feature of the first instance of the pool.
std::string spliced_pool(const std::string& first) {
  return "+1 " + first + " 60:4\n" + libsvm_lines("-1 1:3 60:4", 999);
}
const std::string kSpliceTest = "-1 1:2 60:2\n" + libsvm_lines("+1 1:5 60:1", 2174);

HttpBehaviour serving(const std::string& archive) {
  HttpBehaviour behaviour;
  behaviour.files["/" + kArchive] = archive;
  return behaviour;
}

class Fetch : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_fetch()) GTEST_SKIP() << "built without libcurl and libarchive";
  }
  /// As the published set is described, but with the sum of the small archive.
  FetchSource source(const HttpServer& server) const {
    return {"cifar100",      server.address(), kArchive,
            small_set().md5, kFolder,          {"train.bin", "test.bin", "fine_label_names.txt"}};
  }
  FetchOptions options() const {
    FetchOptions result;
    result.to = to_.path();
    result.attempts = 3;
    result.pause = 0;
    return result;
  }
  std::string part() const { return to_ / (".quarry-fetch-cifar100/" + kArchive + ".part"); }
  bool nothing_is_left() const { return std::filesystem::is_empty(to_.path()); }
  void expect_complete() const {
    EXPECT_EQ(test::slurp(to_ / (kFolder + "/train.bin")), small_set().train);
    EXPECT_EQ(test::slurp(to_ / (kFolder + "/test.bin")), small_set().test);
    EXPECT_EQ(test::slurp(to_ / (kFolder + "/fine_label_names.txt")), small_set().names);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(to_.path())) {
      if (entry.is_regular_file()) names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    EXPECT_THAT(names, ElementsAre("fine_label_names.txt", "quarry-fetched.json", "test.bin", "train.bin"));
  }
  std::string failure(const FetchSource& source, const FetchOptions& options) const {
    return error_of([&] { fetch_dataset(source, options); });
  }

  const TempDir to_;

 private:
  const test::KeptVariable no_proxy_{"no_proxy", "127.0.0.1"};
};

TEST_F(Fetch, ASetIsDownloadedCheckedUnpackedAndLoaded) {
  const HttpServer server(serving(small_set().archive));
  std::vector<std::uint64_t> totals;
  std::uint64_t last = 0;
  FetchOptions options = this->options();
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    totals.push_back(total);
  };
  const FetchResult result = fetch_dataset(source(server), options);
  expect_complete();
  EXPECT_EQ(result.folder, to_ / kFolder);
  EXPECT_FALSE(result.already_there);
  EXPECT_TRUE(result.published);
  EXPECT_EQ(result.md5, small_set().md5);
  EXPECT_EQ(result.sha256, checksum_of(Digest::sha256, small_set().archive));
  EXPECT_EQ(last, small_set().archive.size());
  EXPECT_THAT(totals, ::testing::Each(small_set().archive.size()));

  const Json record = Json::parse(test::slurp(to_ / (kFolder + "/quarry-fetched.json")), "record");
  EXPECT_EQ(record.at("archive").string(), kArchive);
  EXPECT_EQ(record.at("url").string(), server.address() + "/" + kArchive);
  EXPECT_EQ(record.at("files").at("train.bin").string(), checksum_of(Digest::sha256, small_set().train));
  EXPECT_EQ(record.at("files").members().size(), 3u);

  DataConfig config;
  config.name = "cifar100";
  config.path = to_.path();
  const ImageDataset set = load_images(config);
  EXPECT_EQ(set.train.n, 60);
  EXPECT_EQ(set.test.n, 20);
  EXPECT_EQ(set.origin, PixelOrigin::unverified) << "its sum is not that of the real archive";

  EXPECT_TRUE(fetch_dataset(source(server), options).already_there);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(Fetch, ACutConnectionIsTakenUpWhereItBroke) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.cut_after = {100'000, 0, 50'000};
  const HttpServer server(behaviour);
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_THAT(server.requests(), ElementsAre("/" + kArchive, "/" + kArchive + " bytes=100000-",
                                             "/" + kArchive + " bytes=100000-", "/" + kArchive + " bytes=150000-"));
}

TEST_F(Fetch, AServerThatIgnoresRangesSendsItFromTheStart) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.honour_range = false;
  behaviour.cut_after = {100'000, 50'000};
  const HttpServer server(behaviour);
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(Fetch, ALaterCallContinues) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.cut_after = {70'000, 0, 0, 0, 0, 0, 0, 0, 0};
  {
    const HttpServer server(behaviour);
    EXPECT_THAT(failure(source(server), options()),
                AllOf(HasSubstr("given up after 3 attempts without progress"), HasSubstr("70000 bytes are kept"),
                      HasSubstr("the same command continues")));
    EXPECT_EQ(server.requests().size(), 4u);
  }
  EXPECT_EQ(std::filesystem::file_size(part()), 70'000u);
  EXPECT_FALSE(std::filesystem::exists(to_ / kFolder));
  const HttpServer server(serving(small_set().archive));
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_THAT(server.requests(), ElementsAre("/" + kArchive + " bytes=70000-"));
}

TEST_F(Fetch, AServerThatWasThereIsTriedAgain) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.cut_after = {70'000};
  behaviour.statuses = {0, 429};
  {
    const HttpServer busy(behaviour);
    fetch_dataset(source(busy), options());
    expect_complete();
    EXPECT_EQ(busy.requests().size(), 3u);
  }
  std::filesystem::remove_all(to_ / kFolder);
  behaviour.leaves_after = 1;
  const HttpServer gone(behaviour);
  EXPECT_THAT(failure(source(gone), options()),
              AllOf(HasSubstr("given up after 3 attempts without progress"), HasSubstr("70000 bytes are kept"),
                    HasSubstr("the same command continues")));
  EXPECT_THAT(failure(source(gone), options()),
              AllOf(HasSubstr("Is there a network"), HasSubstr("70000 bytes are kept")));
}

TEST_F(Fetch, AWholePartIsNotFetchedAgain) {
  std::filesystem::create_directories(to_ / ".quarry-fetch-cifar100");
  to_.write(".quarry-fetch-cifar100/" + kArchive + ".part", small_set().archive);
  const HttpServer server(serving(small_set().archive));
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(Fetch, APartThatIsTooLongIsFetchedAfresh) {
  std::filesystem::create_directories(to_ / ".quarry-fetch-cifar100");
  to_.write(".quarry-fetch-cifar100/" + kArchive + ".part", small_set().archive + "more");
  const HttpServer server(serving(small_set().archive));
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(Fetch, ARangeThatWasNotAskedForIsNotTaken) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.wrong_range = true;
  behaviour.cut_after = {70'000};
  const HttpServer server(behaviour);
  fetch_dataset(source(server), options());
  expect_complete();
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(Fetch, RedirectionsAreFollowed) {
  HttpBehaviour behaviour;
  behaviour.files["/elsewhere"] = small_set().archive;
  behaviour.redirects["/" + kArchive] = "/elsewhere";
  const HttpServer server(behaviour);
  fetch_dataset(source(server), options());
  expect_complete();
}

TEST_F(Fetch, TheMirrorMayBeAFolder) {
  const TempDir mirror;
  mirror.write(kArchive, small_set().archive);
  FetchOptions options = this->options();
  options.from = "file://" + mirror.path();
  fetch_dataset({"cifar100", "http://127.0.0.1:9", kArchive, small_set().md5, kFolder, {"train.bin"}}, options);
  expect_complete();
}

TEST_F(Fetch, RefusalsOfTheServerAreExplained) {
  const HttpServer empty({});
  EXPECT_THAT(failure(source(empty), options()), AllOf(HasSubstr(kArchive), HasSubstr("no such file (404)")));
  EXPECT_TRUE(nothing_is_left());
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.status = 403;
  const HttpServer closed(behaviour);
  EXPECT_THAT(failure(source(closed), options()), HasSubstr("the server answers 403; expected 200"));
  behaviour.status = 503;
  const HttpServer busy(behaviour);
  EXPECT_THAT(failure(source(busy), options()), HasSubstr("the server answers 503; given up after 3 attempts"));
  EXPECT_EQ(busy.requests().size(), 3u);
  FetchSource gone = source(busy);
  gone.base = "http://127.0.0.1:1";
  EXPECT_THAT(failure(gone, options()), HasSubstr("Is there a network"));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(Fetch, AWrongChecksumLeavesNothing) {
  std::string bad = small_set().archive;
  bad[bad.size() / 2] ^= 1;
  const HttpServer server(serving(bad));
  EXPECT_THAT(failure(source(server), options()),
              AllOf(HasSubstr("the archive has the md5 " + checksum_of(Digest::md5, bad)),
                    HasSubstr("expected " + small_set().md5 + " (as published)"), HasSubstr("It was removed")));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(Fetch, AnotherArchiveNeedsItsOwnChecksumAndIsNotPublished) {
  const std::string other =
      gzip(tar_member(kFolder + "/train.bin", small_set().train) + tar_member(kFolder + "/test.bin", small_set().test) +
           tar_member(kFolder + "/fine_label_names.txt", small_set().names) + tar_end());
  const HttpServer server(serving(other));
  FetchOptions options = this->options();
  EXPECT_THAT(failure(source(server), options), HasSubstr("(as published)"));
  options.checksum = "sha256:" + checksum_of(Digest::sha256, small_set().archive);
  EXPECT_THAT(failure(source(server), options), HasSubstr("(by --checksum)"));
  for (const std::string& checksum : {"sha256:" + checksum_of(Digest::sha256, other),
                                      "md5:" + checksum_of(Digest::md5, other), std::string("none")}) {
    options.checksum = checksum;
    const FetchResult result = fetch_dataset(source(server), options);
    EXPECT_FALSE(result.published);
    expect_complete();
    EXPECT_TRUE(fetch_dataset(source(server), options).already_there);
    options.checksum.clear();
    EXPECT_THAT(failure(source(server), options), HasSubstr("is from an archive with the md5"));
    std::filesystem::remove_all(to_ / kFolder);
  }
  for (const char* bad : {"sha256", "md5:12", "md5:0123456789ABCDEF0123456789ABCDEF", "sha1:abc", "sha256:"}) {
    options.checksum = bad;
    error_of([&] { fetch_dataset(source(server), options); }, ErrorKind::usage);
  }
  options.checksum.clear();
  options.from = "ftp://example.org";
  EXPECT_THAT(error_of([&] { fetch_dataset(source(server), options); }, ErrorKind::usage), HasSubstr("--from"));
}

TEST_F(Fetch, AnExistingFolderIsNeverChanged) {
  const HttpServer server(serving(small_set().archive));
  std::filesystem::create_directories(to_ / kFolder);
  to_.write(kFolder + "/train.bin", "mine");
  EXPECT_THAT(failure(source(server), options()), HasSubstr("is there, but not from `quarry data fetch`"));
  EXPECT_EQ(test::slurp(to_ / (kFolder + "/train.bin")), "mine");
  std::filesystem::remove_all(to_ / kFolder);
  fetch_dataset(source(server), options());
  to_.write(kFolder + "/test.bin", "changed");
  EXPECT_THAT(failure(source(server), options()), AllOf(HasSubstr("test.bin"), HasSubstr("is not any more what")));
}

TEST_F(Fetch, TwoAtATimeAreRefused) {
  const HttpServer server(serving(small_set().archive));
  std::filesystem::create_directories(to_ / ".quarry-fetch-cifar100");
  const auto lock = posix_file_system().lock(to_ / ".quarry-fetch-cifar100");
  EXPECT_THAT(failure(source(server), options()), HasSubstr("in use by"));
}

/// The machine's files, on a disk with room for so many bytes.
class SmallDisk final : public FileSystem {
 public:
  explicit SmallDisk(std::uint64_t room) : room_(room) {}
  std::function<void()> before_lock;
  bool exists(const std::string& path) override { return disk_.exists(path); }
  bool is_directory(const std::string& path) override { return disk_.is_directory(path); }
  std::vector<std::string> list(const std::string& directory) override { return disk_.list(directory); }
  std::string read(const std::string& path, std::size_t most) override { return disk_.read(path, most); }
  void make_directories(const std::string& directory) override { disk_.make_directories(directory); }
  void truncate(const std::string& path, std::uint64_t length) override { disk_.truncate(path, length); }
  void write_atomically(const std::string& path, std::string_view bytes) override {
    take(path, bytes.size());
    disk_.write_atomically(path, bytes);
  }
  void remove(const std::string& path) override { disk_.remove(path); }
  std::unique_ptr<DirectoryLock> lock(const std::string& directory) override {
    if (before_lock) before_lock();
    disk_.make_directories(directory);
    return disk_.lock(directory);
  }
  std::unique_ptr<OutputFile> append(const std::string& path) override {
    return std::make_unique<File>(*this, path, disk_.append(path));
  }

 private:
  struct File final : OutputFile {
    File(SmallDisk& disk, std::string path, std::unique_ptr<OutputFile> file)
        : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}
    void write(std::string_view bytes) override {
      disk_.take(path_, bytes.size());
      file_->write(bytes);
    }
    void sync() override { file_->sync(); }
    SmallDisk& disk_;
    std::string path_;
    std::unique_ptr<OutputFile> file_;
  };
  void take(const std::string& path, std::uint64_t n) {
    if (n > room_) fail("cannot write {}: No space left on device", path);
    room_ -= n;
  }
  FileSystem& disk_ = posix_file_system();
  std::uint64_t room_;
};

TEST_F(Fetch, AFullDiskIsSaidAndTheNextCallGoesOn) {
  const std::uint64_t size = small_set().archive.size();
  const std::uint64_t all = size + small_set().train.size() + small_set().test.size() + small_set().names.size();
  for (const std::uint64_t room : {std::uint64_t{0}, size / 2, size, size + 100'000, all}) {  // the last: no record
    const HttpServer server(serving(small_set().archive));
    SmallDisk disk(room);
    FetchOptions options = this->options();
    options.files = &disk;
    EXPECT_THAT(failure(source(server), options), HasSubstr("No space left on device")) << room;
    EXPECT_FALSE(std::filesystem::exists(to_ / kFolder));
    EXPECT_FALSE(std::filesystem::exists(to_ / ".quarry-fetch-cifar100/unpacked"));
    fetch_dataset(source(server), this->options());
    expect_complete();
    EXPECT_EQ(server.requests().size(), room < size ? 2u : 1u) << room;
    std::filesystem::remove_all(to_ / kFolder);
  }
}

TEST_F(Fetch, WhatAnotherCallHasJustFinishedIsTaken) {
  const HttpServer server(serving(small_set().archive));
  SmallDisk disk(0);
  disk.before_lock = [&] { fetch_dataset(source(server), this->options()); };
  FetchOptions options = this->options();
  options.files = &disk;
  EXPECT_TRUE(fetch_dataset(source(server), options).already_there);
  expect_complete();
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(Fetch, AFolderOfAnotherSetOrWithoutAFileIsNotTaken) {
  const HttpServer server(serving(small_set().archive));
  fetch_dataset(source(server), options());
  FetchSource other = source(server);
  other.name = "cifar10";
  EXPECT_THAT(failure(other, options()), HasSubstr("is from a fetch of cifar100; expected cifar10"));
  other = source(server);
  other.files.push_back("more.bin");
  EXPECT_THAT(failure(other, options()), HasSubstr("quarry-fetched.json does not list more.bin"));
}

TEST_F(Fetch, NoPasswordIsWrittenOrShown) {
  HttpBehaviour behaviour = serving(small_set().archive);
  behaviour.statuses = {403};
  const HttpServer server(behaviour);
  FetchOptions options = this->options();
  options.from = "http://me:secret@" + server.address().substr(7);
  const std::string message = failure(source(server), options);
  EXPECT_THAT(message, AllOf(HasSubstr(server.address() + "/" + kArchive), Not(HasSubstr("secret"))));
  fetch_dataset(source(server), options);
  const Json record = Json::parse(test::slurp(to_ / (kFolder + "/quarry-fetched.json")), "record");
  EXPECT_EQ(record.at("url").string(), server.address() + "/" + kArchive);
}

TEST_F(Fetch, DamagedAndUnsafeArchivesAreRefused) {
  const std::string good = tar_member(kFolder + "/train.bin", small_set().train);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {gzip(good + tar_member("/etc/passwd", "x") + tar_end()), "'/etc/passwd' is no file of the folder"},
      {gzip(good + tar_member("../train.bin", "x") + tar_end()), "'../train.bin' is no file of the folder"},
      {gzip(good + tar_member(kFolder + "/../x", "x") + tar_end()), "/../x' is no file of the folder"},
      {gzip(good + tar_member(kFolder + "/..", "x") + tar_end()), "/..' is no file of the folder"},
      {gzip(good + tar_member(kFolder + "/a/b", "x") + tar_end()), "/a/b' is no file of the folder"},
      {gzip(good + tar_member(kFolder + "er/x", "x") + tar_end()), "er/x' is no file of the folder"},
      {gzip(good + tar_member(kFolder, "x") + tar_end()), "is no regular file"},
      {gzip(good + tar_member(kFolder + "/l", "", '2', "/etc/passwd") + tar_end()), "/l' is no regular file"},
      {gzip(good + tar_member(kFolder + "/l", "", '1', "/etc/passwd") + tar_end()), "/l' is no regular file"},
      {gzip(good + tar_member(kFolder + "/d", "", '3') + tar_end()), "/d' is no regular file"},
      {gzip(good + tar_member(kFolder + "/d/", "", '5') + tar_end()), "/d' is no regular file"},
      {gzip(good + good + tar_end()), "comes twice"},
      {gzip(good + tar_member(kFolder + "/quarry-fetched.json", "{}") + tar_end()), "has the name of the record"},
      {gzip(good + tar_end()), "the archive has no cifar-100-binary/test.bin"},
      {small_set().archive.substr(0, small_set().archive.size() / 2), "damaged, or no tar archive"},
      {"<html>not an archive</html>", "damaged, or no tar archive"},
      {"", "damaged, or no tar archive"},
  };
  for (const auto& [archive, message] : cases) {
    const HttpServer server(serving(archive));
    FetchOptions options = this->options();
    options.checksum = "none";
    EXPECT_THAT(failure(source(server), options), HasSubstr(message));
    EXPECT_TRUE(nothing_is_left()) << message;
  }
}

TEST_F(Fetch, UnpackingIsBounded) {
  std::string many;
  for (int i = 0; i < 5; ++i) many += tar_member(kFolder + "/" + std::to_string(i), std::string(1000, 'x'));
  const std::string path = to_.write("many.tar.gz", gzip(many + tar_end()));
  const auto message = [&](const UnpackLimits& limits) {
    const TempDir there;
    return error_of([&] { unpack(path, kFolder, there.path(), posix_file_system(), limits); });
  };
  EXPECT_THAT(message({4, 1 << 20}), HasSubstr("more than 4 files"));
  EXPECT_THAT(message({5, 4999}), HasSubstr("unpacks to more than 4999 bytes"));
  const TempDir there;
  const auto files = unpack(path, kFolder, there.path(), posix_file_system(), {5, 5000});
  ASSERT_EQ(files.size(), 5u);
  EXPECT_EQ(files[4], std::make_pair(std::string("4"), checksum_of(Digest::sha256, std::string(1000, 'x'))));
}

TEST_F(Fetch, SingleFilesAreFetchedOneByOne) {
  HttpBehaviour behaviour;
  const std::string pool = spliced_pool("1:1"), held_out = kSpliceTest;
  behaviour.files = {{"/splice", pool}, {"/splice.t", held_out}};
  behaviour.cut_after = {10};
  const HttpServer server(behaviour);
  const FetchSource source{"splice", server.address(), "", "", "libsvm", {"splice", "splice.t"}};
  const FetchResult result = fetch_dataset(source, options());
  EXPECT_EQ(result.folder, to_ / "libsvm");
  EXPECT_FALSE(result.already_there);
  EXPECT_FALSE(result.published);
  EXPECT_THAT(result.files, ElementsAre(std::make_pair("splice", checksum_of(Digest::sha256, pool)),
                                        std::make_pair("splice.t", checksum_of(Digest::sha256, held_out))));
  EXPECT_FALSE(std::filesystem::exists(to_ / ".quarry-fetch-splice"));
  DataConfig config;
  config.name = "splice";
  {
    const test::KeptVariable data("QUARRY_DATA", to_.path());
    EXPECT_EQ(load_dataset(config).train.n, 1000);
  }
  std::filesystem::create_directories(to_ / "home/quarry");
  std::filesystem::copy(to_ / "libsvm", to_ / "home/quarry/libsvm");
  {
    const test::KeptVariable data("QUARRY_DATA", ""), home("XDG_DATA_HOME", to_ / "home");
    EXPECT_EQ(load_dataset(config).train.n, 1000);
  }
  EXPECT_TRUE(fetch_dataset(source, options()).already_there);
  EXPECT_EQ(server.requests().size(), 3u);
  std::filesystem::remove(to_ / "libsvm/splice.t");
  EXPECT_FALSE(fetch_dataset(source, options()).already_there);
  EXPECT_EQ(server.requests().size(), 4u);
  FetchOptions checked = options();
  checked.checksum = "none";
  error_of([&] { fetch_dataset(source, checked); }, ErrorKind::usage);
}

/// No sum would tell that the two parts are of two versions.
TEST_F(Fetch, WithoutASumNothingIsContinued) {
  const std::string newer = spliced_pool("1:4");
  std::filesystem::create_directories(to_ / ".quarry-fetch-splice");
  to_.write(".quarry-fetch-splice/splice.part", spliced_pool("1:1").substr(0, 5000));
  HttpBehaviour behaviour;
  behaviour.files = {{"/splice", newer}, {"/splice.t", kSpliceTest}};
  behaviour.cut_after = {3000};
  {
    const HttpServer server(behaviour);
    fetch_dataset({"splice", server.address(), "", "", "libsvm", {"splice", "splice.t"}}, options());
    EXPECT_THAT(server.requests(), ElementsAre("/splice", "/splice", "/splice.t"));
    EXPECT_EQ(test::slurp(to_ / "libsvm/splice"), newer);
  }
  std::filesystem::remove_all(to_ / "libsvm");
  behaviour.cut_after = {3000, 2000, 2000, 2000, 2000};
  const HttpServer cut(behaviour);
  EXPECT_THAT(failure({"splice", cut.address(), "", "", "libsvm", {"splice", "splice.t"}}, options()),
              AllOf(HasSubstr("given up after 3 attempts"), HasSubstr("begins anew"), Not(HasSubstr("are kept"))));

  std::filesystem::create_directories(to_ / ".quarry-fetch-cifar100");
  to_.write(".quarry-fetch-cifar100/" + kArchive + ".part", "of another archive");
  const HttpServer server(serving(small_set().archive));
  FetchOptions unchecked = options();
  unchecked.checksum = "none";
  fetch_dataset(source(server), unchecked);
  EXPECT_THAT(server.requests(), ElementsAre("/" + kArchive));
}

TEST_F(Fetch, SingleFilesOfAnotherSizeAreNotTaken) {
  HttpBehaviour behaviour;
  behaviour.files = {{"/splice", spliced_pool("1:1")}, {"/splice.t", kSpliceTest.substr(0, 11000)}};
  const HttpServer server(behaviour);
  const FetchSource source{"splice", server.address(), "", "", "libsvm", {"splice", "splice.t"}};
  EXPECT_THAT(failure(source, options()), AllOf(HasSubstr(server.address() + "/splice.t"),
                                                HasSubstr("is not splice.t as published. It was removed")));
  EXPECT_TRUE(std::filesystem::exists(to_ / "libsvm/splice"));
  EXPECT_FALSE(std::filesystem::exists(to_ / "libsvm/splice.t"));
  EXPECT_FALSE(std::filesystem::exists(to_ / ".quarry-fetch-splice"));
  to_.write("libsvm/splice.t", "<html>no such page</html>");
  EXPECT_THAT(failure(source, options()), AllOf(HasSubstr("libsvm/splice.t"), HasSubstr("Move it away and run")));
  EXPECT_EQ(test::slurp(to_ / "libsvm/splice.t"), "<html>no such page</html>");
}

TEST(FetchSources, AreSetsOfTheTableWithTheirPublishedSums) {
  for (const FetchSource& source : fetch_sources()) {
    SCOPED_TRACE(source.name);
    const auto table = data_table();
    EXPECT_TRUE(std::any_of(table.begin(), table.end(), [&](const DataEntry& e) { return e.name == source.name; }));
    EXPECT_EQ(has_images(source.name), !source.archive.empty());
    EXPECT_EQ(source.md5.size(), source.archive.empty() ? 0u : 32u);
    EXPECT_TRUE(source.base.starts_with("https://"));
    EXPECT_EQ(source.archive.find('/'), std::string::npos);
    EXPECT_GE(source.files.size(), 2u);
  }
}

}  // namespace
}  // namespace quarry
