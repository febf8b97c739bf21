// SPDX-License-Identifier: MIT
#include "src/report/cell_text.h"

#include <algorithm>

namespace quarry {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// One pass over a JSON text that may be anything: only strings are recognised, so that nothing inside one changes.
class Pass {
 public:
  Pass(std::string_view text, std::string_view passed_over) : text_(text), passed_over_(passed_over) {}

  std::string run() {
    out_.reserve(text_.size() + 16);
    while (at_ < text_.size()) {
      if (text_[at_] == '"')
        string();
      else if (!word("-Infinity") && !word("Infinity") && !word("NaN"))
        out_ += text_[at_++];
    }
    return std::move(out_);
  }

 private:
  std::size_t after_blanks(std::size_t at) const {
    while (at < text_.size() && is_blank(text_[at])) ++at;
    return at;
  }

  bool word(std::string_view name) {
    if (text_[at_] != name[0] || text_.substr(at_, name.size()) != name) return false;
    (out_ += '"') += name;
    out_ += '"';
    at_ += name.size();
    return true;
  }

  void string() {
    const std::size_t first = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
    const std::string_view whole = text_.substr(first, at_ - first);
    out_ += whole;
    if (!passed_over_.empty() && whole.size() == passed_over_.size() + 2 &&
        whole.substr(1, passed_over_.size()) == passed_over_)
      list_of_numbers();
  }

  /// Behind the key: blanks the inside of its list, or leaves everything as it is.
  void list_of_numbers() {
    std::size_t at = after_blanks(at_);
    if (at == text_.size() || text_[at] != ':') return;
    at = after_blanks(at + 1);
    if (at == text_.size() || text_[at] != '[') return;
    const std::size_t open = at;
    at = after_blanks(at + 1);
    if (at < text_.size() && text_[at] != ']') {
      for (;;) {
        const std::size_t digits = at;
        while (at < text_.size() && is_digit(text_[at])) ++at;
        const std::size_t length = at - digits;
        if (length == 0 || length > 10 || (length > 1 && text_[digits] == '0')) return;
        at = after_blanks(at);
        if (at == text_.size()) return;
        if (text_[at] == ']') break;
        if (text_[at] != ',') return;
        at = after_blanks(at + 1);
      }
    }
    if (at == text_.size()) return;
    out_ += text_.substr(at_, open + 1 - at_);
    out_.append(at - open - 1, ' ');
    out_ += ']';
    at_ = at + 1;
  }

  std::string_view text_, passed_over_;
  std::string out_;
  std::size_t at_ = 0;
};

}  // namespace

Json parse_cell_json(std::string_view text, std::string_view where, std::string_view passed_over) {
  return Json::parse(Pass(text, passed_over).run(), where);
}

}  // namespace quarry
