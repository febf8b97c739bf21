// SPDX-License-Identifier: MIT
// The pictures of a setting that come from its figures alone.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/summary.h"
#include "src/report/gnuplot.h"

namespace quarry {

/// Mean and 95 % band of every strategy under one mode. `name` is the file's stem.
Picture draw_learning_curves(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& mode, Metric metric,
                             const std::string& name);
/// The modes of one strategy against each other.
Picture draw_mode_curves(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& strategy, Metric metric,
                         const std::string& name);
/// Every strategy and mode at once, a panel per setting (data set, first labels, validation share); no bytes for a
/// single arm.
Picture draw_overview(Gnuplot& gnuplot, const std::vector<SettingSummary>& summaries, Metric metric,
                      const std::string& name);
/// Medians of learning rate, weight decay, dropout and depth along the labels, under one mode.
Picture draw_hyperparameters(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& mode,
                             const std::string& name);
/// Mean seconds per run by phase, for every arm; only if timings are there.
Picture draw_times(Gnuplot& gnuplot, const SettingSummary& summary, const std::string& name);

/// True if a run of this mode changed its hyperparameters on the way.
bool hyperparameters_move(const SettingSummary& summary, const std::string& mode);
bool has_times(const SettingSummary& summary);

std::string metric_name(Metric metric);
/// "n = 3 seeds", "n = 2 to 3 seeds".
std::string seeds_text(std::int64_t fewest, std::int64_t most);
std::string seeds_text(const std::vector<const ArmSummary*>& arms);
/// The data set with what tells this setting from its neighbours; the study too where several are reported.
std::string setting_name(const Setting& setting);

}  // namespace quarry
