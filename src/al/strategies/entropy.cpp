// SPDX-License-Identifier: MIT
#include <cmath>

#include "quarry/core/exact_math.h"
#include "quarry/ops/scores.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

/// -sum_c p_c ln(p_c), by fma in class order as entropy_scores; 0 ln(0) is NaN (spec 12).
void unguarded_entropy(MatrixView<const float> probabilities, std::span<float> scores) {
  const std::int64_t classes = probabilities.extent[1];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const float* const p = probabilities.data + static_cast<std::int64_t>(i) * classes;
    float sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) sum = std::fma(p[c], exact_log(p[c]), sum);
    scores[i] = -sum;
  }
}

class Entropy : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.probabilities = true}; }
  std::vector<float> score(Context& context, const SelectionProblem& problem) const override {
    check_problem("entropy", needs(), problem);
    std::vector<float> scores(static_cast<std::size_t>(problem.n));
    if (problem.log_epsilon)
      entropy_scores(context, problem.probabilities, scores);
    else
      unguarded_entropy(problem.probabilities, scores);
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_entropy() {
  return std::make_unique<Entropy>();
}

}  // namespace quarry
