// SPDX-License-Identifier: MIT
#include "src/al/pick_rules.h"

namespace quarry {
namespace {

/// The three Keychains differ in how their meta model comes about (quarry/study/keychain_round.h); what it says of the
/// candidates is the score.
class Keychain : public ScoredStrategy {
 public:
  StrategyNeeds needs() const override { return {.keychain = true}; }
  std::vector<float> score(Context&, const SelectionProblem& problem) const override {
    check_problem("keychain", needs(), problem);
    return {problem.keychain.begin(), problem.keychain.end()};
  }
};

}  // namespace

std::unique_ptr<Strategy> make_keychain() {
  return std::make_unique<Keychain>();
}
std::unique_ptr<Strategy> make_keychain_naive() {
  return std::make_unique<Keychain>();
}
std::unique_ptr<Strategy> make_keychain_autoencoder() {
  return std::make_unique<Keychain>();
}

}  // namespace quarry
