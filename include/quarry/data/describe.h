// SPDX-License-Identifier: MIT
// A data set for a person to read: `quarry data info`.
#pragma once

#include <string>
#include <vector>

#include "quarry/data/dataset.h"
#include "quarry/data/images.h"

namespace quarry {

/// Sizes, instances of each class in pool and test part, the accuracy of always answering the commonest test class,
/// honeypots, the ranges of the features, and the source; lines of text, ending in a newline.
std::string describe_dataset(const Dataset& dataset);

/// What looks like a mistake in the data set: lines without endings, "warning: NAME: ...". describe_dataset has them.
std::vector<std::string> warning_lines(const Dataset& dataset);

/// As describe_dataset, of an image set, with the shape of an image, what is known of the origin of the pixels, and per
/// channel the measured mean and deviation of the pool beside the set's constants.
std::string describe_images(const ImageDataset& images);

}  // namespace quarry
