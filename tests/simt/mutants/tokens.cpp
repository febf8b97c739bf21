// SPDX-License-Identifier: MIT
#include "tests/simt/mutants/tokens.h"

#include <array>
#include <cctype>

namespace quarry::mutants {
namespace {

constexpr std::array<std::string_view, 25> kLongMarks = {
    "<<=", ">>=", "...", "->*", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=",
    "-=",  "*=",  "/=",  "%=",  "&=", "|=", "^=", "++", "--", "->", "::", "##"};

bool starts_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}
bool digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool in_name(char c) {
  return starts_name(c) || digit(c);
}
bool space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

/// Walks over a source; every function leaves `at` behind what it read.
struct Reader {
  const std::string& s;
  std::size_t at = 0;
  int line = 1;

  char peek(std::size_t ahead = 0) const { return at + ahead < s.size() ? s[at + ahead] : '\0'; }
  void step() {
    if (s[at] == '\n') ++line;
    ++at;
  }
  /// To the end of the line that no backslash continues.
  void skip_directive() {
    while (at < s.size() && (s[at] != '\n' || s[at - 1] == '\\')) step();
  }
  void skip_comment() {
    if (peek(1) == '/') {
      while (at < s.size() && s[at] != '\n') step();
      return;
    }
    const int first = line;
    for (at += 2; at < s.size() && !(s[at] == '*' && peek(1) == '/');) step();
    if (at >= s.size()) throw SourceError(first, "a comment without an end");
    at += 2;
  }
  /// Blanks, comments and directives.
  void skip_unseen() {
    bool line_start = at == 0 || s[at - 1] == '\n';
    while (at < s.size()) {
      if (space(s[at])) {
        line_start = line_start || s[at] == '\n';
        step();
      } else if (s[at] == '/' && (peek(1) == '/' || peek(1) == '*')) {
        skip_comment();
      } else if (s[at] == '#' && line_start) {
        skip_directive();
      } else {
        return;
      }
    }
  }
  TokenKind read() {
    if (starts_name(s[at])) {
      if (s[at] == 'R' && peek(1) == '"') throw SourceError(line, "a raw string");
      while (in_name(peek())) ++at;
      return TokenKind::identifier;
    }
    if (digit(s[at]) || (s[at] == '.' && digit(peek(1)))) {
      read_number();
      return TokenKind::number;
    }
    if (s[at] == '"' || s[at] == '\'') {
      read_text(s[at]);
      return TokenKind::text;
    }
    for (const std::string_view mark : kLongMarks) {
      if (s.compare(at, mark.size(), mark) == 0) {
        at += mark.size();
        return TokenKind::mark;
      }
    }
    if (std::string_view("()[]{}<>=+-*/%&|^!~?:;,.").find(s[at]) == std::string_view::npos) {
      throw SourceError(line, std::string("unexpected character ") + s[at]);
    }
    ++at;
    return TokenKind::mark;
  }
  void read_number() {
    const bool hex = s[at] == '0' && (peek(1) == 'x' || peek(1) == 'X');
    for (; at < s.size(); ++at) {
      const char before = at > 0 ? s[at - 1] : '\0';
      const bool exponent = hex ? before == 'p' || before == 'P' : before == 'e' || before == 'E';
      if (!in_name(s[at]) && s[at] != '.' && s[at] != '\'' && !(exponent && (s[at] == '+' || s[at] == '-'))) return;
    }
  }
  void read_text(char quote) {
    const int first = line;
    for (++at; at < s.size() && s[at] != quote; ++at) {
      if (s[at] == '\\') ++at;
      if (peek() == '\n') throw SourceError(first, "a string without an end");
    }
    ++at;
  }
};

}  // namespace

Tokens::Tokens(std::string source) : source_(std::move(source)) {
  tokenize();
  pair_brackets();
}

std::string_view Tokens::text(int i) const {
  if (i < 0 || i >= size()) return {};
  const Token& t = (*this)[i];
  return std::string_view(source_).substr(t.begin, t.end - t.begin);
}

bool Tokens::opens(int i) const {
  return i >= 0 && i < size() && (*this)[i].partner > i;
}
bool Tokens::closes(int i) const {
  return i >= 0 && i < size() && (*this)[i].partner >= 0 && (*this)[i].partner < i;
}

std::string Tokens::flat(int first, int last) const {
  std::string joined;
  for (int i = first; i <= last; ++i) {
    if (i > first && (*this)[i].space_before) joined += ' ';
    joined += text(i);
  }
  return joined;
}

void Tokens::tokenize() {
  Reader reader{source_};
  for (reader.skip_unseen(); reader.at < source_.size(); reader.skip_unseen()) {
    Token token{};
    token.begin = reader.at;
    token.line = reader.line;
    token.kind = reader.read();
    token.end = reader.at;
    token.space_before = token.begin == 0 || space(source_[token.begin - 1]);
    token.space_after = token.end >= source_.size() || space(source_[token.end]);
    tokens_.push_back(token);
  }
}

void Tokens::pair_brackets() {
  std::vector<int> open;
  const auto innermost = [&] { return open.empty() ? std::string_view() : text(open.back()); };
  const auto close = [&](int i, std::string_view opener) {
    if (innermost() != opener) throw SourceError((*this)[i].line, "brackets that do not match");
    tokens_[static_cast<std::size_t>(i)].partner = open.back();
    tokens_[static_cast<std::size_t>(open.back())].partner = i;
    open.pop_back();
  };
  for (int i = 0; i < size(); ++i) {
    Token& token = tokens_[static_cast<std::size_t>(i)];
    if (token.kind != TokenKind::mark) continue;
    if (is(i, "(") || is(i, "[") || is(i, "{")) {
      open.push_back(i);
    } else if (is(i, "<") && is_identifier(i - 1) && (!token.space_before || is(i - 1, "template"))) {
      open.push_back(i);
    } else if (is(i, ">>") && innermost() == "<" && !token.space_before) {  // ends two lists of template arguments
      Token second = token;
      second.begin = --token.end;
      second.space_before = token.space_after = false;
      tokens_.insert(tokens_.begin() + i + 1, second);
      close(i, "<");
    } else if (is(i, ">") && innermost() == "<" && !token.space_before) {
      close(i, "<");
    } else if (is(i, ")")) {
      close(i, "(");
    } else if (is(i, "]")) {
      close(i, "[");
    } else if (is(i, "}")) {
      close(i, "{");
    }
  }
  if (!open.empty()) throw SourceError((*this)[open.back()].line, "brackets that do not match");
}

}  // namespace quarry::mutants
