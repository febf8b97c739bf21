// SPDX-License-Identifier: MIT
// A small JSON value with keys in insertion order. Numbers are written so that they read back bit for bit;
// non-finite numbers are the strings "NaN", "Infinity", "-Infinity" and read back as numbers by number().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quarry {

class Json {
 public:
  enum class Type { null, boolean, integer, real, string, array, object };
  using Items = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : type_(Type::boolean), integer_(value) {}
  Json(int value) : type_(Type::integer), integer_(value) {}
  Json(std::int64_t value) : type_(Type::integer), integer_(value) {}
  Json(double value) : type_(Type::real), real_(value) {}
  Json(const char* value) : type_(Type::string), string_(value) {}
  Json(std::string value) : type_(Type::string), string_(std::move(value)) {}
  Json(std::string_view value) : type_(Type::string), string_(value) {}

  static Json array() { return Json(Type::array); }
  static Json object() { return Json(Type::object); }
  template <class Range>
  static Json array_of(const Range& values) {
    Json result = array();
    for (const auto& value : values) result.push(Json(value));
    return result;
  }

  Type type() const { return type_; }
  /// Appends to an array.
  Json& push(Json value);
  /// Sets a key of an object; a new key goes last. Returns *this, so calls chain.
  Json& set(std::string_view key, Json value);
  /// Takes a key out of an object, if it is there. Returns *this.
  Json& erase(std::string_view key);

  /// Typed access; each fails with a message that names what was expected.
  bool boolean() const;
  std::int64_t integer() const;
  double number() const;  ///< integers, reals and the three non-finite strings
  const std::string& string() const;
  const Items& items() const;
  const Members& members() const;
  const Json* find(std::string_view key) const;  ///< null if absent
  const Json& at(std::string_view key) const;    ///< fails if absent, naming the key

  /// How dump() writes numbers that are not finite.
  enum class NonFinite {
    quoted,  ///< as strings: JSON
    bare,    ///< NaN, Infinity, -Infinity as Python's json module writes and reads them: no JSON
  };
  /// Compact text, no blanks, valid UTF-8 (bytes that are not become U+FFFD). A real has a point or an exponent.
  std::string dump(NonFinite style = NonFinite::quoted) const;
  /// Strict RFC 8259: whole text, UTF-8, no duplicate keys, depth at most 64. Integers beyond 64 bits become reals.
  /// Error: failed, with `where` and byte (from 0).
  static Json parse(std::string_view text, std::string_view where);

 private:
  friend class JsonBuilder;
  explicit Json(Type type) : type_(type) {}
  void append_to(std::string& out, NonFinite style) const;
  Type type_ = Type::null;
  std::int64_t integer_ = 0;  // of an integer, and of a boolean
  double real_ = 0;
  std::string string_;
  Items items_;
  Members members_;
};

}  // namespace quarry
