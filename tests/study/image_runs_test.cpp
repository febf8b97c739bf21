// SPDX-License-Identifier: MIT
// Runs of both halves of the hyperparameter study on tiny images: same bytes whatever the packing, the workers or a
// stop in between; a network that diverges is recorded and changes nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "quarry/study/cells.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_learning_run.h"
#include "quarry/study/runner.h"
#include "tests/study/image_support.h"
#include "tests/support/image_steps.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::fit;
using test::Machine;
using test::runs_of;
using test::step;
using test::TempDir;
using test::tiny;
using test::tiny_images;

std::string journal_of(const std::string& directory) {
  return read_file(directory + "/journal.jsonl");
}

/// Runs in folder `out`; with `stop_every` > 0 the process ends and begins again after so many steps.
void learn_in(const std::string& out, const StudyRun& run, const std::string& networks, int workers, int stop_every) {
  Machine machine(workers);
  for (;;) {
    ImageLearningRun learning(posix_file_system(), run, tiny(), out, {std::string(conv_engine_name()), networks});
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && step(learning, machine.executor)) ++steps;
    if (learning.finished()) return;
  }
}

/// The run's journal.
std::string learn(const StudyRun& run, int workers = 1, int stop_every = 0) {
  const TempDir out;
  learn_in(out.path(), run, "none", workers, stop_every);
  return journal_of(out.path());
}

const AcquiredSet kAcquired = {{3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 27, 30, 31, 32, 33, 34, 26, 43, 38, 37}};

void search_in(const std::string& out, const StudyRun& run, const AcquiredSet& acquired, int workers, int stop_every) {
  Machine machine(workers);
  for (;;) {
    FrozenSetRun frozen(posix_file_system(), run, tiny(), acquired, out, {std::string(conv_engine_name()), "none"});
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && step(frozen, machine.executor)) ++steps;
    if (frozen.finished()) return;
  }
}

std::string search(const StudyRun& run, int workers = 1, int stop_every = 0, const AcquiredSet& acquired = kAcquired) {
  const TempDir out;
  search_in(out.path(), run, acquired, workers, stop_every);
  return journal_of(out.path());
}

std::vector<StudyRun> search_runs(std::vector<std::string> more) {
  std::vector<std::string> all = {"search.mode=frozen_set", "pool.acquired=somewhere", "pool.acquired_labels=20",
                                  "search.trials=6",        "search.startup_trials=2", "search.folds=2",
                                  "model.lr=0.05",          "model.weight_decay=0.001"};
  all.insert(all.end(), more.begin(), more.end());
  return runs_of(all);
}

std::vector<Json> records_of(const std::string& text) {
  return parse_journal(text, "journal.jsonl").records;
}

TEST(ImageLearningRun, BytesDoNotDependOnWorkersOrStops) {
  for (const StudyRun& run : runs_of({"acquisition.strategy=[random, entropy, coreset, badge, bald]",
                                      "model.dropout=0.2", "acquisition.mc_passes=2"})) {
    SCOPED_TRACE(run.config.strategy);
    const std::string whole = learn(run);
    const std::vector<Json> records = records_of(whole);
    ASSERT_EQ(records.size(), 4u);
    EXPECT_EQ(records[3].at("labelled").integer(), 20);
    EXPECT_EQ(learn(run, 3), whole);
    // A step makes a cycle; at a stop behind it the picks are lost, and the last network is trained again to select.
    EXPECT_EQ(learn(run, 1, 2), whole);
  }
}

TEST(ImageLearningRun, WithPhiloxToo) {
  const StudyRun run = runs_of({"run.rng=philox", "acquisition.strategy=badge"})[0];
  const std::string whole = learn(run);
  EXPECT_EQ(learn(run, 2, 2), whole);
  EXPECT_EQ(records_of(whole)[2].at("stream").integer(), 0);
}

