// SPDX-License-Identifier: MIT
#include "quarry/ops/scores.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

class Entropy : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.probabilities = true}; }
  std::vector<float> score(Context& context, const SelectionProblem& problem) const override {
    check_problem("entropy", needs(), problem);
    std::vector<float> scores(static_cast<std::size_t>(problem.n));
    entropy_scores(context, problem.probabilities, scores);
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_entropy() {
  return std::make_unique<Entropy>();
}

}  // namespace quarry
