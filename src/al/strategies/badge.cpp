// SPDX-License-Identifier: MIT
#include "quarry/ops/badge.h"

#include "quarry/core/rng.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

/// Draws a batch; there is no score, so tie rules have nothing to decide.
class Badge : public Strategy {
 public:
  StrategyNeeds needs() const override { return {.probabilities = true, .features = true}; }
  std::vector<float> score(Context&, const SelectionProblem&) const override { return {}; }

  Selection select(Context& context, const SelectionProblem& problem) const override {
    check_problem("badge", needs(), problem);
    BadgeParams params;
    params.key = stream_key(problem.seed, RngPurpose::badge, problem.cycle);
    if (problem.numpy_stream != nullptr) {
      params.sampling = BadgeSampling::numpy;
      params.numpy_stream = problem.numpy_stream;
    } else if (problem.numpy_random) {
      params.sampling = BadgeSampling::numpy;
      params.numpy_seed = numpy_seed(problem.seed);
    }
    Selection selection;
    selection.positions.resize(static_cast<std::size_t>(problem.count));
    BadgeStats stats;
    selection.all_non_finite =
        !badge(context, params, problem.probabilities, problem.candidate_features, selection.positions, &stats);
    selection.by_position = problem.count - stats.drawn;
    return selection;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_badge() {
  return std::make_unique<Badge>();
}

}  // namespace quarry
