// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <utility>

#include "tests/simt/mutants/mutant.h"

namespace quarry::mutants {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

template <std::size_t N>
std::string_view exchanged(std::string_view name, const std::array<Pair, N>& pairs) {
  for (const auto& [one, other] : pairs) {
    if (name == one) return other;
    if (name == other) return one;
  }
  return {};
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}
bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool is_barrier(std::string_view name) {
  return name == "__syncthreads" || name == "__syncwarp" || name == "grid_sync" || name == "cluster_sync" ||
         starts_with(name, "async_wait");
}

/// Collects the mutants of one function.
class Finder {
 public:
  Finder(const Code& code, const Function& function, std::vector<Mutant>& out)
      : code_(code), t_(code.tokens()), function_(function), out_(out) {}

  void run() {
    for (int i = function_.body.first; i <= function_.body.last; ++i) {
      if (code_.frozen(i)) continue;
      if (t_.is_identifier(i) && t_.is(i + 1, "(")) call(i);
      if (t_.is(i, "[")) subscript(i);
      if (t_.is(i, "for") && t_.is(i + 1, "(")) for_loop(i);
      if (t_.is(i, "if") && t_.is(i + 1, "(")) condition(i);
      if (t_.is(i, "?")) skip_check(code_.condition(i), true, i);
      if (t_[i].kind == TokenKind::number) literal(i);
      if (t_.is(i, "{") && t_.is(i - 1, "=") && t_.is(i + 1, "}")) cleared(i);
      if (code_.precedence(i) > 0) binary(i);
      if (code_.starts_statement(i)) statement(i);
      index_of_thread(i);
    }
  }

 private:
  std::string flat(Range r) const { return t_.flat(r.first, r.last); }
  std::string flat(int first, int last) const { return t_.flat(first, last); }

  void add(std::string_view fault, int token, std::string change, std::vector<Edit> edits) {
    int same = 1;
    for (const Mutant& m : out_)
      same += m.function == function_.name && m.fault == fault && starts_with(m.change, change);
    if (same > 1) change += " (" + std::to_string(same) + ")";
    out_.push_back({function_.name, std::string(fault), std::move(change), t_[token].line, std::move(edits)});
  }
  Edit choice(Range range, const std::string& becomes) const {
    return {t_[range.first].begin, t_[range.last].end, "(quarry_mutant(@) ? (" + becomes + ") : (", "))"};
  }
  void choose(std::string_view fault, Range range, const std::string& becomes, int token = -1) {
    if (range.empty()) return;
    add(fault, token < 0 ? range.first : token, flat(range) + " -> " + becomes, {choice(range, becomes)});
  }
  /// Wraps rather than chooses: the condition may be a pointer or an explicit operator bool.
  void skip_check(Range asked, bool holds, int token) {
    if (asked.empty()) return;
    const std::string before = holds ? "(quarry_mutant(@) || bool(" : "(!quarry_mutant(@) && bool(";
    add("check", token, flat(asked) + (holds ? " -> true" : " -> false"),
        {{t_[asked.first].begin, t_[asked.last].end, before, "))"}});
  }
  void more(std::string_view fault, Range range) { choose(fault, range, "(" + flat(range) + ") + 1"); }

  // --- calls
  void call(int i) {
    const int open = i + 1, close = t_[open].partner, start = code_.name_start(i);
    const std::string_view name = t_.text(i);
    const Range whole{start, close};
    const std::vector<Range> arguments = code_.arguments(open);
    if (t_.is(start - 1, ".") || t_.is(start - 1, "->") || t_.is(start, "::")) return;
    if (is_barrier(name)) {
      add("barrier", i, flat(whole) + " -> nothing",
          {{t_[start].begin, t_[close].end, "(quarry_mutant(@) ? void() : void(", "))"}});
    }
    if (starts_with(name, "__") && ends_with(name, "_sync") && !arguments.empty()) warp_call(name, whole, arguments);
    if (name == "__syncwarp" && arguments.size() == 1) drop_lane(arguments[0]);
    if (arguments.size() >= 2) extreme(i, whole);
    if (starts_with(name, "atomic") && arguments.size() >= 2) {
      choose("atomic", whole, "quarry_plain_" + flat({i, close}));
      if (name == "atomicAdd") choose("sum", arguments[1], "-(" + flat(arguments[1]) + ")");
    }
    constexpr std::array<std::string_view, 5> kFused = {"fma", "fmaf", "__fmaf_rn", "__fma_rn", "__builtin_fmaf"};
    if (std::find(kFused.begin(), kFused.end(), name) != kFused.end() && arguments.size() == 3) {
      choose("fma", whole,
             "(" + flat(arguments[0]) + ") * (" + flat(arguments[1]) + ") + (" + flat(arguments[2]) + ")");
    }
  }
  void drop_lane(Range mask) { choose("shuffle", mask, "(" + flat(mask) + ") & 0x7fffffffu"); }
  void warp_call(std::string_view name, Range whole, const std::vector<Range>& arguments) {
    drop_lane(arguments[0]);
    if (!starts_with(name, "__shfl") || arguments.size() < 3) return;
    more("shuffle", arguments[2]);
    choose("shuffle", whole, flat(arguments[1]));
  }
  void extreme(int i, Range whole) {
    constexpr std::array<Pair, 6> kPairs = {{{"max", "min"},
                                             {"fmaxf", "fminf"},
                                             {"fmax", "fmin"},
                                             {"atomicMax", "atomicMin"},
                                             {"__reduce_max_sync", "__reduce_min_sync"},
                                             {"__any_sync", "__all_sync"}}};
    const std::string_view other = exchanged(t_.text(i), kPairs);
    if (other.empty()) return;
    const std::string front = whole.first < i ? flat(whole.first, i - 1) : std::string();
    choose("extreme", whole, front + std::string(other) + flat(i + 1, whole.last));
  }

