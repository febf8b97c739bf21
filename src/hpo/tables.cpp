// SPDX-License-Identifier: MIT
// Every sampler and pruner by name. A new one is its own .cpp and one line here; the tests iterate the tables.
#include <array>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/hpo/search.h"

namespace quarry {
namespace {

constexpr std::array kSamplers = {
    NamedSummary{"tpe", "tree-structured Parzen estimator, as Optuna 3.1; uniform until 10 trials have finished"},
    NamedSummary{"random", "uniform draws, in log space where the parameter says so"},
};
constexpr std::array<std::unique_ptr<Sampler> (*)(const TpeOptions&), kSamplers.size()> kMakeSampler = {
    make_tpe_sampler, make_random_sampler};

constexpr std::array kPruners = {
    NamedSummary{"median", "stop when the best value so far is above the median of the complete trials at this step"},
    NamedSummary{"median_current", "stop when the value at this step is above that median"},
    NamedSummary{"asha", "asynchronous successive halving: after 1, 3, 9, ... steps the best third goes on"},
    NamedSummary{"none", "run every trial to its end"},
};
std::unique_ptr<Pruner> halving_pruner(const MedianPrunerOptions&) {
  return make_halving_pruner();
}
std::unique_ptr<Pruner> no_pruner(const MedianPrunerOptions&) {
  return make_no_pruner();
}
constexpr std::array<std::unique_ptr<Pruner> (*)(const MedianPrunerOptions&), kPruners.size()> kMakePruner = {
    make_median_pruner, make_median_current_pruner, halving_pruner, no_pruner};

template <std::size_t n>
std::size_t index_of(const std::array<NamedSummary, n>& table, std::string_view what, std::string_view name) {
  std::array<std::string_view, n> names;
  for (std::size_t i = 0; i < n; ++i) {
    names[i] = table[i].name;
    if (names[i] == name) return i;
  }
  usage_error("unknown {} '{}'.{} `quarry list {}s` shows them all", what, printable(name), suggestion(name, names),
              what);
}

}  // namespace

std::span<const NamedSummary> sampler_table() {
  return kSamplers;
}
std::span<const NamedSummary> pruner_table() {
  return kPruners;
}

std::unique_ptr<Sampler> make_sampler(std::string_view name, const TpeOptions& options) {
  return kMakeSampler[index_of(kSamplers, "sampler", name)](options);
}

std::unique_ptr<Pruner> make_pruner(std::string_view name, const MedianPrunerOptions& options) {
  return kMakePruner[index_of(kPruners, "pruner", name)](options);
}

}  // namespace quarry
