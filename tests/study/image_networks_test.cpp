// SPDX-License-Identifier: MIT
// Networks that runs on images keep: which, that they are the ones that were tested, and that a stop changes no byte.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quarry/nn/checkpoint.h"
#include "quarry/study/cells.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"
#include "tests/study/image_support.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::Machine;
using test::step;
using test::TempDir;
using test::tiny;
using Files = std::map<std::string, std::string>;

StudyRun run_of(const std::vector<std::string>& overrides) {
  return test::runs_of(overrides).at(0);
}

Files networks_in(const std::string& folder) {
  Files networks;
  if (!posix_file_system().is_directory(folder + "/networks")) return networks;
  for (const std::string& name : posix_file_system().list(folder + "/networks"))
    networks[name] = read_file(folder + "/networks/" + name);
  return networks;
}

ImageRunMeans keeping(const std::string& networks) {
  return {std::string(conv_engine_name()), networks};
}

/// The networks that a run keeps; with `stop_every` > 0 the process ends and begins again after so many steps, of which
/// a resumed run needs two for a cycle.
template <class Run, class Open>
Files networks_of(const Open& open, int stop_every, std::string* journal) {
  const TempDir out;
  Machine machine(1);
  for (bool finished = false; !finished;) {
    Run run = open(out.path());
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && step(run, machine.executor)) ++steps;
    finished = run.finished();
  }
  if (journal != nullptr) *journal = read_file(out.path() + "/journal.jsonl");
  return networks_in(out.path());
}

Files learn(const StudyRun& run, const std::string& networks, int stop_every = 0, std::string* journal = nullptr) {
  const auto open = [&](const std::string& out) {
    return ImageLearningRun(posix_file_system(), run, tiny(), out, keeping(networks));
  };
  return networks_of<ImageLearningRun>(open, stop_every, journal);
}

Files search(const StudyRun& run, const std::string& networks, int stop_every = 0, std::string* journal = nullptr) {
  const AcquiredSet acquired = {{3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 27, 30, 31, 32, 33, 34, 26, 43, 38, 37}};
  const auto open = [&](const std::string& out) {
    return FrozenSetRun(posix_file_system(), run, tiny(), acquired, out, keeping(networks));
  };
  return networks_of<FrozenSetRun>(open, stop_every, journal);
}

double accuracy_of(const std::string& file) {
  Context context({}, 1);
  const TrainedConvNet network = parse_conv_checkpoint(file, "network");
  std::vector<float> logits(static_cast<std::size_t>(tiny()->test.n * tiny()->n_classes));
  conv_forward(context, network, *tiny(), tiny()->test, {}, logits.data(), nullptr);
  DataPart labels;
  labels.n = tiny()->test.n;
  labels.labels = tiny()->test.labels;
  return test_metrics(matrix<const float>(logits.data(), labels.n, tiny()->n_classes), labels, Loss::ce_on_logits, 1,
                      true)
      .accuracy;
}

std::vector<std::string> names_of(const Files& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  return names;
}

const std::vector<std::string> kAll = {"iteration_0000.safetensors", "iteration_0001.safetensors",
                                       "iteration_initial.safetensors"};

TEST(ImageNetworks, AreThoseThatWereTested) {
  std::string journal;
  const Files kept = learn(run_of({"acquisition.strategy=entropy"}), "every", 0, &journal);
  ASSERT_EQ(names_of(kept), kAll);
  const std::vector<Json> records = parse_journal(journal, "journal").records;
  const char* order[] = {"iteration_initial.safetensors", "iteration_0000.safetensors", "iteration_0001.safetensors"};
  for (std::size_t cycle = 0; cycle < 3; ++cycle)
    EXPECT_EQ(accuracy_of(kept.at(order[cycle])), records.at(cycle + 1).at("test_acc").number()) << cycle;
  EXPECT_NE(kept.at(order[0]), kept.at(order[1]));
}

TEST(ImageNetworks, WhichOnesAreKept) {
  const StudyRun entropy = run_of({"acquisition.strategy=entropy"});
  EXPECT_TRUE(learn(entropy, "none").empty());
  const Files final = learn(entropy, "final");
  EXPECT_EQ(names_of(final), std::vector<std::string>{"iteration_0001.safetensors"});
  EXPECT_EQ(final.at("iteration_0001.safetensors"), learn(entropy, "every").at("iteration_0001.safetensors"));
  // Where the last number of labels is not tested, the last network is an earlier one.
  const StudyRun random = run_of({"acquisition.tested=[10]"});
  EXPECT_EQ(names_of(learn(random, "every")), std::vector<std::string>{"iteration_initial.safetensors"});
  EXPECT_EQ(names_of(learn(random, "final")), std::vector<std::string>{"iteration_initial.safetensors"});
  const StudyRun asked = run_of({"acquisition.tested=[10]", "acquisition.strategy=entropy"});
  EXPECT_EQ(names_of(learn(asked, "final")), std::vector<std::string>{"iteration_0000.safetensors"});
}

TEST(ImageNetworks, AStopChangesNoByte) {
  const StudyRun run = run_of({"acquisition.strategy=badge"});
  const Files whole = learn(run, "every");
  ASSERT_EQ(whole.size(), 3u);
  EXPECT_EQ(learn(run, "every", 2), whole) << "stopped after each cycle";
  EXPECT_EQ(learn(run, "every", 3), whole) << "stopped after some";
}

TEST(ImageNetworks, ASearchKeepsItsFinalNetwork) {
  const StudyRun run =
      run_of({"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=20", "search.trials=3",
              "search.startup_trials=2", "search.folds=2", "model.lr=0.05", "model.weight_decay=0.001"});
  EXPECT_TRUE(search(run, "none").empty());
  std::string journal;
  const Files kept = search(run, "final", 0, &journal);
  ASSERT_EQ(names_of(kept), std::vector<std::string>{"final.safetensors"});
  EXPECT_EQ(accuracy_of(kept.at("final.safetensors")),
            parse_journal(journal, "journal").records.back().at("test_acc").number());
  EXPECT_EQ(search(run, "every", 2), kept) << "stopped on the way; those of trials are not kept";
}

TEST(ImageNetworks, AnotherChoiceIsAnotherRun) {
  const TempDir out;
  const StudyRun run = run_of({});
  { ImageLearningRun one(posix_file_system(), run, tiny(), out.path(), keeping("none")); }
  EXPECT_THROW(ImageLearningRun(posix_file_system(), run, tiny(), out.path(), keeping("every")), Error);
}

}  // namespace
}  // namespace quarry
