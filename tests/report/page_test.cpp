// SPDX-License-Identifier: MIT
#include "src/report/page.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "quarry/al/strategy.h"
#include "quarry/core/file_system.h"
#include "src/report/pictures.h"
#include "src/report/subprocess.h"
#include "tests/report/synthetic.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

/// Names that would do harm if any format, script or page took them for more than text.
const std::vector<std::string>& hostile_names() {
  static const std::vector<std::string> names = {"\"><img src=x onerror=alert(1)>",
                                                 "<script>alert(1)</script>",
                                                 "</title><script>alert(1)</script>",
                                                 "</style><script>alert(1)</script>",
                                                 "' onmouseover='alert(1)",
                                                 "\" onload=\"alert(1)",
                                                 "javascript:alert(1)",
                                                 "data:text/html,<script>alert(1)</script>",
                                                 "<svg onload=alert(1)>",
                                                 "<iframe src=//example.org>",
                                                 "&lt;b&gt;",
                                                 "&#60;script&#62;",
                                                 "<!--",
                                                 "-->",
                                                 "]]>",
                                                 "<![CDATA[",
                                                 "<?xml?>",
                                                 "<a href=//example.org>x</a>",
                                                 "<link rel=stylesheet href=//example.org/x.css>",
                                                 "<meta http-equiv=refresh content=0>",
                                                 "<base href=//x>",
                                                 "<form action=//x>",
                                                 "<object data=//x>",
                                                 "<math><mtext></mtext></math>",
                                                 "<details open ontoggle=alert(1)>",
                                                 "\xff\xfe\xfd",
                                                 "\xc0\xaf",
                                                 "\xed\xa0\x80",
                                                 std::string("nul\0byte", 8),
                                                 "\x1b[31mred\x1b[0m",
                                                 "line\nbreak",
                                                 "tab\tand\rreturn",
                                                 "`touch owned`",
                                                 "$(touch owned)",
                                                 "'; system('touch owned'); '",
                                                 "\"; !touch owned",
                                                 "@macro",
                                                 "%s%n",
                                                 "{/Symbol a}^2_3",
                                                 "\\",
                                                 "\\'",
                                                 "''",
                                                 "'",
                                                 "\"",
                                                 "| pipe | table |",
                                                 "[link](javascript:alert(1))",
                                                 "![x](//example.org/x.png)",
                                                 "**bold**",
                                                 "# heading",
                                                 "=1+1",
                                                 "+1",
                                                 "-1+2",
                                                 "@SUM",
                                                 std::string(10000, 'x'),
                                                 "../../../etc/passwd",
                                                 "/etc/passwd",
                                                 "\u202egnp.exe",
                                                 "\u00e9t\u00e9 \u4e2d\u6587"};
  return names;
}

struct Tag {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
};

/// A small strict reader of the tags that page_html writes; anything else is an error.
std::vector<Tag> tags_of(const std::string& html) {
  std::vector<Tag> tags;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at)) {
    const std::size_t end = html.find('>', at);
    EXPECT_NE(end, std::string::npos);
    if (end == std::string::npos) break;
    std::string inside = html.substr(at + 1, end - at - 1);
    at = end;
    if (inside.rfind("!DOCTYPE", 0) == 0 || inside[0] == '/') continue;
    Tag tag;
    std::size_t i = std::min(inside.find(' '), inside.size());
    tag.name = inside.substr(0, i);
    while (i < inside.size()) {
      const std::size_t equals = inside.find("=\"", i);
      EXPECT_NE(equals, std::string::npos) << inside;
      if (equals == std::string::npos) break;
      const std::size_t quote = inside.find('"', equals + 2);
      EXPECT_NE(quote, std::string::npos) << inside;
      tag.attributes.push_back({inside.substr(i + 1, equals - i - 1), inside.substr(equals + 2, quote - equals - 2)});
      i = quote + 1;
    }
    tags.push_back(tag);
  }
  return tags;
}

