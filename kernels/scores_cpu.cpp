// SPDX-License-Identifier: MIT
#include "kernels/select_lanes.h"
#include "quarry/core/error.h"
#include "quarry/ops/scores.h"

namespace quarry {
namespace {

constexpr std::int64_t kChunk = 1024;  // rows of one work item

/// The score of every row: NaN where a probability is not finite.
template <class Row>
void for_rows(Context& context, MatrixView<const float> p, std::span<float> scores) {
  const std::int64_t n = p.extent[0], classes = p.extent[1];
  QUARRY_CHECK(classes >= 1 && static_cast<std::int64_t>(scores.size()) == n, "{} scores of {} x {} probabilities",
               scores.size(), n, classes);
  select::for_chunks(context, n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      FiniteRow<Row> row;
      for (std::int64_t c = 0; c < classes; ++c) row.add(p(i, c));
      scores[static_cast<std::size_t>(i)] = row.score();
    }
  });
}

}  // namespace

void entropy_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores) {
  for_rows<RowEntropy<float>>(context, probabilities, scores);
}

void margin_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores) {
  for_rows<RowMargin>(context, probabilities, scores);
}

void least_confidence_scores(Context& context, MatrixView<const float> probabilities, std::span<float> scores) {
  for_rows<RowLeastConfidence>(context, probabilities, scores);
}

void bald_accumulate(Context& context, MatrixView<const float> probabilities, MatrixView<float> sum_p,
                     std::span<float> sum_entropy) {
  const std::int64_t n = probabilities.extent[0], classes = probabilities.extent[1];
  QUARRY_CHECK(sum_p.extent[0] == n && sum_p.extent[1] == classes && static_cast<std::int64_t>(sum_entropy.size()) == n,
               "sums of {} x {} and {} for {} x {} probabilities", sum_p.extent[0], sum_p.extent[1], sum_entropy.size(),
               n, classes);
  select::for_chunks(context, n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* row = &probabilities(i, 0);
      for (std::int64_t c = 0; c < classes; ++c) sum_p(i, c) += row[c];
      sum_entropy[static_cast<std::size_t>(i)] += entropy_of(row, classes);
    }
  });
}

void bald_finish(Context& context, MatrixView<float> sum_p, std::span<const float> sum_entropy, std::int32_t passes,
                 std::span<float> scores) {
  const std::int64_t n = sum_p.extent[0], classes = sum_p.extent[1];
  QUARRY_CHECK(passes >= 1, "{} passes", passes);
  QUARRY_CHECK(static_cast<std::int64_t>(sum_entropy.size()) == n && static_cast<std::int64_t>(scores.size()) == n,
               "{} entropies and {} scores of {} rows", sum_entropy.size(), scores.size(), n);
  select::for_chunks(context, n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      scores[at] = bald_of(&sum_p(i, 0), classes, sum_entropy[at], passes);
    }
  });
}

}  // namespace quarry
