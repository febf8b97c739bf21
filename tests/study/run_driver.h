// SPDX-License-Identifier: MIT
// One run of a study, driven to its end in process.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quarry/study/active_learning_run.h"
#include "quarry/study/keychain.h"
#include "tests/support/temp_dir.h"

namespace quarry::test {

inline StudyConfig study_of(const std::string& toml, std::vector<std::string> overrides = {}) {
  return parse_study(toml, "test.toml", overrides);
}

/// Drives one run to its end in process; keeps every member it trained.
struct Driver {
  /// `journal` is what an earlier process has left.
  explicit Driver(const StudyConfig& study, std::shared_ptr<const Dataset> data, const std::string& journal = "")
      : context(Device{}, 1), executor(make_in_process_executor(context, nullptr)) {
    if (!journal.empty()) {
      std::filesystem::create_directories(directory.path() + "/run");
      directory.write("run/journal.jsonl", journal);
    }
    ActiveLearningRun run(posix_file_system(), study.runs.at(0), data, directory.path() + "/run", study.networks);
    const std::int32_t number = executor->load(data);
    using Want = ActiveLearningRun::Want;
    while (run.want() != Want::nothing) {
      if (run.want() == Want::fits) {
        std::vector<FitJob> jobs;
        for (MemberSpec& m : run.fits()) jobs.push_back({number, std::move(m), run.fit_rows()});
        for (const FitJob& job : jobs) fits.push_back(job.member);
        run.give_fits(executor->fit(jobs));
      } else if (run.want() == Want::test) {
        TestJob job = run.test_job();
        job.data = number;
        run.give_test(executor->test({&job, 1}).front());
      } else {
        SelectJob job = run.select_job();
        job.data = number;
        if (job.keychain != nullptr)
          scores.push_back(
              keychain_scores(context, *job.keychain, *job.network, data->train_features(), job.candidates));
        run.give_picks(executor->select({&job, 1}).front());
      }
    }
    const std::string path = directory.path() + "/run/journal.jsonl";
    records = parse_journal(posix_file_system().read(path), path).records;
  }

  std::vector<Json> cycles() const {
    std::vector<Json> found;
    for (const Json& record : records)
      if (record.at("type").string() == "cycle") found.push_back(record);
    return found;
  }

  std::vector<std::int32_t> picks() const {
    std::vector<std::int32_t> all;
    for (const Json& record : cycles())
      for (const Json& index : record.at("added").items()) all.push_back(static_cast<std::int32_t>(index.integer()));
    return all;
  }

  /// Those of a stage of the Keychain selections.
  std::vector<const Json*> keychain_records(const std::string& stage) const {
    std::vector<const Json*> found;
    for (const Json& record : records)
      if (record.at("type").string() == "keychain" && record.at("stage").string() == stage) found.push_back(&record);
    return found;
  }

  TempDir directory;
  Context context;
  std::unique_ptr<Executor> executor;
  std::vector<MemberSpec> fits;
  std::vector<std::vector<float>> scores;  ///< of a Keychain's selections
  std::vector<Json> records;
};

inline std::shared_ptr<const Dataset> moons() {
  static const auto data = std::make_shared<const Dataset>(load_dataset(DataConfig{}));
  return data;
}

}  // namespace quarry::test
