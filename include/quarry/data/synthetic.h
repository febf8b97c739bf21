// SPDX-License-Identifier: MIT
// Made-up image sets in the files of published ones: to try the whole way from files to results without the data.
#pragma once

#include <cstdint>
#include <string>

#include "quarry/core/file_system.h"
#include "quarry/data/cifar.h"

namespace quarry {

/// Writes `train` and `test` images in the binary layout of the set, in the folder cifar-10-batches-bin or
/// cifar-100-binary of `to`, and returns its path. Image i has the label i mod classes. A class is a grating of its own
/// direction, frequency and colours (a triangle wave) and a slight tint; each image has a phase, a brightness and
/// noise of its own. So it takes more than a linear model, and no two images are alike; how hard the set is, says
/// nothing of the real one. The names of the classes are "synthetic 0", ...; loaders call the set unverified.
/// The same bytes on every machine: integers and Philox by coordinates, no seed. The folder appears complete or not.
/// Errors: usage for fewer than 10 training images or 1 test image or more than a million; failed if the folder is
/// there already or cannot be written.
std::string write_synthetic_cifar(CifarKind kind, const std::string& to, std::int64_t train, std::int64_t test,
                                  FileSystem& files = posix_file_system());

/// One record of it: label bytes and 3072 pixels. `part` is 0 for training, 1 for test.
std::string synthetic_cifar_record(CifarKind kind, int part, std::int64_t i);

}  // namespace quarry
