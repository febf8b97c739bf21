// SPDX-License-Identifier: MIT
#include "quarry/ops/scores.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

class Margin : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.probabilities = true}; }
  std::vector<float> score(Context& context, const SelectionProblem& problem) const override {
    check_problem("margin", needs(), problem);
    std::vector<float> scores(static_cast<std::size_t>(problem.n));
    margin_scores(context, problem.probabilities, scores);
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_margin() {
  return std::make_unique<Margin>();
}

}  // namespace quarry
