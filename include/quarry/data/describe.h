// SPDX-License-Identifier: MIT
// A data set for a person to read: `quarry data info`.
#pragma once

#include <string>

#include "quarry/data/dataset.h"

namespace quarry {

/// Sizes, instances of each class in pool and test part, the accuracy of always answering the commonest test class,
/// honeypots, the ranges of the features, and the source; lines of text, ending in a newline.
std::string describe_dataset(const Dataset& dataset);

}  // namespace quarry
