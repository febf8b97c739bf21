// SPDX-License-Identifier: MIT
#include "src/report/table.h"

#include <fmt/core.h>

#include <cctype>
#include <cmath>

#include "quarry/core/text.h"
#include "src/report/gnuplot.h"

namespace quarry {
namespace {

/// Bytes that are not UTF-8 become question marks, control bytes go.
std::string clean_utf8(std::string_view text) {
  const std::string bytes = printable(text);
  std::string clean;
  for (std::size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    bool whole = length > 0 && i + length <= bytes.size();
    for (std::size_t k = 1; whole && k < length; ++k) whole = (static_cast<unsigned char>(bytes[i + k]) & 0xc0) == 0x80;
    clean += whole ? bytes.substr(i, length) : "?";
    i += whole ? length : 1;
  }
  return clean;
}

bool is_number(std::string_view text) {
  double value;
  return parse_number(text, value);
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (char c : clean_utf8(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '%':  // "95 %" stays in one line
        if (escaped.ends_with(' ')) escaped.replace(escaped.size() - 1, 1, "&nbsp;");
        escaped += c;
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string markdown_escaped(std::string_view text) {
  const std::string clean = clean_utf8(text);
  const auto is_word = [&](std::size_t i) {
    return i < clean.size() && (std::isalnum(static_cast<unsigned char>(clean[i])) != 0);
  };
  std::string escaped;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const char c = clean[i];
    if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '&')
      escaped += "&amp;";
    else if (c == '_' && i > 0 && is_word(i - 1) && is_word(i + 1))
      escaped += c;  // as in online_dynamic
    else if (std::string_view("\\`*_[]|#~!").find(c) != std::string_view::npos)
      (escaped += '\\') += c;
    else
      escaped += c;
  }
  return escaped;
}

std::string table_markdown(const Table& table) {
  std::string text = fmt::format("**{}**\n\n|", markdown_escaped(table.title));
  for (const std::string& cell : table.header) text += fmt::format(" {} |", markdown_escaped(cell));
  text += "\n|";
  for (std::size_t i = 0; i < table.header.size(); ++i)
    text += static_cast<int>(i) < table.text_columns ? "---|" : "---:|";
  text += "\n";
  for (const auto& row : table.rows) {
    text += "|";
    for (const std::string& cell : row) text += fmt::format(" {} |", markdown_escaped(cell));
    text += "\n";
  }
  if (!table.note.empty()) text += fmt::format("\n{}\n", markdown_escaped(table.note));
  return text + "\n";
}

std::string table_html(const Table& table) {
  const auto cell_class = [&](std::size_t column) {
    return static_cast<int>(column) < table.text_columns ? "" : " class=\"num\"";
  };
  std::string text =
      fmt::format("<figure class=\"table\"><figcaption>{}</figcaption><div class=\"scroll\"><table>\n<tr>",
                  html_escaped(table.title));
  for (std::size_t i = 0; i < table.header.size(); ++i)
    text += fmt::format("<th scope=\"col\"{}>{}</th>", cell_class(i), html_escaped(table.header[i]));
  text += "</tr>\n";
  for (const auto& row : table.rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string swatch = static_cast<int>(i) != table.strategy_column
                                     ? ""
                                     : fmt::format("<i class=\"dot c{}\"></i>", colour_index(row[i]));
      text += fmt::format("<td{}>{}{}</td>", cell_class(i), swatch, html_escaped(row[i]));
    }
    text += "</tr>\n";
  }
  text += "</table></div>";
  if (!table.note.empty()) text += fmt::format("<p class=\"note\">{}</p>", html_escaped(table.note));
  return text + "</figure>\n";
}

void CsvText::add(const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::string cell = cells[i];
    if (!cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos && !is_number(cell))
      cell.insert(cell.begin(), '\'');
    const bool quoted = cell.find_first_of(",\"\r\n'") != std::string::npos;
    text_ += i == 0 ? "" : ",";
    if (!quoted) {
      text_ += cell;
      continue;
    }
    text_ += '"';
    for (char c : cell) text_ += c == '"' ? "\"\"" : std::string(1, c);
    text_ += '"';
  }
  text_ += "\n";
}

std::string rounded(double value, int digits) {
  if (std::isnan(value)) return "n/a";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{:.{}f}", value, digits);
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return rounded(value);
  return fmt::format("{:.3g}", value);
}

std::string mean_and_sd(const Estimate& estimate, int digits) {
  if (estimate.n == 0) return "n/a";
  if (estimate.n == 1) return rounded(estimate.mean, digits);
  return fmt::format("{} \u00b1 {}", rounded(estimate.mean, digits), rounded(estimate.sd, digits));
}

std::string interval_text(const Estimate& estimate, int digits) {
  if (estimate.n == 0) return "n/a";
  if (estimate.n == 1) return "none (n = 1)";
  return fmt::format("{} to {}", rounded(estimate.mean - estimate.half_width, digits),
                     rounded(estimate.mean + estimate.half_width, digits));
}

std::string p_text(double p) {
  return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p);
}

}  // namespace quarry
