// SPDX-License-Identifier: MIT
// What "Role of Hyperparameters in Deep Active Learning" (Huseljic, Herde, Hahn, Sick; IAL @ ECML-PKDD 2023) published,
// as data: test accuracy in percent, mean and population standard deviation over seeds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace quarry {

/// The pairs of learning rate and weight decay that have names; HP1 is the first.
struct HyperparameterPair {
  double lr = 0, weight_decay = 0;
  friend bool operator==(const HyperparameterPair&, const HyperparameterPair&) = default;
};
inline constexpr std::array<HyperparameterPair, 4> kNamedPairs = {
    HyperparameterPair{0.001, 0.05}, HyperparameterPair{0.01, 0.0005}, HyperparameterPair{0.01, 0.05},
    HyperparameterPair{0.1, 0.005}};

/// June 2023: AL after exactly 2,000 labels, no CIFAR-100. November 2023: AL after 2,100 labels.
enum class PublishedTable { older, newer };

struct PublishedCell {
  double mean = 0, deviation = 0;  ///< percent
  int seeds = 0;
};

struct MeanAndDeviation {
  double mean = 0, deviation = 0;
};

/// A row of a table of four pairs: for each pair the accuracy in the active-learning run (AL) and after optimising the
/// pair on the labelled set that the run chose (BO).
struct PublishedRow {
  PublishedTable table;
  std::string_view dataset;  ///< CIFAR10, CIFAR100
  std::int32_t labels;       ///< 2000 ("2K"), 4000 ("4K")
  std::string_view strategy;
  std::array<MeanAndDeviation, 8> cells;  ///< HP1 AL, HP1 BO, HP2 AL, ...
};
extern const PublishedRow kPublishedRows[24];

/// AL of one of all nine pairs, after 2,100 and 4,000 labels, with the values of the seeds.
struct PublishedGridRow {
  std::string_view dataset;
  std::int32_t labels;
  std::string_view strategy;
  double lr, weight_decay, mean, deviation;
  std::int32_t seeds;
  std::array<double, 5> values;  ///< the first `seeds` of them
};
extern const PublishedGridRow kPublishedGrid[140];

/// Whether anything was published about a data set (CIFAR10, CIFAR100).
bool is_published_dataset(std::string_view dataset);

/// A cell of a table of four pairs: labels 2000 or 4000, pair 0 .. 3. Nothing where the table has nothing.
std::optional<PublishedCell> published_cell(PublishedTable table, std::string_view dataset, std::int64_t labels,
                                            std::string_view strategy, std::size_t pair, bool optimised);
/// AL with any fixed pair after `labels` labels: 2100 and 4000 from the grid of nine pairs; exactly 2000 from the older
/// table. Nothing where nothing was published.
std::optional<PublishedCell> published_fixed(std::string_view dataset, std::int64_t labels, std::string_view strategy,
                                             HyperparameterPair pair);

}  // namespace quarry
