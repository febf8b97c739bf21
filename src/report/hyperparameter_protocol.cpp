// SPDX-License-Identifier: MIT
#include "src/report/hyperparameter_protocol.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::size_t kShortList = 4;  // of keys in a note, of cells in a list

StudyHalf half_of(const StudyCell& cell) {
  return cell.key.budget > 0 ? StudyHalf::search : StudyHalf::learning;
}

/// The published protocol as far as it can be that of a cell: a folder may have the name of no strategy of ours.
Protocol published_for(const StudyCell& cell) {
  const auto known = strategy_table();
  const bool is_known =
      std::any_of(known.begin(), known.end(), [&](const auto& entry) { return entry.name == cell.key.strategy; });
  return published_protocol(half_of(cell), is_known ? cell.key.strategy : "badge");
}

/// "CIFAR10/random/lr0.01_wd0.005": the cell without its seed.
std::string place_of(const StudyCell& cell) {
  const std::string path = cell.key.path();
  return printable(path.substr(0, path.rfind('/')));
}

/// The first few, and how many more.
std::string short_list(const std::vector<std::string>& items, std::string_view separator) {
  if (items.size() <= kShortList) return join(items, separator);
  const std::vector<std::string> first(items.begin(), items.begin() + kShortList);
  return fmt::format("{} and {} more", join(first, separator), items.size() - kShortList);
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

/// A key's values over the runs of one half.
struct Values {
  std::vector<std::string> order;            ///< as met
  std::map<std::string, std::int64_t> runs;  ///< by value
  std::map<std::string, std::vector<std::string>> places;

  void add(const std::string& value, const StudyCell& cell) {
    add_once(order, value);
    ++runs[value];
    add_once(places[value], place_of(cell));
  }
  /// "200", or "200 (12 runs), 50 (3 runs)".
  std::string text() const {
    if (order.size() == 1) return order.front();
    std::vector<std::string> parts;
    for (const std::string& value : order) parts.push_back(fmt::format("{} ({} runs)", value, runs.at(value)));
    return parts.empty() ? "-" : join(parts, ", ");
  }
  /// Where a value is that not most have.
  std::string exceptions(const std::string& key) const {
    if (order.size() < 2) return "";
    const std::string& usual = *std::max_element(order.begin(), order.end(),
                                                 [&](const auto& a, const auto& b) { return runs.at(a) < runs.at(b); });
    std::string text;
    for (const std::string& value : order)
      if (value != usual) text += fmt::format(" {} = {} in {}.", key, value, short_list(places.at(value), ", "));
    return text;
  }
};

struct KeyRow {
  std::string key, published;
  Values learning, search;
};

KeyRow& row_of(std::vector<KeyRow>& rows, const std::string& key) {
  for (KeyRow& row : rows)
    if (row.key == key) return row;
  return rows.emplace_back(KeyRow{key, "-", {}, {}});
}

bool is_as_published(const KeyRow& row) {
  for (const Values* values : {&row.learning, &row.search})
    if (values->order.size() > 1 || (!values->order.empty() && values->order.front() != row.published)) return false;
  return true;
}

}  // namespace

ProtocolMatch match_of(const StudyCell& cell) {
  if (!cell.protocol) return ProtocolMatch::unknown;
  const std::vector<ProtocolDifference> found = differences(*cell.protocol, published_for(cell));
  if (found.empty()) return ProtocolMatch::published;
  const bool only_unknown = found.size() == 1 && found.front().first == kUnknown;
  return only_unknown ? ProtocolMatch::unknown : ProtocolMatch::other;
}

ProtocolMatch match_of(const CellTree& tree, const CellDataset& dataset) {
  std::int64_t all = 0, published = 0, other = 0;
  for (const StudyCell& cell : tree.cells) {
    if (cell.key.dataset != dataset.folder) continue;
    const ProtocolMatch match = match_of(cell);
    ++all;
    published += match == ProtocolMatch::published;
    other += match == ProtocolMatch::other;
  }
  if (published == all || !is_published_dataset(dataset.folder) || !names_agree(dataset))
    return ProtocolMatch::published;
  if (published > 0) return ProtocolMatch::mixed;
  return other > 0 ? ProtocolMatch::other : ProtocolMatch::unknown;
}

