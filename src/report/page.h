// SPDX-License-Identifier: MIT
// A report as sections of blocks, and its two forms: one HTML page with everything inside, and Markdown.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "src/report/findings.h"
#include "src/report/gnuplot.h"
#include "src/report/table.h"

namespace quarry {

struct Paragraph {
  std::string text;
};
/// What was run, at a glance.
struct Facts {
  std::vector<std::pair<std::string, std::string>> items;
};
struct Commands {
  std::string text;
};
/// Shown on demand.
struct Folded {
  std::string title;
  std::vector<Table> tables;
};
struct Pictures {
  std::vector<Picture> pictures;
};

using Block = std::variant<Paragraph, Facts, Commands, Folded, Pictures, Table, std::vector<Finding>>;

struct Section {
  std::string title;
  std::vector<Block> blocks;
};

struct Page {
  std::string title, footer;
  std::vector<Section> sections;
};

/// No script, no remote asset, a content security policy that allows neither, every text escaped.
std::string page_html(const Page& page);
/// Pictures are linked by their paths below the report's folder.
std::string page_markdown(const Page& page);

std::string base64(std::string_view bytes);

/// The page's style sheet and its SHA-256 in base64: the only style that the page's policy lets through.
extern const std::string_view kPageStyle;
extern const std::string_view kPageStyleHash;

}  // namespace quarry
