// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for a pickle.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "quarry/data/cifar.h"
#include "quarry/data/pickle.h"
#include "tests/fuzz/reader_outcome.h"

namespace quarry {

/// The depth of a value; fails if it is too deep (as it would be if a value held itself) or not what its kind says.
inline int checked_depth(const PickleValue& value, std::map<const PickleValue*, int>& known, int above = 0) {
  QUARRY_CHECK(above < 16, "values are nested too deep");
  if (const auto entry = known.find(&value); entry != known.end()) return entry->second;
  int depth = 1;
  for (const PickleValue* item : value.items) depth = std::max(depth, 1 + checked_depth(*item, known, above + 1));
  using Kind = PickleValue::Kind;
  QUARRY_CHECK(value.items.empty() || value.kind == Kind::list || value.kind == Kind::tuple || value.kind == Kind::dict,
               "{} has items", to_string(value.kind));
  QUARRY_CHECK(value.kind != Kind::dict || value.items.size() % 2 == 0, "a key without a value");
  if (value.kind == Kind::array) {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : value.shape) count *= extent;
    QUARRY_CHECK(count == value.bytes.size(), "{} bytes for {} elements", value.bytes.size(), count);
  }
  std::size_t sum = 0;  // reads every byte, for the address sanitizer
  for (const char c : value.bytes) sum += static_cast<unsigned char>(c);
  QUARRY_CHECK(sum <= 255 * value.bytes.size(), "the sum of the bytes is {}", sum);
  return known[&value] = depth;
}

inline void fuzz_pickle(std::string_view input) {
  const auto pickle = outcome_of([&] { return parse_pickle(input, kFuzzPath); });
  if (!pickle) return;
  std::map<const PickleValue*, int> known;
  QUARRY_CHECK(checked_depth(*pickle->root, known) <= 16, "too deep");
  for (const CifarKind kind : {CifarKind::cifar10, CifarKind::cifar100}) {
    const auto part = outcome_of([&] { return parse_cifar_batch(input, kFuzzPath, kind); });
    if (part) QUARRY_CHECK(part->pixels.size() == part->labels.size() * 3072, "{} pixels", part->pixels.size());
    outcome_of([&] { return parse_cifar_meta(input, kFuzzPath, kind); });
  }
}

}  // namespace quarry
