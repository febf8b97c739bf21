// SPDX-License-Identifier: MIT
// The machine that a pickle is a program for, cut down to what makes plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/data/pickle.h"
#include "src/data/bytes.h"

namespace quarry {

/// A name that a pickle may mention.
enum class PickleName { none, reconstruct, ndarray, dtype, frombuffer, encode, bytes };

class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, const std::string& path) : view_(bytes, path), path_(path) {}
  Pickle run();

 private:
  using Kind = PickleValue::Kind;
  /// What a value is besides its public part.
  enum class Role : std::uint8_t {
    value,
    name,      // of a function; `name` says which
    dtype,     // numpy's description of uint8
    shell,     // an array whose contents are still to come
    internals  // a tuple that holds one of these: arguments, not data
  };
  struct Value : PickleValue {
    Role role = Role::value;
    PickleName name = PickleName::none;
    std::uint8_t depth = 1;
    bool placed = false;  // in another value: must not change any more
  };

  struct Storage {
    std::deque<Value> values;
    std::deque<std::string> texts;
  };

  // The opcodes: pickle.cpp.
  void step(unsigned char opcode);
  bool push_number(unsigned char opcode);
  bool push_string(unsigned char opcode);
  bool push_container(unsigned char opcode);
  bool memoise(unsigned char opcode);
  bool perform(unsigned char opcode);
  void append(std::size_t first);
  void set_items(std::size_t first);
  void push_tuple(std::size_t first);
  void place(Value& into, Value* item);

  // What the names stand for: pickle_numpy.cpp.
  static PickleName known_name(std::string_view module, std::string_view name);
  void push_name(std::string_view module, std::string_view name);
  void reduce();
  void build();
  void reduce_reconstruct(const Value& arguments);
  void reduce_dtype(const Value& arguments);
  void reduce_frombuffer(const Value& arguments);
  void reduce_encode(const Value& arguments);
  void fill_array(Value& array, const PickleValue* shape, const PickleValue* dtype, bool fortran,
                  const PickleValue* contents);
  std::string_view to_c_order(std::string_view elements, const std::vector<std::uint64_t>& shape);

  std::uint64_t read(std::size_t n) {
    const std::uint64_t value = view_.little(at_, n, "an operand");
    at_ += n;
    return value;
  }
  std::string_view take(std::uint64_t n) {
    const std::string_view text = view_.slice(at_, n, "a string");
    at_ += static_cast<std::size_t>(n);
    return text;
  }
  std::string_view take_line();
  Value& make(Kind kind);
  Value& push(Kind kind) {
    Value& value = make(kind);
    push(&value);
    return value;
  }
  void push(Value* value);
  void push_text(Kind kind, std::string_view text) { push(kind).bytes = text; }
  void push_shared(Value*& shared, Kind kind, std::int64_t integer);
  /// The top of the stack, taken off it.
  Value* pop();
  /// Where the entries above the last mark begin; the mark is taken away.
  std::size_t pop_mark();
  static const Value& full(const PickleValue* value) { return static_cast<const Value&>(*value); }

  /// Counts memory. Fails where it is out of proportion to the input.
  void spend(std::uint64_t bytes);
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: byte {}: opcode {}: {}", path_, opcode_at_, opcode_text(),
         fmt::format(format, std::forward<Args>(args)...));
  }
  std::string opcode_text() const;

  ByteView view_;
  const std::string& path_;
  std::size_t at_ = 0, opcode_at_ = 0;
  bool stopped_ = false;
  std::uint64_t spent_ = 0;
  std::shared_ptr<Storage> storage_ = std::make_shared<Storage>();
  std::vector<Value*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Value*> memo_;
  Value *none_ = nullptr, *true_ = nullptr, *false_ = nullptr, *empty_tuple_ = nullptr;
};

}  // namespace quarry
