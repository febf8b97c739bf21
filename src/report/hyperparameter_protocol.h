// SPDX-License-Identifier: MIT
// By which protocols the cells of a tree were made, told beside the published one.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/hyperparameter_tables.h"
#include "src/report/table.h"

namespace quarry {

/// Refuses seeds of one cell that were made by different protocols: their mean would mean nothing. Error: usage, naming
/// both folders and the first key that differs.
void check_one_protocol_per_cell(const CellTree& tree);

/// "", or one sentence: in which keys the cells differ from the published protocol, the first few of them.
std::string protocol_note(const std::vector<const StudyCell*>& cells);

/// Every key with its published value and those of the runs; the note names the cells in which a key has another value
/// than in most. `all`: false leaves out the keys in which every run is as published.
Table protocol_table(const CellTree& tree, bool all);

}  // namespace quarry