TEST(ImageLearningRun, OnlyTheCyclesThatCountAreTrained) {
  const StudyRun all = runs_of({})[0], last = runs_of({"acquisition.tested=[20]"})[0],
                 entropy = runs_of({"acquisition.strategy=entropy", "acquisition.tested=[20]"})[0];
  const std::vector<Json> a = records_of(learn(all)), b = records_of(learn(last)), e = records_of(learn(entropy));
  for (std::size_t cycle = 1; cycle <= 3; ++cycle) {
    EXPECT_EQ(a[cycle].at("added").dump(), b[cycle].at("added").dump()) << "Random does not look at networks";
    EXPECT_TRUE(a[cycle].at("tested").boolean());
    EXPECT_EQ(b[cycle].at("tested").boolean(), cycle == 3);
    EXPECT_EQ(b[cycle].at("steps").integer() > 0, cycle == 3);
    EXPECT_GT(e[cycle].at("steps").integer(), 0) << "entropy needs its networks";
    EXPECT_EQ(e[cycle].at("tested").boolean(), cycle == 3);
  }
  EXPECT_EQ(a[3].at("test_acc").number(), b[3].at("test_acc").number());
  EXPECT_EQ(learning_rows("s", last, b).size(), 1u);
}

TEST(ImageLearningRun, StepsFollowThePublishedBatchRule) {
  const std::vector<Json> records = records_of(learn(runs_of({})[0]));
  // floor(n / 8) + 1 batches for 10, 15, 20 labels, two epochs.
  const std::int64_t steps[] = {2 * 2, 2 * 2, 2 * 3};
  for (std::size_t cycle = 0; cycle < 3; ++cycle) EXPECT_EQ(records[cycle + 1].at("steps").integer(), steps[cycle]);
}

TEST(ImageLearningRun, RefusesAJournalOfAnotherRun) {
  const TempDir out;
  { ImageLearningRun one(posix_file_system(), runs_of({})[0], tiny(), out.path(), {}); }
  EXPECT_THROW(ImageLearningRun(posix_file_system(), runs_of({"run.seed=4"})[0], tiny(), out.path(), {}), Error);
}

TEST(ImageLearningRun, PrecisionIsPartOfWhatARunIs) {
  const std::vector<StudyRun> runs = runs_of({"training.precision=[fp32, bf16]"});
  const TempDir out;
  { ImageLearningRun one(posix_file_system(), runs[0], tiny(), out.path(), {}); }
  EXPECT_EQ(records_of(journal_of(out.path()))[0].at("precision").string(), "fp32");
  StudyRun other = runs[1];
  other.id = runs[0].id;
  EXPECT_THROW(ImageLearningRun(posix_file_system(), other, tiny(), out.path(), {}), Error);
  EXPECT_NE(runs[0].id, runs[1].id);
  EXPECT_EQ(learning_member(runs[1].config, *tiny(), 0, {0, 1}).precision, ConvPrecision::bf16);
  EXPECT_EQ(trial_member(runs[1].config, *tiny(), 0.1, 0, {}, {0, 1}, {2}).precision, ConvPrecision::bf16);
  EXPECT_EQ(final_member(runs[1].config, *tiny(), 0.1, 0, {0, 1}).precision, ConvPrecision::bf16);
  EXPECT_EQ(learning_member(runs_of({"training.convolution=cudnn"})[0].config, *tiny(), 0, {0, 1}).convolution,
            ConvChoice::cudnn);
}

