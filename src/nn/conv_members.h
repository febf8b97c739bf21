// SPDX-License-Identifier: MIT
// What the convolutional fleets share: engines kept per worker, dropout factors, evaluation in fixed chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "quarry/nn/conv_fleet.h"
#include "src/nn/conv_engine.h"
#include "src/nn/image_batch.h"

namespace quarry {

/// The engine that a worker used last; most members and all chunks of a call have the same network.
class WorkerEngine {
 public:
  ConvEngine<float>& get(const ResNetPlan& plan, ConvPrecision precision);

 private:
  ResNetSpec spec_;
  ConvPrecision precision_ = ConvPrecision::fp32;
  std::unique_ptr<ConvEngine<float>> engine_;
};

/// Factors of channel dropout (ops/conv_dropout.h).
class ChannelDropout {
 public:
  ChannelDropout(const ResNetPlan& plan, std::uint64_t key);
  bool active() const { return threshold_ > 0; }
  /// Of a training batch: [rows][width]; null without dropout.
  const float* training(std::int32_t rows, std::int64_t step);
  /// Of a scoring pass: `rows` equal rows; null without dropout.
  const float* scoring(std::int32_t rows, std::int32_t pass);

 private:
  void fill(std::int32_t row, std::uint32_t step, float* factors) const;
  const DropoutSites sites_;
  const std::vector<std::int32_t> channels_;  ///< of each site
  const std::uint64_t key_;
  const std::uint32_t threshold_;
  const float scale_;
  std::vector<float> factors_;
};

/// Puts images [0, n) of a call into the engine, image(i, where) each; the rest of the chunk is black.
template <class Image>
void load_chunk(ConvEngine<float>& engine, const ImageShape& shape, std::int32_t n, Image image) {
  float* const images = engine.images(kConvChunk);
  for (std::int32_t i = 0; i < n; ++i) image(i, images + i * shape.pixels());
  std::fill(images + n * shape.pixels(), images + kConvChunk * shape.pixels(), 0.0f);
}

/// Loss and accuracy of rows of data.train; their augmentation, if asked for, is that of (augment_key, place, ~0).
Evaluation evaluate_rows(ConvEngine<float>& engine, const ImageReader& reader, const ImageDataset& data,
                         const ConvMemberSpec& spec, std::span<const std::int32_t> rows, bool augment);

}  // namespace quarry
