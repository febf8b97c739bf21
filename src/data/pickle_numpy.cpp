// SPDX-License-Identifier: MIT
// The few functions whose names occur in pickles of NumPy arrays, as the data that they stand for.
#include <algorithm>
#include <array>

#include "quarry/core/text.h"
#include "quarry/data/array.h"
#include "quarry/data/limits.h"
#include "src/data/pickle_machine.h"

namespace quarry {
namespace {

constexpr std::size_t kMaxRank = 8;

bool is_flag(const PickleValue& value, std::int64_t wanted) {
  return (value.kind == PickleValue::Kind::boolean || value.kind == PickleValue::Kind::integer) &&
         value.integer == wanted;
}

bool is_string(const PickleValue& value, std::string_view wanted) {
  return (value.kind == PickleValue::Kind::bytes || value.kind == PickleValue::Kind::text) && value.bytes == wanted;
}

}  // namespace

PickleName PickleMachine::known_name(std::string_view module, std::string_view name) {
  struct Known {
    std::string_view module, name;
    PickleName meaning;
  };
  static constexpr std::array<Known, 8> kKnown = {{
      {"numpy.core.multiarray", "_reconstruct", PickleName::reconstruct},
      {"numpy._core.multiarray", "_reconstruct", PickleName::reconstruct},
      {"numpy", "ndarray", PickleName::ndarray},
      {"numpy", "dtype", PickleName::dtype},
      {"numpy.core.numeric", "_frombuffer", PickleName::frombuffer},
      {"numpy._core.numeric", "_frombuffer", PickleName::frombuffer},
      {"_codecs", "encode", PickleName::encode},  // how Python 3 writes bytes in protocol 2
      {"__builtin__", "bytes", PickleName::bytes},
  }};
  for (const Known& known : kKnown) {
    if (known.module == module && known.name == name) return known.meaning;
  }
  return PickleName::none;
}

void PickleMachine::push_name(std::string_view module, std::string_view name) {
  const PickleName meaning = known_name(module, name);
  if (meaning == PickleName::none) {
    refuse("the name {} of the module {} is none that arrays need; nothing was imported", printable(name.substr(0, 80)),
           printable(module.substr(0, 80)));
  }
  Value& value = push(Kind::none);
  value.role = Role::name;
  value.name = meaning;
}

void PickleMachine::reduce() {
  const Value* arguments = pop();
  const Value* callee = pop();
  if (callee->role != Role::name) refuse("a call of what is no function");
  if (arguments->kind != Kind::tuple) refuse("the arguments are {}; expected a tuple", to_string(arguments->kind));
  switch (callee->name) {
    case PickleName::reconstruct:
      return reduce_reconstruct(*arguments);
    case PickleName::dtype:
      return reduce_dtype(*arguments);
    case PickleName::frombuffer:
      return reduce_frombuffer(*arguments);
    case PickleName::encode:
      return reduce_encode(*arguments);
    case PickleName::bytes:
      if (!arguments->items.empty()) refuse("bytes with arguments; expected none");
      return push_text(Kind::bytes, {});
    default:
      refuse("an array that is made in an unknown way");
  }
}

/// (ndarray, (0,), 'b'): an empty array, whose contents follow.
void PickleMachine::reduce_reconstruct(const Value& arguments) {
  const auto& items = arguments.items;
  if (items.size() != 3 || full(items[0]).name != PickleName::ndarray || items[1]->kind != Kind::tuple ||
      !is_string(*items[2], "b")) {
    refuse("unknown arguments of _reconstruct");
  }
  push(Kind::array).role = Role::shell;
}

/// ('u1', align, copy).
void PickleMachine::reduce_dtype(const Value& arguments) {
  const auto& items = arguments.items;
  if (items.size() != 3 || (items[0]->kind != Kind::bytes && items[0]->kind != Kind::text)) {
    refuse("unknown arguments of dtype");
  }
  if (items[0]->bytes != "u1" && items[0]->bytes != "|u1") {
    refuse("an array of the type '{}'; expected 'u1', bytes", printable(items[0]->bytes.substr(0, 80)));
  }
  push(Kind::none).role = Role::dtype;
}

/// (contents, dtype, shape, 'C' or 'F').
void PickleMachine::reduce_frombuffer(const Value& arguments) {
  const auto& items = arguments.items;
  if (items.size() != 4 || (!is_string(*items[3], "C") && !is_string(*items[3], "F"))) {
    refuse("unknown arguments of _frombuffer");
  }
  fill_array(push(Kind::array), items[2], items[1], items[3]->bytes == "F", items[0]);
}

/// (text, 'latin1'): bytes, each written as the character of that number.
void PickleMachine::reduce_encode(const Value& arguments) {
  const auto& items = arguments.items;
  if (items.size() != 2 || items[0]->kind != Kind::text || !is_string(*items[1], "latin1")) {
    refuse("unknown arguments of encode");
  }
  const std::string_view text = items[0]->bytes;
  spend(text.size());
  std::string& bytes = storage_->texts.emplace_back();
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += static_cast<char>(lead);
      continue;
    }
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if ((lead != 0xc2 && lead != 0xc3) || (next & 0xc0) != 0x80) {
      refuse("character at byte {} of a text of {} bytes is none of latin1", i, text.size());
    }
    bytes += static_cast<char>((lead & 3) << 6 | (next & 0x3f));
    ++i;
  }
  push_text(Kind::bytes, bytes);
}

