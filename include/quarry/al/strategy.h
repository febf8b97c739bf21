// SPDX-License-Identifier: MIT
// A strategy turns what a network says about the candidates into picks. It knows no particular network: the loop
// hands it the quantities it asked for.
//
// Common rules: larger scores are better; equal scores go to the lowest position unless the tie rule says
// otherwise; non-finite scores rank last; if all are non-finite, lowest positions, and the selection says so.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/al/tie_rule.h"
#include "quarry/core/context.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/tensor.h"

namespace quarry {

/// What a strategy needs computed before it is called.
struct StrategyNeeds {
  bool probabilities = false;      ///< candidates [n][C], first softmax
  bool features = false;           ///< candidates [n][F]
  bool labelled_features = false;  ///< labelled [m][F]; only beside `features`
  bool keychain = false;           ///< what a Keychain's meta model says of the candidates [n]; perceptrons on a CPU
  bool bald = false;               ///< BALD scores [n] from the network's stochastic passes (mlp_bald)
};

/// Views of one selection problem. Positions run over the candidates, 0 .. n-1, in ascending pool index.
struct SelectionProblem {
  std::int64_t n = 0;                               ///< candidates
  std::int32_t count = 1;                           ///< picks wanted, 1 <= count <= n
  MatrixView<const float> probabilities = {};       ///< [n][C]
  MatrixView<const float> candidate_features = {};  ///< [n][F]
  MatrixView<const float> labelled_features = {};   ///< [m][F], train, validation and new
  std::span<const float> bald = {};                 ///< [n]
  std::span<const float> keychain = {};             ///< [n]
  std::uint64_t seed = 0;                           ///< run seed
  std::uint64_t cycle = 0;  ///< acquisition number; Philox streams are stream_key(seed, purpose, cycle)
  TieRule ties = TieRule::lowest_index;
  bool numpy_random = false;     ///< rng = "numpy": BADGE draws from NumPy's RandomState(seed), made anew for each call
  bool random_reseeded = false;  ///< B4: Random scores with NumPy's RandomState(seed), made anew for each call
  /// One NumPy stream for everything a run draws (spec 5.1 of the hyperparameter study); if given, Random takes the
  /// head of a permutation of the candidates from it, BADGE its uniforms. The order of calls is part of the result.
  NumpyRandom* numpy_stream = nullptr;
  bool bald_clamp = true;   ///< B20: negative BALD scores (rounding) count as 0
  bool log_epsilon = true;  ///< entropy: ln(p + smallest normal number); false: ln(p), NaN where a class has p = 0
  std::span<const std::int32_t> pool_index = {};  ///< [n] absolute index of each candidate; empty: its position
};

struct Selection {
  std::vector<std::int32_t> positions;  ///< picks, in pick order
  std::vector<float> scores;            ///< [n], empty for strategies that have none (BADGE)
  bool all_non_finite = false;
  /// Core-Sets and BADGE: picks that no distance chose, because all that were left were zero or not finite; they are
  /// the last ones, chosen by position or by the tie rule (all of them where all_non_finite).
  std::int32_t by_position = 0;
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual StrategyNeeds needs() const = 0;
  /// Score of each candidate; empty if the strategy has no score. Also used for score maps of arbitrary points.
  virtual std::vector<float> score(Context& context, const SelectionProblem& problem) const = 0;
  /// count distinct positions.
  virtual Selection select(Context& context, const SelectionProblem& problem) const = 0;
};

struct StrategyEntry {
  std::string_view name;
  std::string_view summary;  ///< one line with its source
  std::unique_ptr<Strategy> (*make)();
};

/// Every strategy, in the order `quarry list strategies` prints. One line per strategy in src/al/strategy_table.cpp.
std::span<const StrategyEntry> strategy_table();
/// Errors: usage, with the nearest name, for an unknown one.
std::unique_ptr<Strategy> make_strategy(std::string_view name);

}  // namespace quarry
