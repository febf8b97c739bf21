// SPDX-License-Identifier: MIT
#include "quarry/data/fetch.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/checksum.h"
#include "src/data/download.h"
#include "src/data/fetch_record.h"
#include "src/data/input.h"
#include "src/data/libsvm_sets.h"
#include "src/data/unpack.h"

namespace quarry {
namespace {

/// What the archive must have.
struct Wanted {
  std::optional<Digest> digest;  // none: anything goes
  std::string sum;
  bool given = false;  // by an option, not as published
};

Wanted wanted_checksum(const FetchSource& source, const std::string& text) {
  if (text.empty()) return {Digest::md5, source.md5, false};
  if (text == "none") return {std::nullopt, "", true};
  for (const Digest digest : {Digest::md5, Digest::sha256}) {
    const std::string prefix = std::string(to_string(digest)) + ":";
    if (!text.starts_with(prefix)) continue;
    const std::string sum = text.substr(prefix.size());
    const std::size_t digits = digest == Digest::md5 ? 32 : 64;
    if (sum.size() == digits && sum.find_first_not_of("0123456789abcdef") == std::string::npos) {
      return {digest, sum, true};
    }
    usage_error("--checksum {}: '{}' is not {} lower-case hexadecimal digits", printable(text), printable(sum), digits);
  }
  usage_error("--checksum is '{}'; expected md5:HEX, sha256:HEX or none", printable(text));
}

struct Sums {
  std::string md5, sha256;
  const std::string& of(Digest digest) const { return digest == Digest::md5 ? md5 : sha256; }
};

Sums file_sums(const std::string& path) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) fail("{}: cannot be read", printable(path));
  Checksum md5(Digest::md5), sha256(Digest::sha256);
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (n == 0) break;
    md5.update({buffer.data(), n});
    sha256.update({buffer.data(), n});
  }
  if (std::ferror(file.get()) != 0) fail("{}: cannot be read to its end", printable(path));
  return {md5.hex(), sha256.hex()};
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

void remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) fail("cannot remove {}: {}", printable(path), error.message());
}

/// Removes a folder at the end of a scope, unless something is in it.
struct RemoveIfEmpty {
  const std::string path;
  ~RemoveIfEmpty() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

void check_options(const FetchOptions& options) {
  const std::string& from = options.from;
  if (!from.empty() && !from.starts_with("https://") && !from.starts_with("http://") && !from.starts_with("file://")) {
    usage_error("--from is '{}'; expected an address that begins with https://, http:// or file://",
                without_user(from));
  }
}

std::string target_root(const FetchOptions& options) {
  const std::string root = options.to.empty() ? fetch_folder() : options.to;
  if (root.empty()) usage_error("no place for the data: neither QUARRY_DATA nor HOME is set; name a folder with --to");
  return root;
}

/// A folder that is there already: fine if it is what a fetch left.
FetchResult check_existing(const FetchSource& source, const std::string& target, const Wanted& wanted) {
  const std::string advice = "move it away, or choose another place with --to";
  const std::optional<FetchRecord> record = read_fetch_record(target);
  if (!record) fail("{}: is there, but not from `quarry data fetch`: {}", printable(target), advice);
  if (record->data_set != source.name) {
    fail("{}: is from a fetch of {}; expected {}: {}", printable(target), printable(record->data_set), source.name,
         advice);
  }
  for (const std::string& name : source.files) {
    const auto& files = record->files;
    if (std::none_of(files.begin(), files.end(), [&](const auto& file) { return file.first == name; })) {
      fail("{}: {} does not list {}: {}", printable(target), kFetchRecordName, name, advice);
    }
  }
  for (const auto& [name, sum] : record->files) {
    const std::string path = join_path(target, name);
    if (!exists(path) || file_sums(path).sha256 != sum) {
      fail("{}: is not any more what `quarry data fetch` left there: {}", printable(path), advice);
    }
  }
  const std::string& found = wanted.digest == Digest::sha256 ? record->sha256 : record->md5;
  if (wanted.digest && found != wanted.sum) {
    fail("{}: is from an archive with the {} {}; expected {}: {}", printable(target), to_string(*wanted.digest), found,
         wanted.sum, advice);
  }
  return {target, true, record->md5 == source.md5, record->md5, record->sha256, record->files};
}

DownloadOptions download_options(const FetchOptions& options, bool has_checksum) {
  DownloadOptions how;
  how.attempts = options.attempts;
  how.pause = options.pause;
  how.progress = options.progress;
  how.resume = has_checksum;
  return how;
}

Sums download_archive(const FetchSource& source, const FetchOptions& options, const Wanted& wanted,
                      const std::string& url, const std::string& path, FileSystem& files) {
  if (exists(path) && wanted.digest) {  // a call that was interrupted while it unpacked has left all of it
    const Sums sums = file_sums(path);
    if (sums.of(*wanted.digest) == wanted.sum) return sums;
  }
  download(url, path, files, download_options(options, wanted.digest.has_value()));
  Sums sums = file_sums(path);
  if (wanted.digest && sums.of(*wanted.digest) != wanted.sum) {
    files.remove(path);
    fail(
        "{}: the archive has the {} {}; expected {} ({}). It was removed. Fetch it again; if the sum stays, the "
        "address "
        "does not have the {} of {}",
        without_user(url), to_string(*wanted.digest), sums.of(*wanted.digest), wanted.sum,
        wanted.given ? "by --checksum" : "as published", source.archive, source.name);
  }
  return sums;
}

/// Unpacks into `to`, writes the record there, and returns it.
FetchRecord unpack_archive(const FetchSource& source, const std::string& url, const Sums& sums,
                           const std::string& archive, const std::string& to, FileSystem& files) {
  remove_tree(to);
  files.make_directories(to);
  FetchRecord record{source.name, source.archive, without_user(url), sums.md5, sums.sha256, {}};
  record.files = unpack(archive, source.folder, to, files);
  for (const std::string& name : source.files) {
    if (!exists(join_path(to, name))) fail("{}: the archive has no {}/{}", without_user(url), source.folder, name);
  }
  files.write_atomically(join_path(to, std::string(kFetchRecordName)), to_json(record));
  return record;
}

void move_to(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) fail("cannot rename {} to {}: {}", printable(from), printable(to), error.message());
}

