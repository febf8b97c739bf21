// SPDX-License-Identifier: MIT
// Studies made up for the report's tests: learning curves with a seed's own luck, without training anything.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "quarry/core/file_system.h"
#include "quarry/core/rng.h"
#include "quarry/report/study_results.h"
#include "quarry/study/config.h"

namespace quarry {

struct Synthetic {
  std::string study = "study", dataset = "moons";
  std::vector<std::string> strategies = {"random", "entropy", "bald", "coreset"};
  std::vector<std::string> modes = {"constant_initial", "online_dynamic"};
  std::int32_t seeds = 3, n_initial = 20, budget = 20, size = 1;
  bool honeypots = false;
};

/// -1, 0, ..., last
inline std::vector<std::int32_t> iterations_to(std::int32_t last) {
  std::vector<std::int32_t> iterations;
  for (std::int32_t i = -1; i <= last; ++i) iterations.push_back(i);
  return iterations;
}

/// One row of a run: the s-th strategy is better than the one before, the m-th mode too, by a little.
inline ResultRow synthetic_row(const Synthetic& wanted, const RequestedRun& run, std::size_t s, std::size_t m,
                               std::int32_t i) {
  const auto noise = [&](std::uint64_t stream) {
    const auto element = static_cast<std::uint64_t>((run.seed * 100 + static_cast<std::int64_t>(s)) * 10000 + i + 1);
    return random_uniform(stream, element) - 0.5;
  };
  const double progress = (i + 1.0) / static_cast<double>(run.iterations.size());
  const double luck = random_uniform(5, static_cast<std::uint64_t>(run.seed)) - 0.5;
  const bool moves = run.mode.rfind("online", 0) == 0;
  ResultRow row;
  row.study = wanted.study;
  row.run = run.run;
  row.dataset = run.dataset;
  row.strategy = run.strategy;
  row.mode = run.mode;
  row.seed = run.seed;
  row.n_initial = run.n_initial;
  row.val_share = run.val_share;
  row.iteration = i;
  row.len_lb = run.n_initial + std::min((i + 1) * wanted.size, wanted.budget);
  row.len_ulb = 480 - row.len_lb;
  for (std::int32_t k = 0; i >= 0 && k < wanted.size; ++k) row.idx_added.push_back((i * wanted.size + k) % 480);
  row.target_added.assign(row.idx_added.size(), 1);
  row.test_acc = 0.8 + 0.02 * luck + 0.03 * static_cast<double>(s + m) * progress + 0.02 * noise(1);
  row.test_acc_clean = row.test_acc;
  row.test_loss = 1 - 0.6 * row.test_acc;
  row.test_nll = row.test_loss + 0.05;
  row.test_auc = std::min(1.0, row.test_acc + 0.05);
  row.val_loss = row.test_loss;
  row.val_acc = row.test_acc;
  row.train_loss = 0.4;
  row.train_acc = 0.95;
  if (wanted.honeypots) {
    row.test_acc_clean = std::min(1.0, row.test_acc + 0.04);
    row.honeypots = static_cast<std::int32_t>((i + 1) * wanted.size * 0.1 * static_cast<double>(s));
  }
  row.lr = moves ? std::exp(-2 + 2 * noise(2)) : 0.1;
  row.weight_decay = moves ? std::exp(-8 + 4 * noise(3)) : 1e-4;
  row.drop_rate = moves ? 0.25 + 0.4 * noise(4) : 0.1;
  row.hidden.assign(moves ? static_cast<std::size_t>(2.5 + 3 * noise(6)) : 2, 48);
  row.trials = moves || i < 0 ? 20 : 0;
  row.pruned = row.trials / 3;
  return row;
}

/// Rows and seconds of every run that the directory asks for.
inline void fill_rows(const Synthetic& wanted, StudyDirectory& study) {
  for (const RequestedRun& run : study.requested) {
    const auto s =
        std::find(wanted.strategies.begin(), wanted.strategies.end(), run.strategy) - wanted.strategies.begin();
    const auto m = std::find(wanted.modes.begin(), wanted.modes.end(), run.mode) - wanted.modes.begin();
    for (const std::int32_t i : run.iterations)
      study.rows.push_back(synthetic_row(wanted, run, static_cast<std::size_t>(s), static_cast<std::size_t>(m), i));
    study.times.push_back({run.run, "fit", m == 0 ? 1.5 : 20.0});
    study.times.push_back({run.run, "select", 0.4 * static_cast<double>(s)});
  }
}

inline StudyDirectory synthetic_study(const Synthetic& wanted) {
  StudyDirectory study;
  study.path = "results/" + wanted.study;
  study.study = wanted.study;
  study.preset = "corrected";
  study.config = "study = \"" + wanted.study + "\"\n";
  for (const std::string& strategy : wanted.strategies)
    for (const std::string& mode : wanted.modes)
      for (std::int32_t seed = 0; seed < wanted.seeds; ++seed) {
        RequestedRun run;
        run.run = "run" + std::to_string(study.requested.size());
        run.dataset = wanted.dataset;
        run.strategy = strategy;
        run.mode = mode;
        run.seed = seed;
        run.n_initial = wanted.n_initial;
        run.val_share = 0.25;
        run.iterations = iterations_to((wanted.budget + wanted.size - 1) / wanted.size - 1);
        study.requested.push_back(run);
      }
  fill_rows(wanted, study);
  return study;
}

/// Writes a study directory as `quarry run` leaves it: resolved config, results.csv, timings.csv.
inline void write_synthetic_study(FileSystem& files, const std::string& path, const std::string& toml,
                                  const Synthetic& wanted) {
  const StudyConfig config = parse_study(toml, "test.toml", {});
  StudyDirectory study;
  for (const StudyRun& run : config.runs) {
    RequestedRun request{run.id,
                         run.config.data.name,
                         run.config.strategy,
                         std::string(to_string(run.config.mode)),
                         run.variant,
                         run.config.seed,
                         run.config.n_initial,
                         run.config.val_share,
                         "",
                         {}};
    request.iterations = iterations_to((run.config.budget + run.config.size - 1) / run.config.size - 1);
    study.requested.push_back(request);
  }
  fill_rows(wanted, study);
  std::string times = "run,phase,seconds,jobs\n";
  for (const PhaseTime& time : study.times)
    times += time.run + "," + time.phase + "," + std::to_string(time.seconds) + ",1\n";
  files.make_directories(path);
  files.write_atomically(path + "/config.toml", config.resolved);
  files.write_atomically(path + "/results.csv", results_csv(study.rows));
  files.write_atomically(path + "/timings.csv", times);
}

}  // namespace quarry
