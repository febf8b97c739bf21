// SPDX-License-Identifier: MIT
// Loaders of image sets that have no public header of their own.
#pragma once

#include "quarry/data/images.h"

namespace quarry {

/// Fashion-MNIST from the folder, or from Debian's package if that is empty; `limit` > 0 keeps the first images.
ImageDataset load_fashion_images(const std::string& folder, std::int64_t limit);

}  // namespace quarry
