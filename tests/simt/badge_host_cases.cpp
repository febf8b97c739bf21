// SPDX-License-Identifier: MIT
// Parts of BADGE's draws that whole runs rarely reach, called on the host.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/badge_draws.h"
#include "quarry/core/rng.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

constexpr std::int32_t kApplied = 7;

/// A window whose proposals are all accepted as far as there is room.
badge_draws::Window window_of(std::int32_t made) {
  badge_draws::Window window = {};
  std::fill_n(window.uniform, badge_rules::kWindow, 0.5);
  std::fill_n(window.weight, badge_rules::kWindow, 1.0f);
  std::fill_n(window.square, badge_rules::kWindow, 1.0f);
  for (auto& row : window.pair) std::fill_n(row, badge_rules::kWindow, 1.0f);
  for (std::int32_t w = 0; w < badge_rules::kWindow; ++w) window.proposal[w] = 100 + w;
  window.made = made;
  window.proposals = 50;
  return window;
}

struct Outcome {
  std::int32_t made, refresh, finished;
  std::int64_t proposals;
};

void expect_outcome(badge_draws::Window window, std::int32_t count, const Outcome& want) {
  std::array<std::int32_t, 1100> picks = {};
  BadgeJob job;
  job.picks = picks.data();
  job.count = count;
  const std::int32_t before = window.made;
  badge_draws::accept(job, kApplied, window);
  simt::expect(window.made == want.made, "%d picks, not %d", window.made, want.made);
  simt::expect(window.refresh == want.refresh, "refresh is %d", window.refresh);
  simt::expect(window.finished == want.finished, "finished is %d", window.finished);
  simt::expect(window.proposals == want.proposals, "%lld proposals", static_cast<long long>(window.proposals));
  simt::expect(window.made == before || picks[static_cast<std::size_t>(before)] >= 100, "the first proposal is lost");
}

SIMT_CASE(badge_window_ends_with_the_room_for_pending_picks) {
  const auto most = static_cast<std::int32_t>(badge_rules::kMostPending);
  expect_outcome(window_of(kApplied + most - 4), 1100, {kApplied + most, 1, 0, 54});
}

SIMT_CASE(badge_window_ends_with_the_last_pick) {
  expect_outcome(window_of(20), 25, {25, 0, 1, 55});
}

SIMT_CASE(badge_window_asks_for_new_weights_when_half_is_refused) {
  badge_draws::Window window = window_of(20);
  std::fill_n(window.square, 8, 0.5f);  // not below the uniform
  expect_outcome(window, 100, {28, 0, 0, 66});
  window.square[8] = 0.5f;
  expect_outcome(window, 100, {27, 1, 0, 66});
}

SIMT_CASE(badge_ends_when_exact_weights_accept_nothing) {
  badge_draws::Window window = window_of(kApplied);
  std::fill_n(window.square, badge_rules::kWindow, 0.0f);
  expect_outcome(window, 100, {kApplied, 0, 1, 66});
}

SIMT_CASE(badge_products_round_once_a_term) {
  constexpr std::int64_t kStride = 3;
  std::vector<float> x, y;
  for (std::uint64_t k = 0; k < 100 * kStride; ++k) x.push_back(static_cast<float>(random_uniform(1, k) - 0.5));
  for (std::uint64_t k = 0; k < 100; ++k) y.push_back(static_cast<float>(random_uniform(2, k)));
  for (std::int64_t n = 0; n < 100; ++n) {
    float want = 0;
    for (std::int64_t k = 0; k < n; ++k)
      want = std::fma(x[static_cast<std::size_t>(k * kStride)], y[static_cast<std::size_t>(k)], want);
    const float got = badge_draws::dot(x.data(), kStride, y.data(), n);
    simt::expect(got == want, "%d terms: %.9g, not %.9g", static_cast<int>(n), static_cast<double>(got),
                 static_cast<double>(want));
  }
}

}  // namespace
}  // namespace quarry
