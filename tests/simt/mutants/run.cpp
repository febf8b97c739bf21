// SPDX-License-Identifier: MIT
// Switches the planted faults on one after another and counts how many the kernels' cases find.
// usage: run TABLE EQUIVALENT SURVIVORS GOAL NAME:SCHEDULES=PROGRAM... [--only TEXT]
//   TABLE       mutants.tsv of the generator
//   EQUIVALENT  mutants known to change nothing that anyone can see: "name | reason". They do not count.
//   SURVIVORS   mutants that are known to be missed, and why: "name | reason"
//   GOAL        per cent of the others that must be found
//   NAME=...    builds of the program of worker.cpp, the cheapest first; a later one gets what the earlier ones missed
//   SCHEDULES   how many schedules each case runs under in this build
//   --only      mutants whose name contains TEXT
// A mutant is found if a case fails, the emulator or a sanitizer reports, or the program crashes or (in the first
// build) does not end.
// Exit code: 0, or 1 if fewer are found, if an entry of a list names no mutant or one of EQUIVALENT is found, or if
// the cases fail without a mutant. To see one: PROGRAM run NUMBER SCHEDULES CASE.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "tests/simt/mutants/process.h"
#include "tests/simt/mutants/table.h"

namespace {

using namespace quarry::mutants;

struct Case {
  std::string name;
  double seconds = 0;  ///< without a mutant
};

struct Build {
  std::string name, schedules, program;
  std::map<std::string, bool> sound;  ///< groups of cases that pass without a mutant
};

struct Subject {
  Row row;
  std::vector<int> cases;  ///< that reach its place, the quickest first
  std::string reason;      ///< of an equivalent one
  std::string why_missed;  ///< of a known survivor
  int found_by = -1;       ///< build
  std::size_t next = 0;    ///< first case that has not run in this build
  std::size_t until = 0;   ///< behind the last case of the running process
};

/// Cases of a later build's process take at most kMostSeconds together in the first build, unless it is one case; then
/// kLaterSeconds of CPU time. What takes longer is left to the first build, as are endless loops.
constexpr double kMostSeconds = 0.2, kLaterSeconds = 60;

struct Options {
  std::string table, equivalent, survivors, only;
  double goal = 0;
  std::vector<Build> builds;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Options read_options(int argc, char** argv) {
  Options options;
  std::vector<std::string> words(argv + 1, argv + argc);
  const auto only = std::find(words.begin(), words.end(), "--only");
  if (only != words.end() && only + 1 != words.end()) {
    options.only = only[1];
    words.erase(only, only + 2);
  }
  if (words.size() < 5)
    throw std::runtime_error("usage: run TABLE EQUIVALENT SURVIVORS GOAL NAME:SCHEDULES=PROGRAM... [--only TEXT]");
  options.table = words[0];
  options.equivalent = words[1];
  options.survivors = words[2];
  options.goal = std::stod(words[3]);
  for (std::size_t i = 4; i < words.size(); ++i) {
    const std::size_t colon = words[i].find(':'), equals = words[i].find('=', colon);
    if (equals == std::string::npos) throw std::runtime_error("not NAME:SCHEDULES=PROGRAM: " + words[i]);
    options.builds.push_back(
        {words[i].substr(0, colon), words[i].substr(colon + 1, equals - colon - 1), words[i].substr(equals + 1), {}});
  }
  return options;
}

/// What the sanitizers need to stop at the first report.
Command command_of(const Build& build, std::vector<std::string> words, double cpu_seconds) {
  words.insert(words.begin(), build.program);
  return {std::move(words),
          {"TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=0", "ASAN_OPTIONS=detect_leaks=0",
           "UBSAN_OPTIONS=halt_on_error=1"},
          cpu_seconds};
}

/// Runs every case of the first build without a mutant; they must pass. cases_of: the cases that reach a mutant.
std::vector<Case> record_cases(const Build& build, std::map<int, std::vector<int>>& cases_of) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("quarry_reached_" + std::to_string(getpid()))).string();
  Children child(1);
  child.start(command_of(build, {"record", path, build.schedules}, 0), 0);
  if (child.wait().outcome != Outcome::passed) throw std::runtime_error("the cases fail without mutants");
  std::vector<Case> cases;
  std::istringstream lines(read_file(path));
  std::filesystem::remove(path);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    Case one;
    fields >> one.name >> one.seconds;
    for (int number = 0; fields >> number;) cases_of[number].push_back(static_cast<int>(cases.size()));
    cases.push_back(one);
  }
  return cases;
}

