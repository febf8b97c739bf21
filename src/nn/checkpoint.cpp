// SPDX-License-Identifier: MIT
#include "quarry/nn/checkpoint.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/nn/safetensors.h"

namespace quarry {
namespace {

constexpr std::string_view kFormat = "quarry.mlp.1";
constexpr std::size_t kTexts = 4;  ///< format, sizes, dropout, loss
constexpr std::pair<Loss, std::string_view> kLosses[] = {
    {Loss::ce_on_logits, "ce_on_logits"}, {Loss::ce_on_probs, "ce_on_probs"}, {Loss::mse, "mse"}};

/// In file order, which is the packed order of the parameters.
std::vector<TensorShape> tensors_of(std::span<const std::int32_t> sizes) {
  std::vector<TensorShape> tensors;
  for (std::size_t layer = 0; layer + 1 < sizes.size(); ++layer) {
    const std::int64_t in = sizes[layer], out = sizes[layer + 1];
    tensors.push_back({fmt::format("layer{}.weight", layer), {out, in}});
    tensors.push_back({fmt::format("layer{}.bias", layer), {out}});
  }
  return tensors;
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

/// Sizes such that the parameters fill the data exactly, so no product can overflow or allocate too much.
std::vector<std::int32_t> read_sizes(const SafetensorsFile& file) {
  const std::string& text = file.metadata("sizes");
  const std::size_t data_size = file.data().size();
  std::vector<std::int32_t> sizes;
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(data_size / sizeof(float), INT32_MAX));
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('-', start), text.size());
    std::int64_t value = 0;
    if (!parse_number(std::string_view(text).substr(start, end - start), value) || value < 1 || value > limit)
      file.refuse("sizes are '{}', expected layer widths as 2-48-2, none above the {} parameters there are",
                  printable(text), limit);
    sizes.push_back(static_cast<std::int32_t>(value));
    start = end + 1;
  }
  if (sizes.size() < 2) file.refuse("sizes are '{}', expected at least inputs and outputs", printable(text));
  std::int64_t count = 0;
  for (std::size_t i = 0; i + 1 < sizes.size() && count <= limit; ++i)
    count += (std::int64_t{sizes[i]} + 1) * sizes[i + 1];
  if (count != limit || data_size % sizeof(float) != 0)
    file.refuse("{} bytes of numbers do not hold the parameters of sizes '{}'", data_size, printable(text));
  if (text_of(sizes) != text) file.refuse("sizes are '{}', expected '{}'", printable(text), text_of(sizes));
  return sizes;
}

Loss read_loss(const SafetensorsFile& file) {
  for (const auto& [value, name] : kLosses)
    if (file.metadata("loss") == name) return value;
  file.refuse("loss is '{}', expected ce_on_logits, ce_on_probs or mse", printable(file.metadata("loss")));
}

}  // namespace

std::string write_checkpoint(const TrainedMlp<float>& network) {
  QUARRY_CHECK(network.sizes.size() >= 2 && std::ranges::all_of(network.sizes, [](auto size) { return size >= 1; }),
               "sizes {} are not those of a network", text_of(network.sizes));
  QUARRY_CHECK(parameter_count(network.sizes) == static_cast<std::int64_t>(network.parameters.size()),
               "{} parameters do not fit sizes {}", network.parameters.size(), text_of(network.sizes));
  Json metadata = Json::object();
  metadata.set("format", kFormat).set("sizes", text_of(network.sizes));
  metadata.set("dropout", format_exact(network.dropout)).set("loss", loss_name(network.loss));
  std::string bytes = safetensors_header(std::move(metadata), tensors_of(network.sizes));
  bytes.append(reinterpret_cast<const char*>(network.parameters.data()), network.parameters.size() * sizeof(float));
  return bytes;
}

TrainedMlp<float> parse_checkpoint(std::string_view bytes, const std::string& path) {
  const SafetensorsFile file(bytes, path, kFormat, kTexts);
  TrainedMlp<float> network;
  network.sizes = read_sizes(file);
  network.dropout = file.dropout();
  network.loss = read_loss(file);
  file.check_tensors(tensors_of(network.sizes));
  network.parameters.resize(file.data().size() / sizeof(float));
  file.copy(0, static_cast<std::int64_t>(network.parameters.size()), network.parameters.data());
  return network;
}

}  // namespace quarry
