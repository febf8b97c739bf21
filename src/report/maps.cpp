// SPDX-License-Identifier: MIT
#include "src/report/maps.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/core/text.h"
#include "quarry/nn/checkpoint.h"
#include "quarry/study/journal.h"
#include "quarry/study/keychain.h"
#include "src/report/setting_text.h"
#include "src/study/saved_networks.h"

namespace quarry {
namespace {

std::string run_directory(const ReportRun& run) {
  return run.directory + "/runs/" + run.request.run;
}

std::vector<std::int32_t> pool_indices(const Json& array, const Dataset& data, const std::string& path) {
  std::vector<std::int32_t> indices;
  for (const Json& item : array.items()) {
    const std::int64_t index = item.integer();
    if (index < 0 || index >= data.train.n) fail("{}: pool index {} of a pool of {}", path, index, data.train.n);
    indices.push_back(static_cast<std::int32_t>(index));
  }
  return indices;
}

/// The training split is part of the unviolated set; a run on everything may list added instances there too.
std::vector<std::int32_t> labelled_in(const MapFrame& frame) {
  std::vector<std::int32_t> labelled = frame.train;
  labelled.insert(labelled.end(), frame.validation.begin(), frame.validation.end());
  labelled.insert(labelled.end(), frame.added.begin(), frame.added.end());
  std::sort(labelled.begin(), labelled.end());
  labelled.erase(std::unique(labelled.begin(), labelled.end()), labelled.end());
  return labelled;
}

/// The classifier at each point: P(class 1), or the predicted class where there are more than two; not a number where
/// an output is none.
std::vector<float> surface_of(Context& context, const TrainedMlp<float>& network, MatrixView<const float> points) {
  const std::int64_t n = points.extent[0], classes = network.sizes.back();
  std::vector<float> logits(static_cast<std::size_t>(n * classes)), surface(static_cast<std::size_t>(n));
  mlp_forward<float>(context, network, points, {}, logits.data(), nullptr);
  if (classes == 2) softmax_rows<float>(context, matrix<const float>(logits.data(), n, classes), logits.data());
  for (std::size_t i = 0; i < surface.size(); ++i) {
    const float* row = logits.data() + i * static_cast<std::size_t>(classes);
    const bool known = std::all_of(row, row + classes, [](float value) { return std::isfinite(value); });
    surface[i] = !known ? NAN : classes == 2 ? row[1] : static_cast<float>(std::max_element(row, row + classes) - row);
  }
  return surface;
}

Picture draw_frame(Gnuplot& gnuplot, const ReportRun& run, const Dataset& data, const MapGrid& grid,
                   const MapFrame& frame, const std::string& name) {
  const RequestedRun& r = run.request;
  const std::string caption = fmt::format(
      "{}, {}, {}, one run (seed {}), {} labels: acquisition score with the {} circled, classifier with what it was "
      "trained on, test curve, classifier on the test set",
      data_name(r), r.strategy, r.mode, r.seed, labelled_in(frame).size(), frame.last ? "last picks" : "next picks");
  return gnuplot.draw("maps", name, PictureKind::png,
                      png_header(kMapWidth, kMapHeight) + map_script(run, data, grid, frame),
                      map_data(run, data, grid, frame), caption);
}

}  // namespace

bool has_two_features(const ReportRun& run) {
  for (const ResultRow& row : run.rows)
    if (!row.idx_added.empty()) return row.features_added.size() == 2 * row.idx_added.size();
  return false;
}

MapGrid map_grid(const Dataset& data) {
  QUARRY_CHECK(data.n_features == 2, "maps need two features, {} has {}", data.name, data.n_features);
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, sum = 0, squares = 0, count = 0;
  for (const DataPart* part : {&data.train, &data.test})
    for (std::size_t i = 0; i < part->features.size(); ++i) {
      const double value = part->features[i];
      low[i % 2] = std::min(low[i % 2], value);
      high[i % 2] = std::max(high[i % 2], value);
      sum += value;
      squares += value * value;
      ++count;
    }
  const double margin = std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
  MapGrid grid{low[0] - margin, high[0] + margin, low[1] - margin, high[1] + margin, {}};
  for (std::int32_t y = 0; y < kMapSide; ++y)
    for (std::int32_t x = 0; x < kMapSide; ++x) {
      grid.points.push_back(static_cast<float>(grid.x_low + (grid.x_high - grid.x_low) * x / (kMapSide - 1)));
      grid.points.push_back(static_cast<float>(grid.y_low + (grid.y_high - grid.y_low) * y / (kMapSide - 1)));
    }
  return grid;
}

std::vector<float> score_points(Context& context, const RunConfig& config, const Dataset& data,
                                const TrainedMlp<float>& network, std::int32_t iteration,
                                const std::vector<std::int32_t>& labelled, MatrixView<const float> points) {
  const std::unique_ptr<Strategy> strategy = make_strategy(config.strategy);
  const StrategyNeeds needs = strategy->needs();
  if (!needs.probabilities && !needs.features && !needs.bald) return {};
  const std::int64_t n = points.extent[0], m = static_cast<std::int64_t>(labelled.size());
  const std::int64_t classes = network.sizes.back();
  const bool use_logits = config.coreset_layer == FeatureLayer::logits;
  const std::int64_t width = use_logits ? classes : penultimate_width(network.sizes);
  std::vector<float> logits(static_cast<std::size_t>(n * classes)), probabilities(logits.size());
  std::vector<float> features(static_cast<std::size_t>(n * width)), known(static_cast<std::size_t>(m * width));
  std::vector<float> bald(static_cast<std::size_t>(n));
  mlp_forward<float>(context, network, points, {}, logits.data(), use_logits ? nullptr : features.data());
  if (use_logits) features = logits;
  mlp_forward<float>(context, network, data.train_features(), labelled, use_logits ? known.data() : nullptr,
                     use_logits ? nullptr : known.data());
  softmax_rows<float>(context, matrix<const float>(logits.data(), n, classes), probabilities.data());
  const auto seed = static_cast<std::uint64_t>(config.seed);
  const auto cycle = static_cast<std::uint64_t>(iteration + 1);
  if (needs.bald)
    mlp_bald<float>(context, network, points, {}, config.mc_passes, stream_key(seed, RngPurpose::mc, cycle),
                    bald.data(), config.log_epsilon);
  SelectionProblem problem;
  problem.n = n;
  problem.seed = seed;
  problem.cycle = cycle;
  problem.bald_clamp = config.bald_clamp;
  problem.log_epsilon = config.log_epsilon;
  problem.probabilities = matrix<const float>(probabilities.data(), n, classes);
  problem.candidate_features = matrix<const float>(features.data(), n, width);
  problem.labelled_features = matrix<const float>(known.data(), m, width);
  problem.bald = bald;
  return strategy->score(context, problem);
}

std::vector<std::int32_t> frame_iterations(std::int32_t last, std::int32_t every) {
  std::vector<std::int32_t> iterations;
  for (std::int64_t i = -1; every > 0 && i < last; i += every) iterations.push_back(static_cast<std::int32_t>(i));
  iterations.push_back(last);
  return iterations;
}

RunFrames::RunFrames(FileSystem& files, Context& context, const ReportRun& run, const RunConfig& config,
                     const Dataset& data, std::int32_t bald_passes)
    : files_(files), context_(context), run_(run), config_(config), data_(data), grid_(map_grid(data)) {
  const bool bald = make_strategy(config.strategy)->needs().bald;
  without_scores_ = bald && bald_passes == 0;
  if (bald_passes > 0) config_.mc_passes = bald_passes;
  const std::string path = run_directory(run) + "/journal.jsonl";
  const JournalContents journal = parse_journal(files.read(path), path);
  if (journal.records.empty() || journal.records[0].at("type").string() != "run")
    fail("{}: the first record should be that of the run", path);
  everything_.train = pool_indices(journal.records[0].at("train"), data, path);
  everything_.validation = pool_indices(journal.records[0].at("validation"), data, path);
  for (const ResultRow& row : run.rows)
    for (std::int32_t index : row.idx_added)
      if (index < 0 || index >= data.train.n) fail("{}: pool index {} of a pool of {}", path, index, data.train.n);
}

MapFrame RunFrames::frame(std::int32_t iteration) {
  MapFrame frame = everything_;
  frame.iteration = iteration;
  frame.last = iteration == run_.rows.back().iteration;
  for (const ResultRow& row : run_.rows) {
    if (row.iteration <= iteration) frame.added.insert(frame.added.end(), row.idx_added.begin(), row.idx_added.end());
    if (row.iteration == (frame.last ? iteration : iteration + 1)) frame.chosen = row.idx_added;
  }
  const std::string file = network_path(run_directory(run_), iteration);
  const TrainedMlp<float> network = parse_checkpoint(files_.read(file), file);
  if (network.sizes.front() != 2 || network.sizes.back() != data_.n_classes)
    fail("{}: a network of {} inputs and {} classes, but {} has 2 features and {} classes", file, network.sizes.front(),
         network.sizes.back(), data_.name, data_.n_classes);
  const MatrixView<const float> points = matrix<const float>(grid_.points.data(), kMapSide * kMapSide, 2);
  frame.surface = surface_of(context_, network, points);
  if (without_scores_) {
    frame.no_scores = "left out (--bald-passes 0)";
    return frame;
  }
  frame.scores = score_points(context_, config_, data_, network, iteration, labelled_in(frame), points);
  if (frame.scores.empty())
    frame.no_scores = is_keychain(config_.strategy) ? "the meta model that scored is not saved"
                                                    : "this strategy gives single points no score";
  return frame;
}

std::string missing_networks(FileSystem& files, const ReportRun& run, const std::vector<std::int32_t>& iterations) {
  for (std::int32_t iteration : iterations)
    if (!files.exists(network_path(run_directory(run), iteration)))
      return fmt::format(
          "no network was saved for iteration {} of run {}: maps need [output] networks = \"{}\" in the config "
          "(quarry run {}/config.toml --set output.networks={} --out again)",
          iteration, run.request.run, iterations.size() == 1 ? "final" : "every", run.directory,
          iterations.size() == 1 ? "final" : "every");
  return "";
}

RunMaps draw_run_maps(FileSystem& files, Gnuplot& gnuplot, RunFrames& frames, std::int32_t every,
                      const std::string& name) {
  RunMaps maps;
  const std::vector<std::int32_t> iterations = frame_iterations(frames.run().rows.back().iteration, every);
  maps.missing = missing_networks(files, frames.run(), iterations);
  if (!maps.missing.empty()) return maps;
  for (std::int32_t iteration : iterations)
    maps.frames.push_back(draw_frame(gnuplot, frames.run(), frames.data(), frames.grid(), frames.frame(iteration),
                                     fmt::format("{}_{:04}", name, iteration + 1)));
  return maps;
}

}  // namespace quarry
