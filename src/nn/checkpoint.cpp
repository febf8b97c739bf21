// SPDX-License-Identifier: MIT
#include "quarry/nn/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{1} << 20;
constexpr std::string_view kFormat = "quarry.mlp.1";
constexpr std::pair<Loss, std::string_view> kLosses[] = {
    {Loss::ce_on_logits, "ce_on_logits"}, {Loss::ce_on_probs, "ce_on_probs"}, {Loss::mse, "mse"}};

struct TensorPlace {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;  ///< bytes after the header
};

/// Where each tensor of a shape lies, in file order, which is the packed order of the parameters.
std::vector<TensorPlace> tensor_places(std::span<const std::int32_t> sizes) {
  std::vector<TensorPlace> places;
  std::int64_t at = 0;
  for (std::size_t layer = 0; layer + 1 < sizes.size(); ++layer) {
    const std::int64_t in = sizes[layer], out = sizes[layer + 1];
    const std::int64_t weight_end = at + in * out * 4, bias_end = weight_end + out * 4;
    places.push_back({fmt::format("layer{}.weight", layer), {out, in}, at, weight_end});
    places.push_back({fmt::format("layer{}.bias", layer), {out}, weight_end, bias_end});
    at = bias_end;
  }
  return places;
}

std::string text_of(std::span<const std::int32_t> sizes) {
  std::vector<std::string> parts;
  for (std::int32_t size : sizes) parts.push_back(std::to_string(size));
  return join(parts, "-");
}

std::string_view loss_name(Loss loss) {
  for (const auto& [value, name] : kLosses)
    if (value == loss) return name;
  fail("loss {} has no name in a checkpoint", static_cast<int>(loss));
}

/// Reads one file; each refusal names the file and what was expected.
class Reader {
 public:
  Reader(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  TrainedMlp<float> read() {
    read_header();
    TrainedMlp<float> network;
    network.sizes = read_sizes();
    network.dropout = read_dropout();
    network.loss = read_loss();
    check_tensors(tensor_places(network.sizes));
    network.parameters.resize(data_.size() / sizeof(float));
    std::memcpy(network.parameters.data(), data_.data(), data_.size());
    return network;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: not a network saved by quarry: {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }

  void read_header() {
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
    if (metadata_ == nullptr || metadata_->type() != Json::Type::object)
      refuse("the header has no __metadata__ object");
    if (metadata("format") != kFormat) refuse("format is '{}', expected '{}'", printable(metadata("format")), kFormat);
    if (metadata_->members().size() != 4) refuse("__metadata__ holds more than format, sizes, dropout and loss");
  }

  const std::string& metadata(std::string_view key) const {
    const Json* value = metadata_->find(key);
    if (value == nullptr || value->type() != Json::Type::string) refuse("__metadata__ has no text '{}'", key);
    return value->string();
  }

  /// Sizes such that the parameters fill the data exactly, so no product can overflow or allocate too much.
  std::vector<std::int32_t> read_sizes() const {
    const std::string& text = metadata("sizes");
    std::vector<std::int32_t> sizes;
    const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(data_.size() / sizeof(float), INT32_MAX));
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t end = std::min(text.find('-', start), text.size());
      std::int64_t value = 0;
      if (!parse_number(std::string_view(text).substr(start, end - start), value) || value < 1 || value > limit)
        refuse("sizes are '{}', expected layer widths as 2-48-2, none above the {} parameters there are",
               printable(text), limit);
      sizes.push_back(static_cast<std::int32_t>(value));
      start = end + 1;
    }
    if (sizes.size() < 2) refuse("sizes are '{}', expected at least inputs and outputs", printable(text));
    std::int64_t count = 0;
    for (std::size_t i = 0; i + 1 < sizes.size() && count <= limit; ++i)
      count += (std::int64_t{sizes[i]} + 1) * sizes[i + 1];
    if (count != limit || data_.size() % sizeof(float) != 0)
      refuse("{} bytes of numbers do not hold the parameters of sizes '{}'", data_.size(), printable(text));
    if (text_of(sizes) != text) refuse("sizes are '{}', expected '{}'", printable(text), text_of(sizes));
    return sizes;
  }

