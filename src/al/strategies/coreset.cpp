// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>

#include "quarry/ops/k_center.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

class Coreset : public Strategy {
 public:
  StrategyNeeds needs() const override { return {.features = true, .labelled_features = true}; }

  std::vector<float> score(Context& context, const SelectionProblem& problem) const override {
    check_problem("coreset", needs(), problem);
    std::vector<float> scores(static_cast<std::size_t>(problem.n));
    k_center(context, {}, problem.candidate_features, problem.labelled_features, {}, scores);
    return scores;
  }

  Selection select(Context& context, const SelectionProblem& problem) const override {
    if (problem.ties != TieRule::lowest_index) return select_with_ties(context, problem);
    check_problem("coreset", needs(), problem);
    Selection selection;
    selection.scores.resize(static_cast<std::size_t>(problem.n));
    selection.positions.resize(static_cast<std::size_t>(problem.count));
    KCenterStats stats;
    selection.all_non_finite = !k_center(context, {}, problem.candidate_features, problem.labelled_features,
                                         selection.positions, selection.scores, &stats);
    selection.by_position = problem.count - stats.apart;
    return selection;
  }

 private:
  /// The other tie rules look at every score before every pick: a pass per pick.
  Selection select_with_ties(Context& context, const SelectionProblem& problem) const {
    Selection selection;
    selection.scores = score(context, problem);
    std::vector<float> scores = selection.scores;
    std::vector<float> nearest(scores.size(), std::numeric_limits<float>::infinity());
    if (problem.count > 1) nearest_center(context, problem.candidate_features, problem.labelled_features, nearest);
    std::vector<bool> taken(scores.size(), false);
    selection.by_position = problem.count;
    for (std::int32_t number = 0; number < problem.count; ++number) {
      const std::int32_t pick = next_pick<float>(problem, scores, taken, number);
      if (pick < 0) break;
      selection.positions.push_back(pick);
      selection.by_position -= scores[static_cast<std::size_t>(pick)] > 0;
      taken[static_cast<std::size_t>(pick)] = true;
      if (number + 1 == problem.count) break;
      const MatrixView<const float> center =
          matrix(&problem.candidate_features(pick, 0), 1, problem.candidate_features.extent[1]);
      nearest_center(context, problem.candidate_features, center, nearest);
      for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = std::sqrt(nearest[i]);
    }
    append_lowest(problem, taken, selection);
    return selection;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_coreset() {
  return std::make_unique<Coreset>();
}

}  // namespace quarry