TEST(ImageExecutor, ANetworkThatDivergesChangesNoOther) {
  Machine machine(2);
  const RunConfig config = runs_of({})[0].config;
  std::vector<ConvMemberSpec> alone, mixed;
  for (int cycle = 0; cycle < 3; ++cycle)
    alone.push_back(learning_member(config, *tiny(), cycle, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  mixed = alone;
  mixed[1].lr = 1e30;
  const std::vector<ConvMemberResult> good = fit(machine.executor, alone), bad = fit(machine.executor, mixed);
  EXPECT_TRUE(bad[1].diverged);
  EXPECT_FALSE(good[1].diverged);
  for (const std::size_t j : {0u, 2u}) {
    EXPECT_EQ(good[j].parameters, bad[j].parameters);
    EXPECT_EQ(good[j].buffers, bad[j].buffers);
  }
}

/// The run's journal on images that are all the same: no distance tells them apart.
std::string learn_on_one_image(const StudyRun& run, int stop_every) {
  ImageDataset same = tiny_images();
  for (std::size_t at = 0; at < same.train.pixels.size(); ++at)
    same.train.pixels[at] = same.train.pixels[at % static_cast<std::size_t>(same.shape.pixels())];
  const auto data = std::make_shared<const ImageDataset>(std::move(same));
  const TempDir out;
  std::int64_t counted = 0;
  for (bool finished = false; !finished;) {
    Context context({}, 1);
    const std::unique_ptr<ImageExecutor> executor = make_image_executor(context, nullptr);
    executor->load(data);
    ImageLearningRun learning(posix_file_system(), run, data, out.path(), {});
    int steps = 0;
    while ((stop_every == 0 || steps < stop_every) && step(learning, *executor)) ++steps;
    finished = learning.finished();
    counted = learning.by_position();
  }
  const std::string journal = journal_of(out.path());
  std::int64_t recorded = 0;
  for (const Json& record : records_of(journal))
    if (record.at("type").string() == "cycle") recorded += record.at("by_position").integer();
  EXPECT_EQ(counted, recorded);
  return journal;
}

TEST(ImageLearningRun, PicksThatNoDistanceChoseAreCounted) {
  for (const StudyRun& run : runs_of({"acquisition.strategy=[random, entropy, coreset, badge]"})) {
    SCOPED_TRACE(run.config.strategy);
    const std::string journal = learn_on_one_image(run, 0);
    EXPECT_EQ(learn_on_one_image(run, 2), journal);
    const std::vector<Json> records = records_of(journal);
    const std::int64_t picks = run.config.strategy == "coreset" ? 5 : run.config.strategy == "badge" ? 4 : 0;
    EXPECT_EQ(records[1].at("by_position").integer(), 0) << "nothing was chosen before";
    EXPECT_EQ(records[2].at("by_position").integer(), picks) << "BADGE begins with the largest gradient";
    EXPECT_EQ(records[3].at("by_position").integer(), picks);
    const std::vector<CellFile> files = learning_cell_files(run, records);
    ASSERT_EQ(files.size(), picks > 0 ? 4u : 3u);
    if (picks == 0) continue;
    const Json notes = Json::parse(files[3].text, files[3].name);
    ASSERT_EQ(notes.at("picked_by_position").items().size(), 2u);
    EXPECT_EQ(notes.at("picked_by_position").items()[1].at("cycle").integer(), 2);
    EXPECT_EQ(notes.at("picked_by_position").items()[1].at("picks").integer(), picks);
    EXPECT_EQ(notes.find("diverged_cycles"), nullptr);
  }
}

TEST(ImageExecutor, AStopEndsATrainingUnderWay) {
  std::atomic<bool> stop{false};
  Context context({}, 1);
  const std::unique_ptr<ImageExecutor> executor = make_image_executor(context, &stop);
  executor->load(tiny());
  ConvMemberSpec endless = learning_member(runs_of({})[0].config, *tiny(), 0, {0, 1, 2, 3, 4, 5, 6, 7});
  endless.epochs = 100000000;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop = true;
  });
  EXPECT_THROW(fit(*executor, std::span(&endless, 1)), Interrupted);
  later.join();
}

TEST(ImageExecutor, TellsHowManyEpochsItHasTrained) {
  Machine machine(2);
  const RunConfig config = runs_of({})[0].config;
  std::vector<ConvMemberSpec> members;
  for (int cycle = 0; cycle < 4; ++cycle)  // two and two are the same
    members.push_back(learning_member(config, *tiny(), cycle % 2, {0, 1, 2, 3, 4, 5, 6, 7}));
  std::mutex mutex;
  std::vector<std::int64_t> told;
  fit(machine.executor, members, [&](std::int64_t done, std::int64_t total) {
    const std::lock_guard lock(mutex);
    told.push_back(done);
    EXPECT_EQ(total, 2 * 2);
  });
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector<std::int64_t>{1, 2, 3, 4}));
}

TEST(ImageExecutor, IdenticalJobsAreTrainedOnceAndHandedToAll) {
  Machine machine(1);
  const ConvMemberSpec member = learning_member(runs_of({})[0].config, *tiny(), 0, {0, 1, 2, 3, 4, 5, 6, 7});
  const std::vector<ConvMemberResult> results = fit(machine.executor, std::vector(3, member));
  EXPECT_FALSE(results[0].parameters.empty());
  EXPECT_EQ(results[0].parameters, results[1].parameters);
  EXPECT_EQ(results[0].parameters, results[2].parameters);
}

