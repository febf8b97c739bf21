// SPDX-License-Identifier: MIT
// What the mutation operators need to know about a source: where the bodies of device functions are, what may be
// changed in them, and how far an expression reaches. Not a parser: it leans on the house style (see tokens.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/simt/mutants/tokens.h"

namespace quarry::mutants {

/// Tokens first to last; empty if last < first.
struct Range {
  int first = 0, last = -1;
  bool empty() const { return last < first; }
};

/// Body of a function that a kernel can reach (__global__, __device__ or QUARRY_HD), braces excluded.
struct Function {
  std::string name;
  Range body;
};

/// Parts of the head of a for loop.
struct ForHead {
  Range start, condition, step;
};

class Code {
 public:
  explicit Code(std::string source);

  const Tokens& tokens() const { return tokens_; }
  const std::vector<Function>& functions() const { return functions_; }

  /// Must stay as it is: constant expressions, template arguments, array dimensions, case labels, lambda heads.
  bool frozen(int i) const { return frozen_[static_cast<std::size_t>(i)]; }
  bool starts_statement(int i) const;
  /// The ; that ends the statement that starts at i; -1 if a brace comes first.
  int statement_end(int i) const;
  /// Between start and end (a statement's = or ; ) stands the declaration of a variable.
  bool declares(int start, int end) const;

  /// Precedence of a binary operator that is not an assignment; 0 for every other token.
  int precedence(int i) const;
  Range left_operand(int op) const;
  Range right_operand(int op) const;
  /// Of the ? at i.
  Range condition(int question) const;
  /// Arguments of the call whose ( is at i.
  std::vector<Range> arguments(int open) const;
  /// First token of the name of the call at i: the std of std::max.
  int name_start(int i) const;
  /// Of the for at i; empty parts if it walks over a range.
  ForHead for_head(int i) const;

 private:
  void find_functions(Range range);
  void freeze(Range range);
  void freeze_body(Range body);
  void freeze_statement(int start);
  bool is_block(int brace) const;

  Tokens tokens_;
  std::vector<Function> functions_;
  std::vector<bool> frozen_;
};

}  // namespace quarry::mutants
