// SPDX-License-Identifier: MIT
#include "src/report/hyperparameter_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "quarry/core/text.h"

namespace quarry {
namespace {

std::string_view verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::agrees:
      return "agrees";
    case Verdict::differs:
      return "differs";
    case Verdict::qualitative:
      return "qualitative";
    case Verdict::too_few:
      return "too few seeds";
    case Verdict::other_protocol:
      return "other protocol";
    case Verdict::unknown_protocol:
      return "protocol unknown";
    case Verdict::none:
      break;
  }
  return "-";
}

std::string ours_text(const TableCell& cell) {
  if (!cell.ours) return cell.not_tested ? "not tested" : "-";
  return cell_text(cell.ours->mean, cell.ours->deviation, cell.ours->n());
}

std::string published_text(const TableCell& cell) {
  if (cell.published_todo) return "todo";
  return cell.published ? cell_text(cell.published->mean, cell.published->deviation, cell.published->seeds) : "-";
}

std::string collapsed_text(const TableCell& cell) {
  if (!cell.ours) return "-";
  if (cell.ours->collapsed == 0) return "none";
  return fmt::format("{} of {} collapsed", cell.ours->collapsed, cell.ours->n());
}

/// Characters of a UTF-8 text, each one column wide here.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, std::size_t width, bool left) {
  const std::string blanks(width - std::min(width, columns_of(text)), ' ');
  return left ? std::string(text) + blanks : blanks + std::string(text);
}

/// A paragraph, broken between words.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string lines;
  std::size_t at = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find(' ', start), text.size());
    const std::string_view word = text.substr(start, end - start);
    const std::size_t length = columns_of(word);
    if (at > 0 && at + 1 + length > width) {
      lines += '\n';
      at = 0;
    }
    if (at > 0) lines += ' ';
    lines += word;
    at += length + (at > 0 ? 1 : 0);
    start = end + 1;
  }
  return lines + "\n";
}

}  // namespace

std::string cell_text(double mean, double deviation, std::int64_t n) {
  return fmt::format("{:.2f} \u00b1 {:.2f} ({})", mean, deviation, n);
}

Table shown_table(const HyperparameterTable& table) {
  Table shown;
  shown.title = table.title;
  shown.note = join(table.notes, " ");
  shown.text_columns = 2;
  shown.strategy_column = 0;
  shown.header = {"strategy", "source"};
  for (const TableColumn& column : table.columns) shown.header.push_back(column.name);
  for (std::size_t i = 0; i < table.strategies.size(); ++i) {
    const std::vector<TableCell>& cells = table.cells[i];
    const auto add = [&](const char* source, auto text) {
      std::vector<std::string> row = {printable(table.strategies[i]), source};
      for (const TableCell& cell : cells) row.emplace_back(text(cell));
      shown.rows.push_back(std::move(row));
    };
    add("quarry", ours_text);
    if (std::any_of(cells.begin(), cells.end(), [](const TableCell& c) { return c.ours && c.ours->collapsed > 0; }))
      add("collapsed", collapsed_text);
    if (table.with_published) add("published", published_text);
    if (table.judged) add("verdict", [](const TableCell& cell) { return verdict_text(cell.verdict); });
  }
  return shown;
}

Table shown_qualitative(const std::vector<QualitativeRow>& rows) {
  Table shown;
  shown.title = "HP3 and HP4: only the order is compared";
  shown.note =
      "Runs with these pairs collapse in some cycles and not in others, so their means are mostly chance. Over the "
      "strategies that have runs here and published ones; AL only.";
  shown.header = {"data", "table", "pair", "question", "quarry", "published"};
  shown.text_columns = 6;
  for (const QualitativeRow& row : rows)
    shown.rows.push_back({row.dataset, row.table, row.pair, row.question, row.ours, row.published});
  return shown;
}

