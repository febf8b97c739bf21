// SPDX-License-Identifier: MIT
#include "src/report/page.h"

namespace quarry {

// After a change: put the hash that the test Page.StyleHashIsCurrent prints into kPageStyleHash.
const std::string_view kPageStyle = R"(
:root { --ink: #1f2933; --soft: #5b6673; --line: #e4e7ec; --tint: #f6f8fa; --accent: #0f5f8a; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
header, main, footer { max-width: 1160px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 40px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 6px; }
h2 { font-size: 22px; line-height: 1.3; margin: 52px 0 14px; padding-top: 14px; border-top: 1px solid var(--line); }
header + main > section:first-child > h2 { border-top: 0; margin-top: 14px; }
p { margin: 10px 0; max-width: 78ch; overflow-wrap: anywhere; }
nav { margin: 14px 0 0; font-size: 15px; }
nav a { display: inline-block; margin: 0 16px 6px 0; color: var(--accent); text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 240px), 1fr)); gap: 12px; margin: 14px 0; }
dl.facts div { background: var(--tint); border-radius: 8px; padding: 10px 14px; }
dl.facts dt { font-size: 12.5px; color: var(--soft); }
dl.facts dd { margin: 2px 0 0; font-weight: 600; overflow-wrap: anywhere; }
ul.findings { list-style: none; margin: 14px 0; padding: 0; display: grid; gap: 10px; }
ul.findings li { border-left: 4px solid var(--accent); background: var(--tint); border-radius: 0 8px 8px 0;
  padding: 10px 16px; max-width: 96ch; overflow-wrap: anywhere; }
ul.findings b { display: block; font-size: 13.5px; color: var(--accent); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 20px; margin: 18px 0; }
.pictures figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; padding: 10px 10px 8px; min-width: 0; }
.pictures figure.wide { grid-column: 1 / -1; }
.pictures img { display: block; width: 100%; height: auto; }
figcaption { font-size: 13.5px; color: var(--soft); overflow-wrap: anywhere; }
figure.table { margin: 20px 0; }
figure.table figcaption { color: var(--ink); font-size: 15px; font-weight: 600; margin-bottom: 6px; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { padding: 7px 12px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { background: var(--tint); font-weight: 600; color: var(--soft); }
tr:last-child td { border-bottom: 0; }
.num { text-align: right; font-variant-numeric: tabular-nums; }
.note { font-size: 13.5px; color: var(--soft); margin: 6px 0 0; max-width: 100ch; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 8px; }
.c0 { background: #6b7280; } .c1 { background: #0072b2; } .c2 { background: #56b4e9; } .c3 { background: #e69f00; }
.c4 { background: #d55e00; } .c5 { background: #009e73; } .c6 { background: #cc79a7; } .c7 { background: #117733; }
.c8 { background: #44aa99; } .c9 { background: #aa4499; } .c10 { background: #332288; } .c11 { background: #882255; }
.c12 { background: #999933; }
details { margin: 14px 0; border: 1px solid var(--line); border-radius: 8px; padding: 0 16px; }
summary { cursor: pointer; padding: 10px 0; font-weight: 600; color: var(--accent); }
pre { background: var(--tint); border-radius: 8px; padding: 12px 16px; overflow-x: auto; font-size: 14px; }
footer { padding-top: 30px; padding-bottom: 40px; font-size: 13.5px; color: var(--soft); }
@media print { details { border: 0; } .pictures figure { break-inside: avoid; } }
)";

const std::string_view kPageStyleHash = "zFiclDpB6ELtPVqUnXJLxteD1KCOOhX0yglEXa0kx9Q=";

}  // namespace quarry