/// Tries mutants in one build.
class Trial {
 public:
  Trial(int number, Build& build, const std::vector<Case>& cases, std::vector<Subject>& subjects)
      : number_(number), build_(build), cases_(cases), subjects_(subjects) {}

  void run() {
    std::size_t waiting = 0;
    std::vector<int> ready;
    for (;;) {
      while (!children_.full()) {
        while (waiting < subjects_.size() && !wanted(subjects_[waiting])) ++waiting;
        if (ready.empty() && waiting == subjects_.size()) break;
        int tag = 0;
        if (!ready.empty()) {
          tag = ready.back();
          ready.pop_back();
        } else {
          subjects_[waiting].next = 0;
          tag = static_cast<int>(waiting++);
        }
        start_next(tag);
      }
      if (children_.empty()) return;
      const Children::Ended ended = children_.wait();
      Subject& subject = subjects_[static_cast<std::size_t>(ended.tag)];
      if (ended.outcome == Outcome::timed_out && number_ > 0) continue;
      if (ended.outcome != Outcome::passed && passes_without(subject)) {
        subject.found_by = number_;
        continue;
      }
      subject.next = subject.until;
      if (subject.next < subject.cases.size() && !spent(subject)) ready.push_back(ended.tag);
    }
  }

 private:
  bool wanted(const Subject& s) const {
    return s.found_by < 0 && !s.cases.empty() && (number_ == 0 || s.reason.empty());
  }
  const Case& case_of(const Subject& s, std::size_t i) const { return cases_[static_cast<std::size_t>(s.cases[i])]; }
  /// The quickest case of a mutant always runs.
  bool spent(const Subject& s) const { return number_ > 0 && s.next > 0 && case_of(s, s.next).seconds > kMostSeconds; }
  /// The next group of a subject's cases: one, then two, four, ... so that a quick case can spare the slow ones.
  Command command(const Subject& s, int mutant) const {
    std::vector<std::string> words = {"run", std::to_string(mutant), build_.schedules};
    double seconds = 0;
    for (std::size_t i = s.next; i < s.until; ++i) {
      words.push_back(case_of(s, i).name);
      seconds += case_of(s, i).seconds;
    }
    return command_of(build_, std::move(words), number_ == 0 ? 1 + 10 * seconds : kLaterSeconds);
  }
  void start_next(int tag) {
    Subject& s = subjects_[static_cast<std::size_t>(tag)];
    s.until = std::min(s.cases.size(), 2 * s.next + 1);
    double seconds = 0;
    for (std::size_t i = s.next; number_ > 0 && i < s.until; ++i) {
      seconds += case_of(s, i).seconds;
      if (seconds > kMostSeconds) s.until = std::max(i, s.next + 1);
    }
    children_.start(command(s, s.row.number), tag);
  }
  /// A failure counts only if it is the mutant's. The first build has passed all its cases already.
  bool passes_without(const Subject& s) {
    if (number_ == 0) return true;
    const Command plain = command(s, 0);
    std::string group;
    for (const std::string& word : plain.words) group += word + ' ';
    if (const auto found = build_.sound.find(group); found != build_.sound.end()) return found->second;
    Children child(1);
    child.start(plain, 0);
    const bool passed = child.wait().outcome == Outcome::passed;
    if (!passed) std::cout << "fails in this build without a mutant: " << group << '\n';
    return build_.sound[group] = passed;
  }

  int number_;
  Build& build_;
  const std::vector<Case>& cases_;
  std::vector<Subject>& subjects_;
  Children children_{2};
};