TEST(ImageExecutor, ATestAndASelectionNeedNoNetworkToBeKept) {
  Machine machine(1);
  ImageLearningRun run(posix_file_system(), runs_of({"acquisition.strategy=entropy"})[0], tiny(), TempDir().path(), {});
  std::vector<ImageJob> jobs = run.jobs();
  ASSERT_FALSE(jobs.at(0).member->keep_network);
  std::vector<ImageResult> results;
  for (const bool keep : {false, true}) {
    jobs[0].member->keep_network = keep;
    machine.executor.run(jobs, [&](std::size_t, ImageResult result) { results.push_back(std::move(result)); });
  }
  EXPECT_TRUE(results[0].fit.parameters.empty());
  EXPECT_FALSE(results[1].fit.parameters.empty());
  EXPECT_EQ(results[0].test.loss, results[1].test.loss);
  EXPECT_GT(results[0].test.loss, 0);
  EXPECT_EQ(results[0].picks.indices, results[1].picks.indices);
  EXPECT_EQ(results[0].picks.indices.size(), 5u);
}

TEST(FrozenSetRun, BytesDoNotDependOnWorkersOrStops) {
  for (const StudyRun& run : search_runs({"search.lag=[0, 2]", "search.pruner=[none, median, asha]"})) {
    SCOPED_TRACE(run.variant);
    const std::string whole = search(run);
    const std::vector<Json> records = records_of(whole);
    ASSERT_EQ(records.size(), 1u + 6 + 1);
    EXPECT_EQ(records.back().at("type").string(), "final");
    EXPECT_EQ(search(run, 3), whole);
    EXPECT_EQ(search(run, 1, 2), whole) << "stopped whenever a trial may have been committed";
  }
}

TEST(FrozenSetRun, ATrialIsCommittedAsSoonAsItsFoldsAreThere) {
  const TempDir out;
  Machine machine(1);
  const StudyRun run = search_runs({"search.startup_trials=4"})[0];
  const std::string whole = search(run);
  FrozenSetRun frozen(posix_file_system(), run, tiny(), kAcquired, out.path(), {});
  const std::vector<ImageJob> jobs = frozen.jobs();
  ASSERT_EQ(jobs.size(), 4u * 2) << "four start-up trials of two folds";
  std::size_t given = 0;
  machine.executor.run(jobs, [&](std::size_t job, ImageResult result) {
    frozen.give(job, std::move(result));
    ++given;
    EXPECT_EQ(records_of(journal_of(out.path())).size(), 1 + given / 2);
  });
  EXPECT_TRUE(whole.starts_with(journal_of(out.path())));
}

TEST(FrozenSetRun, TheFirstTrialIsTheModelsOwn) {
  const std::vector<Json> records = records_of(search(search_runs({})[0]));
  EXPECT_EQ(records[1].at("lr").number(), 0.05);
  EXPECT_EQ(records[1].at("weight_decay").number(), 0.001);
  for (std::size_t t = 1; t <= 6; ++t) {
    EXPECT_GE(records[t].at("lr").number(), 1e-5);
    EXPECT_LE(records[t].at("lr").number(), 0.1);
  }
  EXPECT_NE(records_of(search(search_runs({"search.first_point=sampler"})[0]))[1].at("lr").number(), 0.05);
}

TEST(FrozenSetRun, TheBestMeanAccuracyWins) {
  const std::vector<Json> records = records_of(search(search_runs({})[0]));
  double best = -1;
  std::int64_t number = -1;
  for (std::size_t t = 1; t <= 6; ++t) {
    const auto& folds = records[t].at("fold_acc").items();
    ASSERT_EQ(folds.size(), 2u);
    const double mean = (folds[0].number() + folds[1].number()) / 2;
    EXPECT_EQ(records[t].at("value").number(), -mean);
    if (mean > best) {
      best = mean;
      number = records[t].at("number").integer();
    }
  }
  EXPECT_EQ(records.back().at("chosen").integer(), number);
}

/// Searches in which trials are pruned, one after another.
std::vector<StudyRun> pruned_runs(std::vector<std::string> more) {
  std::vector<std::string> all = {"search.pruner=median", "search.lag=0", "search.measure=loss", "search.trials=12",
                                  "search.folds=4"};
  all.insert(all.end(), more.begin(), more.end());
  return search_runs(all);
}