void PickleMachine::build() {
  const Value* state = pop();
  if (stack_.empty()) refuse("the stack is too short");
  Value& built = *stack_.back();
  if (state->kind != Kind::tuple) refuse("the state is {}; expected a tuple", to_string(state->kind));
  const auto& items = state->items;
  if (built.role == Role::dtype) {  // (3, byte order, ...)
    if (items.size() < 2 || !is_string(*items[1], "|")) refuse("unknown state of a dtype of bytes");
    return;
  }
  if (built.role != Role::shell) refuse("there is no array to fill");
  if (built.placed) refuse("an array is filled after it was put into another value");
  if (items.size() != 5 || !is_flag(*items[0], 1)) refuse("unknown state of an array");
  const bool fortran = is_flag(*items[3], 1);
  if (!fortran && !is_flag(*items[3], 0)) refuse("unknown state of an array");
  fill_array(built, items[1], items[2], fortran, items[4]);
}

void PickleMachine::fill_array(Value& array, const PickleValue* shape, const PickleValue* dtype, bool fortran,
                               const PickleValue* contents) {
  if (full(dtype).role != Role::dtype) refuse("an array without a type");
  if (shape->kind != Kind::tuple || shape->items.size() > kMaxRank) {
    refuse("the shape of an array is no tuple of at most {} extents", kMaxRank);
  }
  if (contents->kind != Kind::bytes)
    refuse("the contents of an array are {}; expected bytes", to_string(contents->kind));
  for (const PickleValue* extent : shape->items) {
    if (extent->kind != Kind::integer || extent->integer < 0) refuse("an extent of an array is no count");
    array.shape.push_back(static_cast<std::uint64_t>(extent->integer));
  }
  const std::string where = fmt::format("{}: byte {}", path_, opcode_at_);
  const std::uint64_t wanted = checked_count(array.shape, ElementType::u8, where);
  if (wanted != contents->bytes.size()) {
    refuse("an array of {} elements has {} bytes", wanted, contents->bytes.size());
  }
  const bool transposed = fortran && array.shape.size() > 1;
  array.bytes = transposed ? to_c_order(contents->bytes, array.shape) : contents->bytes;
  array.role = Role::value;
}

/// Column-major elements in row-major order.
std::string_view PickleMachine::to_c_order(std::string_view elements, const std::vector<std::uint64_t>& shape) {
  spend(elements.size());
  std::string& bytes = storage_->texts.emplace_back(elements.size(), '\0');
  std::vector<std::uint64_t> index(shape.size(), 0);  // of the element, in column-major order: the first runs fastest
  for (const char element : elements) {
    std::uint64_t position = 0;
    for (std::size_t r = 0; r < shape.size(); ++r) position = position * shape[r] + index[r];
    bytes[static_cast<std::size_t>(position)] = element;
    for (std::size_t r = 0; r < shape.size() && ++index[r] == shape[r]; ++r) index[r] = 0;
  }
  return bytes;
}

}  // namespace quarry
