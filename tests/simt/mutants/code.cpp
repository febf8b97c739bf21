// SPDX-License-Identifier: MIT
#include "tests/simt/mutants/code.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace quarry::mutants {
namespace {

struct Level {
  std::string_view mark;
  int precedence;
};
constexpr std::array<Level, 18> kLevels = {{{"*", 10},
                                            {"/", 10},
                                            {"%", 10},
                                            {"+", 9},
                                            {"-", 9},
                                            {"<<", 8},
                                            {">>", 8},
                                            {"<", 7},
                                            {"<=", 7},
                                            {">", 7},
                                            {">=", 7},
                                            {"==", 6},
                                            {"!=", 6},
                                            {"&", 5},
                                            {"^", 4},
                                            {"|", 3},
                                            {"&&", 2},
                                            {"||", 1}}};

template <std::size_t N>
bool among(std::string_view text, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// Ends an expression on either side.
bool delimits(std::string_view text) {
  constexpr std::array<std::string_view, 20> kDelimiters = {",",  ";",   "?",   ":",  "=",      "+=",  "-=",
                                                            "*=", "/=",  "%=",  "&=", "|=",     "^=",  "{",
                                                            "}",  "<<=", ">>=", "",   "return", "else"};
  return among(text, kDelimiters);
}

/// The CUDA words, and macros that stand for them: QUARRY_HD, QUARRY_BLOCK_FUNCTION.
bool marks_device_code(std::string_view text) {
  constexpr std::array<std::string_view, 3> kMarks = {"__global__", "__device__", "QUARRY_HD"};
  constexpr std::string_view kMacro = "_FUNCTION";
  return among(text, kMarks) || (text.size() > kMacro.size() && text.substr(text.size() - kMacro.size()) == kMacro);
}

/// Takes arguments that are not evaluated, or must be constants.
bool takes_constants(std::string_view text) {
  constexpr std::array<std::string_view, 9> kNames = {
      "static_assert",         "sizeof", "alignof", "alignas", "decltype", "noexcept", "QUARRY_SHARED",
      "QUARRY_DYNAMIC_SHARED", "_Pragma"};
  return among(text, kNames);
}

/// kLanes, N, T: what the house style names constants and template parameters.
bool names_constant(std::string_view text) {
  if (text.size() > 1 && text[0] == 'k' && std::isupper(static_cast<unsigned char>(text[1])) != 0) return true;
  return std::all_of(text.begin(), text.end(), [](char c) { return std::islower(static_cast<unsigned char>(c)) == 0; });
}

}  // namespace

Code::Code(std::string source) : tokens_(std::move(source)), frozen_(static_cast<std::size_t>(tokens_.size()), false) {
  find_functions({0, tokens_.size() - 1});
  for (const Function& function : functions_) freeze_body(function.body);
}

void Code::find_functions(Range range) {
  int start = range.first;  // of the declaration
  for (int i = range.first; i <= range.last; ++i) {
    if (tokens_.is(i, ";") || tokens_.is(i, ":")) {
      start = i + 1;
    } else if (tokens_.is(i, "{")) {
      const int end = tokens_[i].partner;
      bool device = false, scope = false;
      int parameters = -1;
      for (int j = start; j < i; ++j) {
        device = device || marks_device_code(tokens_.text(j));
        scope = scope || tokens_.is(j, "namespace") || tokens_.is(j, "struct") || tokens_.is(j, "class");
        if (tokens_.is(j, "(") && !scope && !tokens_.is(j - 1, "__launch_bounds__")) parameters = j;
        if (tokens_.opens(j)) j = tokens_[j].partner;
      }
      if (scope && parameters < 0) {
        find_functions({i + 1, end - 1});
      } else if (device && parameters > 0) {
        const bool is_operator = !tokens_.is_identifier(parameters - 1);
        const std::string name = is_operator ? "operator" : std::string(tokens_.text(parameters - 1));
        functions_.push_back({name, {i + 1, end - 1}});
      }
      i = end;
      start = i + 1;
    } else if (tokens_.opens(i)) {
      i = tokens_[i].partner;
    }
  }
}

void Code::freeze(Range range) {
  for (int i = range.first; i <= range.last; ++i) frozen_[static_cast<std::size_t>(i)] = true;
}

void Code::freeze_body(Range body) {
  for (int i = body.first; i <= body.last; ++i) {
    if (tokens_.is(i, "<") && tokens_.opens(i)) freeze({i, tokens_[i].partner});
    if (takes_constants(tokens_.text(i)) && tokens_.is(i + 1, "(")) freeze({i, tokens_[i + 1].partner});
    if (tokens_.is(i, "if") && tokens_.is(i + 1, "constexpr")) freeze({i, tokens_[i + 2].partner});
    if (tokens_.is(i, "case")) {
      for (int j = i; !tokens_.is(j, ":"); ++j) freeze({j, j});
    }
    const bool subscript = tokens_.is_identifier(i - 1) || tokens_.is(i - 1, "]") || tokens_.is(i - 1, ")");
    if (tokens_.is(i, "[") && (!subscript || tokens_.is(i - 1, "return"))) {  // head of a lambda, or an attribute
      const int end = tokens_[i].partner;
      freeze({i, tokens_.is(end + 1, "(") ? tokens_[end + 1].partner : end});
    }
    if (starts_statement(i)) freeze_statement(i);
  }
}

void Code::freeze_statement(int start) {
  const int end = statement_end(start);
  constexpr std::array<std::string_view, 4> kConstant = {"constexpr", "static", "using", "typedef"};
  if (among(tokens_.text(start), kConstant) && end > 0) {
    freeze({start, end});
    return;
  }
  int initialiser = start;
  while (initialiser < end && !tokens_.is(initialiser, "=")) ++initialiser;
  if (end < 0 || !declares(start, initialiser)) return;
  // Dimensions of every declared array.
  for (int i = start; i < end; ++i) {
    if (tokens_.is(i, "=")) {
      while (i < end && !tokens_.is(i, ",")) i = tokens_.opens(i) ? tokens_[i].partner + 1 : i + 1;
    } else if (tokens_.opens(i)) {
      if (tokens_.is(i, "[")) freeze({i, tokens_[i].partner});
      i = tokens_[i].partner;
    }
  }
  // A const variable made of constants may be one itself.
  if (!tokens_.is(start, "const")) return;
  bool constant = true;
  for (int i = initialiser + 1; i < end; ++i) {
    constant = constant && (!tokens_.is_identifier(i) || names_constant(tokens_.text(i)) || frozen(i));
  }
  if (constant) freeze({start, end});
}

bool Code::is_block(int brace) const {
  const std::string_view before = tokens_.text(brace - 1);
  constexpr std::array<std::string_view, 9> kBeforeBlock = {")",       ";",        "}", "else", "do",
                                                            "mutable", "noexcept", "]", ":"};
  if (among(before, kBeforeBlock)) return true;
  if (before == "{") return is_block(brace - 1);
  return tokens_.is(brace - 2, "->");  // a lambda that names its type
}

bool Code::starts_statement(int i) const {
  const std::string_view before = tokens_.text(i - 1);
  if (tokens_.is(i, ";") || tokens_.is(i, "}") || tokens_.is(i, "{")) return false;
  if (before == ";") {  // not the parts of a for head
    for (int j = i - 2; j >= 0; --j) {
      if (tokens_.closes(j)) {
        j = tokens_[j].partner;
      } else if (tokens_.opens(j)) {
        return tokens_.is(j, "{");
      }
    }
    return true;
  }
  if (before == "else" || before == "do" || before == "QUARRY_UNROLL") return true;
  if (before == "{") return is_block(i - 1);
  if (before == "}") return is_block(tokens_[i - 1].partner) && !tokens_.is(i, "else") && !tokens_.is(i, "while");
  if (before == ")") {
    const int open = tokens_[i - 1].partner;
    return tokens_.is(open - 1, "if") || tokens_.is(open - 1, "for") || tokens_.is(open - 1, "while") ||
           tokens_.is(open - 1, "constexpr");
  }
  if (before == ":") {  // behind a case label
    for (int j = i - 2; j >= 0; --j) {
      if (tokens_.is(j, "case") || tokens_.is(j, "default")) return true;
      if (tokens_.is(j, ";") || tokens_.is(j, "?") || tokens_.is(j, "{") || tokens_.is(j, "}")) return false;
    }
  }
  return false;
}

int Code::statement_end(int i) const {
  for (int j = i; j < tokens_.size(); ++j) {
    if (tokens_.is(j, ";")) return j;
    if (tokens_.is(j, "{") && is_block(j) && !tokens_.is(j - 1, "]")) return -1;
    if (tokens_.is(j, "}") || tokens_.is(j, ")")) return -1;
    if (tokens_.opens(j)) j = tokens_[j].partner;
  }
  return -1;
}

bool Code::declares(int start, int end) const {
  constexpr std::array<std::string_view, 7> kStatements = {"return", "break", "continue", "if",
                                                           "for",    "while", "switch"};
  if (among(tokens_.text(start), kStatements)) return false;
  if (tokens_.is(start, "auto") || tokens_.is(start, "const")) return true;
  for (int i = start; i < end; ++i) {
    if (tokens_.opens(i) && !tokens_.is(i, "<")) {
      i = tokens_[i].partner;
      continue;
    }
    if (tokens_.opens(i)) i = tokens_[i].partner;
    const bool pointer = tokens_.is(i, "*") || tokens_.is(i, "&");
    const bool type_end = tokens_.is_identifier(i) || (tokens_.is(i, ">") && tokens_.closes(i)) ||
                          (pointer && !tokens_[i].space_before && tokens_[i].space_after);
    if (type_end && tokens_.is_identifier(i + 1)) return true;
    if (i > start && pointer && tokens_[i].space_before && !tokens_[i].space_after) return true;  // T *a = x, *b = y
  }
  return false;
}

int Code::precedence(int i) const {
  const std::string_view text = tokens_.text(i);
  for (const Level& level : kLevels) {
    if (text == level.mark) return tokens_[i].space_before && tokens_[i].space_after ? level.precedence : 0;
  }
  return 0;
}

Range Code::left_operand(int op) const {
  const int own = precedence(op);
  int first = op;
  while (first > 0) {
    const int j = first - 1;
    if (tokens_.closes(j)) {
      first = tokens_[j].partner;
    } else if (tokens_.opens(j) || delimits(tokens_.text(j)) || (precedence(j) > 0 && precedence(j) < own)) {
      break;
    } else {
      first = j;
    }
  }
  return {first, op - 1};
}

Range Code::right_operand(int op) const {
  const int own = precedence(op);
  int last = op;
  while (last + 1 < tokens_.size()) {
    const int j = last + 1;
    if (tokens_.opens(j)) {
      last = tokens_[j].partner;
    } else if (tokens_.closes(j) || delimits(tokens_.text(j)) || (precedence(j) > 0 && precedence(j) <= own)) {
      break;
    } else {
      last = j;
    }
  }
  return {op + 1, last};
}

Range Code::condition(int question) const {
  return left_operand(question);
}

std::vector<Range> Code::arguments(int open) const {
  std::vector<Range> all;
  const int end = tokens_[open].partner;
  int first = open + 1;
  for (int i = first; i <= end; ++i) {
    if (i == end || tokens_.is(i, ",")) {
      if (first < i) all.push_back({first, i - 1});
      first = i + 1;
    } else if (tokens_.opens(i)) {
      i = tokens_[i].partner;
    }
  }
  return all;
}

int Code::name_start(int i) const {
  while (tokens_.is(i - 1, "::")) i = tokens_.is_identifier(i - 2) ? i - 2 : i - 1;
  return i;
}

ForHead Code::for_head(int i) const {
  const int open = i + 1, end = tokens_[open].partner;
  std::vector<int> semicolons;
  for (int j = open + 1; j < end; ++j) {
    if (tokens_.is(j, ";")) semicolons.push_back(j);
    if (tokens_.opens(j)) j = tokens_[j].partner;
  }
  if (semicolons.size() != 2) return {};
  return {{open + 1, semicolons[0] - 1}, {semicolons[0] + 1, semicolons[1] - 1}, {semicolons[1] + 1, end - 1}};
}

}  // namespace quarry::mutants
