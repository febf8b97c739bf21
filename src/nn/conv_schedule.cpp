// SPDX-License-Identifier: MIT
// Which rows an epoch of a convolutional fleet has, and at what learning rate.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/nn/conv_fleet.h"

namespace quarry {

std::int64_t batches_per_epoch(std::int64_t rows, std::int32_t batch_size, BatchRule rule) {
  QUARRY_CHECK(rows >= 1, "an epoch of {} rows has no batches", rows);
  QUARRY_CHECK(batch_size >= 1, "batch size is {}; it must be at least 1", batch_size);
  const std::int64_t whole = rows / batch_size;
  switch (rule) {
    case BatchRule::fill:
      return whole + 1;
    case BatchRule::drop_last:
      return std::max<std::int64_t>(whole, 1);
    case BatchRule::fill_last:
    case BatchRule::keep_last:
      break;
  }
  return (rows + batch_size - 1) / batch_size;
}

std::vector<std::int32_t> epoch_order(std::uint64_t order_key, std::int32_t epoch, std::int32_t rows,
                                      std::int32_t batch_size, BatchRule rule) {
  const std::int64_t full = batches_per_epoch(rows, batch_size, rule) * batch_size;
  const bool fills = rule == BatchRule::fill || rule == BatchRule::fill_last;
  const std::int64_t slots = fills ? full : std::min<std::int64_t>(full, rows);
  const std::int64_t permutations = (slots + rows - 1) / rows;
  std::vector<std::int32_t> order(static_cast<std::size_t>(permutations * rows));
  std::vector<std::uint64_t> scratch(static_cast<std::size_t>(rows));
  for (std::int64_t q = 0; q < permutations; ++q) {
    random_permutation(order_key, static_cast<std::uint32_t>(epoch * permutations + q),
                       static_cast<std::uint32_t>(rows), scratch.data(), order.data() + q * rows);
  }
  order.resize(static_cast<std::size_t>(slots));
  return order;
}

double lr_factor(LrSchedule schedule, std::int32_t epoch, std::int32_t epochs, std::int32_t warmup_epochs,
                 double warmup_start) {
  if (schedule == LrSchedule::constant) return 1;
  if (epoch < warmup_epochs) return warmup_start + (1 - warmup_start) * epoch / warmup_epochs;
  return (1 + std::cos(std::numbers::pi * (epoch - warmup_epochs) / (epochs - warmup_epochs))) / 2;
}

}  // namespace quarry
