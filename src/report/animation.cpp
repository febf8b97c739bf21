// SPDX-License-Identifier: MIT
#include "src/report/animation.h"

#include <fmt/core.h>

#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "src/report/gif.h"
#include "src/report/subprocess.h"

namespace quarry {
namespace {

constexpr int kSeconds = 600;
constexpr std::size_t kBatch = 32;  // frames whose scripts and data are on the disk at a time
constexpr std::int32_t kLastStays = 200;
constexpr double kLetters = 1.08;  // a little larger than in the pictures of the report, which are read at leisure

void check_programs(AnimationOptions::Format format) {
  if (!run_program({"gnuplot", "--version"}, "/", kSeconds).found)
    usage_error("--animate needs gnuplot, which is not on PATH: install it (Debian: apt install gnuplot-nox)");
  if (format == AnimationOptions::Format::mp4 && !run_program({"ffmpeg", "-version"}, "/", kSeconds).found)
    usage_error(
        "--animate mp4 needs ffmpeg, which is not on PATH: install it (Debian: apt install ffmpeg), or take --animate "
        "gif, which needs no program but gnuplot");
}

std::string checked_output(const std::vector<std::string>& argv, const std::string& directory) {
  ProgramResult result = run_program(argv, directory, kSeconds);
  if (!result.found || result.status != 0)
    fail("{} failed in {} ({}): {}", argv[0], directory,
         !result.found      ? "not found"
         : result.timed_out ? fmt::format("stopped after {} s", kSeconds)
                            : fmt::format("exit status {}", result.status),
         printable(result.errors.substr(0, 1000)));
  return std::move(result.output);
}

/// Files that are gone when the work is done, however it ends.
class ShortLived {
 public:
  explicit ShortLived(FileSystem& files) : files_(files) {}
  ~ShortLived() {
    for (const std::string& path : paths_) {
      try {
        if (files_.exists(path)) files_.remove(path);
      } catch (const Error&) {  // a file too many is no reason to lose the animation
      }
    }
  }
  ShortLived(const ShortLived&) = delete;
  ShortLived& operator=(const ShortLived&) = delete;

  void expect(const std::string& path) { paths_.push_back(path); }
  void write(const std::string& path, std::string_view bytes) {
    expect(path);
    files_.write_atomically(path, bytes);
  }

