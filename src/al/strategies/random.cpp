// SPDX-License-Identifier: MIT
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

/// A uniform score per candidate. Independent: a function of run seed, cycle and pool index. Reseeded (spec B4):
/// NumPy's stream begins anew at every call, so the best position stays the same and the picks are consecutive. With a
/// stream of the run: the head of a permutation, as choice(n, count, replace=False) draws it.
class Random : public Strategy {
 public:
  StrategyNeeds needs() const override { return {}; }
  std::vector<float> score(Context&, const SelectionProblem& problem) const override {
    const std::vector<double> scores = draw(problem);
    return {scores.begin(), scores.end()};
  }
  Selection select(Context& context, const SelectionProblem& problem) const override {
    if (problem.numpy_stream == nullptr) return pick_by_score(context, problem, draw(problem));
    check_problem("random", needs(), problem);
    Selection selection;
    selection.positions =
        problem.numpy_stream->choice_without_replacement(static_cast<std::int32_t>(problem.n), problem.count);
    return selection;
  }

 private:
  std::vector<double> draw(const SelectionProblem& problem) const {
    check_problem("random", needs(), problem);
    std::vector<double> scores(static_cast<std::size_t>(problem.n));
    if (problem.random_reseeded) {
      NumpyRandom random(numpy_seed(problem.seed));
      for (double& score : scores) score = random.uniform();
      return scores;
    }
    const std::uint64_t key = stream_key(problem.seed, RngPurpose::random, problem.cycle);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto element = problem.pool_index.empty() ? i : static_cast<std::size_t>(problem.pool_index[i]);
      scores[i] = random_uniform(key, element);
    }
    return scores;
  }
};

}  // namespace

std::unique_ptr<Strategy> make_random() {
  return std::make_unique<Random>();
}

}  // namespace quarry