std::string table_text(const Table& table, std::size_t width) {
  const std::size_t columns = table.header.size();
  std::vector<std::size_t> widths(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    widths[i] = columns_of(table.header[i]);
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  const std::size_t fixed = std::min<std::size_t>(static_cast<std::size_t>(table.text_columns), columns);
  std::string text = wrapped(table.title, width);
  std::size_t next = fixed;
  do {
    std::vector<std::size_t> shown;
    std::size_t used = 0;
    for (std::size_t i = 0; i < fixed; ++i) {
      shown.push_back(i);
      used += widths[i] + 2;
    }
    for (bool first = true; next < columns && (first || used + widths[next] <= width); first = false) {
      used += widths[next] + 2;
      shown.push_back(next++);
    }
    const auto line = [&](const std::vector<std::string>& cells) {
      std::string out;
      for (const std::size_t i : shown) out += padded(cells[i], widths[i], i < fixed) + "  ";
      out.erase(out.find_last_not_of(' ') + 1);
      return out + "\n";
    };
    text += "\n" + line(table.header);
    for (const auto& row : table.rows) text += line(row);
  } while (next < columns);
  if (!table.note.empty()) text += "\n" + wrapped(table.note, width);
  return text;
}

std::string cells_csv(const std::vector<HyperparameterTable>& tables) {
  CsvText csv({"dataset", "table", "strategy", "pair", "lr", "weight_decay", "column", "labels", "n", "mean",
               "sd_population", "collapsed", "published_n", "published_mean", "published_sd", "difference",
               "allowed_difference", "verdict", "absent"});
  for (const HyperparameterTable& table : tables)
    for (std::size_t i = 0; i < table.strategies.size(); ++i)
      for (std::size_t j = 0; j < table.columns.size(); ++j) {
        const TableColumn& column = table.columns[j];
        const TableCell& cell = table.cells[i][j];
        std::vector<std::string> line = {table.dataset,
                                         table.name,
                                         table.strategies[i],
                                         pair_name(column.pair),
                                         fmt::format("{}", column.pair.lr),
                                         fmt::format("{}", column.pair.weight_decay),
                                         column.optimised ? "BO" : "AL",
                                         std::to_string(column.labels),
                                         std::to_string(cell.ours ? cell.ours->n() : 0)};
        const auto add = [&](bool there, double value) { line.push_back(there ? format_exact(value) : ""); };
        const CellSummary ours = cell.ours.value_or(CellSummary{});
        const PublishedCell published = cell.published.value_or(PublishedCell{});
        const bool both = cell.ours && cell.published;
        add(cell.ours.has_value(), ours.mean);
        add(cell.ours.has_value(), ours.deviation);
        line.push_back(cell.ours ? std::to_string(ours.collapsed) : "");
        line.push_back(cell.published ? std::to_string(published.seeds) : "");
        add(cell.published.has_value(), published.mean);
        add(cell.published.has_value(), published.deviation);
        add(both, ours.mean - published.mean);
        add(both, both ? allowed_difference(ours, published) : 0);
        line.emplace_back(cell.verdict == Verdict::none ? "" : verdict_text(cell.verdict));
        line.emplace_back(cell.ours ? "" : cell.not_tested ? "not tested at this count" : "no finished run");
        csv.add(line);
      }
  return csv.text();
}

std::string seeds_csv(const CellTree& tree) {
  CsvText csv({"dataset", "strategy", "column", "lr", "weight_decay", "seed", "cycle", "labels", "test_acc", "test_nll",
               "diverged", "trials", "non_finite_loss"});
  for (const StudyCell& cell : tree.cells) {
    const CellKey& key = cell.key;
    const auto add = [&](const std::string& cycle, std::int64_t labels, const std::optional<double>& accuracy,
                         const std::optional<double>& nll, bool diverged, const std::string& trials,
                         bool non_finite_loss) {
      csv.add({key.dataset, key.strategy, key.budget > 0 ? "BO" : "AL", fmt::format("{}", key.pair.lr),
               fmt::format("{}", key.pair.weight_decay), std::to_string(key.seed), cycle, std::to_string(labels),
               accuracy ? format_exact(*accuracy) : "", nll ? format_exact(*nll) : "", diverged ? "1" : "0", trials,
               non_finite_loss ? "1" : "0"});
    };
    for (std::size_t k = 0; k < cell.cycles.size(); ++k)
      add(std::to_string(k), cell.cycles[k].labels, cell.cycles[k].accuracy, std::nullopt, cell.cycles[k].diverged, "",
          cell.cycles[k].non_finite_loss);
    if (cell.search)
      add("", key.budget, cell.search->accuracy, cell.search->nll, cell.search->diverged,
          std::to_string(cell.search->trials.size()), cell.search->non_finite_loss);
  }
  return csv.text();
}

}  // namespace quarry
