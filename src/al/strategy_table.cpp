// SPDX-License-Identifier: MIT
#include <vector>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/al/strategies/strategies.h"

namespace quarry {
namespace {

constexpr StrategyEntry kTable[] = {
    {"random", "uniformly at random", make_random},
    {"entropy", "largest entropy of the prediction (Settles 2009)", make_entropy},
    {"margin", "smallest gap between the two likeliest classes (Scheffer et al. 2001)", make_margin},
    {"least_confidence", "least likely prediction (Lewis and Gale 1994)", make_least_confidence},
    {"bald", "largest information about the weights, by Monte-Carlo dropout (Houlsby et al. 2011)", make_bald},
    {"coreset", "k-center greedy: farthest from everything labelled (Sener and Savarese 2018)", make_coreset},
    {"badge", "k-means++ on gradient embeddings (Ash et al. 2020)", make_badge},
};

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
