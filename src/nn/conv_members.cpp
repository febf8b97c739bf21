// SPDX-License-Identifier: MIT
#include "src/nn/conv_members.h"

#include <algorithm>
#include <cmath>

#include "quarry/ops/conv_dropout.h"
#include "src/nn/conv_loops.h"

namespace quarry {
namespace {

bool same_network(const ResNetSpec& a, const ResNetSpec& b) {
  return a.kind == b.kind && a.classes == b.classes && a.input.channels == b.input.channels &&
         a.input.height == b.input.height && a.input.width == b.input.width;
}

std::vector<std::int32_t> site_channels(const ResNetPlan& plan) {
  std::vector<std::int32_t> channels;
  for (const std::int32_t layer : dropout_sites(plan).layers) {
    channels.push_back(plan.layers[static_cast<std::size_t>(layer)].out_channels);
  }
  return channels;
}

/// Arg max, lowest class on ties; the first NaN counts as the largest value.
std::int32_t predicted(const float* logits, std::int32_t classes) {
  std::int32_t best = 0;
  for (std::int32_t c = 0; c < classes; ++c) {
    if (std::isnan(logits[c])) return c;
    if (logits[c] > logits[best]) best = c;
  }
  return best;
}

}  // namespace

ConvEngine<float>& WorkerEngine::get(const ResNetPlan& plan, ConvPrecision precision) {
  if (!engine_ || !same_network(spec_, plan.spec) || precision_ != precision) {
    engine_.reset();  // the old one's memory first
    engine_ = make_conv_engine(plan, precision);
    spec_ = plan.spec;
    precision_ = precision;
  }
  return *engine_;
}

ChannelDropout::ChannelDropout(const ResNetPlan& plan, std::uint64_t key)
    : sites_(dropout_sites(plan)),
      channels_(site_channels(plan)),
      key_(key),
      threshold_(dropout_threshold(plan.spec.dropout)),
      scale_(static_cast<float>(1 / (1 - plan.spec.dropout))) {}

void ChannelDropout::fill(std::int32_t row, std::uint32_t step, float* factors) const {
  for (std::size_t site = 0; site < channels_.size(); ++site) {
    PhiloxBlock words{};
    for (std::int32_t c = 0; c < channels_[site]; ++c) {
      if (c % 4 == 0) {
        words = channel_dropout_words(key_, static_cast<std::uint32_t>(row), step, static_cast<std::uint32_t>(site),
                                      static_cast<std::uint32_t>(c / 4));
      }
      factors[sites_.offsets[site] + c] = words.word[c % 4] >= threshold_ ? scale_ : 0.0f;
    }
  }
}

const float* ChannelDropout::training(std::int32_t rows, std::int64_t step) {
  if (!active()) return nullptr;
  factors_.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(sites_.width));
  for (std::int32_t r = 0; r < rows; ++r) {
    fill(r, static_cast<std::uint32_t>(step), factors_.data() + std::ptrdiff_t{r} * sites_.width);
  }
  return factors_.data();
}

const float* ChannelDropout::scoring(std::int32_t rows, std::int32_t pass) {
  if (!active()) return nullptr;
  factors_.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(sites_.width));
  fill(0, static_cast<std::uint32_t>(pass), factors_.data());
  for (std::int32_t r = 1; r < rows; ++r) {
    std::copy_n(factors_.data(), sites_.width, factors_.data() + std::ptrdiff_t{r} * sites_.width);
  }
  return factors_.data();
}

Evaluation evaluate_rows(ConvEngine<float>& engine, const ImageReader& reader, const ImageDataset& data,
                         const ConvMemberSpec& spec, std::span<const std::int32_t> rows, bool augment) {
  const std::int32_t classes = spec.network.classes;
  const auto n = static_cast<std::int64_t>(rows.size());
  std::vector<float> logits(static_cast<std::size_t>(kConvChunk) * static_cast<std::size_t>(classes));
  std::int32_t labels[kConvChunk];
  double losses[kConvChunk], loss = 0;
  std::int64_t correct = 0;
  for (std::int64_t first = 0; first < n; first += kConvChunk) {
    const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(kConvChunk, n - first));
    load_chunk(engine, data.shape, count, [&](std::int32_t i, float* out) {
      const auto slot = static_cast<std::uint64_t>(first + i);
      const std::int32_t row = rows[static_cast<std::size_t>(slot)];
      labels[i] = data.train.labels[static_cast<std::size_t>(row)];
      reader.read(data.train, row, augment ? augment_draw(spec.augment_key, slot, 0xffffffffu) : AugmentDraw{}, out);
    });
    engine.evaluate(kConvChunk, nullptr, logits.data(), nullptr);
    cross_entropy<float>(count, classes, logits.data(), labels, losses, nullptr);
    for (std::int32_t i = 0; i < count; ++i) {
      loss += losses[i];
      correct += predicted(logits.data() + std::ptrdiff_t{i} * classes, classes) == labels[i] ? 1 : 0;
    }
  }
  if (n == 0) return {};
  return {loss / static_cast<double>(n), static_cast<double>(correct) / static_cast<double>(n)};
}

}  // namespace quarry
