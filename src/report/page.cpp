// SPDX-License-Identifier: MIT
#include "src/report/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

namespace quarry {
namespace {

std::string_view mime_of(const Picture& picture) {
  return picture.file.ends_with(".svg") ? "image/svg+xml" : "image/png";
}

struct HtmlWriter {
  std::string text;

  void operator()(const Paragraph& p) { text += fmt::format("<p>{}</p>\n", html_escaped(p.text)); }
  void operator()(const Facts& facts) {
    text += "<dl class=\"facts\">\n";
    for (const auto& [name, value] : facts.items)
      text += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_escaped(name), html_escaped(value));
    text += "</dl>\n";
  }
  void operator()(const Commands& commands) { text += fmt::format("<pre>{}</pre>\n", html_lines(commands.text)); }
  void operator()(const Folded& folded) {
    text += fmt::format("<details><summary>{}</summary>\n", html_escaped(folded.title));
    for (const Table& table : folded.tables) text += table_html(table);
    text += "</details>\n";
  }
  void operator()(const Pictures& pictures) {
    if (pictures.pictures.empty()) return;
    text += "<div class=\"pictures\">\n";
    for (const Picture& picture : pictures.pictures) {
      if (picture.bytes.empty()) continue;
      const std::string caption = html_escaped(picture.caption);
      text +=
          fmt::format("<figure{}><img alt=\"{}\" src=\"data:{};base64,{}\"><figcaption>{}</figcaption></figure>\n",
                      picture.wide ? " class=\"wide\"" : "", caption, mime_of(picture), base64(picture.bytes), caption);
    }
    text += "</div>\n";
  }
  void operator()(const Table& table) { text += table_html(table); }
  void operator()(const std::vector<Finding>& findings) {
    text += "<ul class=\"findings\">\n";
    for (const Finding& finding : findings)
      text += fmt::format("<li><b>{}</b>{}</li>\n", html_escaped(finding.topic), html_escaped(finding.text));
    text += "</ul>\n";
  }

  /// Escaped, with its line breaks kept.
  static std::string html_lines(std::string_view lines) {
    std::string escaped;
    for (std::size_t start = 0; start <= lines.size();) {
      const std::size_t end = std::min(lines.find('\n', start), lines.size());
      escaped += (start == 0 ? "" : "\n") + html_escaped(lines.substr(start, end - start));
      start = end + 1;
    }
    return escaped;
  }
};

struct MarkdownWriter {
  std::string text;

  void operator()(const Paragraph& p) { text += markdown_escaped(p.text) + "\n\n"; }
  void operator()(const Facts& facts) {
    for (const auto& [name, value] : facts.items)
      text += fmt::format("- {}: {}\n", markdown_escaped(name), markdown_escaped(value));
    text += "\n";
  }
  void operator()(const Commands& commands) {
    std::string_view lines = commands.text;
    for (std::size_t start = 0; start < lines.size();) {  // an indented block cannot be closed from inside
      const std::size_t end = std::min(lines.find('\n', start), lines.size());
      text += fmt::format("    {}\n", lines.substr(start, end - start));
      start = end + 1;
    }
    text += "\n";
  }
  void operator()(const Folded& folded) {
    for (const Table& table : folded.tables) text += table_markdown(table);
  }
  void operator()(const Pictures& pictures) {
    for (const Picture& picture : pictures.pictures)
      if (!picture.bytes.empty()) text += fmt::format("![{}]({})\n\n", markdown_escaped(picture.caption), picture.file);
  }
  void operator()(const Table& table) { text += table_markdown(table); }
  void operator()(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings)
      text += fmt::format("- **{}**: {}\n", markdown_escaped(finding.topic), markdown_escaped(finding.text));
    text += "\n";
  }
};

}  // namespace

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t here = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k) block = block << 8 | (k < here ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= here ? kDigits[block >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string page_html(const Page& page) {
  HtmlWriter writer;
  writer.text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'sha256-{}'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<header>\n<h1>{}</h1>\n<nav>",
      kPageStyleHash, html_escaped(page.title), kPageStyle, html_escaped(page.title));
  for (std::size_t i = 0; i < page.sections.size(); ++i)
    writer.text += fmt::format("<a href=\"#s{}\">{}</a>", i, html_escaped(page.sections[i].title));
  writer.text += "</nav>\n</header>\n<main>\n";
  for (std::size_t i = 0; i < page.sections.size(); ++i) {
    writer.text += fmt::format("<section id=\"s{}\">\n<h2>{}</h2>\n", i, html_escaped(page.sections[i].title));
    for (const Block& block : page.sections[i].blocks) std::visit(writer, block);
    writer.text += "</section>\n";
  }
  writer.text += fmt::format("</main>\n<footer>{}</footer>\n</body>\n</html>\n", html_escaped(page.footer));
  return writer.text;
}

std::string page_markdown(const Page& page) {
  MarkdownWriter writer;
  writer.text = fmt::format("# {}\n\n", markdown_escaped(page.title));
  for (const Section& section : page.sections) {
    writer.text += fmt::format("## {}\n\n", markdown_escaped(section.title));
    for (const Block& block : section.blocks) std::visit(writer, block);
  }
  return writer.text + markdown_escaped(page.footer) + "\n";
}

}  // namespace quarry