TEST(FrozenSetRun, APrunedTrialTrainsNoFurtherFolds) {
  const StudyRun run = pruned_runs({"search.startup_trials=1", "search.pruner_startup=1", "search.pruner_warmup=0"})[0];
  std::int64_t pruned = 0, cut_short = 0;
  for (const Json& record : records_of(search(run))) {
    if (record.at("type").string() != "trial") continue;
    const bool is_pruned = record.at("state").string() == "pruned";
    pruned += is_pruned;
    const std::size_t folds = record.at("fold_acc").items().size();
    cut_short += folds < 4;
    EXPECT_TRUE(is_pruned || folds == 4) << "a trial that goes on trains all its folds";
  }
  EXPECT_GT(pruned, 0);
  EXPECT_GT(cut_short, 0) << "the folds after the one that decided are not trained";
}

TEST(FrozenSetRun, ThePrunerWaitsForItsOwnTrialsAndFolds) {
  for (const std::string pruner : {"median", "median_current"}) {
    SCOPED_TRACE(pruner);
    const auto folds_of_pruned = [&](std::vector<std::string> keys) {
      keys.push_back("search.pruner=" + pruner);
      std::vector<std::size_t> folds;
      for (const StudyRun& run : pruned_runs(keys)) {
        for (const Json& record : records_of(search(run))) {
          if (record.at("type").string() != "trial" || record.at("state").string() != "pruned") continue;
          folds.push_back(record.at("fold_acc").items().size());
          EXPECT_GE(record.at("number").integer(), run.config.pruner_startup) << "so many must be complete";
        }
      }
      return folds;
    };
    const std::string random = "search.startup_trials=12";  // the sampler's start-up is another matter
    const auto early = folds_of_pruned({random, "search.pruner_startup=5", "search.pruner_warmup=0"});
    EXPECT_THAT(early, testing::Contains(1u));
    const auto late =
        folds_of_pruned({random, "search.pruner_startup=5", "search.pruner_warmup=0.5", "run.seed=[1, 2, 3, 4]"});
    EXPECT_THAT(late, testing::AllOf(testing::Not(testing::IsEmpty()), testing::Each(testing::Ge(3u))))
        << "two folds of four without a check";
    const auto never = folds_of_pruned({"search.startup_trials=1", "search.pruner_startup=12"});
    EXPECT_THAT(never, testing::IsEmpty());
  }
}

/// Learning rates of a run's start-up trials, the first of which is the run's own.
std::vector<double> startup_rates(const StudyRun& run) {
  const TempDir out;
  FrozenSetRun frozen(posix_file_system(), run, tiny(), kAcquired, out.path(), {});
  std::vector<double> rates;
  for (const ImageJob& job : frozen.jobs()) rates.push_back(job.member->lr);
  return rates;
}

TEST(FrozenSetRun, EveryCellOfASeedHasASamplerOfItsOwnUnlessTheyArePaired) {
  for (const std::string rng : {"numpy", "philox"}) {
    for (const std::string policy : {"", "search.sampler_seed=per_cell", "search.sampler_seed=per_use"}) {
      SCOPED_TRACE(rng + " " + policy);
      std::vector<std::string> keys = {"together=\"model.lr, model.weight_decay\"",
                                       "model.lr=[0.001, 0.01]",
                                       "model.weight_decay=[0.05, 0.0005]",
                                       "acquisition.strategy=[random, badge]",
                                       "pool.acquired_labels=[10, 20]",
                                       "search.startup_trials=6",
                                       "run.rng=" + rng};
      if (!policy.empty()) keys.push_back(policy);
      const std::vector<StudyRun> runs = search_runs(keys);
      ASSERT_EQ(runs.size(), 8u);
      const bool paired = policy == "search.sampler_seed=per_use";
      for (std::size_t a = 0; a < runs.size(); ++a) {
        const std::vector<double> rates = startup_rates(runs[a]);
        ASSERT_EQ(rates.size(), 12u) << "six trials of two folds";
        EXPECT_EQ(rates, startup_rates(runs[a])) << "the same in every process";
        for (std::size_t b = 0; b < a; ++b) {
          const std::vector<double> other = startup_rates(runs[b]);
          for (std::size_t i = 2; i < rates.size(); ++i) EXPECT_EQ(rates[i] == other[i], paired) << a << " " << b;
        }
      }
    }
  }
}

