// SPDX-License-Identifier: MIT
#include "quarry/data/pickle.h"

#include <algorithm>

#include "quarry/data/limits.h"
#include "src/data/pickle_machine.h"

namespace quarry {
namespace {

constexpr std::uint8_t kMaxDepth = 16;
constexpr std::uint64_t kMemoEntry = 64;  // bytes that an entry of the memo takes, about

}  // namespace

std::string_view to_string(PickleValue::Kind kind) {
  constexpr std::string_view kNames[] = {"None",   "a boolean", "an integer", "bytes",   "text",
                                         "a list", "a tuple",   "a dict",     "an array"};
  return kNames[static_cast<std::size_t>(kind)];
}

const PickleValue* PickleValue::find(std::string_view key) const {
  if (kind != Kind::dict) return nullptr;
  for (std::size_t i = items.size(); i >= 2; i -= 2) {
    if (items[i - 2]->bytes == key) return items[i - 1];
  }
  return nullptr;
}

Pickle parse_pickle(std::string_view bytes, const std::string& path) {
  return PickleMachine(bytes, path).run();
}

Pickle PickleMachine::run() {
  if (view_.size() < 2 || view_.little(0, 1, "the protocol") != 0x80) {
    fail("{}: byte 0: not a pickle of protocol 2 to 5 (it starts with the byte 80)", path_);
  }
  const std::uint64_t protocol = view_.little(1, 1, "the protocol");
  if (protocol < 2 || protocol > 5) fail("{}: byte 1: pickle protocol {}; expected 2 to 5", path_, protocol);
  at_ = 2;
  while (!stopped_) {
    opcode_at_ = at_;
    step(static_cast<unsigned char>(read(1)));
  }
  if (at_ != view_.size()) fail("{}: byte {}: {} bytes follow the end of the pickle", path_, at_, view_.size() - at_);
  if (stack_.size() != 1 || !marks_.empty()) {
    refuse("{} values and {} marks are left; expected one value", stack_.size(), marks_.size());
  }
  if (stack_[0]->role != Role::value) refuse("the pickle is no data, but a function or part of an array");
  return {stack_[0], storage_};
}

void PickleMachine::step(unsigned char opcode) {
  if (!push_number(opcode) && !push_string(opcode) && !push_container(opcode) && !memoise(opcode) && !perform(opcode)) {
    refuse("not one that the files of an image set have");
  }
}

bool PickleMachine::push_number(unsigned char opcode) {
  const auto integer = [&](std::int64_t value) { push(Kind::integer).integer = value; };
  switch (opcode) {
    case 'N':
      push_shared(none_, Kind::none, 0);
      return true;
    case 0x88:
      push_shared(true_, Kind::boolean, 1);
      return true;
    case 0x89:
      push_shared(false_, Kind::boolean, 0);
      return true;
    case 'K':
      integer(static_cast<std::int64_t>(read(1)));
      return true;
    case 'M':
      integer(static_cast<std::int64_t>(read(2)));
      return true;
    case 'J':
      integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(read(4))));
      return true;
    case 0x8a: {  // LONG1: little endian, two's complement
      const std::uint64_t n = read(1);
      if (n > 8) refuse("an integer of {} bytes; expected at most 8", n);
      std::uint64_t value = n == 0 ? 0 : read(static_cast<std::size_t>(n));
      if (n > 0 && n < 8 && (value >> (8 * n - 1) & 1) != 0) value |= ~std::uint64_t{0} << 8 * n;
      integer(static_cast<std::int64_t>(value));
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::push_string(unsigned char opcode) {
  const auto string = [&](Kind kind, std::size_t size_bytes) {
    const std::uint64_t n = read(size_bytes);
    push_text(kind, take(n));
    return true;
  };
  switch (opcode) {
    case 'U':  // SHORT_BINSTRING, Python 2's str
    case 'C':  // SHORT_BINBYTES
      return string(Kind::bytes, 1);
    case 'T':  // BINSTRING
    case 'B':  // BINBYTES
      return string(Kind::bytes, 4);
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      return string(Kind::bytes, 8);
    case 0x8c:  // SHORT_BINUNICODE
      return string(Kind::text, 1);
    case 'X':  // BINUNICODE
      return string(Kind::text, 4);
    case 0x8d:  // BINUNICODE8
      return string(Kind::text, 8);
    default:
      return false;
  }
}

bool PickleMachine::push_container(unsigned char opcode) {
  switch (opcode) {
    case ']':
      push(Kind::list);
      return true;
    case '}':
      push(Kind::dict);
      return true;
    case ')':
      push_shared(empty_tuple_, Kind::tuple, 0);
      return true;
    case 0x85:
    case 0x86:
    case 0x87: {
      const std::size_t n = opcode - 0x84u, floor = marks_.empty() ? 0 : marks_.back();
      if (stack_.size() < floor + n) refuse("the stack is too short");
      push_tuple(stack_.size() - n);
      return true;
    }
    case 't':
      push_tuple(pop_mark());
      return true;
    case 'a':
      if (stack_.empty()) refuse("the stack is too short");
      append(stack_.size() - 1);
      return true;
    case 'e':
      append(pop_mark());
      return true;
    case 's':
      if (stack_.size() < 2) refuse("the stack is too short");
      set_items(stack_.size() - 2);
      return true;
    case 'u':
      set_items(pop_mark());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::memoise(unsigned char opcode) {
  const auto put = [&](std::uint64_t key) {
    if (stack_.empty()) refuse("the stack is empty");
    const auto [entry, is_new] = memo_.insert_or_assign(key, stack_.back());
    if (is_new) spend(kMemoEntry);
    return true;
  };
  const auto get = [&](std::uint64_t key) {
    const auto entry = memo_.find(key);
    if (entry == memo_.end()) refuse("there is no value {} in the memo", key);
    push(entry->second);
    return true;
  };
  switch (opcode) {
    case 'q':
      return put(read(1));
    case 'r':
      return put(read(4));
    case 0x94:
      return put(memo_.size());
    case 'h':
      return get(read(1));
    case 'j':
      return get(read(4));
    default:
      return false;
  }
}

bool PickleMachine::perform(unsigned char opcode) {
  switch (opcode) {
    case '(':
      spend(sizeof(std::size_t));
      marks_.push_back(stack_.size());
      return true;
    case '.':
      stopped_ = true;
      return true;
    case 0x95: {  // FRAME: how many bytes to read ahead; it means nothing for the data
      const std::uint64_t n = read(8);
      if (n > view_.size() - at_) refuse("a frame of {} bytes, but {} are left", n, view_.size() - at_);
      return true;
    }
    case 'c': {
      const std::string_view module = take_line();
      push_name(module, take_line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Value *name = pop(), *module = pop();
      if (name->kind != Kind::text || module->kind != Kind::text) refuse("expected two texts");
      push_name(module->bytes, name->bytes);
      return true;
    }
    case 'R':
      reduce();
      return true;
    case 'b':
      build();
      return true;
    default:
      return false;
  }
}

void PickleMachine::append(std::size_t first) {
  if (first == 0 || stack_[first - 1]->kind != Kind::list) refuse("there is no list to append to");
  Value& list = *stack_[first - 1];
  for (std::size_t i = first; i < stack_.size(); ++i) {
    if (stack_[i]->role != Role::value) refuse("a list that holds a function or part of an array");
    place(list, stack_[i]);
  }
  stack_.resize(first);
}

void PickleMachine::set_items(std::size_t first) {
  if (first == 0 || stack_[first - 1]->kind != Kind::dict) refuse("there is no dict to put items into");
  if ((stack_.size() - first) % 2 != 0) refuse("a key without a value");
  Value& dict = *stack_[first - 1];
  for (std::size_t i = first; i < stack_.size(); ++i) {
    const Value& item = *stack_[i];
    if (item.role != Role::value) refuse("a dict that holds a function or part of an array");
    if ((i - first) % 2 == 0 && item.kind != Kind::bytes && item.kind != Kind::text) {
      refuse("a dict's key is {}; expected bytes or text", to_string(item.kind));
    }
    place(dict, stack_[i]);
  }
  stack_.resize(first);
}

void PickleMachine::push_tuple(std::size_t first) {
  Value& tuple = make(Kind::tuple);
  for (std::size_t i = first; i < stack_.size(); ++i) {
    if (stack_[i]->role != Role::value) tuple.role = Role::internals;
    place(tuple, stack_[i]);
  }
  stack_.resize(first);
  push(&tuple);
}

/// What has been placed never changes again: so nothing can come to hold itself, and depths stay true.
void PickleMachine::place(Value& into, Value* item) {
  if (item == &into) refuse("{} that holds itself", to_string(into.kind));
  if (into.placed) refuse("{} grows after it was put into another value", to_string(into.kind));
  item->placed = true;
  into.depth = std::max(into.depth, static_cast<std::uint8_t>(item->depth + 1));
  if (into.depth > kMaxDepth) refuse("values nested more than {} deep", kMaxDepth);
  spend(2 * sizeof(void*));
  into.items.push_back(item);
}

std::string_view PickleMachine::take_line() {
  constexpr std::size_t kLongest = 100;  // the names that may occur are much shorter
  for (std::size_t n = 0; n < kLongest; ++n) {
    if (view_.slice(at_ + n, 1, "a name")[0] == '\n') {
      const std::string_view line = view_.slice(at_, n, "a name");
      at_ += n + 1;
      return line;
    }
  }
  refuse("a name longer than {} bytes", kLongest);
}

PickleMachine::Value& PickleMachine::make(Kind kind) {
  spend(sizeof(Value));
  Value& value = storage_->values.emplace_back();
  value.kind = kind;
  return value;
}

void PickleMachine::push(Value* value) {
  spend(2 * sizeof(void*));
  stack_.push_back(value);
}

void PickleMachine::push_shared(Value*& shared, Kind kind, std::int64_t integer) {
  if (shared == nullptr) {
    shared = &make(kind);
    shared->integer = integer;
    shared->placed = true;
  }
  push(shared);
}

PickleMachine::Value* PickleMachine::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() == marks_.back())) refuse("the stack is too short");
  Value* value = stack_.back();
  stack_.pop_back();
  return value;
}

std::size_t PickleMachine::pop_mark() {
  if (marks_.empty() || marks_.back() > stack_.size()) refuse("there is no mark");
  const std::size_t first = marks_.back();
  marks_.pop_back();
  return first;
}

void PickleMachine::spend(std::uint64_t bytes) {
  spent_ += bytes;
  if (!Limits::affordable(spent_, view_.size())) {
    refuse("the values would take more than four times the file and 64 MB of memory");
  }
}

std::string PickleMachine::opcode_text() const {
  const auto opcode = static_cast<unsigned char>(view_.slice(opcode_at_, 1, "an opcode")[0]);
  if (opcode > ' ' && opcode < 0x7f) return fmt::format("'{}'", static_cast<char>(opcode));
  return fmt::format("{:#04x}", opcode);
}

}  // namespace quarry
