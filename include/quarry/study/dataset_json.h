// SPDX-License-Identifier: MIT
// The online-tuning study's own description of a data set, one JSON file each (spec 3.5), as a config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quarry {

struct ImportedConfig {
  std::string toml;                ///< a config of preset "faithful" for the same data set, budget and batch size
  std::vector<std::string> notes;  ///< what of the file has no place in a config
};

/// Keys n_features, n_instances, n_honeypot, n_classes, batch_size, budget, metrics_dict, and those of the seed
/// version's README, n_labeled (the initially labelled) and train_size (the pool: a number of instances, or a share of
/// n_instances). None is required. The data set is named by the file's name; sizes are compared with it. Pure function
/// of its arguments. Errors: failed, with file and key, for text that is not JSON, for wrong types and for sizes that
/// are not the data set's.
ImportedConfig import_dataset_json(std::string_view json, const std::string& path);

}  // namespace quarry
