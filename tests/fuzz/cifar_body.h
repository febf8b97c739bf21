// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for CIFAR records or for a file of class names. The first byte of an input chooses
// among these: '0' CIFAR-10 records, '1' CIFAR-100 records, 'n' names of ten classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "quarry/data/cifar.h"
#include "tests/fuzz/reader_outcome.h"

namespace quarry {

inline void fuzz_cifar_records(std::string_view bytes, CifarKind kind) {
  const auto part = outcome_of([&] { return parse_cifar_records(bytes, kFuzzPath, kind); });
  if (!part) return;
  const std::size_t n = part->labels.size(), label_bytes = kind == CifarKind::cifar10 ? 1 : 2;
  QUARRY_CHECK(part->n == static_cast<std::int64_t>(n) && part->pixels.size() == n * 3072, "{} images", part->n);
  std::string again;
  for (std::size_t i = 0; i < n; ++i) {
    QUARRY_CHECK(part->labels[i] >= 0 && part->labels[i] < cifar_classes(kind), "label {}", part->labels[i]);
    if (label_bytes == 2) again += bytes[again.size()];  // the coarse label, which is not kept
    again += static_cast<char>(part->labels[i]);
    again.append(reinterpret_cast<const char*>(part->pixels.data()) + i * 3072, 3072);
  }
  QUARRY_CHECK(again == bytes, "the records do not make the file again");
}

inline void fuzz_cifar(std::string_view input) {
  if (input.empty()) return;
  const std::string_view rest = input.substr(1);
  if (input[0] == '0') fuzz_cifar_records(rest, CifarKind::cifar10);
  if (input[0] == '1') fuzz_cifar_records(rest, CifarKind::cifar100);
  if (input[0] != 'n') return;
  const auto names = outcome_of([&] { return parse_cifar_names(rest, kFuzzPath, CifarKind::cifar10); });
  if (names) QUARRY_CHECK(names->size() == 10, "{} names", names->size());
}

}  // namespace quarry
