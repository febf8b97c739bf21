// SPDX-License-Identifier: MIT
// The pickles of the CIFAR sets' Python layout, read as plain data: nothing in them is ever called or imported.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace quarry {

/// A value of a pickle. Texts and array elements are views of the bytes that were parsed (or of the Pickle).
struct PickleValue {
  enum class Kind : std::uint8_t { none, boolean, integer, bytes, text, list, tuple, dict, array };

  Kind kind = Kind::none;
  std::int64_t integer = 0;               ///< of a boolean (0, 1) and of an integer
  std::string_view bytes;                 ///< of bytes (Python 2: str), of text (UTF-8), of an array (C order)
  std::vector<std::uint64_t> shape;       ///< of an array of uint8, outermost extent first
  std::vector<const PickleValue*> items;  ///< of a list and a tuple; of a dict: key, value, key, value, ...

  /// The value of a key of a dict (bytes or text); of several equal ones the last, as in Python. Null if absent.
  const PickleValue* find(std::string_view key) const;
};

std::string_view to_string(PickleValue::Kind kind);

/// The values of one pickle. A value may occur in several places, never within itself.
struct Pickle {
  const PickleValue* root = nullptr;
  std::shared_ptr<const void> owner;  ///< of all values
};

/// Accepts one pickle of protocol 2 to 5 that fills the bytes and is made of: None, booleans, integers of 64 bits,
/// bytes, text, lists, tuples, dicts whose keys are bytes or text, nested at most 16 deep, and NumPy arrays of uint8
/// (rank at most 8; Fortran order comes out as C order) as NumPy under Python 2 wrote them or as NumPy 1 and 2 under
/// Python 3 do. The names of functions in it (numpy's _reconstruct, ndarray, dtype, _frombuffer; _codecs.encode;
/// bytes) are recognised and stand for the data that they describe; every other name and opcode is refused.
/// Memory: the values take at most four times the bytes and 64 MB. No recursion.
/// `bytes` must outlive the result. Pure function. Errors: failed, with `path`, byte and opcode.
Pickle parse_pickle(std::string_view bytes, const std::string& path);

}  // namespace quarry
