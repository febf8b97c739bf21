// SPDX-License-Identifier: MIT
#include <algorithm>
#include <functional>

#include "quarry/core/error.h"
#include "quarry/ops/top_k.h"

namespace quarry {

bool top_k(Context& context, std::span<const float> scores, std::span<std::int32_t> picks) {
  const std::size_t n = scores.size(), count = picks.size();
  QUARRY_CHECK(count <= n && n < 0x80000000u, "the best {} of {} scores", count, n);
  const ArenaScope scope(context.arena());
  const std::span<std::uint64_t> keys = context.arena().take<std::uint64_t>(n);
  for (std::size_t i = 0; i < n; ++i) keys[i] = rank_key(scores[i], static_cast<std::uint32_t>(i));
  const auto end = keys.begin() + static_cast<std::ptrdiff_t>(count);
  if (count < n) std::nth_element(keys.begin(), end, keys.end(), std::greater<>());
  std::sort(keys.begin(), end, std::greater<>());
  for (std::size_t i = 0; i < count; ++i) picks[i] = rank_position(keys[i]);
  return count == 0 || rank_is_finite(keys[0]);
}

}  // namespace quarry
