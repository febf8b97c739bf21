// SPDX-License-Identifier: MIT
// CIFAR-10 and CIFAR-100 (Krizhevsky: "Learning Multiple Layers of Features from Tiny Images", 2009), in both layouts
// in which they are published: binary records and Python pickles.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/data/images.h"

namespace quarry {

enum class CifarKind { cifar10, cifar100 };

constexpr std::int32_t cifar_classes(CifarKind kind) {
  return kind == CifarKind::cifar10 ? 10 : 100;
}

// The readers of single files. All are pure functions. Errors: failed, with `path` and byte or record.

/// A file of the binary layout: records of a label byte (CIFAR-10) or a coarse and a fine label byte (CIFAR-100, of
/// which the fine one is used), then 3072 bytes: the red, green and blue plane of 32 x 32. At least one record.
ImagePart parse_cifar_records(std::string_view bytes, const std::string& path, CifarKind kind);

/// A file of the Python layout: a pickled dict (pickle.h) with 'data', uint8 of shape (n, 3072), and 'labels'
/// (CIFAR-10) or 'fine_labels' (CIFAR-100), a list of n integers. Other keys are ignored.
ImagePart parse_cifar_batch(std::string_view bytes, const std::string& path, CifarKind kind);

/// The names of the classes: one a line, in the order of the labels; empty lines at the end are skipped.
std::vector<std::string> parse_cifar_names(std::string_view text, const std::string& path, CifarKind kind);

/// The same from the Python layout: a pickled dict with 'label_names' or 'fine_label_names', a list of texts.
std::vector<std::string> parse_cifar_meta(std::string_view bytes, const std::string& path, CifarKind kind);

/// Reads the folder of a set; binary and Python layout give the same images. The folder is `path` or one in it, else
/// one in $QUARRY_DATA, else in the folder of `quarry data fetch`: cifar-10-batches-bin, cifar-10-batches-py,
/// cifar-100-binary or cifar-100-python, the first that is there. All batches must be there, with any number of
/// records each; without the file of class names CIFAR-10 has its own and CIFAR-100 numbers.
/// `limit` > 0 keeps the first images of the training part; every file is read and checked nevertheless.
/// Errors: usage if no folder is found, failed for missing or unreadable files.
ImageDataset load_cifar(CifarKind kind, const std::string& path, std::int64_t limit);

}  // namespace quarry