 private:
  FileSystem& files_;
  std::vector<std::string> paths_;
};

struct Place {
  std::string directory, name;
};
Place place_of(const std::string& stem) {
  const std::size_t slash = stem.rfind('/');
  if (slash == std::string::npos) return {".", stem};
  return {stem.substr(0, slash), stem.substr(slash + 1)};
}

std::vector<std::string> draw_frames(FileSystem& files, Context& context, RunFrames& frames,
                                     const AnimationOptions& options, const std::string& stem) {
  const Place place = place_of(stem);
  const std::vector<std::int32_t> iterations = frame_iterations(frames.run().rows.back().iteration, options.every);
  const std::int32_t width = options.width + options.width % 2;  // videos have even sides
  const std::int32_t height = width * kMapHeight / kMapWidth / 2 * 2;
  const std::string header = png_header(width, height, kLetters * width / kMapWidth);
  std::vector<std::string> pngs(iterations.size());
  for (std::size_t begin = 0; begin < iterations.size(); begin += kBatch) {
    const std::size_t end = std::min(iterations.size(), begin + kBatch);
    ShortLived inputs(files);
    const auto name_of = [&](std::size_t i) { return fmt::format("{}.frame_{:04}", place.name, iterations[i] + 1); };
    for (std::size_t i = begin; i < end; ++i) {
      const MapFrame frame = frames.frame(iterations[i]);
      const std::string path = place.directory + "/" + name_of(i);
      inputs.write(path + ".dat", map_data(frames.run(), frames.data(), frames.grid(), frame));
      inputs.write(path + ".gp", fmt::format("data = '{}.dat'\n{}{}", name_of(i), header,
                                             map_script(frames.run(), frames.data(), frames.grid(), frame)));
    }
    context.pool().parallel_for(static_cast<std::int64_t>(end - begin), [&](std::int64_t item, int) {
      const std::size_t i = begin + static_cast<std::size_t>(item);
      pngs[i] = checked_output({"gnuplot", "-d", name_of(i) + ".gp"}, place.directory);
    });
  }
  return pngs;
}

std::string mp4_of(FileSystem& files, const std::vector<std::string>& pngs, std::int32_t rate,
                   const std::string& stem) {
  const Place place = place_of(stem);
  const std::string in = place.name + ".frames.png", out = place.name + ".part.mp4";
  std::string all;
  for (const std::string& png : pngs) all += png;
  ShortLived meanwhile(files);
  meanwhile.write(place.directory + "/" + in, all);
  meanwhile.expect(place.directory + "/" + out);
  checked_output({"ffmpeg",  "-nostdin", "-y",         "-loglevel",          "error",      "-f", "image2pipe",
                  "-c:v",    "png",      "-framerate", std::to_string(rate), "-i",         in,   "-c:v",
                  "libx264", "-pix_fmt", "yuv420p",    "-movflags",          "+faststart", out},
                 place.directory);
  return files.read(place.directory + "/" + out);
}

}  // namespace

std::vector<const ReportRun*> runs_to_animate(FileSystem& files, const AnimationOptions& options,
                                              const std::vector<Setting>& settings) {
  check_programs(options.format);
  const bool by_name = options.runs != "first" && options.runs != "all";
  std::vector<const ReportRun*> runs;
  std::string an_example;
  for (const Setting& setting : settings)
    for (const Arm& arm : setting.arms)
      for (const ReportRun& run : arm.runs) {
        if (an_example.empty()) an_example = run.request.run;
        if (by_name ? run.request.run != options.runs : !run.complete() || !has_two_features(run)) continue;
        if (by_name && run.rows.empty()) usage_error("run {} has no results to animate", run.request.run);
        if (!has_two_features(run))
          usage_error(
              "run {} cannot be animated: its data have more features than the two that a picture shows, or "
              "it acquired nothing",
              run.request.run);
        runs.push_back(&run);
        if (options.runs == "first") break;
      }
  if (runs.empty() && by_name)
    usage_error("--animate-runs is '{}', expected first, all or a run's name, as {}", printable(options.runs),
                an_example);
  if (runs.empty()) usage_error("--animate: no run on data of two features is complete");
  for (const ReportRun* run : runs) {
    const std::string missing =
        missing_networks(files, *run, frame_iterations(run->rows.back().iteration, options.every));
    if (!missing.empty()) usage_error("--animate: {}", missing);
  }
  return runs;
}

std::string gif_of(const std::vector<std::string>& pngs, std::int32_t rate, const std::string& name) {
  GifPalette palette;  // frames are read twice: all of them as pixels would be gigabytes
  Raster first;
  for (std::size_t i = 0; i < pngs.size(); ++i) {
    const Raster frame = read_png(pngs[i], fmt::format("{}, frame {}", name, i));
    if (i == 0) first = frame;
    if (frame.width != first.width || frame.height != first.height)
      fail("{}: frame {} has {} x {} pixels, the first has {} x {}", name, i, frame.width, frame.height, first.width,
           first.height);
    palette.add(frame);
  }
  palette.choose();
  GifWriter writer(first.width, first.height, palette);
  const std::int32_t delay = std::max(1, (100 + rate / 2) / rate);
  for (std::size_t i = 0; i < pngs.size(); ++i)
    writer.add(palette.index(read_png(pngs[i], name)), i + 1 < pngs.size() ? delay : std::max(delay, kLastStays));
  return writer.finish();
}

std::string write_animation(FileSystem& files, Context& context, RunFrames& frames, const AnimationOptions& options,
                            const std::string& stem) {
  const std::vector<std::string> pngs = draw_frames(files, context, frames, options, stem);
  const bool gif = options.format == AnimationOptions::Format::gif;
  const std::string ending = gif ? ".gif" : ".mp4";
  files.write_atomically(stem + ending,
                         gif ? gif_of(pngs, options.rate, stem) : mp4_of(files, pngs, options.rate, stem));
  return ending;
}

}  // namespace quarry
