// SPDX-License-Identifier: MIT
// Uses the installed library: a random order by Philox, and the build information.
#include <cstdio>
#include <vector>

#include "quarry/core/rng.h"
#include "quarry/study/environment.h"

int main() {
  int unused_variable;  // -Wall -Werror would refuse this line; quarry must not pass such flags on
  constexpr std::uint32_t n = 100;
  std::vector<std::uint64_t> scratch(n);
  std::vector<std::int32_t> order(n);
  const std::uint64_t key = quarry::stream_key(7, quarry::RngPurpose::order);
  quarry::random_permutation(key, 0, n, scratch.data(), order.data());
  std::vector<bool> seen(n, false);
  for (const std::int32_t i : order) {
    if (i < 0 || i >= static_cast<std::int32_t>(n) || seen[static_cast<std::size_t>(i)]) return 1;
    seen[static_cast<std::size_t>(i)] = true;
  }
  std::printf("quarry %s at %s\n", quarry::build_info().version.c_str(), quarry::build_info().commit.c_str());
  return quarry::build_info().version.empty() ? 1 : 0;
}
