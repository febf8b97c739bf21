// SPDX-License-Identifier: MIT
// Trained networks at work: forward pass, BALD, softmax; rows over the context's workers.
#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/nn/mlp_fleet.h"
#include "src/nn/mlp_plan.h"

namespace quarry {
namespace {

constexpr std::int64_t kChunk = 256;  ///< rows per item: a multiple of the block of 32

std::int64_t chunks(std::int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

/// A network in the working layout, with the rows it is asked for.
template <class T>
class Scorer {
 public:
  Scorer(const TrainedMlp<T>& network, MatrixView<const T> features, std::span<const std::int32_t> rows)
      : shape_(network.sizes),
        features_(features),
        rows_(rows),
        working_(static_cast<std::size_t>(shape_.plan().parameters)) {
    const std::int64_t expected = parameter_count(network.sizes);
    QUARRY_CHECK(static_cast<std::int64_t>(network.parameters.size()) == expected, "{} parameters for a network of {}",
                 network.parameters.size(), expected);
    QUARRY_CHECK(features.extent[1] == network.sizes.front(), "the network has {} inputs, the data {} features",
                 network.sizes.front(), features.extent[1]);
    for (const std::int32_t row : rows) {
      QUARRY_CHECK(row >= 0 && row < features.extent[0], "row {} is not a row of the data ({} rows)", row,
                   features.extent[0]);
    }
    shape_.unpack(std::span<const T>(network.parameters), working_.data());
  }

  std::int64_t n() const { return rows_.empty() ? features_.extent[0] : static_cast<std::int64_t>(rows_.size()); }
  const T* parameters() const { return working_.data(); }

  /// f(rows of the chunk, first row of the chunk, plan, scratch) for every chunk.
  template <class F>
  void for_chunks(Context& context, F f) const {
    context.pool().parallel_for(chunks(n()), [&](std::int64_t item, int worker) {
      const std::int64_t first = item * kChunk, count = std::min(kChunk, n() - first);
      Arena& arena = context.arena(worker);
      const ArenaScope scope(arena);
      const std::span<std::int32_t> all = arena.take<std::int32_t>(static_cast<std::size_t>(count));
      for (std::int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        all[at] = rows_.empty() ? static_cast<std::int32_t>(first + i) : rows_[static_cast<std::size_t>(first + i)];
      }
      const MlpRows<T> rows{features_.data, nullptr, nullptr, all.data(), count};
      f(rows, first, shape_.plan(), arena.take<T>(static_cast<std::size_t>(shape_.plan().scratch)).data());
    });
  }

 private:
  const MlpShape shape_;
  const MatrixView<const T> features_;
  const std::span<const std::int32_t> rows_;
  Buffer<T> working_;
};

}  // namespace

template <class T>
void mlp_forward(Context& context, const TrainedMlp<T>& network, MatrixView<const T> features,
                 std::span<const std::int32_t> rows, T* logits, T* penultimate) {
  const Scorer<T> scorer(network, features, rows);
  const MlpOps<T>& ops = mlp_ops<T>(context.simd());
  const std::int64_t classes = network.sizes.back(), width = penultimate_width(network.sizes);
  scorer.for_chunks(context, [&](const MlpRows<T>& chunk, std::int64_t first, const MlpPlan& plan, T* scratch) {
    ops.predict({&plan, chunk, scorer.parameters(), scratch, logits == nullptr ? nullptr : logits + first * classes,
                 penultimate == nullptr ? nullptr : penultimate + first * width});
  });
}

template <class T>
void mlp_bald(Context& context, const TrainedMlp<T>& network, MatrixView<const T> features,
              std::span<const std::int32_t> rows, std::int32_t passes, std::uint64_t mc_key, T* scores,
              bool log_epsilon) {
  QUARRY_CHECK(passes >= 1, "BALD needs at least one pass, got {}", passes);
  QUARRY_CHECK(network.dropout >= 0 && network.dropout < 1, "dropout is {}; it must be in [0, 1)", network.dropout);
  const Scorer<T> scorer(network, features, rows);
  const MlpOps<T>& ops = mlp_ops<T>(context.simd());
  const MlpDropout dropout = mlp_dropout(network.dropout, mc_key);
  scorer.for_chunks(context, [&](const MlpRows<T>& chunk, std::int64_t first, const MlpPlan& plan, T* scratch) {
    ops.bald({&plan, chunk, scorer.parameters(), dropout, passes, scratch, scores + first, log_epsilon});
  });
}

template <class T>
void softmax_rows(Context& context, MatrixView<const T> logits, T* probabilities) {
  const std::int64_t n = logits.extent[0], classes = logits.extent[1];
  if (n == 0) return;
  QUARRY_CHECK(classes >= 1, "softmax of {} classes", classes);
  const MlpOps<T>& ops = mlp_ops<T>(context.simd());
  context.pool().parallel_for(chunks(n), [&](std::int64_t item, int worker) {
    const std::int64_t first = item * kChunk;
    Arena& arena = context.arena(worker);
    const ArenaScope scope(arena);
    T* const scratch = arena.take<T>(static_cast<std::size_t>(2 * 32 * ((classes + 15) / 16 * 16))).data();
    ops.softmax({logits.data + first * classes, probabilities + first * classes, std::min(kChunk, n - first), classes,
                 scratch});
  });
}

template void mlp_forward(Context&, const TrainedMlp<float>&, MatrixView<const float>, std::span<const std::int32_t>,
                          float*, float*);
template void mlp_forward(Context&, const TrainedMlp<double>&, MatrixView<const double>, std::span<const std::int32_t>,
                          double*, double*);
template void mlp_bald(Context&, const TrainedMlp<float>&, MatrixView<const float>, std::span<const std::int32_t>,
                       std::int32_t, std::uint64_t, float*, bool);
template void mlp_bald(Context&, const TrainedMlp<double>&, MatrixView<const double>, std::span<const std::int32_t>,
                       std::int32_t, std::uint64_t, double*, bool);
template void softmax_rows(Context&, MatrixView<const float>, float*);
template void softmax_rows(Context&, MatrixView<const double>, double*);

}  // namespace quarry
