// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "quarry/core/exact_math.h"
#include "quarry/study/executor.h"

namespace quarry {
namespace {

/// In-place softmax in class order; the largest value is subtracted first.
void softmax_in_place(std::vector<double>& z) {
  double largest = z[0];
  for (double v : z) largest = v > largest ? v : largest;
  double sum = 0;
  for (double& v : z) {
    v = exact_exp(v - largest);
    sum += v;
  }
  for (double& v : z) v /= sum;
}

/// -log of softmax(z) at the label, without forming the softmax.
double cross_entropy(const std::vector<double>& z, std::int32_t label) {
  double largest = z[0];
  for (double v : z) largest = v > largest ? v : largest;
  double sum = 0;
  for (double v : z) sum += exact_exp(v - largest);
  return exact_log(sum) - (z[static_cast<std::size_t>(label)] - largest);
}

std::int32_t arg_max(const std::vector<double>& z) {
  std::size_t best = 0;
  for (std::size_t c = 0; c < z.size(); ++c) {
    if (std::isnan(z[c])) return static_cast<std::int32_t>(c);
    if (z[c] > z[best]) best = c;
  }
  return static_cast<std::int32_t>(best);
}

/// Mann-Whitney area with ties counted half; NaN if a side is empty or a score is not finite.
double area_under_roc(const std::vector<double>& score, const std::vector<std::int32_t>& labels,
                      std::int32_t positive) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (double s : score)
    if (!std::isfinite(s)) return nan;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return score[a] < score[b]; });
  double positives = 0, rank_sum = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && score[order[j]] == score[order[i]]) ++j;
    const double mean_rank = 0.5 * (static_cast<double>(i + 1) + static_cast<double>(j));
    for (; i < j; ++i) {
      if (labels[order[i]] != positive) continue;
      positives += 1;
      rank_sum += mean_rank;
    }
  }
  const double negatives = static_cast<double>(score.size()) - positives;
  if (positives == 0 || negatives == 0) return nan;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

/// Mean over rows, or mean of the batch means (B17).
double mean_loss(const std::vector<double>& losses, std::int32_t batch_size, bool weight_by_size) {
  const std::size_t n = losses.size(), batch = weight_by_size ? n : static_cast<std::size_t>(batch_size);
  double total = 0;
  std::size_t batches = 0;
  for (std::size_t begin = 0; begin < n; begin += batch, ++batches) {
    const std::size_t end = std::min(n, begin + batch);
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += losses[i];
    total += sum / static_cast<double>(end - begin);
  }
  return total / static_cast<double>(batches);
}

}  // namespace

TestMetrics test_metrics(MatrixView<const float> logits, const DataPart& part, Loss loss, std::int32_t batch_size,
                         bool weight_by_size) {
  const auto n = static_cast<std::size_t>(logits.extent[0]), classes = static_cast<std::size_t>(logits.extent[1]);
  QUARRY_CHECK(n > 0 && part.labels.size() == n, "{} rows of logits for {} labels", n, part.labels.size());
  std::vector<double> losses(n), nll(n);
  std::vector<std::vector<double>> probability(classes, std::vector<double>(n));
  double correct = 0, clean = 0, clean_correct = 0;
  std::vector<double> z(classes);
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t label = part.labels[i];
    for (std::size_t c = 0; c < classes; ++c) z[c] = logits.data[i * classes + c];
    const bool hit = arg_max(z) == label;
    nll[i] = cross_entropy(z, label);
    softmax_in_place(z);
    for (std::size_t c = 0; c < classes; ++c) probability[c][i] = z[c];
    losses[i] = loss == Loss::ce_on_probs ? cross_entropy(z, label) : nll[i];
    correct += hit;
    const bool honeypot = !part.honeypot.empty() && part.honeypot[i] != 0;
    clean += !honeypot;
    clean_correct += hit && !honeypot;
  }

  TestMetrics metrics;
  metrics.loss = mean_loss(losses, batch_size, weight_by_size);
  metrics.nll = mean_loss(nll, batch_size, true);
  metrics.accuracy = correct / static_cast<double>(n);
  metrics.accuracy_clean = clean > 0 ? clean_correct / clean : metrics.accuracy;
  double area = 0;
  int present = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const auto label = static_cast<std::int32_t>(c);
    const auto members = std::count(part.labels.begin(), part.labels.end(), label);
    if (members == 0 || members == static_cast<std::ptrdiff_t>(n)) continue;
    area += area_under_roc(probability[c], part.labels, label);
    ++present;
  }
  metrics.auc = present > 0 ? area / present : std::numeric_limits<double>::quiet_NaN();
  return metrics;
}

}  // namespace quarry
