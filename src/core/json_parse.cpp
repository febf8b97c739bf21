// SPDX-License-Identifier: MIT
// Json::parse: nlohmann/json's lexer and grammar, our limits and values.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kLinearKeys = 16;  // objects up to this size look for duplicates one by one

/// Walks over the text and tells the builder how far it is.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// What is wrong, without the library's name, and short and safe to print.
std::string explain(const std::string& what) {
  constexpr std::size_t kLongest = 200;
  std::size_t start = what.find("] ");
  start = start == std::string::npos ? 0 : start + 2;
  if (what.compare(start, 11, "parse error") == 0) {
    const std::size_t colon = what.find(": ", start);
    if (colon != std::string::npos) start = colon + 2;
  }
  std::string text = printable(std::string_view(what).substr(start));
  if (text.size() > kLongest) text = text.substr(0, kLongest) + " ...";
  return text;
}

}  // namespace

/// Receives the events of the parser and builds the value.
class JsonBuilder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  JsonBuilder(std::string_view text, std::string_view where) : start_(text.data()), furthest_(start_), where_(where) {}

  Json build(std::string_view text) {
    // The library takes a zero byte for the end of the text.
    const std::size_t zero = text.find('\0');
    if (zero != std::string_view::npos) refuse(zero, "a zero byte");
    const CountingIterator first(text.data(), &furthest_), last(text.data() + text.size(), &furthest_);
    nlohmann::json::sax_parse(first, last, this);
    return std::move(root_);
  }

  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(number_integer_t value) { return add(Json(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) return add(Json(static_cast<double>(value)));
    return add(Json(static_cast<std::int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) { return add(Json(value)); }
  bool string(string_t& value) { return add(Json(std::move(value))); }
  bool binary(binary_t&) { return false; }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    Level& level = levels_.back();
    Json::Members& members = level.value.members_;
    if (is_duplicate(level, members, name)) {
      refuse(position() - 1, fmt::format("the key '{}' appears twice in one object", printable(name.substr(0, 100))));
    }
    members.emplace_back(std::move(name), Json());
    return true;
  }

  [[noreturn]] bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    refuse(position > 0 ? position - 1 : 0, explain(error.what()));
  }

 private:
  struct Level {
    Json value;
    std::unordered_set<std::string> keys;  // filled only for large objects
  };

  std::size_t position() const { return static_cast<std::size_t>(furthest_ - start_); }

  [[noreturn]] void refuse(std::size_t byte, std::string_view what) const {
    fail("{}: byte {}: {}", printable(where_), byte, what);
  }

  static bool is_duplicate(Level& level, const Json::Members& members, const std::string& name) {
    if (members.size() < kLinearKeys) {
      return std::any_of(members.begin(), members.end(), [&](const auto& member) { return member.first == name; });
    }
    if (level.keys.empty()) {
      for (const auto& member : members) level.keys.insert(member.first);
    }
    return !level.keys.insert(name).second;
  }

  bool open(Json container) {
    if (levels_.size() == kMaxDepth) {
      refuse(position() - 1, fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    levels_.push_back({std::move(container), {}});
    return true;
  }

  bool close() {
    Json done = std::move(levels_.back().value);
    levels_.pop_back();
    return add(std::move(done));
  }

  bool add(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (Json& parent = levels_.back().value; parent.type_ == Json::Type::array) {
      parent.items_.push_back(std::move(value));
    } else {
      parent.members_.back().second = std::move(value);
    }
    return true;
  }

  const char* start_;
  const char* furthest_;
  std::string_view where_;
  Json root_;
  std::vector<Level> levels_;
};

Json Json::parse(std::string_view text, std::string_view where) {
  JsonBuilder builder(text, where);
  return builder.build(text);
}

}  // namespace quarry
