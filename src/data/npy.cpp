// SPDX-License-Identifier: MIT
#include "quarry/data/npy.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/data/bytes.h"

namespace quarry {
namespace {

constexpr std::size_t kMaxHeader = 10'000;
constexpr std::size_t kMaxRank = 8;
constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  ElementType type = ElementType::u8;
  bool big_endian = false, fortran_order = false;
  std::vector<std::uint64_t> shape;
};

/// Reads the dictionary literal of the header, which starts at byte `start` of the file.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path, std::size_t start)
      : text_(text), path_(path), start_(start) {}

  Header parse() {
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string("a key");
      expect(':');
      bool& seen = key == "descr" ? has_descr : key == "fortran_order" ? has_order : has_shape;
      if (key != "descr" && key != "fortran_order" && key != "shape")
        error("an unknown key", "descr, fortran_order, shape");
      if (seen) error("a key for the second time", "each key once");
      seen = true;
      if (key == "descr") descr();
      if (key == "fortran_order") header_.fortran_order = boolean();
      if (key == "shape") shape();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (at_ != text_.size()) error("more text", "blanks to the end of the header");
    if (!has_descr || !has_order || !has_shape)
      error("the end of the header", "the keys descr, fortran_order and shape");
    return std::move(header_);
  }

 private:
  [[noreturn]] void error(std::string_view found, std::string_view expected) const {
    fail("{}: byte {}: the NPY header has {}; expected {}", path_, start_ + at_, found, expected);
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) error(at_ == text_.size() ? "ended" : "something else", std::string{'\'', c, '\''});
  }
  std::string_view string(std::string_view what) {
    skip_blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') error("something else", fmt::format("{} in quotes", what));
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\') error("a backslash", "plain text in quotes");
      ++at_;
    }
    if (at_ == text_.size()) error("an open quote", "a closing one");
    return text_.substr(begin, at_++ - begin);
  }
  bool boolean() {
    skip_blanks();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return value;
    }
    error("something else", "True or False");
  }
  void shape() {
    expect('(');
    while (!accept(')')) {
      if (header_.shape.size() == kMaxRank) error("more extents", fmt::format("a rank of at most {}", kMaxRank));
      header_.shape.push_back(extent());
      const bool comma = accept(',');
      if (comma) continue;
      if (header_.shape.size() == 1) error("a number in brackets", "a comma after the only extent");
      expect(')');
      break;
    }
  }
  std::uint64_t extent() {
    skip_blanks();
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    std::int64_t value = 0;
    if (!parse_number(text_.substr(begin, at_ - begin), value)) error("a bad extent", "an integer below 2^63");
    return static_cast<std::uint64_t>(value);
  }
  void descr() {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '[') error("a structured type", "one plain number per element");
    const std::string_view descr = string("an element type");
    if (descr.size() < 2) error("an empty element type", "for example '<f8'");
    const char order = descr[0];
    const std::optional<ElementType> type = element_type(descr.substr(1));
    if (!type || (order != '<' && order != '>' && order != '=' && order != '|')) {
      error(fmt::format("the element type '{}'", printable(descr)),
            descr.find('O') != std::string_view::npos
                ? "numbers: object arrays hold Python pickles, which could run any code; save them as numbers"
                : "a boolean, integer or real type, for example '|b1', '<i8' or '<f4'");
    }
    header_.type = *type;
    header_.big_endian = order == '>';
    if (order == '|' && size_of(header_.type) > 1) error("no byte order", "'<' or '>' before the type");
  }
  static std::optional<ElementType> element_type(std::string_view code) {
    static constexpr std::pair<std::string_view, ElementType> kCodes[] = {
        {"b1", ElementType::boolean}, {"u1", ElementType::u8},  {"i1", ElementType::i8},  {"u2", ElementType::u16},
        {"i2", ElementType::i16},     {"u4", ElementType::u32}, {"i4", ElementType::i32}, {"u8", ElementType::u64},
        {"i8", ElementType::i64},     {"f2", ElementType::f16}, {"f4", ElementType::f32}, {"f8", ElementType::f64}};
    for (const auto& [name, type] : kCodes) {
      if (code == name) return type;
    }
    return std::nullopt;
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t start_;
  std::size_t at_ = 0;
  Header header_;
};

/// Column-major elements, first extent fastest, to row-major, last extent fastest.
std::string transposed(std::string_view from, const std::vector<std::uint64_t>& shape, std::size_t element) {
  std::vector<std::uint64_t> stride(shape.size(), element), index(shape.size(), 0);
  for (std::size_t r = 1; r < shape.size(); ++r) stride[r] = stride[r - 1] * shape[r - 1];
  std::string to(from.size(), '\0');
  std::uint64_t source = 0;
  for (std::size_t target = 0; target < to.size(); target += element) {
    std::memcpy(to.data() + target, from.data() + source, element);
    for (std::size_t r = shape.size(); r-- > 0;) {
      source += stride[r];
      if (++index[r] < shape[r]) break;
      source -= stride[r] * shape[r];
      index[r] = 0;
    }
  }
  return to;
}

}  // namespace

NumericArray parse_npy(std::string_view bytes, const std::string& path) {
  const ByteView view(bytes, path);
  if (view.slice(0, kMagic.size(), "the magic bytes") != kMagic) {
    fail("{}: byte 0: not an NPY file; expected 93 and 'NUMPY'", path);
  }
  const std::uint64_t version = view.big(6, 2, "the version");
  if (version != 0x0100 && version != 0x0200 && version != 0x0300) {
    fail("{}: byte 6: NPY version {}.{}; expected 1.0, 2.0 or 3.0", path, version >> 8, version & 255);
  }
  const std::size_t length_bytes = version == 0x0100 ? 2 : 4;
  const auto length = static_cast<std::size_t>(view.little(8, length_bytes, "the header's length"));
  if (length > kMaxHeader) {
    fail("{}: byte 8: the NPY header is {} bytes long; at most {} are accepted", path, length, kMaxHeader);
  }
  const std::size_t header_start = 8 + length_bytes, start = header_start + length;
  const Header header = HeaderParser(view.slice(header_start, length, "the header"), path, header_start).parse();

  NumericArray array;
  array.type = header.type;
  array.shape = header.shape;
  const std::uint64_t wanted = checked_count(array.shape, array.type, path) * size_of(array.type);
  if (wanted != view.size() - start) {
    fail("{}: byte {}: the shape asks for {} bytes of elements, but {} follow", path, start, wanted,
         view.size() - start);
  }
  const std::string_view elements = view.slice(start, static_cast<std::size_t>(wanted), "the elements");
  array.bytes = header.fortran_order && array.shape.size() > 1 ? transposed(elements, array.shape, size_of(array.type))
                                                               : std::string(elements);
  if (header.big_endian) swap_bytes(array.bytes, size_of(array.type));
  return array;
}

}  // namespace quarry