/// The set as an archive, with `work` to work in.
FetchResult fetch_archive(const FetchSource& source, const FetchOptions& options, const Wanted& wanted,
                          const std::string& work, const std::string& target, FileSystem& files) {
  const std::string archive = join_path(work, source.archive + ".part"), unpacked = join_path(work, "unpacked");
  const std::string url = join_path(options.from.empty() ? source.base : options.from, source.archive);
  const Sums sums = download_archive(source, options, wanted, url, archive, files);
  FetchRecord record;
  try {
    record = unpack_archive(source, url, sums, archive, unpacked, files);
    move_to(unpacked, target);
  } catch (const Error&) {
    remove_tree(unpacked);
    // An archive of the right sum stays: with more space, say, the same command goes on from here.
    if (!wanted.digest) files.remove(archive);
    throw;
  }
  files.remove(archive);
  return {target, false, sums.md5 == source.md5, sums.md5, sums.sha256, std::move(record.files)};
}

/// What can be told of a file without a sum.
void check_file(const FetchSource& source, const std::string& name, const std::string& path, const std::string& where,
                const std::string& advice) {
  try {
    check_libsvm_file(source.name, name, read_file(path), where);
  } catch (const Error& error) {
    fail("{} This is not {} as published. {}", error.what(), name, advice);
  }
}

/// The set as single files.
FetchResult fetch_files(const FetchSource& source, const FetchOptions& options, const std::string& work,
                        const std::string& target, FileSystem& files) {
  FetchResult result;
  result.folder = target;
  result.already_there = true;
  files.make_directories(target);
  for (const std::string& name : source.files) {
    const std::string path = join_path(target, name), part = join_path(work, name + ".part");
    if (exists(path)) {
      check_file(source, name, path, path,
                 fmt::format("Move it away and run `quarry data fetch {}` again", source.name));
    } else {
      const std::string url = join_path(options.from.empty() ? source.base : options.from, name);
      download(url, part, files, download_options(options, false));
      try {
        check_file(source, name, part, without_user(url),
                   "It was removed. Fetch it again, or from another address with --from");
      } catch (const Error&) {
        files.remove(part);
        throw;
      }
      move_to(part, path);
      result.already_there = false;
    }
    result.files.emplace_back(name, file_sums(path).sha256);
  }
  return result;
}

}  // namespace

const std::vector<FetchSource>& fetch_sources() {
  static const std::string kLibsvm = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/";
  static const std::vector<FetchSource> sources = {
      {"cifar10",
       "https://www.cs.toronto.edu/~kriz/",
       "cifar-10-binary.tar.gz",
       std::string(published_archive_md5("cifar10")),
       "cifar-10-batches-bin",
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
        "test_batch.bin", "batches.meta.txt"}},
      {"cifar100",
       "https://www.cs.toronto.edu/~kriz/",
       "cifar-100-binary.tar.gz",
       std::string(published_archive_md5("cifar100")),
       "cifar-100-binary",
       {"train.bin", "test.bin", "fine_label_names.txt"}},
      {"splice", kLibsvm + "binary/", "", "", "libsvm", {"splice", "splice.t", "splice_scale"}},
      {"dna", kLibsvm + "multiclass/", "", "", "libsvm", {"dna.scale.tr", "dna.scale.val", "dna.scale.t"}},
  };
  return sources;
}

FetchResult fetch_dataset(const FetchSource& source, const FetchOptions& options) {
  check_options(options);
  const bool single = source.archive.empty();
  if (single && !options.checksum.empty()) {
    usage_error("--checksum has no meaning for {}, which is published as {} files without an archive", source.name,
                source.files.size());
  }
  const Wanted wanted = wanted_checksum(source, options.checksum);
  FileSystem& files = options.files != nullptr ? *options.files : posix_file_system();
  const std::string root = target_root(options), target = join_path(root, source.folder);
  if (!single && exists(target)) return check_existing(source, target, wanted);

  const std::string work = join_path(root, ".quarry-fetch-" + source.name);
  files.make_directories(work);
  const RemoveIfEmpty cleanup{work};
  const std::unique_ptr<DirectoryLock> lock = files.lock(work);
  if (!single && exists(target)) return check_existing(source, target, wanted);  // by a call that held the lock
  return single ? fetch_files(source, options, work, target, files)
                : fetch_archive(source, options, wanted, work, target, files);
}

}  // namespace quarry
