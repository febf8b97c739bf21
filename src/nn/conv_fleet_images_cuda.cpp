// SPDX-License-Identifier: MIT
// What a fleet of residual networks stands on: images in device memory, and the name of what trains.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet_device.h"
#include "src/nn/conv_fleet_library.h"

namespace quarry::cuda {

DeviceImages::DeviceImages(gpu::Session& session, const ImageDataset& data, const ImagePart& part)
    : shape_(data.shape),
      pixels_(gpu::upload<std::uint8_t>(session, part.pixels)),
      labels_(gpu::upload<std::int32_t>(session, part.labels)),
      mean_(gpu::upload<float>(session, data.mean)),
      deviation_(gpu::upload<float>(session, data.deviation)) {
  QUARRY_CHECK(static_cast<std::int64_t>(part.pixels.size()) == part.n * shape_.pixels() &&
                   static_cast<std::int64_t>(part.labels.size()) == part.n,
               "{}: {} bytes and {} labels for {} images of {} pixels", data.name, part.pixels.size(),
               part.labels.size(), part.n, shape_.pixels());
}

ImagePool DeviceImages::pool() const {
  return {pixels_.data(), labels_.data(), shape_.channels,  shape_.height,
          shape_.width,   mean_.data(),   deviation_.data()};
}

namespace {

std::string names_of(std::vector<ConvEngine> engines) {
  std::sort(engines.begin(), engines.end());
  engines.erase(std::unique(engines.begin(), engines.end()), engines.end());
  std::string names;
  for (const ConvEngine engine : engines) names += fmt::format("{}{}", names.empty() ? "" : " + ", to_string(engine));
  return names;
}

}  // namespace

std::string conv_engine_name(gpu::Session& session, const ResNetPlan& plan, ConvMeans means, std::int32_t batch) {
  const gpu::DeviceInfo& device = session.device();
  std::vector<ConvEngine> training, scoring;
  for (const ConvLayer& layer : plan.layers) {
    const LayerEngines engines = layer_engines(conv_shape(layer, batch), means, device);
    training.insert(training.end(), {engines.forward, engines.input_gradient, engines.weight_gradient});
    scoring.push_back(layer_engines(conv_shape(layer, kScoringImages), ConvPrecision::fp32, device).forward);
  }
  std::string trains = names_of(training);
  const std::string scores = names_of(scoring);
  if (means.choice == ConvChoice::cudnn) {
    trains += fmt::format(" ({})", library_name(session, library_problems(plan, means.precision, batch)));
  }
  return fmt::format("CUDA, {}, compute capability {}.{}, {}, {}{}, table {}", device.name, device.major, device.minor,
                     to_string(means.precision), trains, scores == trains ? "" : ", scores " + scores,
                     kConvEngineTable);
}

}  // namespace quarry::cuda