  // --- subscripts
  void subscript(int i) {
    const Range inside{i + 1, t_[i].partner - 1};
    if (inside.empty()) return;
    more("index", inside);
    if (t_.is(t_[i].partner + 1, "[")) {
      const Range second{t_[i].partner + 2, t_[t_[i].partner + 1].partner - 1};
      add("stride", i, flat(inside) + ", " + flat(second) + " -> " + flat(second) + ", " + flat(inside),
          {choice(inside, flat(second)), choice(second, flat(inside))});
    }
    for (int op = inside.first; op <= inside.last; ++op) {
      if (t_.is(op, "+") && code_.precedence(op) > 0) swap_factors(op);
      if (t_.opens(op)) op = t_[op].partner;
    }
  }
  /// a * stride + b becomes b * stride + a.
  void swap_factors(int plus) {
    int first = plus;  // of the product before the plus
    int times = -1;
    for (int j = plus - 1; j >= 0 && !t_.opens(j); --j) {
      if (t_.closes(j)) j = t_[j].partner;
      const int level = code_.precedence(j);
      if (level > 0 && level < 10) break;
      if (t_.is(j, "*") && level > 0) times = j;
      first = j;
    }
    const Range behind = code_.right_operand(plus);
    if (times < 0 || behind.empty() || t_.is(first - 1, "-")) return;  // x - a * b + c is not x - (a * b + c)
    const Range factor{first, times - 1};
    choose("stride", {first, behind.last},
           "(" + flat(behind) + ") " + flat(times, plus - 1) + " + (" + flat(factor) + ")", plus);
  }

  // --- loops and conditions
  void for_loop(int i) {
    const ForHead head = code_.for_head(i);
    if (head.condition.empty()) return;
    bool halves = false;
    for (int j = head.step.first; j <= head.step.last; ++j) halves = halves || t_.is(j, ">>=") || t_.is(j, "/=");
    for (int j = head.start.first; j <= head.start.last; ++j) {
      if (!t_.is(j, "=")) {
        if (t_.opens(j)) j = t_[j].partner;
        continue;
      }
      const Range from = code_.right_operand(j);
      if (halves) {
        choose("bound", from, "(" + flat(from) + ") / 2");
      } else {
        more("bound", from);
      }
    }
    for (int j = head.condition.first; j <= head.condition.last; ++j) {
      if (t_.opens(j)) j = t_[j].partner;
      if (code_.precedence(j) != 7) continue;
      const Range limit = code_.right_operand(j);
      if (t_.is(j, ">")) {
        more("bound", limit);
      } else {
        constexpr std::array<Pair, 1> kBounds = {{{"<", "<="}}};
        const std::string_view other = t_.is(j, ">=") ? std::string_view(">") : exchanged(t_.text(j), kBounds);
        compare("bound", j, other);
      }
    }
  }
  bool in_for_head(int i) const {
    for (int j = i; j >= function_.body.first; --j) {
      if (t_.closes(j)) {
        j = t_[j].partner;
      } else if (t_.is(j, "(") && t_.is(j - 1, "for")) {
        return true;
      } else if (t_.is(j, "{")) {
        return false;
      }
    }
    return false;
  }
  void condition(int i) {
    const int close = t_[i + 1].partner;
    for (int j = i + 2; j < close; ++j) {
      if (t_.is(j, "=") || t_.is(j, ";")) return;  // declares a variable
    }
    const int next = t_.is(close + 1, "{") ? close + 2 : close + 1;
    const bool leaves = t_.is(next, "return") || t_.is(next, "continue") || t_.is(next, "break");
    skip_check({i + 2, close - 1}, !leaves, i);
  }

