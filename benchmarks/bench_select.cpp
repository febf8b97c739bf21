// SPDX-License-Identifier: MIT
// How long does a pick take? k-center (lazy against a pass per pick) and BADGE (rejection against a pass per pick) on
// a pool of n rows of `width` features, clustered and iid. Every answer is checked before anything is timed.
//
//   bench_select [--n N] [--width F] [--picks K] [--labelled M] [--write FOLDER]
//
// --write puts the pools there as NPY files, for benchmarks/peers/selection.py; output is tab-separated.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "quarry/core/context.h"
#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/ops/badge.h"
#include "quarry/ops/k_center.h"

namespace {

using namespace quarry;

struct Options {
  std::int64_t n = 50000, width = 512, picks = 200, labelled = 100, classes = 10;
  std::string write;
};

struct Pool {
  std::string name;
  std::vector<float> features, labelled, probabilities;
};

float bell(std::uint64_t key, std::uint64_t element) {
  const PhiloxBlock block = random_block(key, element);
  float sum = -2;
  for (std::uint32_t word : block.word) sum += uniform_float(word);
  return sum * 1.7f;
}

/// Clustered: 10 clusters whose spread falls off over the features as 1 / sqrt(1 + f / 8), so the effective rank is
/// far below the width, as it is in networks; iid: the worst case.
std::vector<float> make_features(bool clustered, std::int64_t n, std::int64_t width, std::uint64_t key) {
  std::vector<float> x(static_cast<std::size_t>(n * width));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto cluster = random_below(key, 10, static_cast<std::uint64_t>(i), 1);
    for (std::int64_t f = 0; f < width; ++f) {
      const float noise = bell(key, static_cast<std::uint64_t>(i * width + f) + (std::uint64_t{1} << 40));
      const float scale = clustered ? 1 / std::sqrt(1 + static_cast<float>(f) / 8) : 1.0f;
      const float center = clustered ? 2 * bell(99, cluster * 65536 + static_cast<std::uint64_t>(f)) : 0.0f;
      x[static_cast<std::size_t>(i * width + f)] = scale * (center + noise);
    }
  }
  return x;
}

std::vector<float> make_probabilities(std::int64_t n, std::int64_t classes) {
  std::vector<float> p(static_cast<std::size_t>(n * classes));
  for (std::int64_t i = 0; i < n; ++i) {
    float sum = 0;
    float* row = p.data() + i * classes;
    for (std::int64_t c = 0; c < classes; ++c) {
      row[c] = std::exp(2 * bell(7, static_cast<std::uint64_t>(i * classes + c)));
      sum += row[c];
    }
    for (std::int64_t c = 0; c < classes; ++c) row[c] /= sum;
  }
  return p;
}

/// Processor time of this thread: what other programs on the machine do hardly enters.
double now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds(const std::function<void()>& work) {
  const double begin = now();
  work();
  return now() - begin;
}

/// The shortest of three, after one run that nobody times.
double best_of_three(const std::function<void()>& work) {
  work();
  double best = seconds(work);
  for (int i = 0; i < 2; ++i) best = std::min(best, seconds(work));
  return best;
}

void write_npy(const std::string& path, const std::vector<float>& data, std::int64_t rows, std::int64_t columns) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size() & 255)
       << static_cast<char>(header.size() >> 8) << header;
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size() * sizeof(float)));
  QUARRY_CHECK(file.good(), "cannot write {}", path);
}

void row(const std::string& pool, const char* what, const Options& o, double total, std::int64_t picks, double passes) {
  fmt::print("{}\t{}\t{}\t{}\t{}\t{:.3f}\t{:.2f}\t{:.1f}\n", pool, what, o.n, o.width, picks, total * 1e3,
             total / static_cast<double>(picks) * 1e6, passes);
  std::fflush(stdout);
}