TEST(FrozenSetRun, APositionListedTwiceIsTrainedOnTwice) {
  AcquiredSet twice = kAcquired;
  twice.pool_is_known = false;
  twice.positions[19] = twice.positions[0];
  const StudyRun run = search_runs({})[0];
  const std::string whole = search(run, 1, 0, twice);
  EXPECT_EQ(search(run, 2, 2, twice), whole);
  const std::vector<Json> records = records_of(whole);
  EXPECT_FALSE(records[0].at("pool_is_known").boolean());
  EXPECT_EQ(records[0].at("acquired").items().size(), 20u);
  const std::vector<CellFile> files = search_cell_files(run, records);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[1].name, "notes.json");
  const Json notes = Json::parse(files[1].text, "notes.json");
  EXPECT_EQ(notes.at("repeated_positions").integer(), 1);
  EXPECT_FALSE(notes.at("pool_is_known").boolean());
  EXPECT_EQ(search_cell_files(run, records_of(search(run))).size(), 1u) << "nothing to note of our own set";
}

TEST(FrozenSetRun, ADivergedTrialIsRecordedAndTheSearchGoesOn) {
  const StudyRun run = search_runs({"search.lr_high=1000", "search.weight_decay_high=1000", "model.lr=1000",
                                    "model.weight_decay=1000", "training.schedule=constant", "training.epochs=8"})[0];
  const std::vector<Json> records = records_of(search(run));
  ASSERT_EQ(records.size(), 8u);
  EXPECT_TRUE(records[1].at("diverged").boolean());
  EXPECT_EQ(records[1].at("state").string(), "complete") << "its accuracy is a number";
}

TEST(Cells, FilesHaveThePublishedShapes) {
  const StudyRun run = runs_of({"acquisition.strategy=entropy", "model.lr=0.001", "model.weight_decay=0.05"})[0];
  EXPECT_EQ(cell_path(run.config), "CIFAR10/entropy/lr0.001_wd0.05/seed3");
  const std::vector<Json> records = records_of(learn(run));
  const std::vector<CellFile> files = learning_cell_files(run, records);
  ASSERT_EQ(files.size(), 3u);
  const auto queried = parse_queried_indices(files[1].text, "q");
  ASSERT_EQ(queried.size(), 3u);
  EXPECT_EQ(queried[0].size(), 10u);
  const Json results = Json::parse(files[0].text, "r");
  const Json& first = results.at("cycle0");
  EXPECT_EQ(first.find("query_indices"), nullptr);
  EXPECT_EQ(first.members()[0].first, "test_stats");
  const Json& last = results.at("cycle2");
  EXPECT_EQ(last.members()[0].first, "query_indices");
  EXPECT_EQ(last.at("query_time").number(), 0.0);
  EXPECT_EQ(last.at("test_stats").at("num_labeled_samples").integer(), 20);
  EXPECT_EQ(last.at("labeled_indices").items().size(), 20u);
  EXPECT_EQ(last.at("unlabeled_indices").items().size(), 34u) << "54 of 60 are the pool";
  const double accuracy = last.at("test_stats").at("accuracy").number();
  EXPECT_EQ(accuracy, static_cast<double>(static_cast<float>(accuracy)));
}

TEST(Cells, ATestLossThatIsNoNumberIsNoted) {
  const StudyRun run = runs_of({})[0];
  std::vector<Json> records = records_of(learn(run));
  records[2].set("test_loss", std::numeric_limits<double>::infinity());
  const std::vector<CellFile> files = learning_cell_files(run, records);
  EXPECT_EQ(files.back().name, "notes.json");
  EXPECT_EQ(files.back().text, "{\"non_finite_loss_cycles\":[1]}\n");
}

TEST(Cells, ATrialsLossThatIsNoNumberIsWrittenAsPythonReadsIt) {
  const StudyRun run = search_runs({})[0];
  std::vector<Json> records = records_of(search(run));
  records[2].set("val_loss", std::numeric_limits<double>::quiet_NaN());
  const std::string text = search_cell_files(run, records).at(0).text;
  EXPECT_NE(text.find("\"val_loss\":NaN,"), std::string::npos) << text;
  EXPECT_EQ(text.find("\"NaN\""), std::string::npos) << text;
}

