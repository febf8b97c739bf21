// SPDX-License-Identifier: MIT
// Trained residual networks at work: forward pass and BALD, chunks of images over the context's workers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "quarry/core/error.h"
#include "src/nn/conv_members.h"

namespace quarry {
namespace {

/// A network with the images it is asked for.
class ConvScorer {
 public:
  ConvScorer(const TrainedConvNet& network, const ImageDataset& data, const ImagePart& part,
             std::span<const std::int32_t> rows)
      : network_(network), plan_(plan_resnet(network.spec)), data_(data), part_(part), rows_(rows), reader_(data) {
    check_part(data, part);
    QUARRY_CHECK(static_cast<std::int64_t>(network.parameters.size()) == plan_.n_parameters &&
                     static_cast<std::int64_t>(network.buffers.size()) == plan_.n_buffers,
                 "{} parameters and {} buffers for a network of {} and {}", network.parameters.size(),
                 network.buffers.size(), plan_.n_parameters, plan_.n_buffers);
    const ImageShape& in = network.spec.input;
    QUARRY_CHECK(in.channels == data.shape.channels && in.height == data.shape.height && in.width == data.shape.width,
                 "the network takes images of {} x {} x {}, the data has {} x {} x {}", in.channels, in.height,
                 in.width, data.shape.channels, data.shape.height, data.shape.width);
    for (const std::int32_t row : rows) {
      QUARRY_CHECK(row >= 0 && row < part.n, "row {} is not an image of the part ({} images)", row, part.n);
    }
  }

  const ResNetPlan& plan() const { return plan_; }

  /// f(engine with the chunk's images, first image, images) for every chunk.
  template <class F>
  void for_chunks(Context& context, F f) const {
    const std::int64_t n = rows_.empty() ? part_.n : static_cast<std::int64_t>(rows_.size());
    std::vector<std::unique_ptr<ConvEngine<float>>> engines(static_cast<std::size_t>(context.pool().workers()));
    context.pool().parallel_for((n + kConvChunk - 1) / kConvChunk, [&](std::int64_t item, int worker) {
      std::unique_ptr<ConvEngine<float>>& engine = engines[static_cast<std::size_t>(worker)];
      if (!engine) {
        engine = make_conv_engine(plan_);
        engine->load(network_.parameters.data(), network_.buffers.data());
      }
      const std::int64_t first = item * kConvChunk;
      const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(kConvChunk, n - first));
      load_chunk(*engine, data_.shape, count, [&](std::int32_t i, float* out) {
        const std::int64_t row = rows_.empty() ? first + i : rows_[static_cast<std::size_t>(first + i)];
        reader_.read(part_, row, AugmentDraw{}, out);
      });
      f(*engine, first, count);
    });
  }

 private:
  const TrainedConvNet& network_;
  const ResNetPlan plan_;
  const ImageDataset& data_;
  const ImagePart& part_;
  const std::span<const std::int32_t> rows_;
  const ImageReader reader_;
};

/// Running sums of BALD of one image.
class BaldSums {
 public:
  explicit BaldSums(std::int32_t classes) : p_(static_cast<std::size_t>(classes)), mean_(p_) {}

  void add(const float* logits) {
    double largest = logits[0], sum = 0;
    for (std::size_t c = 1; c < p_.size(); ++c) largest = logits[c] > largest ? logits[c] : largest;
    for (std::size_t c = 0; c < p_.size(); ++c) sum += p_[c] = std::exp(logits[c] - largest);
    for (std::size_t c = 0; c < p_.size(); ++c) {
      p_[c] /= sum;
      mean_[c] += p_[c];
    }
    entropies_ += entropy(p_);
  }

  float score(std::int32_t passes) {
    for (double& m : mean_) m /= passes;
    return static_cast<float>(entropy(mean_) - entropies_ / passes);
  }

 private:
  static double entropy(const std::vector<double>& p) {
    double h = 0;
    for (const double value : p) h -= value * std::log(value + double{std::numeric_limits<float>::min()});
    return h;
  }
  std::vector<double> p_, mean_;
  double entropies_ = 0;
};

}  // namespace

void conv_forward(Context& context, const TrainedConvNet& network, const ImageDataset& data, const ImagePart& part,
                  std::span<const std::int32_t> rows, float* logits, float* features) {
  const ConvScorer scorer(network, data, part, rows);
  const std::int64_t classes = network.spec.classes, width = scorer.plan().features;
  scorer.for_chunks(context, [&](ConvEngine<float>& engine, std::int64_t first, std::int32_t count) {
    std::vector<float> z(static_cast<std::size_t>(kConvChunk * classes)),
        phi(static_cast<std::size_t>(kConvChunk * width));
    engine.evaluate(kConvChunk, nullptr, z.data(), phi.data());
    if (logits != nullptr) std::copy_n(z.data(), count * classes, logits + first * classes);
    if (features != nullptr) std::copy_n(phi.data(), count * width, features + first * width);
  });
}

void conv_bald(Context& context, const TrainedConvNet& network, const ImageDataset& data, const ImagePart& part,
               std::span<const std::int32_t> rows, std::int32_t passes, std::uint64_t mc_key, float* scores) {
  QUARRY_CHECK(passes >= 1, "BALD needs at least one pass, got {}", passes);
  const ConvScorer scorer(network, data, part, rows);
  const std::int32_t classes = network.spec.classes;
  scorer.for_chunks(context, [&](ConvEngine<float>& engine, std::int64_t first, std::int32_t count) {
    ChannelDropout dropout(scorer.plan(), mc_key);
    std::vector<float> logits(static_cast<std::size_t>(kConvChunk) * static_cast<std::size_t>(classes));
    std::vector<BaldSums> sums(static_cast<std::size_t>(count), BaldSums(classes));
    for (std::int32_t pass = 0; pass < passes; ++pass) {
      engine.evaluate(kConvChunk, dropout.scoring(kConvChunk, pass), logits.data(), nullptr);
      for (std::int32_t i = 0; i < count; ++i) {
        sums[static_cast<std::size_t>(i)].add(logits.data() + std::ptrdiff_t{i} * classes);
      }
    }
    for (std::int32_t i = 0; i < count; ++i) scores[first + i] = sums[static_cast<std::size_t>(i)].score(passes);
  });
}

}  // namespace quarry
