// SPDX-License-Identifier: MIT
// Residual networks in safetensors files.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/nn/checkpoint.h"
#include "src/nn/safetensors.h"

namespace quarry {
namespace {

constexpr std::string_view kFormat = "quarry.resnet.1";
constexpr std::size_t kTexts = 5;           ///< format, network, input, classes, dropout
constexpr std::int64_t kMaxSide = 1 << 16;  ///< rows or columns of an image
constexpr ResNetKind kKinds[] = {ResNetKind::resnet8, ResNetKind::resnet14, ResNetKind::resnet18};

/// A tensor of the file and where its numbers are in the network.
struct Place {
  TensorShape shape;
  bool is_buffer = false;
  std::int64_t at = 0;  ///< offset in the packed parameters or buffers
};

std::vector<Place> places_of(const ResNetPlan& plan) {
  std::vector<Place> places;
  for (const ConvLayer& l : plan.layers) {
    const std::int64_t out = l.out_channels;
    places.push_back({{l.name + ".weight", {out, l.in_channels, l.kernel, l.kernel}}, false, l.weight});
    places.push_back({{l.norm + ".weight", {out}}, false, l.gamma});
    places.push_back({{l.norm + ".bias", {out}}, false, l.beta});
    places.push_back({{l.norm + ".running_mean", {out}}, true, l.mean});
    places.push_back({{l.norm + ".running_var", {out}}, true, l.variance});
  }
  const std::int64_t classes = plan.spec.classes;
  places.push_back({{"fc.weight", {classes, plan.features}}, false, plan.linear_weight});
  places.push_back({{"fc.bias", {classes}}, false, plan.linear_bias});
  return places;
}

std::vector<TensorShape> shapes_of(const std::vector<Place>& places) {
  std::vector<TensorShape> shapes;
  for (const Place& place : places) shapes.push_back(place.shape);
  return shapes;
}

std::string text_of(const ImageShape& shape) {
  return fmt::format("{}x{}x{}", shape.channels, shape.height, shape.width);
}

ResNetKind read_kind(const SafetensorsFile& file) {
  const std::string& text = file.metadata("network");
  for (const ResNetKind kind : kKinds)
    if (text == to_string(kind)) return kind;
  file.refuse("network is '{}', expected resnet8, resnet14 or resnet18", printable(text));
}

/// The number that a text is, from 1 to `limit` and in its shortest form.
bool read_count(std::string_view text, std::int64_t limit, std::int32_t& value) {
  std::int64_t number = 0;
  if (!parse_number(text, number) || number < 1 || number > limit || text != std::to_string(number)) return false;
  value = static_cast<std::int32_t>(number);
  return true;
}

/// Of no more channels than there are numbers in the file, so that no later product can overflow.
ImageShape read_input(const SafetensorsFile& file, std::int64_t limit) {
  const std::string& text = file.metadata("input");
  ImageShape shape;
  const std::size_t first = text.find('x'), second = text.find('x', first == std::string::npos ? first : first + 1);
  if (second == std::string::npos || !read_count(std::string_view(text).substr(0, first), limit, shape.channels) ||
      !read_count(std::string_view(text).substr(first + 1, second - first - 1), kMaxSide, shape.height) ||
      !read_count(std::string_view(text).substr(second + 1), kMaxSide, shape.width))
    file.refuse("input is '{}', expected channels, rows and columns as 3x32x32", printable(text));
  return shape;
}

ResNetSpec read_spec(const SafetensorsFile& file) {
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(file.data().size() / sizeof(float), INT32_MAX));
  ResNetSpec spec;
  spec.kind = read_kind(file);
  spec.input = read_input(file, limit);
  if (!read_count(file.metadata("classes"), limit, spec.classes) || spec.classes < 2)
    file.refuse("classes are '{}', expected a number from 2", printable(file.metadata("classes")));
  spec.dropout = file.dropout();
  return spec;
}

}  // namespace

std::string write_checkpoint(const TrainedConvNet& network) {
  const ResNetPlan plan = plan_resnet(network.spec);
  QUARRY_CHECK(static_cast<std::int64_t>(network.parameters.size()) == plan.n_parameters &&
                   static_cast<std::int64_t>(network.buffers.size()) == plan.n_buffers,
               "{} parameters and {} buffers do not fit a {}", network.parameters.size(), network.buffers.size(),
               to_string(plan.spec.kind));
  Json metadata = Json::object();
  metadata.set("format", kFormat).set("network", to_string(plan.spec.kind)).set("input", text_of(plan.spec.input));
  metadata.set("classes", std::to_string(plan.spec.classes)).set("dropout", format_exact(plan.spec.dropout));
  const std::vector<Place> places = places_of(plan);
  std::string bytes = safetensors_header(std::move(metadata), shapes_of(places));
  bytes.reserve(bytes.size() + (network.parameters.size() + network.buffers.size()) * sizeof(float));
  for (const Place& place : places) {
    const float* const from = (place.is_buffer ? network.buffers : network.parameters).data() + place.at;
    bytes.append(reinterpret_cast<const char*>(from), static_cast<std::size_t>(place.shape.size()) * sizeof(float));
  }
  return bytes;
}

TrainedConvNet parse_conv_checkpoint(std::string_view bytes, const std::string& path) {
  const SafetensorsFile file(bytes, path, kFormat, kTexts);
  TrainedConvNet network;
  network.spec = read_spec(file);
  const ResNetPlan plan = plan_resnet(network.spec);
  const auto wanted = static_cast<std::size_t>(plan.n_parameters + plan.n_buffers) * sizeof(float);
  if (file.data().size() != wanted)
    file.refuse("{} bytes of numbers, but a {} of {} inputs and {} classes has {}", file.data().size(),
                to_string(plan.spec.kind), text_of(plan.spec.input), plan.spec.classes, wanted);
  const std::vector<Place> places = places_of(plan);
  file.check_tensors(shapes_of(places));
  network.parameters.resize(static_cast<std::size_t>(plan.n_parameters));
  network.buffers.resize(static_cast<std::size_t>(plan.n_buffers));
  std::int64_t at = 0;
  for (const Place& place : places) {
    file.copy(at, place.shape.size(), (place.is_buffer ? network.buffers : network.parameters).data() + place.at);
    at += place.shape.size();
  }
  return network;
}

}  // namespace quarry