std::vector<Subject> make_subjects(const Options& options, const std::vector<Case>& cases,
                                   const std::map<int, std::vector<int>>& cases_of, bool& sound) {
  std::map<std::string, std::string> reasons, missed;
  for (const Explained& entry : read_explained(read_file(options.equivalent))) reasons[entry.name] = entry.reason;
  for (const Explained& entry : read_explained(read_file(options.survivors))) missed[entry.name] = entry.reason;
  std::set<std::string> unused;
  for (const auto* list : {&reasons, &missed})
    for (const auto& [name, reason] : *list) unused.insert(name);
  std::vector<Subject> subjects;
  for (const Row& row : read_table(read_file(options.table))) {
    unused.erase(row.name());
    if (row.number == 0 || row.name().find(options.only) == std::string::npos) continue;
    Subject subject{row, {}, "", "", -1, 0, 0};
    if (const auto found = reasons.find(row.name()); found != reasons.end()) subject.reason = found->second;
    if (const auto found = missed.find(row.name()); found != missed.end()) subject.why_missed = found->second;
    if (const auto found = cases_of.find(row.number); found != cases_of.end()) subject.cases = found->second;
    std::sort(subject.cases.begin(), subject.cases.end(), [&](int a, int b) {
      return cases[static_cast<std::size_t>(a)].seconds < cases[static_cast<std::size_t>(b)].seconds;
    });
    subjects.push_back(std::move(subject));
  }
  for (const std::string& name : unused) {
    std::cout << "names no mutant: " << name << '\n';
    sound = false;
  }
  return subjects;
}

struct Counts {
  int mutants = 0, equivalent = 0, survived = 0;
  std::vector<int> found;
};

void print_line(const std::string& title, const Counts& counts) {
  const int counted = counts.mutants - counts.equivalent;
  std::printf("%-34s %7d", title.c_str(), counts.mutants);
  for (const int n : counts.found) std::printf(" %11d", n);
  std::printf(" %10d %8d  %5.1f %%\n", counts.equivalent, counts.survived,
              counted == 0 ? 100.0 : 100.0 * (counted - counts.survived) / counted);
}

/// Prints the table and the survivors; returns the share found, in per cent.
double report(const Options& options, const std::vector<Subject>& subjects, bool& sound) {
  std::map<std::string, Counts> by_file, by_fault;
  Counts all;
  all.found.resize(options.builds.size());
  for (const Subject& s : subjects) {
    for (Counts* counts : {&by_file[s.row.file], &by_fault[s.row.fault], &all}) {
      counts->found.resize(options.builds.size());
      ++counts->mutants;
      if (!s.reason.empty()) {
        ++counts->equivalent;
      } else if (s.found_by >= 0) {
        ++counts->found[static_cast<std::size_t>(s.found_by)];
      } else {
        ++counts->survived;
      }
    }
    const std::string where = s.row.file + ":" + std::to_string(s.row.line) + " ";
    const std::string what = " [" + std::to_string(s.row.number) + "] " + s.row.name();
    if (!s.reason.empty() && s.found_by >= 0) {
      std::cout << where << "listed as equivalent, but found:" << what << '\n';
      sound = false;
    } else if (s.reason.empty() && s.found_by < 0) {
      std::cout << where << (s.cases.empty() ? "not reached:" : "survived:") << what
                << (s.why_missed.empty() ? "" : " | " + s.why_missed) << '\n';
    }
  }
  std::printf("%-34s %7s", "", "mutants");
  for (const Build& build : options.builds) std::printf(" %11s", build.name.c_str());
  std::printf(" %10s %8s  %s\n", "equivalent", "survived", "found");
  for (const auto& [file, counts] : by_file) print_line(file, counts);
  for (const auto& [fault, counts] : by_fault) print_line("  " + fault, counts);
  print_line("all", all);
  const int counted = all.mutants - all.equivalent;
  if (counted == 0) throw std::runtime_error("no mutant ran: that is a failure");
  return 100.0 * (counted - all.survived) / counted;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options = read_options(argc, argv);
    bool sound = true;
    std::map<int, std::vector<int>> cases_of;
    const std::vector<Case> cases = record_cases(options.builds[0], cases_of);
    std::vector<Subject> subjects = make_subjects(options, cases, cases_of, sound);
    for (std::size_t b = 0; b < options.builds.size(); ++b) {
      const auto start = std::chrono::steady_clock::now();
      Trial(static_cast<int>(b), options.builds[b], cases, subjects).run();
      std::printf("%s: %.0f s\n", options.builds[b].name.c_str(),
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      std::fflush(stdout);
    }
    const double share = report(options, subjects, sound);
    std::fflush(stdout);
    return share >= options.goal && sound ? 0 : 1;
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << '\n';
    return 1;
  }
}
