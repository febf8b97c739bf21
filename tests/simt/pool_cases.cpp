// SPDX-License-Identifier: MIT
// Index lists of the pool on the device beside the CPU's pool.
#include <algorithm>
#include <iterator>

#include "quarry/al/pool.h"
#include "quarry/al/pool_device.h"
#include "quarry/core/rng.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

/// The indices below n that a coin of weight share / 8 falls on.
std::vector<std::int32_t> some_indices(std::int32_t n, std::uint32_t share, std::uint64_t key) {
  std::vector<std::int32_t> indices;
  for (std::int32_t i = 0; i < n; ++i) {
    if (random_u32(key, static_cast<std::uint64_t>(i)) % 8 < share) indices.push_back(i);
  }
  return indices;
}

void check_difference(const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& taken) {
  gpu::Session session(0);
  const auto a = gpu::upload<std::int32_t>(session, from), b = gpu::upload<std::int32_t>(session, taken);
  const gpu::Buffer<std::int32_t> remaining(session, from.size()), count(session, 1);
  const auto n = static_cast<std::int64_t>(from.size());
  const gpu::Buffer<unsigned char> scratch(session, cuda::pool_scratch(n));
  cuda::index_difference(session, a.data(), n, b.data(), static_cast<std::int64_t>(taken.size()), remaining.data(),
                         count.data(), {scratch.data(), scratch.size()});
  std::vector<std::int32_t> want, got(from.size()), got_count(1);
  std::set_difference(from.begin(), from.end(), taken.begin(), taken.end(), std::back_inserter(want));
  gpu::download<std::int32_t>(session, count.data(), got_count);
  simt::expect_equal<std::int32_t>(got_count, std::vector<std::int32_t>{static_cast<std::int32_t>(want.size())},
                                   "count");
  gpu::download<std::int32_t>(session, remaining.data(), got);
  got.resize(want.size());
  simt::expect_equal<std::int32_t>(got, want, "remaining");
}

SIMT_CASE(index_difference_of_all_kinds_of_lists) {
  check_difference(some_indices(700, 5, 1), some_indices(700, 3, 2));
  check_difference(some_indices(300, 8, 1), some_indices(300, 8, 1));
  check_difference(some_indices(257, 8, 1), {});
  check_difference({}, some_indices(10, 8, 1));
  check_difference({5}, {4, 6});
  check_difference({0, 7, 9}, {0, 9, 2000});
}

SIMT_CASE(acquisitions_on_the_device_are_those_of_the_pool) {
  constexpr std::int32_t kSize = 300, kInitial = 20, kRounds = 6, kCount = 7;
  Pool pool(kSize, kInitial, {});
  gpu::Session session(0);
  const std::vector<std::int32_t> start(pool.unlabelled().begin(), pool.unlabelled().end());
  gpu::Buffer<std::int32_t> now = gpu::upload<std::int32_t>(session, start);
  gpu::Buffer<std::int32_t> next(session, start.size());
  const gpu::Buffer<std::int32_t> added(session, kRounds * kCount), counts(session, kRounds);
  const gpu::Buffer<unsigned char> scratch(session, cuda::pool_scratch(kSize));
  std::vector<std::int32_t> all_picks;
  auto n = static_cast<std::int32_t>(start.size());
  for (std::int32_t r = 0; r < kRounds; ++r, n -= kCount) {
    for (std::int32_t k = 0; k < kCount; ++k) all_picks.push_back((k * 37 + r * 11) % n);  // different: 37 k < n
  }
  const auto picks = gpu::upload<std::int32_t>(session, all_picks);
  const auto blocking = session.counters().blocking;
  n = static_cast<std::int32_t>(start.size());
  for (std::int32_t r = 0; r < kRounds; ++r, n -= kCount) {
    cuda::pool_acquire(session, now.data(), n, picks.data() + r * kCount, kCount, added.data() + r * kCount,
                       next.data(), counts.data() + r, {scratch.data(), scratch.size()});
    std::swap(now, next);
    const std::vector<std::int32_t> before(pool.unlabelled().begin(), pool.unlabelled().end());
    for (std::int32_t k = 0; k < kCount; ++k) {
      pool.acquire(before[static_cast<std::size_t>(all_picks[static_cast<std::size_t>(r * kCount + k)])]);
    }
  }
  simt::expect(session.counters().blocking == blocking, "an acquisition blocked");
  std::vector<std::int32_t> got(static_cast<std::size_t>(n)), got_added(kRounds * kCount), got_counts(kRounds), want;
  gpu::download<std::int32_t>(session, now.data(), got);
  gpu::download<std::int32_t>(session, added.data(), got_added);
  gpu::download<std::int32_t>(session, counts.data(), got_counts);
  for (std::int32_t r = 1; r <= kRounds; ++r) want.push_back(static_cast<std::int32_t>(start.size()) - r * kCount);
  simt::expect_equal<std::int32_t>(got, pool.unlabelled(), "unlabelled");
  simt::expect_equal<std::int32_t>(got_added, pool.added(), "added");
  simt::expect_equal<std::int32_t>(got_counts, want, "counts");
}

SIMT_CASE(acquisitions_of_all_and_of_none) {
  gpu::Session session(0);
  const std::vector<std::int32_t> indices = {2, 5, 9};
  const auto unlabelled = gpu::upload<std::int32_t>(session, indices);
  const auto picks = gpu::upload<std::int32_t>(session, std::vector<std::int32_t>{2, 0, 1});
  const gpu::Buffer<std::int32_t> added(session, 3), remaining(session, 3), count(session, 2);
  const gpu::Buffer<unsigned char> scratch(session, cuda::pool_scratch(3));
  const gpu::Scratch room{scratch.data(), scratch.size()};
  cuda::pool_acquire(session, unlabelled.data(), 3, picks.data(), 3, added.data(), remaining.data(), count.data(),
                     room);
  cuda::pool_acquire(session, unlabelled.data(), 3, nullptr, 0, nullptr, remaining.data(), count.data() + 1, room);
  std::vector<std::int32_t> got(3), counts(2);
  gpu::download<std::int32_t>(session, added.data(), got);
  simt::expect_equal<std::int32_t>(got, std::vector<std::int32_t>{9, 2, 5}, "added");
  gpu::download<std::int32_t>(session, remaining.data(), got);
  simt::expect_equal<std::int32_t>(got, indices, "remaining");
  gpu::download<std::int32_t>(session, count.data(), counts);
  simt::expect_equal<std::int32_t>(counts, std::vector<std::int32_t>{0, 3}, "counts");
}

}  // namespace
}  // namespace quarry
