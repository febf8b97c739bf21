// SPDX-License-Identifier: MIT
// From the labels of a file to classes 0, 1, ... in ascending order.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// The labels of one part as they come: each instance has the number of its text in `names`.
struct LabelColumn {
  std::vector<std::int32_t> ids;
  std::vector<std::string> names;  ///< in order of first appearance, without duplicates
};

/// Collects a LabelColumn. Takes as many distinct texts as there may be classes.
class LabelCollector {
 public:
  /// False if the label would be one class too many.
  bool add(std::string_view text);
  LabelColumn take();

 private:
  LabelColumn column_;
  std::map<std::string, std::int32_t, std::less<>> known_;
};

/// Labels that are numbers. Fails, naming `where`, for more distinct ones than there may be classes.
LabelColumn label_column(std::span<const std::int64_t> labels, const std::string& where);

/// The classes of both parts: all texts integers ("1", "01", "+1" and "1.0" are the same): in numerical order,
/// written as integers; else in the order of their bytes. Replaces the ids by class numbers.
std::vector<std::string> merge_classes(LabelColumn& train, LabelColumn& test);

}  // namespace quarry
