// SPDX-License-Identifier: MIT
// Tokens of a kernel source laid out by clang-format. The layout carries meaning here: a binary operator has a space on
// both sides, the angle brackets of template arguments, pointers and references have none before them.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace quarry::mutants {

/// A source that the tokenizer or the generator cannot take; the text names the line.
class SourceError : public std::runtime_error {
 public:
  SourceError(int line, const std::string& text)
      : std::runtime_error("line " + std::to_string(line) + ": " + text), line_(line) {}
  int line() const { return line_; }

 private:
  int line_;
};

enum class TokenKind { identifier, number, text, mark };

struct Token {
  TokenKind kind;
  std::size_t begin, end;  ///< bytes of the source
  int line;
  bool space_before, space_after;
  int partner = -1;  ///< of a bracket ( [ { and the < > of template arguments: index of the other one
};

/// Comments and preprocessor lines give no tokens. Error: SourceError for brackets that do not match, raw strings and
/// what no token starts with.
class Tokens {
 public:
  explicit Tokens(std::string source);

  int size() const { return static_cast<int>(tokens_.size()); }
  const Token& operator[](int i) const { return tokens_[static_cast<std::size_t>(i)]; }
  /// Text of token i; empty outside the source.
  std::string_view text(int i) const;
  bool is(int i, std::string_view expected) const { return text(i) == expected; }
  bool is_identifier(int i) const { return i >= 0 && i < size() && (*this)[i].kind == TokenKind::identifier; }
  bool opens(int i) const;   ///< is the first of a pair of brackets
  bool closes(int i) const;  ///< is the second
  /// Tokens first to last as one line.
  std::string flat(int first, int last) const;
  const std::string& source() const { return source_; }

 private:
  void tokenize();
  void pair_brackets();

  std::string source_;
  std::vector<Token> tokens_;
};

}  // namespace quarry::mutants
