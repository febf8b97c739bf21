// SPDX-License-Identifier: MIT
#include <memory>
#include <vector>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/text.h"

/// One line per strategy: its name and where it comes from. src/al/strategies/NAME.cpp defines make_NAME();
/// keychain.cpp the three that begin so.
#define QUARRY_STRATEGIES(ENTRY)                                                                     \
  ENTRY(random, "uniformly at random")                                                               \
  ENTRY(entropy, "largest entropy of the prediction (Settles 2009)")                                 \
  ENTRY(margin, "smallest gap between the two likeliest classes (Scheffer et al. 2001)")             \
  ENTRY(least_confidence, "least likely prediction (Lewis and Gale 1994)")                           \
  ENTRY(bald, "largest information about the weights, by Monte-Carlo dropout (Houlsby et al. 2011)") \
  ENTRY(coreset, "k-center greedy: farthest from everything labelled (Sener and Savarese 2018)")     \
  ENTRY(badge, "k-means++ on gradient embeddings (Ash et al. 2020)")                                 \
  ENTRY(keychain, "learnt credit of labelled instances, ALRM 5d08ebc, 6f1412b")                      \
  ENTRY(keychain_naive, "learnt credit of repeated labelled instances, ALRM 619f170")                \
  ENTRY(keychain_autoencoder, "the same with an autoencoder's error as a feature, ALRM 619f170")

namespace quarry {

#define QUARRY_DECLARE(name, summary) std::unique_ptr<Strategy> make_##name();
QUARRY_STRATEGIES(QUARRY_DECLARE)
#undef QUARRY_DECLARE

namespace {

#define QUARRY_ENTRY(name, summary) {#name, summary, make_##name},
constexpr StrategyEntry kTable[] = {QUARRY_STRATEGIES(QUARRY_ENTRY)};
#undef QUARRY_ENTRY

}  // namespace

std::span<const StrategyEntry> strategy_table() {
  return kTable;
}

std::unique_ptr<Strategy> make_strategy(std::string_view name) {
  std::vector<std::string_view> names;
  std::vector<std::string> listed;
  for (const StrategyEntry& entry : kTable) {
    if (entry.name == name) return entry.make();
    names.push_back(entry.name);
    listed.emplace_back(entry.name);
  }
  usage_error("unknown strategy '{}'.{} Known: {}", printable(name), suggestion(name, names), join(listed, ", "));
}

}  // namespace quarry
