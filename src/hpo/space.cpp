// SPDX-License-Identifier: MIT
#include "quarry/hpo/space.h"

#include <algorithm>
#include <cmath>

#include "quarry/core/error.h"

namespace quarry {
namespace {

constexpr double kLargestInteger = 1125899906842624.0;  // 2^50: rounding is exact well beyond

void validate_categorical(const Parameter& parameter) {
  if (parameter.choices.empty()) usage_error("parameter '{}' has no choices; give at least one", parameter.name);
  for (auto choice = parameter.choices.begin(); choice != parameter.choices.end(); ++choice) {
    if (std::find(parameter.choices.begin(), choice, *choice) != choice) {
      usage_error("parameter '{}' lists the choice '{}' twice", parameter.name, *choice);
    }
  }
}

void validate_range(const Parameter& parameter) {
  const double low = parameter.low, high = parameter.high;
  if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low) || low > high) {
    usage_error("parameter '{}' has the range [{}, {}]; expected finite bounds, the lower one first", parameter.name,
                low, high);
  }
  if (parameter.kind == ParameterKind::integer) {
    if (low != std::floor(low) || high != std::floor(high)) {
      usage_error("parameter '{}' has the range [{}, {}]; the bounds of an integer must be whole", parameter.name, low,
                  high);
    }
    if (std::abs(low) > kLargestInteger || std::abs(high) > kLargestInteger) {
      usage_error("parameter '{}' has the range [{}, {}]; integers must stay within 2^50", parameter.name, low, high);
    }
  }
  if (parameter.log && !(low > 0)) {
    usage_error("parameter '{}' is sampled in log space but starts at {}; its lower bound must be positive",
                parameter.name, low);
  }
}

}  // namespace

std::int32_t Space::find(std::string_view name) const {
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].name == name) return static_cast<std::int32_t>(p);
  }
  return -1;
}

bool Space::asked(std::size_t p, std::span<const double> point) const {
  const Parameter& parameter = parameters[p];
  if (parameter.parent.empty()) return true;
  const std::int32_t parent = find(parameter.parent);
  QUARRY_CHECK(parent >= 0 && static_cast<std::size_t>(parent) < std::min(p, point.size()),
               "parent '{}' of parameter '{}' does not come before it", parameter.parent, parameter.name);
  return point[static_cast<std::size_t>(parent)] >= parameter.parent_at_least;  // false if it was not asked (NaN)
}

double Space::high_at(std::size_t p, std::span<const double> point) const {
  const Parameter& parameter = parameters[p];
  if (parameter.half_of.empty()) return parameter.high;
  const double whole = point[static_cast<std::size_t>(find(parameter.half_of))];
  return std::min(parameter.high, std::max(parameter.low, std::floor(whole / 2)));
}

double Space::value(std::string_view name, std::span<const double> point) const {
  const std::int32_t p = find(name);
  QUARRY_CHECK(p >= 0, "the search space has no parameter '{}'", name);
  QUARRY_CHECK(point.size() == parameters.size(), "a point of {} values in a space of {} parameters", point.size(),
               parameters.size());
  const double value = point[static_cast<std::size_t>(p)];
  QUARRY_CHECK(!std::isnan(value), "parameter '{}' was not asked in this trial", name);
  return value;
}

void Space::validate() const {
  if (parameters.empty()) usage_error("the search space has no parameters");
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const Parameter& parameter = parameters[p];
    if (parameter.name.empty()) usage_error("parameter {} of the search space has no name", p);
    if (find(parameter.name) != static_cast<std::int32_t>(p)) {
      usage_error("the search space has two parameters named '{}'", parameter.name);
    }
    if (parameter.kind == ParameterKind::categorical) {
      validate_categorical(parameter);
    } else {
      validate_range(parameter);
    }
    if (!parameter.half_of.empty()) {
      const std::int32_t whole = find(parameter.half_of);
      if (whole < 0 || static_cast<std::size_t>(whole) >= p || parameter.kind != ParameterKind::integer) {
        usage_error("parameter '{}' is bounded by half of '{}': it must be an integer, the other be asked before it",
                    parameter.name, parameter.half_of);
      }
    }
    if (parameter.parent.empty()) continue;
    const std::int32_t parent = find(parameter.parent);
    if (parent < 0) {
      usage_error("parameter '{}' depends on '{}', which the search space lacks", parameter.name, parameter.parent);
    }
    if (static_cast<std::size_t>(parent) >= p) {
      usage_error("parameter '{}' depends on '{}', which must be asked before it", parameter.name, parameter.parent);
    }
    if (std::isnan(parameter.parent_at_least)) {
      usage_error("parameter '{}' has no number to compare '{}' with", parameter.name, parameter.parent);
    }
  }
}

Space mlp_study_space() {
  constexpr int kDeepest = 5;
  Space space;
  const auto add = [&space](std::string name, ParameterKind kind, double low, double high, bool log) -> Parameter& {
    Parameter parameter;
    parameter.name = std::move(name);
    parameter.kind = kind;
    parameter.low = low;
    parameter.high = high;
    parameter.log = log;
    space.parameters.push_back(std::move(parameter));
    return space.parameters.back();
  };
  add("drop_rate", ParameterKind::real, 1e-3, 0.5, true);
  add("depth", ParameterKind::integer, 1, kDeepest, false);
  for (int i = 0; i < kDeepest; ++i) {
    Parameter& width = add("width_" + std::to_string(i), ParameterKind::integer, 2, 96, false);
    width.parent = "depth";
    width.parent_at_least = i + 1;
  }
  add("lr", ParameterKind::real, 1e-4, 0.5, false);
  add("weight_decay", ParameterKind::real, 1e-6, 1e-1, true);
  return space;
}

}  // namespace quarry
