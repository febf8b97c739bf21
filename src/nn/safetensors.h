// SPDX-License-Identifier: MIT
// The safetensors format as quarry uses it: float32 alone, tensors without holes in a known order.
//
//   u64 little endian: length of the header; JSON header, padded with blanks to 8 bytes; the numbers, little endian.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/json.h"

namespace quarry {

struct TensorShape {
  std::string name;
  std::vector<std::int64_t> extents;

  std::int64_t size() const;  ///< in numbers
};

/// Everything before the numbers. `metadata` is an object of texts.
std::string safetensors_header(Json metadata, std::span<const TensorShape> tensors);

/// A file that is read. Each refusal names the file and what was expected.
class SafetensorsFile {
 public:
  /// Both must outlive it. Error: failed, if there is no header of the right form whose `format` is this one, with no
  /// more texts in its metadata than `texts`.
  SafetensorsFile(std::string_view bytes, const std::string& path, std::string_view format, std::size_t texts);

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: not a network saved by quarry: {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }
  const std::string& metadata(std::string_view key) const;
  double dropout() const;                          ///< metadata "dropout"
  std::string_view data() const { return data_; }  ///< the numbers' bytes: not aligned
  /// Copies `n` numbers, the first of them at number `at`; they must be there.
  void copy(std::int64_t at, std::int64_t n, float* to) const;
  /// Refuses a file that does not hold these tensors, in this order in its data, and nothing else.
  void check_tensors(std::span<const TensorShape> expected) const;

 private:
  std::string_view bytes_;
  const std::string& path_;
  Json header_;
  const Json* metadata_ = nullptr;
  std::string_view data_;
};

}  // namespace quarry
