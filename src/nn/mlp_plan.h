// SPDX-License-Identifier: MIT
// The memory map of an MLP and its parameters in the working layout of quarry/ops/mlp.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/ops/mlp.h"

namespace quarry {

/// Owns the layer table of a plan. Sizes {d, h1, ..., C}, checked.
class MlpShape {
 public:
  explicit MlpShape(std::span<const std::int32_t> sizes);
  MlpShape(const MlpShape&) = delete;
  MlpShape& operator=(const MlpShape&) = delete;

  const MlpPlan& plan() const { return plan_; }
  /// Packed (W [out][in], b [out] per layer) to working layout and back; NaNs come back as the quiet NaN.
  template <class From, class T>
  void unpack(std::span<const From> packed, T* working) const;
  template <class T>
  void pack(const T* working, T* packed) const;
  /// Fresh parameters: uniform +-1/sqrt(fan_in), parameter i of the packed order from word i % 4 of Philox block i / 4.
  template <class T>
  void initialise(std::uint64_t key, T* working) const;

 private:
  /// f(packed index, working index) for every parameter.
  template <class F>
  void for_each(F f) const;
  std::vector<MlpLayer> layers_;
  MlpPlan plan_;
};

/// Errors: failed for fewer than two sizes, a size below 1, or more parameters than can be addressed.
void check_sizes(std::span<const std::int32_t> sizes);

/// Masks for a rate in [0, 1).
MlpDropout mlp_dropout(double rate, std::uint64_t key);

}  // namespace quarry
