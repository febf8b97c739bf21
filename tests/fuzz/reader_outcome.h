// SPDX-License-Identifier: MIT
// Shared by the fuzz bodies of the data readers.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "quarry/core/error.h"

namespace quarry {

inline const std::string kFuzzPath = "fuzz input";

/// What the reader makes of an input: a value, or nothing if it refuses with an Error that names the file. Whatever
/// else it does (another exception, a crash) is found by the caller's caller.
template <class Read>
auto outcome_of(Read&& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error& error) {
    QUARRY_CHECK(std::string_view(error.what()).starts_with(kFuzzPath), "the message '{}' does not name the file",
                 error.what());
    return std::nullopt;
  }
}

inline std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace quarry
