// SPDX-License-Identifier: MIT
#include <cmath>

#include "src/al/pick_rules.h"

namespace quarry {
namespace {

/// The network works out the scores (mlp_bald); what is left is to mind rounding: mutual information is never negative.
class Bald : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.bald = true}; }
  std::vector<float> score(Context&, const SelectionProblem& problem) const override {
    check_problem("bald", needs(), problem);
    std::vector<float> scores(problem.bald.begin(), problem.bald.end());
    if (problem.bald_clamp) {
      for (float& score : scores) {
        if (score < 0 && std::isfinite(score)) score = 0;
      }
    }
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_bald() {
  return std::make_unique<Bald>();
}

}  // namespace quarry
