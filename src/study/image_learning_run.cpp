// SPDX-License-Identifier: MIT
#include "quarry/study/image_learning_run.h"

#include <algorithm>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/nn/checkpoint.h"
#include "quarry/study/cells.h"
#include "src/study/image_records.h"
#include "src/study/saved_networks.h"

namespace quarry {

ImageLearningRun::ImageLearningRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const ImageDataset> data,
                                   const std::string& directory, ImageRunMeans means)
    : files_(files),
      run_(run),
      data_(std::move(data)),
      directory_(directory),
      means_(std::move(means)),
      stream_(run.config),
      rows_(stream_.pool_rows(data_->train.n)),
      pool_(static_cast<std::int32_t>(rows_.size()), stream_.initial_pool(static_cast<std::int32_t>(rows_.size()))),
      journal_((files.make_directories(directory), files), directory + "/journal.jsonl") {
  const StrategyNeeds needs = make_strategy(run_.config.strategy)->needs();
  needs_network_ = needs.probabilities || needs.features || needs.bald;
  resume();
}

Json ImageLearningRun::run_record() const {
  Json record = describe_image_run(run_, *data_, means_);
  record.set("pool", pool_.size()).set("pool_rows_crc", pool_rows_crc(rows_));
  return std::move(record.set("initial", Json::array_of(pool_.unviolated())));
}

void ImageLearningRun::resume() {
  const Json expected = run_record();
  const std::vector<Json>& records = journal_.records();
  if (records.empty()) {
    journal_.append(expected);
    begin_cycle();
    return;
  }
  check_engine(directory_, records.front(), means_.engine);
  if (records.front().dump() != expected.dump())
    fail(
        "{}/journal.jsonl was written for other data or by another config (see its first line); choose another output "
        "folder",
        directory_);
  for (std::size_t r = 1; r < records.size(); ++r) {
    const Json& record = records[r];
    for (const Json& index : record.at("added").items()) pool_.acquire(static_cast<std::int32_t>(index.integer()));
    stream_.skip_to(static_cast<std::uint64_t>(record.at("stream").integer()));
    diverged_once_ = diverged_once_ || record.at("diverged").boolean();
    by_position_ += by_position_in(record);
    cycle_ = static_cast<std::int32_t>(record.at("cycle").integer());
    ++committed_cycles_;
  }
  if (committed_cycles_ == 0) {
    begin_cycle();
  } else {
    is_committed_ = true;
  }
}

/// "final": the last network that the run trains, be it of the last cycle or not.
bool ImageLearningRun::keeps_network() const {
  if (means_.networks == "none" || !trains(cycle_)) return false;
  if (means_.networks == "every") return true;
  for (std::int32_t later = cycle_ + 1; later <= last_cycle(); ++later)
    if (trains(later)) return false;
  return true;
}

void ImageLearningRun::begin_cycle() {
  is_committed_ = false;
  stream_place_ = stream_.place();
  if (!trains(cycle_)) commit({});
}

std::vector<std::int32_t> ImageLearningRun::rows_of(std::span<const std::int32_t> positions) const {
  std::vector<std::int32_t> rows;
  rows.reserve(positions.size());
  for (const std::int32_t position : positions) rows.push_back(rows_[static_cast<std::size_t>(position)]);
  return rows;
}

std::vector<ImageJob> ImageLearningRun::jobs() {
  QUARRY_CHECK(!finished(), "run {} is finished", run_.id);
  std::vector<ImageJob> one(1);
  ImageJob& job = one.front();
  if (!is_committed_ || needs_network_) {
    job.member = learning_member(run_.config, *data_, cycle_, rows_of(pool_.labelled()));
    job.member->keep_network = !is_committed_ && keeps_network();
  }
  job.test = !is_committed_ && tested(cycle_);
  if (cycle_ < last_cycle()) job.select = select_job();
  return one;
}

void ImageLearningRun::give(std::size_t, ImageResult result) {
  QUARRY_CHECK(!finished(), "run {} is finished", run_.id);
  const Picks picks = std::move(result.picks);
  if (!is_committed_) commit(std::move(result));
  if (cycle_ == last_cycle()) return;
  added_now_ = picks.indices;
  all_scores_non_finite_ = picks.all_non_finite;
  by_position_now_ = picks.by_position;
  for (const std::int32_t index : added_now_) pool_.acquire(index);
  ++cycle_;
  begin_cycle();
}

void ImageLearningRun::commit(ImageResult result) {
  ConvMemberResult& fitted = result.fit;
  diverged_once_ = diverged_once_ || fitted.diverged;
  LearningFacts facts;
  facts.cycle = cycle_;
  facts.added = added_now_;
  facts.all_scores_non_finite = all_scores_non_finite_;
  facts.by_position = by_position_now_;
  by_position_ += by_position_now_;
  facts.labelled = static_cast<std::int32_t>(pool_.unviolated().size() + pool_.added().size());
  facts.unlabelled = static_cast<std::int32_t>(pool_.unlabelled().size());
  facts.stream = stream_place_;
  for (const std::int32_t row : rows_of(added_now_))
    facts.targets.push_back(data_->train.labels[static_cast<std::size_t>(row)]);
  if (keeps_network())
    save_network(
        files_, network_path(directory_, cycle_ - 1),
        write_checkpoint({network_of(run_.config, *data_), std::move(fitted.parameters), std::move(fitted.buffers)}));
  journal_.append(describe_learning_cycle(facts, fitted, tested(cycle_) ? &result.test : nullptr));
  ++new_commits_;
  is_committed_ = true;
}

std::int32_t ImageLearningRun::take_commits() {
  return std::exchange(new_commits_, 0);
}

ImageSelectJob ImageLearningRun::select_job() {
  const RunConfig& config = run_.config;
  const auto seed = static_cast<std::uint64_t>(config.seed);
  const auto cycle = static_cast<std::uint64_t>(cycle_ + 1);
  ImageSelectJob job;
  job.strategy = config.strategy;
  job.layer = config.coreset_layer;
  job.mc_passes = config.mc_passes;
  job.mc_key = stream_key(seed, RngPurpose::mc, cycle);
  // Random draws from the whole pool: a subset of it would be the same in distribution (spec 6.1).
  const std::vector<std::int32_t> unlabelled(pool_.unlabelled().begin(), pool_.unlabelled().end());
  job.candidates = stream_.candidates(unlabelled, needs_network_ ? config.candidates : 0, cycle);
  job.candidate_rows = rows_of(job.candidates);
  job.labelled_rows = rows_of(pool_.labelled());
  job.problem.n = static_cast<std::int64_t>(job.candidates.size());
  const auto bought = static_cast<std::int32_t>(pool_.added().size());
  job.problem.count = std::min({config.size, config.budget - bought, static_cast<std::int32_t>(job.problem.n)});
  job.problem.seed = seed;
  job.problem.cycle = cycle;
  job.problem.numpy_stream = stream_.numpy();
  job.problem.bald_clamp = config.bald_clamp;
  job.problem.ties = config.ties;
  return job;
}

}  // namespace quarry