void check_one_protocol_per_cell(const CellTree& tree) {
  const StudyCell* first = nullptr;  // with a protocol, of the seeds of a cell
  const auto cell_of = [](const StudyCell& cell) {
    return std::tie(cell.key.dataset, cell.key.strategy, cell.key.budget, cell.key.pair.lr, cell.key.pair.weight_decay);
  };
  for (const StudyCell& cell : tree.cells) {
    if (!cell.protocol) continue;
    if (first == nullptr || cell_of(*first) != cell_of(cell)) {
      first = &cell;
      continue;
    }
    std::vector<ProtocolDifference> found = differences(*first->protocol, *cell.protocol);
    std::erase_if(found, [](const auto& each) { return each.key == "labels_from"; });  // unknown on one side
    if (found.empty()) continue;
    const ProtocolDifference& difference = found.front();
    usage_error(
        "'{}' and '{}' were made by different protocols: {} is {} in the first and {} in the second; seeds of one cell "
        "are averaged, so report them apart",
        printable(first->directory), printable(cell.directory), difference.key, difference.first.value_or("not set"),
        difference.second.value_or("not set"));
  }
}

std::string protocol_note(const std::vector<const StudyCell*>& cells) {
  std::vector<std::string> learning, search;
  std::int64_t unknown = 0, other = 0;
  for (const StudyCell* cell : cells) {
    unknown += !cell->protocol;
    if (!cell->protocol) continue;
    const std::vector<ProtocolDifference> found = differences(*cell->protocol, published_for(*cell));
    other += !found.empty();
    for (const ProtocolDifference& difference : found)
      add_once(half_of(*cell) == StudyHalf::search ? search : learning, difference_text(difference, "published"));
  }
  const auto runs = [&](std::int64_t n, const char* no_run, const char* some) {
    return n == std::ssize(cells) ? std::string(no_run) : fmt::format("{} of {} runs {}", n, cells.size(), some);
  };
  std::string note;
  if (other > 0) {
    note = runs(other, "No run is by the published protocol:", "are not by the published protocol:");
    if (!learning.empty()) note += " AL: " + short_list(learning, ", ") + (search.empty() ? "" : ";");
    if (!search.empty()) note += " BO: " + short_list(search, ", ");
    note += ". They are not judged.";
  }
  if (unknown > 0)
    note += (note.empty() ? "" : " ") + runs(unknown, "No run has a protocol.json:", "have no protocol.json:") +
            " their protocol is unknown, and they are not judged.";
  return note;
}

Table protocol_table(const CellTree& tree, bool all) {
  std::vector<KeyRow> rows;
  bool halves[2] = {};
  std::int64_t unknown = 0;
  for (const StudyHalf half : {StudyHalf::learning, StudyHalf::search})  // in the order of the list of keys
    for (const auto& [key, value] : published_protocol(half, "badge").values) row_of(rows, key).published = value;
  for (const StudyCell& cell : tree.cells) {
    unknown += !cell.protocol;
    if (!cell.protocol) continue;
    const bool search = half_of(cell) == StudyHalf::search;
    halves[search] = true;
    for (const auto& [key, value] : cell.protocol->values) {
      KeyRow& row = row_of(rows, key);
      (search ? row.search : row.learning).add(value, cell);
    }
  }
  Table table;
  table.title = all ? "Protocol, beside that of the published study" : "What was run otherwise than published";
  table.header = {"key", "published"};
  if (halves[0]) table.header.emplace_back("AL");
  if (halves[1]) table.header.emplace_back("BO");
  table.text_columns = static_cast<int>(table.header.size());
  if (unknown > 0) table.note += fmt::format(" {} of {} runs have no protocol.json.", unknown, tree.cells.size());
  for (const KeyRow& row : rows) {
    if (row.learning.order.empty() && row.search.order.empty()) continue;
    if (!all && is_as_published(row)) continue;
    table.rows.push_back({row.key, row.published});
    if (halves[0]) table.rows.back().push_back(row.learning.text());
    if (halves[1]) table.rows.back().push_back(row.search.text());
    table.note += row.learning.exceptions("AL: " + row.key) + row.search.exceptions("BO: " + row.key);
  }
  if (table.note.starts_with(' ')) table.note.erase(0, 1);
  return table;
}

}  // namespace quarry
