// SPDX-License-Identifier: MIT
// By which protocol a cell of the hyperparameter study was made: protocol.json beside its results.json, and what the
// published study's is. One list (protocol.cpp) says which keys of a config belong to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/study/config.h"

namespace quarry {

/// Keys of a config ("training.epochs") with their values as texts, in the order of the list. Of an active-learning run
/// also "pool.positions", the size of its pool. What belongs to the run that chose a search's labels begins with
/// kLabelsFrom; "labels_from" alone, with kUnknown, where that run left no protocol.
struct Protocol {
  std::vector<std::pair<std::string, std::string>> values;

  /// Null if it does not have the key.
  const std::string* find(std::string_view key) const;
};
inline constexpr std::string_view kLabelsFrom = "labels_from.";
inline constexpr std::string_view kUnknown = "unknown";

/// Which half of the study.
enum class StudyHalf { learning, search };

/// protocol.json of an active-learning run with a pool of so many positions. Keys that the strategy does not ask for
/// are left out: Random has no acquisition.candidates.
Json learning_protocol(const RunConfig& config, std::int64_t positions);
/// protocol.json of a search. `labels_from`: learning_protocol of the run that chose the labels, null if unknown; of a
/// strategy that asks no network only what decides which labels are chosen is kept.
Json search_protocol(const RunConfig& config, const Json& labels_from);

/// Reads either. Keys that the list does not have are kept. Pure function of bytes. Error: failed, with `where`, for a
/// text that is not of that shape.
Protocol parse_protocol(std::string_view text, std::string_view where);

/// The published study's: preset "hyperparameter_study" with a pool of 45,000. `strategy` is a name of the table of
/// strategies.
Protocol published_protocol(StudyHalf half, const std::string& strategy);

/// A key in which two protocols differ; nothing: the side does not have it.
struct ProtocolDifference {
  std::string key;
  std::optional<std::string> first, second;
};
/// In the order of `first`, then of `second`. Keys that only say where random numbers come from (run.rng,
/// search.sampler_seed) are passed over: another draw of the same experiment.
std::vector<ProtocolDifference> differences(const Protocol& first, const Protocol& second);
/// "training.epochs = 1 (published: 200)"
std::string difference_text(const ProtocolDifference& difference, std::string_view second);

}  // namespace quarry
