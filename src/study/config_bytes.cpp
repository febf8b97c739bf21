// SPDX-License-Identifier: MIT
// The gate before the TOML parser: see check_config_bytes.
#include "quarry/core/error.h"
#include "src/study/config_value.h"

namespace quarry {
namespace {

constexpr int kMaxDepth = 8;  // lists inside each other
constexpr int kMaxDots = 8;   // of one key or value

class Gate {
 public:
  Gate(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  void check() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && !at_line_end()) advance();
      } else if (c == '"' || c == '\'') {
        string(c);
      } else {
        plain(c);
        advance();
      }
    }
  }

 private:
  [[noreturn]] void refuse(const char* what) const { usage_error("{}:{}:{}: {}", path_, line_, column_, what); }

  bool at_line_end() const {
    const char c = text_[at_];
    if (c != '\r') return c == '\n';
    if (at_ + 1 < text_.size() && text_[at_ + 1] == '\n') return true;
    refuse("a carriage return that does not end a line");
  }

  // One code point, which must be well-formed UTF-8 and not a control character.
  void advance() {
    const auto byte = [&](std::size_t i) {
      return at_ + i < text_.size() ? static_cast<unsigned char>(text_[at_ + i]) : 0u;
    };
    const unsigned first = byte(0);
    std::size_t length = 1;
    if (first == '\n') {
      ++line_;
      column_ = 0;
    } else if ((first < 0x20 && first != '\t' && first != '\r') || first == 0x7f) {
      refuse("a control character; use an escape such as \\t inside a string");
    } else if (first >= 0x80) {
      length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
      bool good = first >= 0xc2 && first <= 0xf4;
      for (std::size_t i = 1; i < length; ++i) good = good && (byte(i) & 0xc0u) == 0x80;
      // Overlong forms, surrogates and code points above U+10FFFF.
      if (first == 0xe0) good = good && byte(1) >= 0xa0;
      if (first == 0xed) good = good && byte(1) < 0xa0;
      if (first == 0xf0) good = good && byte(1) >= 0x90;
      if (first == 0xf4) good = good && byte(1) < 0x90;
      if (!good) refuse("bytes that are not UTF-8; save the file as UTF-8");
    }
    at_ += length;
    ++column_;
  }

  // A string stands where a value does. The parser reads past an error as far as the next blank or comma, so a string
  // glued to something else would show it, and there it must not meet what only strings may hold.
  void string(char quote) {
    if (equals_ == 0) refuse("a quote before any '='; names of sections and keys need none");
    constexpr std::string_view kBefore = " \t\n=[,";
    if (kBefore.find(text_[at_ - 1]) == std::string_view::npos) refuse("a quote in the middle of a value");
    if (text_.substr(at_, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''"))
      refuse("a multi-line string; no key of a config needs one");
    advance();
    while (at_ < text_.size() && text_[at_] != quote) {
      if (at_line_end()) refuse("the string that began on this line has no end");
      if (quote == '"' && text_[at_] == '\\') {
        advance();
        if (at_ >= text_.size() || at_line_end()) continue;
      }
      advance();
    }
    if (at_ >= text_.size()) refuse("the string that began on this line has no end");
    advance();
  }

  void plain(char c) {
    constexpr std::string_view kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.:";
    if (static_cast<unsigned char>(c) >= 0x80)
      refuse("a character beyond ASCII outside a string; put quotes around it");
    if (c == '{' || c == '}') refuse("a table in braces; write [section] and its keys below");
    if (c == '[') {
      if (at_ > 0 && kWord.find(text_[at_ - 1]) != std::string_view::npos) refuse("'[' in the middle of a word");
      if (++depth_ > kMaxDepth) refuse("lists nested more than 8 deep");
    } else if (c == ']') {
      if (depth_ > 0) --depth_;
    } else if (c == '=') {
      if (++equals_ > 1) refuse("a second '='; one key per line");
      dots_ = 0;
    } else if (c == '.') {
      if (++dots_ > kMaxDots) refuse("more than 8 dots in one key or value");
    } else if (c == ',') {
      dots_ = 0;
    } else if (c == '\n') {
      dots_ = 0;
      if (depth_ == 0) equals_ = 0;
    } else if (c == '\r') {
      at_line_end();
    } else if (c != ' ' && c != '\t' && kWord.find(c) == std::string_view::npos) {
      // Bytes below 32 are refused by advance(), with a better message.
      if (static_cast<unsigned char>(c) > 0x20 && c != 0x7f) refuse("a character that needs quotes around the value");
    }
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
  int line_ = 1, column_ = 1, depth_ = 0, dots_ = 0, equals_ = 0;
};

}  // namespace

std::string_view check_config_bytes(std::string_view text, const std::string& path) {
  if (text.size() > kMaxConfigBytes)
    usage_error("{}: {} bytes; a config has at most {}", path, text.size(), kMaxConfigBytes);
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.substr(0, 3) == kByteOrderMark) text.remove_prefix(3);
  Gate(text, path).check();
  return text;
}

}  // namespace quarry