TEST(Cells, TheSearchHalfReadsWhatTheLearningHalfWrote) {
  const StudyRun learning = runs_of({"model.lr=0.001", "model.weight_decay=0.05"})[0];
  const std::vector<CellFile> files = learning_cell_files(learning, records_of(learn(learning)));
  for (const std::string prefix : {"/cells/", "/", ".shard-2-of-3/cells/"}) {
    const TempDir out;
    const std::string root = out.path() + "/study";
    const std::string folder = root + prefix + cell_path(learning.config);
    posix_file_system().make_directories(folder);
    posix_file_system().write_atomically(folder + "/queried_indices.json", files[1].text);
    const StudyRun run = search_runs(
        {"pool.acquired=" + root, "pool.acquired_labels=15", "model.lr=0.001", "model.weight_decay=0.05"})[0];
    const std::vector<std::int32_t> rows = RunStream(run.config).pool_rows(60);
    const std::int64_t fingerprint = Json::parse(files[2].text, "p").at("data_fingerprint").integer();
    const auto read = [&](std::span<const std::int32_t> these, std::int64_t data) {
      return read_acquired(posix_file_system(), run.config, {these, data, "/data/there.bin"});
    };
    posix_file_system().write_atomically(folder + "/pool.json", files[2].text);
    const AcquiredSet acquired = read(rows, fingerprint);
    EXPECT_TRUE(acquired.pool_is_known);
    ASSERT_EQ(acquired.positions.size(), 15u) << prefix;
    const auto cycles = parse_queried_indices(files[1].text, "q");
    EXPECT_TRUE(std::equal(cycles[0].begin(), cycles[0].end(), acquired.positions.begin()));
    std::vector<std::int32_t> other = rows;
    std::swap(other[0], other[1]);
    EXPECT_THROW(read(other, fingerprint), Error) << "positions mean other rows";
    try {
      read(rows, fingerprint + 1);
      ADD_FAILURE() << "the pixels are other ones";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr(cell_path(learning.config) + "/pool.json"),
                                               testing::HasSubstr("/data/there.bin"), testing::HasSubstr("data.path")));
    }
    posix_file_system().remove(folder + "/pool.json");
    const AcquiredSet published = read(other, fingerprint + 1);
    EXPECT_EQ(published.positions, acquired.positions) << "the published files say nothing";
    EXPECT_FALSE(published.pool_is_known);
    EXPECT_THROW(read(std::span(rows).first(3), fingerprint), Error) << "beyond the pool";
  }
}

TEST(Cells, APositionListedTwiceIsDamageInOurFilesAndKeptInOthers) {
  const TempDir out;
  const StudyRun run = search_runs({"pool.acquired=" + out.path(), "pool.acquired_labels=5"})[0];
  const std::string folder = out.path() + "/" + acquired_cell_path(run.config);
  posix_file_system().make_directories(folder);
  posix_file_system().write_atomically(folder + "/queried_indices.json", R"({"cycle0":[7,3,9],"cycle1":[3,1]})");
  const std::vector<std::int32_t> rows = RunStream(run.config).pool_rows(60);
  const PoolImages pool = {rows, 17, "here"};
  EXPECT_THAT(read_acquired(posix_file_system(), run.config, pool).positions, testing::ElementsAre(7, 3, 9, 3, 1));
  const std::string ours = Json::object().set("rows_crc", pool_rows_crc(rows)).set("data_fingerprint", 17).dump();
  posix_file_system().write_atomically(folder + "/pool.json", ours);
  try {
    read_acquired(posix_file_system(), run.config, pool);
    ADD_FAILURE() << "quarry writes no position twice";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr(folder), testing::HasSubstr("position 3")));
  }
  for (const char* damaged : {"[]", "{}", R"({"rows_crc":"x","data_fingerprint":17})"}) {
    posix_file_system().write_atomically(folder + "/pool.json", damaged);
    try {
      read_acquired(posix_file_system(), run.config, pool);
      ADD_FAILURE() << damaged;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(folder + "/pool.json"));
    }
  }
}

TEST(Cells, BadAcquisitionFilesAreRefusedWithTheirPath) {
  for (const char* text : {"", "[]", "{}", R"({"cycle1":[1]})", R"({"cycle0":1})", R"({"cycle0":[1.5]})",
                           R"({"cycle0":[-1]})", R"({"cycle0":["1"]})", R"({"cycle0":[1],"cycle0":[2]})"}) {
    try {
      parse_queried_indices(text, "some/file.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("some/file.json"));
    }
  }
}

}  // namespace
}  // namespace quarry
