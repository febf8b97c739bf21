// SPDX-License-Identifier: MIT
#include "quarry/ops/scores.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

class LeastConfidence : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.probabilities = true}; }
  std::vector<float> score(Context& context, const SelectionProblem& problem) const override {
    check_problem("least_confidence", needs(), problem);
    std::vector<float> scores(static_cast<std::size_t>(problem.n));
    least_confidence_scores(context, problem.probabilities, scores);
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_least_confidence() {
  return std::make_unique<LeastConfidence>();
}

}  // namespace quarry
