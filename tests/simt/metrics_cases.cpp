// SPDX-License-Identifier: MIT
// Test metrics on the device beside loops in double precision that count pairs: the losses within rounding, accuracy
// and areas exactly. (That they are the CPU's to the last bit is a matter of image_cycle_test.)
#include <cmath>
#include <limits>

#include "quarry/core/rng.h"
#include "quarry/ops/metrics_device.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

struct Rows {
  std::int64_t n, classes;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
};

/// Multiples of 1/8, so that many probabilities are equal; every class but the last is some row's, where there is room.
Rows make_rows(std::int64_t n, std::int64_t classes, std::uint64_t key) {
  Rows rows{n, classes, {}, {}};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto place = static_cast<std::uint64_t>(i);
    const std::int64_t present = classes > 2 ? classes - 1 : classes;
    rows.labels.push_back(static_cast<std::int32_t>(random_u32(key + 1, place) % static_cast<std::uint64_t>(present)));
    for (std::int64_t c = 0; c < classes; ++c)
      rows.logits.push_back(static_cast<float>(random_u32(key, place * 64 + static_cast<std::uint64_t>(c)) % 32) / 8);
  }
  return rows;
}

LogitMetrics on_device(const Rows& rows) {
  gpu::Session session(0);
  const auto logits = gpu::upload<float>(session, rows.logits);
  const auto labels = gpu::upload<std::int32_t>(session, rows.labels);
  const gpu::Buffer<unsigned char> scratch(session, cuda::logit_metrics_scratch(rows.n, rows.classes));
  const gpu::Buffer<LogitMetrics> out(session, 1);
  cuda::logit_metrics(session, {logits.data(), labels.data(), rows.n, rows.classes, scratch.data(), out.data()});
  LogitMetrics metrics;
  gpu::download<LogitMetrics>(session, out.data(), std::span(&metrics, 1));
  return metrics;
}

/// exp by repeated squaring of a short series: shares nothing with exact_exp.
double plain_exp(double x) {
  const double small = x / 1024;
  double term = 1, sum = 1;
  for (int k = 1; k < 12; ++k) sum += term *= small / k;
  for (int k = 0; k < 10; ++k) sum *= sum;
  return sum;
}

void expect_metrics(const Rows& rows) {
  double loss = 0, area = 0;
  std::int64_t correct = 0, present = 0;
  std::vector<double> p(rows.logits.size());
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const auto* z = rows.logits.data() + i * rows.classes;
    double sum = 0;
    std::int64_t best = 0;
    for (std::int64_t c = 0; c < rows.classes; ++c) {
      sum += plain_exp(static_cast<double>(z[c]));
      if (z[c] > z[best]) best = c;
    }
    for (std::int64_t c = 0; c < rows.classes; ++c)
      p[static_cast<std::size_t>(i * rows.classes + c)] = plain_exp(static_cast<double>(z[c])) / sum;
    const std::int32_t label = rows.labels[static_cast<std::size_t>(i)];
    loss -= std::log(plain_exp(static_cast<double>(z[label])) / sum);
    correct += best == label;
  }
  for (std::int64_t c = 0; c < rows.classes; ++c) {
    double won = 0, pairs = 0;
    for (std::int64_t i = 0; i < rows.n; ++i) {
      for (std::int64_t j = 0; j < rows.n; ++j) {
        if (rows.labels[static_cast<std::size_t>(i)] != c || rows.labels[static_cast<std::size_t>(j)] == c) continue;
        const double a = p[static_cast<std::size_t>(i * rows.classes + c)],
                     b = p[static_cast<std::size_t>(j * rows.classes + c)];
        won += std::abs(a - b) < 1e-12 ? 0.5 : a > b ? 1 : 0;
        pairs += 1;
      }
    }
    if (pairs == 0) continue;
    area += won / pairs;
    ++present;
  }
  const LogitMetrics got = on_device(rows);
  const auto n = static_cast<double>(rows.n);
  simt::expect(std::abs(got.loss - loss / n) < 1e-12 * (1 + loss), "loss %.17g, not %.17g", got.loss, loss / n);
  simt::expect(got.accuracy == static_cast<double>(correct) / n, "accuracy %g", got.accuracy);
  if (present == 0) {
    simt::expect(std::isnan(got.auc), "an area of %g without two classes", got.auc);
  } else {
    simt::expect(std::abs(got.auc - area / static_cast<double>(present)) < 1e-12, "area %.17g, not %.17g", got.auc,
                 area / static_cast<double>(present));
  }
}

SIMT_CASE(logit_metrics_count_every_pair) {
  expect_metrics(make_rows(1, 3, 1));
  expect_metrics(make_rows(33, 2, 2));
  expect_metrics(make_rows(131, 5, 3));
  expect_metrics(make_rows(7, 1, 4));
}

SIMT_CASE(logit_metrics_of_what_is_not_finite) {
  Rows rows = make_rows(9, 3, 5);
  rows.labels = {0, 1, 0, 1, 0, 1, 0, 1, 0};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  rows.logits[0] = nan;                                            // of row 0, of class 0: the largest, and a hit
  for (std::size_t i = 1; i < 9; ++i) rows.logits[3 * i + 2] = 9;  // no other hits
  const LogitMetrics got = on_device(rows);
  simt::expect(std::isnan(got.loss) && std::isnan(got.auc), "loss %g, area %g", got.loss, got.auc);
  simt::expect(got.accuracy == 1.0 / 9, "accuracy %g", got.accuracy);
}

}  // namespace
}  // namespace quarry
