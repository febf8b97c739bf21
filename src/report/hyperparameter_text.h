// SPDX-License-Identifier: MIT
// The tables of a hyperparameter study as tables of a report, for a terminal, and as CSV.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/hyperparameter_tables.h"
#include "src/report/table.h"

namespace quarry {

/// "75.11 ± 1.03 (5)"
std::string cell_text(double mean, double deviation, std::int64_t n);

/// Rows of each strategy one below the other: quarry, published, verdict, collapsed.
Table shown_table(const HyperparameterTable& table);
Table shown_qualitative(const std::vector<QualitativeRow>& rows);

/// For a terminal: columns aligned, those that do not fit into `width` in further blocks.
std::string table_text(const Table& table, std::size_t width = 100);

/// One line per cell of every table; absent figures are empty.
std::string cells_csv(const std::vector<HyperparameterTable>& tables);
/// One line per run and cycle, and per search.
std::string seeds_csv(const CellTree& tree);

}  // namespace quarry
