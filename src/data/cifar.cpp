// SPDX-License-Identifier: MIT
#include "quarry/data/cifar.h"

#include <fmt/format.h>

#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/pickle.h"

namespace quarry {
namespace {

constexpr std::size_t kPixels = 3072;
constexpr std::size_t kLongestName = 100;

void check_label(std::int64_t label, std::size_t record, CifarKind kind, const std::string& path) {
  if (label < 0 || label >= cifar_classes(kind)) {
    fail("{}: the {}label of record {} is {}; expected 0 to {} (records count from 0). Is it a file of another set?",
         path, kind == CifarKind::cifar10 ? "" : "fine ", record, label, cifar_classes(kind) - 1);
  }
}

std::vector<std::string> checked_names(std::vector<std::string> names, const std::string& path, CifarKind kind) {
  const auto wanted = static_cast<std::size_t>(cifar_classes(kind));
  if (names.size() != wanted) fail("{}: {} names of classes; expected {}", path, names.size(), wanted);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i].size() > kLongestName || printable(names[i]) != names[i]) {
      fail("{}: the name of class {} is not one of 1 to {} printable bytes", path, i, kLongestName);
    }
  }
  return names;
}

/// The value of a key that the dict of a pickle must have.
const PickleValue& required(const Pickle& pickle, std::string_view key, PickleValue::Kind kind,
                            const std::string& path) {
  if (pickle.root->kind != PickleValue::Kind::dict) {
    fail("{}: the pickle is {}; expected a dict", path, to_string(pickle.root->kind));
  }
  const PickleValue* value = pickle.root->find(key);
  if (value == nullptr) fail("{}: the pickled dict has no '{}'. Is it a file of another set?", path, key);
  if (value->kind != kind) fail("{}: '{}' is {}; expected {}", path, key, to_string(value->kind), to_string(kind));
  return *value;
}

}  // namespace

ImagePart parse_cifar_records(std::string_view bytes, const std::string& path, CifarKind kind) {
  const std::size_t label_bytes = kind == CifarKind::cifar10 ? 1 : 2, record = label_bytes + kPixels;
  if (bytes.empty()) fail("{}: the file is empty; expected records of {} bytes", path, record);
  if (bytes.size() % record != 0) {
    fail("{}: {} bytes, which are {} records of {} bytes and {} more: the file is cut off, or not of this set", path,
         bytes.size(), bytes.size() / record, record, bytes.size() % record);
  }
  const std::size_t n = bytes.size() / record;
  ImagePart part;
  part.n = static_cast<std::int64_t>(n);
  part.labels.reserve(n);
  part.pixels.resize(n * kPixels);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string_view one = bytes.substr(i * record, record);
    const auto label = static_cast<unsigned char>(one[label_bytes - 1]);
    check_label(label, i, kind, path);
    part.labels.push_back(label);
    std::copy(one.begin() + static_cast<std::ptrdiff_t>(label_bytes), one.end(),
              part.pixels.begin() + static_cast<std::ptrdiff_t>(i * kPixels));
  }
  return part;
}

ImagePart parse_cifar_batch(std::string_view bytes, const std::string& path, CifarKind kind) {
  const Pickle pickle = parse_pickle(bytes, path);
  const std::string_view label_key = kind == CifarKind::cifar10 ? "labels" : "fine_labels";
  const PickleValue& data = required(pickle, "data", PickleValue::Kind::array, path);
  const PickleValue& labels = required(pickle, label_key, PickleValue::Kind::list, path);
  if (data.shape.size() != 2 || data.shape[1] != kPixels || data.shape[0] == 0) {
    fail("{}: 'data' has the shape ({}); expected (n, {})", path, fmt::join(data.shape, ", "), kPixels);
  }
  const auto n = static_cast<std::size_t>(data.shape[0]);
  if (labels.items.size() != n) fail("{}: {} images, but {} '{}'", path, n, labels.items.size(), label_key);
  ImagePart part;
  part.n = static_cast<std::int64_t>(n);
  part.labels.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const PickleValue& label = *labels.items[i];
    if (label.kind != PickleValue::Kind::integer) {
      fail("{}: item {} of '{}' is {}; expected an integer", path, i, label_key, to_string(label.kind));
    }
    check_label(label.integer, i, kind, path);
    part.labels.push_back(static_cast<std::int32_t>(label.integer));
  }
  part.pixels.assign(data.bytes.begin(), data.bytes.end());
  return part;
}

std::vector<std::string> parse_cifar_names(std::string_view text, const std::string& path, CifarKind kind) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    names.emplace_back(line);
    if (names.size() > 2 * static_cast<std::size_t>(cifar_classes(kind))) break;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  return checked_names(std::move(names), path, kind);
}

std::vector<std::string> parse_cifar_meta(std::string_view bytes, const std::string& path, CifarKind kind) {
  const Pickle pickle = parse_pickle(bytes, path);
  const std::string_view key = kind == CifarKind::cifar10 ? "label_names" : "fine_label_names";
  std::vector<std::string> names;
  for (const PickleValue* name : required(pickle, key, PickleValue::Kind::list, path).items) {
    if (name->kind != PickleValue::Kind::bytes && name->kind != PickleValue::Kind::text) {
      fail("{}: item {} of '{}' is {}; expected text", path, names.size(), key, to_string(name->kind));
    }
    names.emplace_back(name->bytes);
  }
  return checked_names(std::move(names), path, kind);
}

}  // namespace quarry