  double read_dropout() const {
    double value = 0;
    if (!parse_number(metadata("dropout"), value) || !(value >= 0 && value < 1))
      refuse("dropout is '{}', expected a number in [0, 1)", printable(metadata("dropout")));
    return value;
  }

  Loss read_loss() const {
    for (const auto& [value, name] : kLosses)
      if (metadata("loss") == name) return value;
    refuse("loss is '{}', expected ce_on_logits, ce_on_probs or mse", printable(metadata("loss")));
  }

  void check_tensors(const std::vector<TensorPlace>& expected) const {
    if (header_.members().size() != expected.size() + 1)
      refuse("the header has {} tensors, its sizes need {}", header_.members().size() - 1, expected.size());
    for (const TensorPlace& place : expected) {
      const Json* tensor = header_.find(place.name);
      if (tensor == nullptr || tensor->type() != Json::Type::object) refuse("tensor {} is missing", place.name);
      const Json* dtype = tensor->find("dtype");
      if (dtype == nullptr || dtype->type() != Json::Type::string || dtype->string() != "F32")
        refuse("tensor {}: expected dtype F32", place.name);
      if (!equals(tensor->find("shape"), place.shape))
        refuse("tensor {}: its shape is not that of its sizes", place.name);
      if (!equals(tensor->find("data_offsets"), {place.begin, place.end}))
        refuse("tensor {}: expected data_offsets [{}, {}]", place.name, place.begin, place.end);
      if (tensor->members().size() != 3) refuse("tensor {}: expected dtype, shape and data_offsets only", place.name);
    }
  }

  static bool equals(const Json* array, const std::vector<std::int64_t>& values) {
    if (array == nullptr || array->type() != Json::Type::array) return false;
    const std::vector<Json>& items = array->items();
    return std::equal(items.begin(), items.end(), values.begin(), values.end(), [](const Json& item, std::int64_t v) {
      return item.type() == Json::Type::integer && item.integer() == v;
    });
  }

  std::string_view bytes_;
  const std::string& path_;
  Json header_;
  const Json* metadata_ = nullptr;
  std::string_view data_;
};

}  // namespace

std::string write_checkpoint(const TrainedMlp<float>& network) {
  const std::vector<TensorPlace> places = tensor_places(network.sizes);
  QUARRY_CHECK(network.sizes.size() >= 2 && std::ranges::all_of(network.sizes, [](auto size) { return size >= 1; }),
               "sizes {} are not those of a network", text_of(network.sizes));
  QUARRY_CHECK(static_cast<std::size_t>(places.back().end) == network.parameters.size() * sizeof(float),
               "{} parameters do not fit sizes {}", network.parameters.size(), text_of(network.sizes));
  Json metadata = Json::object();
  metadata.set("format", kFormat).set("sizes", text_of(network.sizes));
  metadata.set("dropout", format_exact(network.dropout)).set("loss", loss_name(network.loss));
  Json header = Json::object();
  header.set("__metadata__", std::move(metadata));
  for (const TensorPlace& place : places) {
    Json tensor = Json::object();
    tensor.set("dtype", "F32").set("shape", Json::array_of(place.shape));
    tensor.set("data_offsets", Json::array().push(place.begin).push(place.end));
    header.set(place.name, std::move(tensor));
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += text;
  bytes.append(reinterpret_cast<const char*>(network.parameters.data()), network.parameters.size() * sizeof(float));
  return bytes;
}

TrainedMlp<float> parse_checkpoint(std::string_view bytes, const std::string& path) {
  return Reader(bytes, path).read();
}

}  // namespace quarry
