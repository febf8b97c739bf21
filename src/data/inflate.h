// SPDX-License-Identifier: MIT
// Inflating with limits: the size a file claims is never trusted, and memory grows only with bytes that were made.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "quarry/data/limits.h"

namespace quarry {

/// One gzip member that fills the bytes. Errors: failed, with path and byte.
std::string gunzip(std::string_view bytes, const std::string& path, const Limits& limits);

/// A raw deflate stream that fills the bytes; `at` is where they start in the file, for messages.
std::string inflate_raw(std::string_view bytes, const std::string& path, std::size_t at, const Limits& limits);

/// The most bytes that may come out of n deflated ones.
std::uint64_t most_inflated(std::uint64_t n, const Limits& limits);

}  // namespace quarry
