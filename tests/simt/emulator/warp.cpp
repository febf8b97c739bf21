// SPDX-License-Identifier: MIT
#include "tests/simt/emulator/warp.h"

namespace simt {
namespace {

constexpr unsigned kLanes = 32;

/// Calls with(lane) for each lane of the mask.
template <class F>
void for_lanes(WarpCall* const* lanes, F with) {
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (lanes[lane] != nullptr) with(lane);
}

/// source(call, first lane of the segment) gives the lane to read; a lane outside the segment means its own value.
template <class F>
void shuffle_from(WarpCall* const* lanes, F source) {
  for_lanes(lanes, [&](unsigned lane) {
    WarpCall& call = *lanes[lane];
    if (call.width == 0 || call.width > kLanes || (call.width & (call.width - 1)) != 0) {
      fault(call.site, "%s: width %u is not a power of two up to 32", call.name, call.width);
    }
    const int from = source(call, static_cast<int>(lane / call.width * call.width));
    const unsigned index = from < 0 ? lane : static_cast<unsigned>(from);
    if (lanes[index] == nullptr) {
      fault(call.site, "%s: lane %u reads lane %u, which is not in the mask 0x%08x", call.name, lane, index, call.mask);
    }
    call.result = lanes[index]->value;
  });
}

/// One value for all lanes of the mask.
template <class F>
void fold(WarpCall* const* lanes, F operation) {
  bool first = true;
  std::uint64_t total = 0;
  for_lanes(lanes, [&](unsigned lane) {
    total = first ? lanes[lane]->value : operation(total, lanes[lane]->value);
    first = false;
  });
  for_lanes(lanes, [&](unsigned lane) { lanes[lane]->result = total; });
}

}  // namespace

void combine_shuffle_index(WarpCall* const* lanes) {
  shuffle_from(lanes,
               [](const WarpCall& call, int first) { return first + static_cast<int>(call.source % call.width); });
}
void combine_shuffle_up(WarpCall* const* lanes) {
  shuffle_from(lanes, [](const WarpCall& call, int first) {
    const int from = static_cast<int>(call.lane) - static_cast<int>(call.source);
    return from < first ? -1 : from;
  });
}
void combine_shuffle_down(WarpCall* const* lanes) {
  shuffle_from(lanes, [](const WarpCall& call, int first) {
    const int from = static_cast<int>(call.lane + call.source);
    return from >= first + static_cast<int>(call.width) ? -1 : from;
  });
}
void combine_shuffle_xor(WarpCall* const* lanes) {
  shuffle_from(lanes, [](const WarpCall& call, int first) {
    const int from = static_cast<int>(call.lane ^ call.source);
    return from >= first + static_cast<int>(call.width) ? -1 : from;
  });
}

void combine_ballot(WarpCall* const* lanes) {
  std::uint64_t votes = 0;
  for_lanes(lanes, [&](unsigned lane) { votes |= lanes[lane]->value << lane; });
  for_lanes(lanes, [&](unsigned lane) { lanes[lane]->result = votes; });
}
void combine_match(WarpCall* const* lanes) {
  for_lanes(lanes, [&](unsigned lane) {
    std::uint64_t same = 0;
    for_lanes(lanes, [&](unsigned other) {
      if (lanes[other]->value == lanes[lane]->value) same |= std::uint64_t{1} << other;
    });
    lanes[lane]->result = same;
  });
}

void combine_add(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) { return a + b; });
}
void combine_and(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) { return a & b; });
}
void combine_or(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) { return a | b; });
}
void combine_xor(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) { return a ^ b; });
}
void combine_min(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) ? a : b;
  });
}
void combine_max(WarpCall* const* lanes) {
  fold(lanes, [](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) ? b : a;
  });
}

}  // namespace simt