void expect_harmless(const std::string& html) {
  const std::set<std::string> allowed = {
      "html",       "head",  "meta", "link", "title", "style", "body", "header", "h1",      "nav",     "a",      "main",
      "section",    "h2",    "p",    "dl",   "div",   "dt",    "dd",   "pre",    "details", "summary", "figure", "img",
      "figcaption", "table", "tr",   "th",   "td",    "i",     "ul",   "li",     "b",       "footer"};
  for (const Tag& tag : tags_of(html)) {
    EXPECT_TRUE(allowed.count(tag.name)) << tag.name;
    for (const auto& [name, value] : tag.attributes) {
      EXPECT_NE(name.rfind("on", 0), 0u) << name;
      EXPECT_NE(name, "style");
      EXPECT_TRUE(name != "href" || value[0] == '#' || value == "data:,") << value;
      EXPECT_TRUE(name != "src" || value.rfind("data:image/", 0) == 0) << value.substr(0, 40);
    }
  }
}

Page page_of(const std::string& name) {
  Table table{name, name, {name, "n"}, {{name, name}}, 1, 0};
  Page page{name, name, {}};
  page.sections.push_back(
      {name,
       {Paragraph{name}, Facts{{{name, name}}}, Commands{name + "\n" + name}, table, Folded{name, {table}},
        std::vector<Finding>{{name, name}}, Pictures{{{"plots/x.svg", name, "<svg/>", false}}}}});
  return page;
}

TEST(Page, HostileNamesStayText) {
  const std::size_t tags = tags_of(page_html(page_of("moons"))).size();
  for (const std::string& name : hostile_names()) {
    const std::string html = page_html(page_of(name));
    EXPECT_EQ(tags_of(html).size(), tags) << name;
    expect_harmless(html);
    EXPECT_EQ(html.find('\0'), std::string::npos);
    EXPECT_EQ(html.find('\x1b'), std::string::npos);
  }
}

TEST(Page, TheCheckSeesAnOpenDoor) {
  const std::vector<Tag> tags = tags_of(page_html(page_of("moons")) + "<script src=\"//example.org\">");
  EXPECT_EQ(tags.back().name, "script");
  EXPECT_EQ(tags.back().attributes.at(0).second, "//example.org");
  EXPECT_NONFATAL_FAILURE(expect_harmless("<img onerror=\"alert(1)\">"), "onerror");
  EXPECT_NONFATAL_FAILURE(expect_harmless("<b style=\"x\">"), "style");
}

TEST(Page, PolicyAllowsNothingFromOutside) {
  const std::string html = page_html(page_of("moons"));
  EXPECT_NE(html.find("default-src 'none'; img-src data:; style-src 'sha256-"), std::string::npos);
  for (const char* word : {"http:", "https:", "//example", "<script", "unsafe-inline", "@import", "url("})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
}

TEST(Page, StyleHashIsCurrent) {
  const test::TempDir folder;
  posix_file_system().write_atomically(folder.path() + "/style.css", kPageStyle);
  const ProgramResult result = run_program({"sha256sum", "style.css"}, folder.path(), 60);
  ASSERT_TRUE(result.found && result.status == 0);
  std::string digest;
  for (std::size_t i = 0; i < 64; i += 2)
    digest += static_cast<char>(std::stoi(result.output.substr(i, 2), nullptr, 16));
  EXPECT_EQ(base64(digest), kPageStyleHash);
}

TEST(Page, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");  // RFC 4648, section 10
  EXPECT_EQ(base64(std::string("\xff\x00\xfe", 3)), "/wD+");
}

TEST(Page, MarkdownShowsNamesAsTheyAre) {
  EXPECT_EQ(markdown_escaped("online_dynamic"), "online_dynamic");
  EXPECT_EQ(markdown_escaped("_x_ <b> a|b [l](u) `c`"), "\\_x\\_ &lt;b&gt; a\\|b \\[l\\](u) \\`c\\`");
  for (const std::string& name : hostile_names()) {
    const std::string text = page_markdown(page_of(name));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("    ", 0) == 0) continue;  // an indented line is code, shown as it is
      EXPECT_EQ(line.find("<script"), std::string::npos) << name;
      EXPECT_EQ(line.find("<img"), std::string::npos) << name;
    }
  }
}