  // --- operators
  void compare(std::string_view fault, int op, std::string_view becomes) {
    const Range left = code_.left_operand(op), right = code_.right_operand(op);
    if (left.empty() || right.empty()) return;
    choose(fault, {left.first, right.last}, "(" + flat(left) + ") " + std::string(becomes) + " (" + flat(right) + ")",
           op);
  }
  void binary(int i) {
    const Range right = code_.right_operand(i);
    if (right.empty() || code_.left_operand(i).empty()) return;
    if (t_.is(i, "&&")) {
      skip_check(code_.left_operand(i), true, i);
      skip_check(right, true, i);
    }
    if (in_for_head(i)) return;  // for_loop has its own
    constexpr std::array<Pair, 2> kTies = {{{">", ">="}, {"<", "<="}}};
    constexpr std::array<Pair, 2> kDirections = {{{">", "<"}, {"==", "!="}}};
    const std::string_view tie = exchanged(t_.text(i), kTies), direction = exchanged(t_.text(i), kDirections);
    if (!tie.empty()) compare("compare", i, tie);
    if (!direction.empty()) compare("compare", i, direction);
    if (t_.is(i, "+") || t_.is(i, "-")) {
      add("sum", i, flat(code_.left_operand(i)) + " " + std::string(t_.text(i)) + " " + flat(right) + " -> other sign",
          {choice(right, "-(" + flat(right) + ")")});
    }
  }
  void literal(int i) {
    if (in_for_head(i) && !in_step(i)) return;
    const bool starts = t_.is(i - 1, "=") && (t_.is(i + 1, ";") || t_.is(i + 1, ","));
    const std::string_view text = t_.text(i);
    if (text == "0xffffffffu" || (t_.is(i - 1, "[") && t_.is(i + 1, "]"))) return;  // shuffle and index have their own
    const bool is_zero =
        text == "0" || text == "0u" || text == "0.0" || text == "0.0f" || text == "0.f" || text == "0ull";
    if (starts && is_zero) {
      choose("zero", {i, i}, std::string(text) + " + 77");
    } else {
      more("constant", {i, i});
    }
  }
  bool in_step(int i) const {
    for (int j = i; j >= function_.body.first; --j) {
      if (t_.closes(j)) {
        j = t_[j].partner;
      } else if (t_.is(j, "(") && t_.is(j - 1, "for")) {
        return i >= code_.for_head(j - 1).step.first;
      }
    }
    return false;
  }
  /// T name[n] = {};
  void cleared(int i) {
    int name = i - 2;
    while (t_.is(name, "]")) name = t_[name].partner - 1;
    if (!t_.is(i + 2, ";") || !t_.is_identifier(name)) return;
    const std::size_t behind = t_[i + 2].end;
    add("zero", i, flat(name, i + 1) + " -> not cleared",
        {{behind, behind, " if (quarry_mutant(@)) quarry_soil(" + std::string(t_.text(name)) + ");", ""}});
  }

  // --- statements
  void statement(int i) {
    const int end = code_.statement_end(i);
    if (end < 0 || t_.is(i, "if") || t_.is(i, "for") || t_.is(i, "while") || t_.is(i, "return")) return;
    const int swap = t_.is(end - 1, ")") ? t_[end - 1].partner - 1 : -1;
    const bool swaps = t_.is(swap, "swap") && code_.name_start(swap) == i;
    const bool steps = t_.is(i, "++") || t_.is(i, "--");
    int assignment = i;
    while (assignment < end && !assigns(assignment)) {
      assignment = t_.opens(assignment) ? t_[assignment].partner + 1 : assignment + 1;
    }
    if (!swaps && !steps && (assignment >= end || code_.declares(i, assignment))) return;
    add("stale", i, flat(i, end - 1) + " -> nothing",
        {{t_[i].begin, t_[end - 1].end, "(quarry_mutant(@) ? void() : void(", "))"}});
    if (t_.is(assignment, "+=") || t_.is(assignment, "-=")) {
      const Range value{assignment + 1, end - 1};
      add("sum", assignment, flat(i, end - 1) + " -> other sign", {choice(value, "-(" + flat(value) + ")")});
    }
  }
  bool assigns(int i) const {
    constexpr std::array<std::string_view, 11> kAssignments = {
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};
    return std::find(kAssignments.begin(), kAssignments.end(), t_.text(i)) != kAssignments.end();
  }
  void index_of_thread(int i) {
    if ((t_.is(i, "threadIdx") || t_.is(i, "blockIdx")) && t_.is(i + 1, ".")) more("lane", {i, i + 2});
  }

  const Code& code_;
  const Tokens& t_;
  const Function& function_;
  std::vector<Mutant>& out_;
};

}  // namespace

std::vector<Mutant> find_mutants(const Code& code) {
  std::vector<Mutant> all;
  for (const Function& function : code.functions()) Finder(code, function, all).run();
  return all;
}

}  // namespace quarry::mutants
