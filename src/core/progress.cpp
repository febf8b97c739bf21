// SPDX-License-Identifier: MIT
#include "quarry/core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr double kBarEvery = 0.1, kJsonEvery = 1, kLinesEvery = 5, kLinesAtLeastEvery = 60;
constexpr std::string_view kClearLine = "\r\x1b[K";

/// All bytes or, if standard error is closed, none: progress is never worth a failure.
void write_standard_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

ProgressOutput standard_error() {
  ProgressOutput output{write_standard_error, monotonic_seconds, false, 80};
  const char* terminal = std::getenv("TERM");
  output.terminal = ::isatty(STDERR_FILENO) == 1 && terminal && std::string_view(terminal) != "dumb";
  winsize size{};
  if (output.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    output.columns = size.ws_col;
  return output;
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || std::isinf(seconds)) return "unknown time";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  constexpr double kTooLong = 1e15;
  const auto s = static_cast<std::int64_t>(std::llround(std::min(seconds, kTooLong)));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86400, s % 86400 / 3600);
}

std::string rate_text(double per_second, std::string_view unit) {
  double rate = per_second;
  const char* per = "s";
  if (rate < 1) {
    rate *= 60;
    per = "min";
  }
  if (rate < 1) {
    rate *= 60;
    per = "h";
  }
  return rate < 100 ? fmt::format("{:.3g} {}/{}", rate, unit, per) : fmt::format("{:.0f} {}/{}", rate, unit, per);
}

double seconds_left(double done, double total, double elapsed) {
  if (done <= 0 || elapsed <= 0) return std::numeric_limits<double>::quiet_NaN();
  return elapsed / done * std::max(total - done, 0.0);
}

Progress::Progress(std::int64_t total, std::string unit, ProgressMode mode, ProgressOutput output)
    : total_(total), unit_(std::move(unit)), output_(std::move(output)), mode_(mode) {
  QUARRY_CHECK(total >= 0, "{} {} of work", total, unit_);
  if (mode_ == ProgressMode::automatic) mode_ = output_.terminal ? ProgressMode::bar : ProgressMode::lines;
  start_ = now_ = last_report_ = output_.seconds();
}

Progress::~Progress() {
  finish();
}

void Progress::advance(std::int64_t n) {
  const std::lock_guard lock(mutex_);
  done_ += n;
  report(false);
}

void Progress::skip(std::int64_t n) {
  const std::lock_guard lock(mutex_);
  done_ += n;
  skipped_ += n;
  begun_ += static_cast<double>(n);
  report(false);
}

void Progress::begin_part(double items, std::string step) {
  const std::lock_guard lock(mutex_);
  step_ = std::move(step);
  steps_done_ = steps_ = 0;
  part_begin_ = begun_ = std::max(begun_, static_cast<double>(done_));
  part_items_ = items;
}

void Progress::part(std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  if (step_.empty() || done < steps_done_ || total <= 0) return;  // another worker was faster
  steps_done_ = done;
  steps_ = total;
  begun_ = part_begin_ + part_items_ * static_cast<double>(done) / static_cast<double>(total);
  report(false);
}

void Progress::end_part() {
  const std::lock_guard lock(mutex_);
  step_.clear();
}

void Progress::note(std::string_view message) {
  const std::lock_guard lock(mutex_);
  const std::string text = printable(message);
  if (mode_ == ProgressMode::quiet) return;
  if (mode_ == ProgressMode::json) {
    return output_.write(Json::object().set("event", "note").set("text", text).dump() + "\n");
  }
  output_.write((bar_is_shown_ ? std::string(kClearLine) : "") + text + "\n");
  if (bar_is_shown_) draw_bar(false);
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  if (total_ > 0 || done_ > 0) report(true);
}

void Progress::report(bool last) {
  if (mode_ == ProgressMode::quiet || (finished_ && !last)) return;
  now_ = output_.seconds();
  const double since = now_ - last_report_;
  if (mode_ == ProgressMode::bar) {
    if (!last && bar_is_shown_ && since < kBarEvery) return;
    draw_bar(last);
  } else if (mode_ == ProgressMode::json) {
    if (!last && since < kJsonEvery) return;
    write_json(last);
  } else {
    const std::int64_t tenth = total_ > 0 ? done_ * 10 / total_ : 0;
    const bool due = since >= kLinesEvery && (tenth > last_tenth_ || since >= kLinesAtLeastEvery);
    if (!last && !due) return;
    last_tenth_ = tenth;
    output_.write(summary(last) + "\n");
  }
  last_report_ = now_;
}

double Progress::left() const {
  const double worked = std::max(begun_, static_cast<double>(done_)) - static_cast<double>(skipped_);
  return seconds_left(worked, static_cast<double>(total_ - skipped_), now_ - start_);
}

/// "12/40 fits (30 %), epoch 3/10, 2.5 fits/s, 11 s left", or "40/40 fits (100 %) in 16 s, 2.5 fits/s".
std::string Progress::summary(bool last) const {
  const double elapsed = now_ - start_;
  const std::int64_t worked = done_ - skipped_;
  std::string text = fmt::format("{}/{} {}", done_, total_, unit_);
  if (total_ > 0) text += fmt::format(" ({} %)", done_ * 100 / total_);
  if (last) text += " in " + duration_text(elapsed);
  if (!last && !step_.empty() && steps_ > 0) text += fmt::format(", {} {}/{}", step_, steps_done_, steps_);
  if (worked > 0 && elapsed > 0) text += ", " + rate_text(static_cast<double>(worked) / elapsed, unit_);
  if (!last && std::isfinite(left())) text += ", " + duration_text(left()) + " left";
  return text;
}

void Progress::draw_bar(bool last) {
  constexpr int kWidest = 30;
  std::string text = summary(last);
  const int room = std::min(kWidest, output_.columns - 1 - static_cast<int>(text.size()) - 3);
  if (total_ > 0 && room >= 5) {
    const double share = std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * room);
    text = "[" + std::string(full, '#') + std::string(static_cast<std::size_t>(room) - full, '.') + "] " + text;
  }
  // A line that wraps could not be redrawn in place.
  if (!last) text.resize(std::min(text.size(), static_cast<std::size_t>(std::max(output_.columns - 1, 1))));
  output_.write(std::string(kClearLine) + text + (last ? "\n" : ""));
  bar_is_shown_ = !last;
}

void Progress::write_json(bool last) {
  Json json = Json::object();
  json.set("event", last ? "end" : "progress").set("unit", unit_).set("done", done_).set("total", total_);
  json.set("seconds", now_ - start_).set("seconds_left", std::isfinite(left()) ? Json(left()) : Json());
  if (!last && !step_.empty() && steps_ > 0)
    json.set("part", Json::object().set("unit", step_).set("done", steps_done_).set("total", steps_));
  output_.write(json.dump() + "\n");
}

}  // namespace quarry