TEST(Page, CsvCellsAreNoFormulas) {
  CsvText csv({"a"});
  csv.add({"=1+1"});
  csv.add({"-0.5"});
  csv.add({"x,\"y\"\nz"});
  EXPECT_EQ(csv.text(), "a\n\"'=1+1\"\n-0.5\n\"x,\"\"y\"\"\nz\"\n");
}

TEST(Page, NumbersForPeople) {
  EXPECT_EQ(rounded(0.12345), "0.123");
  EXPECT_EQ(rounded(std::nan("")), "n/a");
  EXPECT_EQ(short_number(1.2345e-5), "1.23e-05");
  EXPECT_EQ(p_text(0.0004), "< 0.001");
  const double one[] = {0.5}, two[] = {0.4, 0.6};
  EXPECT_EQ(mean_and_sd(estimate(one)), "0.500");
  EXPECT_EQ(mean_and_sd(estimate(two)), "0.500 \u00b1 0.141");
  EXPECT_EQ(interval_text(estimate(one)), "none (n = 1)");
}

bool gnuplot_is_there() {
  return run_program({"gnuplot", "--version"}, "/", 60).found;
}

TEST(Gnuplot, QuotesSoThatNothingIsReplaced) {
  EXPECT_EQ(gnuplot_quoted("it's"), "'it\u2019s'");
  EXPECT_EQ(gnuplot_quoted("a\nb"), "'ab'");
  EXPECT_EQ(gnuplot_quoted(std::string(1000, 'x')).size(), 110u + 3 + 2);
  EXPECT_EQ(gnuplot_number(std::nan("")), "NaN");
}

TEST(Gnuplot, HostileNamesAreDrawnAsText) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  Gnuplot gnuplot(posix_file_system(), folder.path());
  std::string script = svg_header(300, 200);
  for (const std::string& name : hostile_names())
    script += "set title " + gnuplot_quoted(name) + "\nplot data title " + gnuplot_quoted(name) + "\n";
  const Picture picture = gnuplot.draw("plots", "hostile", PictureKind::svg, script, "1 1\n2 2\n", "");
  EXPECT_NE(picture.bytes.find("<svg"), std::string::npos);
  EXPECT_EQ(picture.bytes.find("<script>"), std::string::npos);
  EXPECT_EQ(picture.bytes.find("<img"), std::string::npos);
  EXPECT_FALSE(posix_file_system().exists(folder.path() + "/plots/owned"));
}

TEST(Gnuplot, SaysWhatGnuplotSaid) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempDir folder;
  Gnuplot gnuplot(posix_file_system(), folder.path());
  try {
    gnuplot.draw("plots", "bad", PictureKind::svg, "plot nonsense(", "", "");
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("bad.gp (exit status 1)"), std::string::npos) << error.what();
  }
}

TEST(Gnuplot, EveryStrategyHasItsColour) {
  std::set<std::string_view> colours;
  for (const StrategyEntry& strategy : strategy_table()) colours.insert(colour_code(colour_index(strategy.name)));
  EXPECT_EQ(colours.size(), strategy_table().size());
  EXPECT_GE(colour_index("mine"), strategy_table().size());
}

TEST(Subprocess, CollectsKillsAndReports) {
  EXPECT_FALSE(run_program({"quarry-has-no-such-program"}, "/", 5).found);
  const ProgramResult both = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"}, "/", 5);
  EXPECT_EQ(both.output, "out\n");
  EXPECT_EQ(both.errors, "err\n");
  EXPECT_EQ(both.status, 3);
  EXPECT_TRUE(run_program({"sleep", "20"}, "/", 1).timed_out);
  EXPECT_EQ(run_program({"cat"}, "/", 5).status, 0);  // standard input is closed off
  EXPECT_EQ(run_program({"head", "-c", "1000000", "/dev/zero"}, "/", 20).output.size(), 1000000u);
}

}  // namespace
}  // namespace quarry
