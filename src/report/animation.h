// SPDX-License-Identifier: MIT
// One run as an animation: the maps of every iteration, in a GIF of our own making or an MP4 by ffmpeg.
#pragma once

#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/file_system.h"
#include "quarry/report/report.h"
#include "quarry/report/study_results.h"
#include "src/report/maps.h"

namespace quarry {

/// The runs that the options ask for, in grid order. Errors: usage, if there are none, if a run is not there or not
/// on data of two features, if it did not save the networks that its frames need, or if a program is missing.
std::vector<const ReportRun*> runs_to_animate(FileSystem& files, const AnimationOptions& options,
                                              const std::vector<Setting>& settings);

/// Writes `stem`.gif or .mp4 and returns its ending. The frames are drawn by gnuplot, several at a time; their scripts
/// and data stand beside the file meanwhile. The same run and the same gnuplot give the same GIF.
/// Errors: failed, for a program that fails, with what it said.
std::string write_animation(FileSystem& files, Context& context, RunFrames& frames, const AnimationOptions& options,
                            const std::string& stem);

/// A GIF of PNG frames of equal size; the last one stays for two seconds.
std::string gif_of(const std::vector<std::string>& pngs, std::int32_t rate, const std::string& name);

}  // namespace quarry
