// SPDX-License-Identifier: MIT
// A search space: parameters in the order they are asked. A point is one double per parameter; NaN = not asked.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

enum class ParameterKind { real, integer, categorical };

struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::real;
  double low = 0, high = 1;          ///< inclusive bounds (real, integer)
  bool log = false;                  ///< sampled in log space (real)
  std::vector<std::string> choices;  ///< categorical; the value is the index of the choice
  /// Conditional: asked only if the value of the parameter named here, asked before, is at least parent_at_least.
  std::string parent;
  double parent_at_least = 0;
  /// Integer: the upper bound is half the value of the parameter named here, asked before; at least `low`.
  std::string half_of = {};
};

struct Space {
  std::vector<Parameter> parameters;

  /// Index of a parameter; -1 if there is none.
  std::int32_t find(std::string_view name) const;
  /// Whether parameter p is asked, given the values of the parameters before it.
  bool asked(std::size_t p, std::span<const double> point) const;
  /// Upper bound of parameter p, given the values of the parameters before it.
  double high_at(std::size_t p, std::span<const double> point) const;
  /// Value by name; fails if the parameter is missing or was not asked.
  double value(std::string_view name, std::span<const double> point) const;
  /// Errors: usage for empty ranges, log of non-positive bounds, unknown or later parents (half_of too), duplicate
  /// names.
  void validate() const;
};

/// The online-tuning study's space (spec 6.1): drop_rate, depth, width_0 .. width_4, lr, weight_decay, asked in that
/// order (alphabetical, layers_size = depth then widths).
Space mlp_study_space();

}  // namespace quarry
