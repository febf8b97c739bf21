// SPDX-License-Identifier: MIT
// Tells a person, or a program, how far long work is: on a terminal a bar with rate and time left, elsewhere a line
// now and then. Everything goes to standard error; results never depend on it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace quarry {

/// Thrown where a stop flag is seen: nothing of what was under way counts.
struct Interrupted {};

enum class ProgressMode {
  automatic,  ///< a bar on a terminal, lines elsewhere
  bar,        ///< redrawn in place, at most ten times a second
  lines,      ///< a line at each tenth, at least every minute, never more often than every 5 s; and one at the end
  json,       ///< one JSON object per line, at most one a second, and one at the end
  quiet,      ///< nothing
};

/// Where progress is written and what time it is; tests bring their own.
struct ProgressOutput {
  std::function<void(std::string_view)> write;
  std::function<double()> seconds;  ///< monotonic
  bool terminal = false;
  int columns = 80;  ///< of the terminal
};
ProgressOutput standard_error();

/// Thread safe.
class Progress {
 public:
  /// `total` items of work, named by `unit` in the plural ("acquisitions").
  Progress(std::int64_t total, std::string unit, ProgressMode mode = ProgressMode::automatic,
           ProgressOutput output = standard_error());
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// n more items are done.
  void advance(std::int64_t n = 1);
  /// n items were done before this work began: they count, but not for the rate.
  void skip(std::int64_t n);
  /// From here to end_part: `items` items are under way, in smaller steps that are shown too ("epoch 812/4000"). In the
  /// time left, `done` of `total` steps are that share of the items; what advance() says meanwhile is among them.
  void begin_part(double items, std::string step);
  void part(std::int64_t done, std::int64_t total);
  void end_part();
  /// A message on a line of its own; the bar stays below it.
  void note(std::string_view message);
  /// The last line: what was done in which time. Also called by the destructor; later calls do nothing.
  void finish();

 private:
  void report(bool last);
  void draw_bar(bool last);
  void write_json(bool last);
  std::string summary(bool last) const;
  double left() const;

  const std::int64_t total_;
  const std::string unit_;
  const ProgressOutput output_;
  ProgressMode mode_;
  std::mutex mutex_;
  std::int64_t done_ = 0, skipped_ = 0;
  std::string step_;  ///< of the part; empty: there is none
  std::int64_t steps_done_ = 0, steps_ = 0;
  double part_begin_ = 0, part_items_ = 0, begun_ = 0;  ///< begun_: items done, with their share of those under way
  double start_ = 0, now_ = 0, last_report_ = 0;
  std::int64_t last_tenth_ = 0;
  bool bar_is_shown_ = false, finished_ = false;
};

/// "3.2 s", "47 s", "2 min 5 s", "3 h 12 min", "4 d 6 h".
std::string duration_text(double seconds);
/// "12.5 fits/s", "3.2 fits/min", "1.5 fits/h".
std::string rate_text(double per_second, std::string_view unit);
/// Seconds that the rest will take at the rate so far; NaN if that cannot be said yet.
double seconds_left(double done, double total, double elapsed);

}  // namespace quarry
