// SPDX-License-Identifier: MIT
// Random numbers of the samplers: Philox by coordinates, or Optuna's two legacy NumPy streams.
#pragma once

#include <memory>
#include <span>

#include "quarry/hpo/search.h"
#include "quarry/ops/tpe_functors.h"

namespace quarry {

/// Where a sampler's uniforms in [0, 1) come from. Calls follow the order of trials and parameters.
class UniformSource {
 public:
  virtual ~UniformSource() = default;
  /// For a draw that ignores results.
  virtual void startup(std::int32_t trial, std::size_t parameter, std::span<double> out) = 0;
  /// For a draw by TPE.
  virtual void guided(std::int32_t trial, std::size_t parameter, std::span<double> out) = 0;
};

std::unique_ptr<UniformSource> make_uniform_source(const TpeOptions& options);

/// The domain of a real or integer parameter.
TpeDomain domain_of(const Parameter& parameter);

/// Whether the parameter has one value only; such a parameter draws nothing.
bool is_fixed(const Parameter& parameter);
double fixed_value(const Parameter& parameter);

/// A value that ignores results: uniform in sampling space; categories by the largest of one uniform each.
double draw_startup(const Parameter& parameter, std::int32_t trial, std::size_t index, UniformSource& source);

/// A point, parameter by parameter in the order of the space: NaN where not asked, the value of a fixed parameter,
/// else draw(parameter with the bounds it has there, p).
template <class Draw>
std::vector<double> draw_point(const Space& space, Draw draw) {
  std::vector<double> point(space.parameters.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t p = 0; p < point.size(); ++p) {
    if (!space.asked(p, point)) continue;
    const auto draw_in = [&](const Parameter& parameter) {
      point[p] = is_fixed(parameter) ? fixed_value(parameter) : draw(parameter, p);
    };
    if (space.parameters[p].half_of.empty()) {
      draw_in(space.parameters[p]);
    } else {
      Parameter bounded = space.parameters[p];
      bounded.high = space.high_at(p, point);
      draw_in(bounded);
    }
  }
  return point;
}

}  // namespace quarry
