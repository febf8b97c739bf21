// SPDX-License-Identifier: MIT
// Where the files of a CIFAR set are, and what they make together.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <system_error>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/cifar.h"
#include "src/data/checksum.h"
#include "src/data/fetch_record.h"
#include "src/data/input.h"

namespace quarry {
namespace {

/// One of the two forms in which a set is published.
struct Layout {
  std::string folder;
  bool pickled = false;
  std::vector<std::string> train;
  std::string test, names;
};

struct Publication {
  std::string name;
  std::array<Layout, 2> layouts;
  std::vector<float> mean, deviation;       // the study's
  std::map<std::string, std::string> md5s;  // of the batches of the Python layout, as published
};

Publication publication(CifarKind kind) {
  if (kind == CifarKind::cifar10) {
    return {"cifar10",
            {{{"cifar-10-batches-bin",
               false,
               {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
               "test_batch.bin",
               "batches.meta.txt"},
              {"cifar-10-batches-py",
               true,
               {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
               "test_batch",
               "batches.meta"}}},
            {0.4914f, 0.4822f, 0.4465f},
            {0.247f, 0.243f, 0.262f},
            {{"data_batch_1", "c99cafc152244af753f735de768cd75f"},
             {"data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"},
             {"data_batch_3", "54ebc095f3ab1f0389bbae665268c751"},
             {"data_batch_4", "634d18415352ddfa80567beed471001a"},
             {"data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"},
             {"test_batch", "40351d587109b95175f43aff81a1287e"}}};
  }
  return {"cifar100",
          {{{"cifar-100-binary", false, {"train.bin"}, "test.bin", "fine_label_names.txt"},
            {"cifar-100-python", true, {"train"}, "test", "meta"}}},
          {0.5071f, 0.4865f, 0.4409f},
          {0.2673f, 0.2564f, 0.2762f},
          {{"train", "16019d7e3df5f24257cddd939b257f8d"}, {"test", "f0ef6b0ae62326f3e7ffdfab6717acfc"}}};
}

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

/// A folder is of a layout if any of its batches is there: so that a missing one is named.
bool has_layout(const std::string& folder, const Layout& layout) {
  const auto is_there = [&](const std::string& name) { return is_file(join_path(folder, name)); };
  return is_there(layout.test) || std::any_of(layout.train.begin(), layout.train.end(), is_there);
}

struct Found {
  std::string folder;
  const Layout* layout = nullptr;
};

/// Looks in the folder and in those of the published names in it.
Found look_in(const std::string& root, const Publication& set) {
  for (const Layout& layout : set.layouts) {
    for (const std::string& folder : {join_path(root, layout.folder), root}) {
      if (has_layout(folder, layout)) return {folder, &layout};
    }
  }
  return {};
}

Found find_folder(const Publication& set, const std::string& path) {
  std::vector<std::string> roots = {path};
  if (path.empty()) roots = {environment_value("QUARRY_DATA"), data_home()};
  std::vector<std::string> tried;
  for (const std::string& root : roots) {
    if (root.empty()) continue;
    if (const Found found = look_in(root, set); found.layout != nullptr) return found;
    tried.push_back(printable(root));
  }
  const auto& [binary, python] = set.layouts;
  usage_error(
      "the data set '{}' needs the folder {} (files {}, ..., {}) or {} (files {}, ..., {}), which is not in {}. Get it "
      "with `quarry data fetch {}`, or set data.path, or the environment variable QUARRY_DATA, to the folder that has "
      "it",
      set.name, binary.folder, binary.train[0], binary.test, python.folder, python.train[0], python.test,
      tried.empty() ? "any known place" : join(tried, ", "), set.name);
}

/// Decides whether the files are the published ones, while they are read.
class OriginCheck {
 public:
  OriginCheck(const Publication& set, const Found& found) : set_(set), pickled_(found.layout->pickled) {
    if (pickled_) return;
    record_ = read_fetch_record(found.folder);
    published_ = record_ && record_->data_set == set.name && record_->md5 == published_archive_md5(set.name);
  }
  void add(const std::string& name, std::string_view bytes) {
    if (!published_) return;
    if (pickled_) {
      published_ = checksum_of(Digest::md5, bytes) == set_.md5s.at(name);
    } else {
      const std::pair<std::string, std::string> wanted(name, checksum_of(Digest::sha256, bytes));
      published_ = std::find(record_->files.begin(), record_->files.end(), wanted) != record_->files.end();
    }
  }
  PixelOrigin origin() const { return published_ ? PixelOrigin::published : PixelOrigin::unverified; }

 private:
  const Publication& set_;
  bool pickled_, published_ = true;
  std::optional<FetchRecord> record_;
};

/// Appends images to a part; of a part with a limit the rest is dropped.
void append(ImagePart& to, ImagePart from, std::int64_t limit, std::size_t pixels) {
  const std::int64_t n = limit > 0 ? std::min(from.n, limit - to.n) : from.n;
  from.pixels.resize(static_cast<std::size_t>(n) * pixels);
  from.labels.resize(static_cast<std::size_t>(n));
  if (limit > 0) from.pixels.shrink_to_fit();
  if (to.n == 0) {
    to.pixels = std::move(from.pixels);
    to.labels = std::move(from.labels);
  } else {
    to.pixels.insert(to.pixels.end(), from.pixels.begin(), from.pixels.end());
    to.labels.insert(to.labels.end(), from.labels.begin(), from.labels.end());
  }
  to.n += n;
}

std::vector<std::string> class_names(CifarKind kind, const Found& found) {
  const std::string path = join_path(found.folder, found.layout->names);
  if (is_file(path)) {
    const InputFile file = read_input(path);
    return found.layout->pickled ? parse_cifar_meta(file.bytes, path, kind) : parse_cifar_names(file.bytes, path, kind);
  }
  if (kind == CifarKind::cifar10) {
    return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  }
  std::vector<std::string> numbers;
  for (std::int32_t c = 0; c < cifar_classes(kind); ++c) numbers.push_back(std::to_string(c));
  return numbers;
}

}  // namespace

ImageDataset load_cifar(CifarKind kind, const std::string& path, std::int64_t limit) {
  const Publication known = publication(kind);
  const Found found = find_folder(known, path);
  ImageDataset set;
  set.name = known.name;
  set.n_classes = cifar_classes(kind);
  set.mean = known.mean;
  set.deviation = known.deviation;
  const auto pixels = static_cast<std::size_t>(set.shape.pixels());
  OriginCheck check(known, found);
  const auto read = [&](const std::string& name, ImagePart& part, std::int64_t most) {
    const std::string file_path = join_path(found.folder, name);
    if (!is_file(file_path)) {
      usage_error("{}: there is no such file, and {} is not complete without it", printable(file_path), known.name);
    }
    const InputFile file = read_input(file_path);
    check.add(name, file.bytes);
    set.source += (set.source.empty() ? "" : "; ") + file.provenance;
    append(part,
           found.layout->pickled ? parse_cifar_batch(file.bytes, file.path, kind)
                                 : parse_cifar_records(file.bytes, file.path, kind),
           most, pixels);
  };
  for (const std::string& name : found.layout->train) {
    read(name, set.train, limit);
    if (name == found.layout->train[0] && limit == 0)
      set.train.pixels.reserve(found.layout->train.size() * set.train.pixels.size());
  }
  read(found.layout->test, set.test, 0);
  set.class_names = class_names(kind, found);
  set.origin = check.origin();
  return set;
}

}  // namespace quarry