void time_k_center(Context& context, const Options& o, const Pool& pool) {
  const MatrixView<const float> candidates = matrix(pool.features.data(), o.n, o.width);
  const MatrixView<const float> labelled = matrix(pool.labelled.data(), o.labelled, o.width);
  const auto run = [&](KCenterMethod method, std::int64_t picks, KCenterStats* stats) {
    std::vector<std::int32_t> result(static_cast<std::size_t>(picks));
    k_center(context, {method}, candidates, labelled, result, {}, stats);
    return result;
  };
  const std::int64_t few = std::min<std::int64_t>(o.picks, 40);  // a pass per pick takes its time
  KCenterStats lazy, plain;
  QUARRY_CHECK(run(KCenterMethod::lazy, few, nullptr) == run(KCenterMethod::plain, few, &plain),
               "the lazy picks differ from the plain ones");
  run(KCenterMethod::lazy, o.picks, &lazy);
  // the distances to the labelled set are timed apart; in turns, so that both see the same machine
  double setup = 1e9, whole = 1e9;
  for (int i = 0; i < 7; ++i) {
    setup = std::min(setup, seconds([&] { run(KCenterMethod::lazy, 0, nullptr); }));
    whole = std::min(whole, seconds([&] { run(KCenterMethod::lazy, o.picks, nullptr); }));
  }
  row(pool.name, "k_center_initial", o, setup, 1, static_cast<double>(o.labelled));
  row(pool.name, "k_center_lazy", o, whole - setup, o.picks,
      static_cast<double>(lazy.distances) / static_cast<double>(o.n));
  // the difference of two plain runs leaves the passes alone, without the packing before them
  const double plain_time = best_of_three([&] { run(KCenterMethod::plain, few, nullptr); }) -
                            best_of_three([&] { run(KCenterMethod::plain, 1, nullptr); });
  row(pool.name, "k_center_plain", o, plain_time, few - 1, static_cast<double>(few - 1));
}

void time_badge(Context& context, const Options& o, const Pool& pool) {
  const MatrixView<const float> p = matrix(pool.probabilities.data(), o.n, o.classes);
  const MatrixView<const float> h = matrix(pool.features.data(), o.n, o.width);
  const auto run = [&](BadgeSampling sampling, std::int64_t picks, BadgeStats* stats) {
    std::vector<std::int32_t> result(static_cast<std::size_t>(picks));
    badge(context, {sampling, 5, 5}, p, h, result, stats);
    return result;
  };
  const std::int64_t few = std::min<std::int64_t>(o.picks, 40);
  BadgeStats rejection;
  const std::vector<std::int32_t> picks = run(BadgeSampling::rejection, o.picks, &rejection);
  QUARRY_CHECK(std::set<std::int32_t>(picks.begin(), picks.end()).size() == picks.size(), "a candidate twice");
  QUARRY_CHECK(run(BadgeSampling::plain, 1, nullptr)[0] == picks[0], "the first picks differ");
  const double rejection_time = best_of_three([&] { run(BadgeSampling::rejection, o.picks, nullptr); });
  row(pool.name, "badge_rejection", o, rejection_time, o.picks, static_cast<double>(rejection.passes));
  const double plain_time = best_of_three([&] { run(BadgeSampling::numpy, few, nullptr); }) -
                            best_of_three([&] { run(BadgeSampling::numpy, 1, nullptr); });
  row(pool.name, "badge_plain", o, plain_time, few - 1, static_cast<double>(few - 1));
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--write") {
      o.write = argv[i + 1];
      continue;
    }
    std::int64_t* target = name == "--n"          ? &o.n
                           : name == "--width"    ? &o.width
                           : name == "--picks"    ? &o.picks
                           : name == "--labelled" ? &o.labelled
                                                  : nullptr;
    QUARRY_CHECK(target != nullptr, "unknown option {}", name);
    *target = std::atoll(argv[i + 1]);
    QUARRY_CHECK(*target >= 2, "{} must be at least 2", name);
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options o = parse(argc, argv);
    Context context({}, 1);  // per core, as the rivals are timed
    fmt::print("# simd {}, one worker, processor time, {} labelled, {} classes, best of 3\n", to_string(context.simd()),
               o.labelled, o.classes);
    fmt::print("pool\twhat\tn\twidth\tpicks\ttotal_ms\tus_per_pick\tpasses\n");
    for (const bool clustered : {true, false}) {
      const Pool pool{clustered ? "clustered" : "iid", make_features(clustered, o.n, o.width, 1),
                      make_features(clustered, o.labelled, o.width, 2), make_probabilities(o.n, o.classes)};
      time_k_center(context, o, pool);
      time_badge(context, o, pool);
      if (o.write.empty()) continue;
      write_npy(o.write + "/" + pool.name + "_features.npy", pool.features, o.n, o.width);
      write_npy(o.write + "/" + pool.name + "_labelled.npy", pool.labelled, o.labelled, o.width);
      write_npy(o.write + "/" + pool.name + "_probabilities.npy", pool.probabilities, o.n, o.classes);
    }
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "bench_select: {}\n", error.what());
    return error.exit_code();
  }
}
