// SPDX-License-Identifier: MIT
// The loaders behind the data set table.
#pragma once

#include "quarry/data/data_table.h"

namespace quarry {

Dataset load_moons(const DataConfig& config);
Dataset load_adversarial_moons(const DataConfig& config);
Dataset load_blobs(const DataConfig& config);
Dataset load_diverging_sine(const DataConfig& config);
Dataset load_splice(const DataConfig& config);
Dataset load_dna(const DataConfig& config);
Dataset load_fashion_mnist(const DataConfig& config);
Dataset load_file(const DataConfig& config);

}  // namespace quarry
