// SPDX-License-Identifier: MIT
// The pictures of a hyperparameter study.
#pragma once

#include <string>

#include "quarry/report/hyperparameter_tables.h"
#include "src/report/gnuplot.h"

namespace quarry {

/// Mean accuracy against labels: a panel per strategy, a curve per pair, bands from the lowest to the highest seed.
/// The pair (0.1, 0.05), whose networks name one class, is left out unless `every_pair`. No bytes without runs.
Picture draw_pair_curves(Gnuplot& gnuplot, const CellTree& tree, const CellDataset& dataset, bool every_pair,
                         const std::string& name);

/// The same the other way round: a panel per pair (rows: learning rate, columns: weight decay), Random and BADGE in
/// each. No bytes unless at least two pairs have runs of them.
Picture draw_pair_grid(Gnuplot& gnuplot, const CellTree& tree, const CellDataset& dataset, const std::string& name);

}  // namespace quarry
