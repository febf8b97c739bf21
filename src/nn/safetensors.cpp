// SPDX-License-Identifier: MIT
#include "src/nn/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "quarry/core/text.h"

namespace quarry {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{1} << 20;

bool equals(const Json* array, const std::vector<std::int64_t>& values) {
  if (array == nullptr || array->type() != Json::Type::array) return false;
  const std::vector<Json>& items = array->items();
  return std::equal(items.begin(), items.end(), values.begin(), values.end(), [](const Json& item, std::int64_t v) {
    return item.type() == Json::Type::integer && item.integer() == v;
  });
}

}  // namespace

std::int64_t TensorShape::size() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : extents) n *= extent;
  return n;
}

std::string safetensors_header(Json metadata, std::span<const TensorShape> tensors) {
  Json header = Json::object();
  header.set("__metadata__", std::move(metadata));
  std::int64_t begin = 0;
  for (const TensorShape& tensor : tensors) {
    const std::int64_t end = begin + tensor.size() * static_cast<std::int64_t>(sizeof(float));
    Json entry = Json::object();
    entry.set("dtype", "F32").set("shape", Json::array_of(tensor.extents));
    entry.set("data_offsets", Json::array().push(begin).push(end));
    header.set(tensor.name, std::move(entry));
    begin = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

SafetensorsFile::SafetensorsFile(std::string_view bytes, const std::string& path, std::string_view format,
                                 std::size_t texts)
    : bytes_(bytes), path_(path) {
  if (bytes_.size() < kLengthBytes) refuse("{} bytes, but the header's length alone takes 8", bytes_.size());
  std::uint64_t length;
  std::memcpy(&length, bytes_.data(), sizeof length);
  if (length > kMaxHeaderBytes) refuse("byte 0: a header of {} bytes, more than {}", length, kMaxHeaderBytes);
  if (length > bytes_.size() - kLengthBytes)
    refuse("byte 0: a header of {} bytes, but only {} follow", length, bytes_.size() - kLengthBytes);
  const std::string_view text = bytes_.substr(kLengthBytes, length);
  const std::size_t last = text.find_last_not_of(' ');
  if (text.empty() || text.front() != '{' || last == std::string_view::npos || text[last] != '}')
    refuse("byte 8: expected a JSON object, padded with blanks only");
  header_ = Json::parse(text, path_ + " (header)");
  data_ = bytes_.substr(kLengthBytes + length);
  metadata_ = header_.find("__metadata__");
  if (metadata_ == nullptr || metadata_->type() != Json::Type::object) refuse("the header has no __metadata__ object");
  if (metadata("format") != format) refuse("format is '{}', expected '{}'", printable(metadata("format")), format);
  if (metadata_->members().size() > texts) refuse("__metadata__ holds more than the {} texts of {}", texts, format);
}

const std::string& SafetensorsFile::metadata(std::string_view key) const {
  const Json* value = metadata_->find(key);
  if (value == nullptr || value->type() != Json::Type::string) refuse("__metadata__ has no text '{}'", key);
  return value->string();
}

double SafetensorsFile::dropout() const {
  double value = 0;
  if (!parse_number(metadata("dropout"), value) || !(value >= 0 && value < 1))
    refuse("dropout is '{}', expected a number in [0, 1)", printable(metadata("dropout")));
  return value;
}

void SafetensorsFile::copy(std::int64_t at, std::int64_t n, float* to) const {
  const std::string_view part =
      data_.substr(static_cast<std::size_t>(at) * sizeof(float), static_cast<std::size_t>(n) * sizeof(float));
  QUARRY_CHECK(part.size() == static_cast<std::size_t>(n) * sizeof(float), "numbers {} to {} are not in {}", at, at + n,
               path_);
  std::memcpy(to, part.data(), part.size());
}

void SafetensorsFile::check_tensors(std::span<const TensorShape> expected) const {
  if (header_.members().size() != expected.size() + 1)
    refuse("the header has {} tensors, its sizes need {}", header_.members().size() - 1, expected.size());
  std::int64_t begin = 0;
  for (const TensorShape& want : expected) {
    const std::int64_t end = begin + want.size() * static_cast<std::int64_t>(sizeof(float));
    const Json* tensor = header_.find(want.name);
    if (tensor == nullptr || tensor->type() != Json::Type::object) refuse("tensor {} is missing", want.name);
    const Json* dtype = tensor->find("dtype");
    if (dtype == nullptr || dtype->type() != Json::Type::string || dtype->string() != "F32")
      refuse("tensor {}: expected dtype F32", want.name);
    if (!equals(tensor->find("shape"), want.extents))
      refuse("tensor {}: its shape is not that of its sizes", want.name);
    if (!equals(tensor->find("data_offsets"), {begin, end}))
      refuse("tensor {}: expected data_offsets [{}, {}]", want.name, begin, end);
    if (tensor->members().size() != 3) refuse("tensor {}: expected dtype, shape and data_offsets only", want.name);
    begin = end;
  }
}

}  // namespace quarry
