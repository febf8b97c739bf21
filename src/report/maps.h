// SPDX-License-Identifier: MIT
// Decision boundaries and acquisition scores of runs on data of two features: the study's four panels per frame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/data/dataset.h"
#include "quarry/nn/mlp_fleet.h"
#include "quarry/report/study_results.h"
#include "quarry/study/config.h"
#include "src/report/gnuplot.h"

namespace quarry {

/// True if what the run acquired has two features.
bool has_two_features(const ReportRun& run);

/// Points per axis of a map.
inline constexpr std::int32_t kMapSide = 100;

struct MapGrid {
  double x_low = 0, x_high = 0, y_low = 0, y_high = 0;
  std::vector<float> points;  ///< [kMapSide * kMapSide][2], x fastest
};
/// Smallest and largest value per axis over both parts, widened by the standard deviation of all coordinates.
MapGrid map_grid(const Dataset& data);

/// One frame: the network after an iteration, what is labelled by then, and what it chooses next.
struct MapFrame {
  std::int32_t iteration = -1;
  std::vector<std::int32_t> train, validation, added;  ///< pool indices
  std::vector<std::int32_t> chosen;                    ///< next picks; the last ones again in the last frame
  bool last = false;
  std::vector<float> scores;   ///< of the grid; empty if there are none
  std::string no_scores;       ///< then why
  std::vector<float> surface;  ///< of the grid: P(class 1) for two classes, else the predicted class
};

/// Scores of arbitrary points by the run's strategy; empty for strategies whose score is no function of the point.
std::vector<float> score_points(Context& context, const RunConfig& config, const Dataset& data,
                                const TrainedMlp<float>& network, std::int32_t iteration,
                                const std::vector<std::int32_t>& labelled, MatrixView<const float> points);

/// The iterations whose frames are wanted: the last one, or every N-th and the last.
std::vector<std::int32_t> frame_iterations(std::int32_t last, std::int32_t every);

/// The frames of one run, from the networks that it saved. What it is made of must outlive it.
class RunFrames {
 public:
  /// `bald_passes`: of the maps of BALD's score; -1: the study's number, 0: no such map.
  /// Error: failed, for a journal that is damaged.
  RunFrames(FileSystem& files, Context& context, const ReportRun& run, const RunConfig& config, const Dataset& data,
            std::int32_t bald_passes);

  const ReportRun& run() const { return run_; }
  const Dataset& data() const { return data_; }
  const MapGrid& grid() const { return grid_; }
  /// Error: failed, for a network that is missing, damaged or of another shape.
  MapFrame frame(std::int32_t iteration);

 private:
  FileSystem& files_;
  Context& context_;
  const ReportRun& run_;
  RunConfig config_;
  const Dataset& data_;
  MapGrid grid_;
  bool without_scores_;
  MapFrame everything_;  ///< the split before the first query
};

/// Why a run's frames cannot be drawn: a network that was not saved, and the key to set; empty if they can.
std::string missing_networks(FileSystem& files, const ReportRun& run, const std::vector<std::int32_t>& iterations);

struct RunMaps {
  std::vector<Picture> frames;  ///< in order of iterations
  std::string missing;          ///< why there are none
};
/// Draws the frames of one run as pictures; every = 0: the last only.
RunMaps draw_run_maps(FileSystem& files, Gnuplot& gnuplot, RunFrames& frames, std::int32_t every,
                      const std::string& name);

/// Script and data of one frame, to follow a header (gnuplot.h) of kMapWidth : kMapHeight.
inline constexpr int kMapWidth = 1100, kMapHeight = 1150;
std::string map_script(const ReportRun& run, const Dataset& data, const MapGrid& grid, const MapFrame& frame);
std::string map_data(const ReportRun& run, const Dataset& data, const MapGrid& grid, const MapFrame& frame);

}  // namespace quarry
