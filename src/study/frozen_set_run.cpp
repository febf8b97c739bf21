// SPDX-License-Identifier: MIT
#include "quarry/study/frozen_set_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/nn/checkpoint.h"
#include "quarry/study/tuning.h"
#include "src/study/image_records.h"
#include "src/study/saved_networks.h"
#include "src/study/trial_records.h"

namespace quarry {
namespace {

SearchOptions search_options(const RunConfig& config) {
  SearchOptions options;
  options.nan_trial = config.nan_trial == "failed" ? NanTrial::failed : NanTrial::worst;
  options.lag = config.lag;
  if (config.first_point == FirstPoint::model) options.first_point = {config.lr, config.weight_decay};
  return options;
}

Search new_search(const RunConfig& config) {
  return Search(frozen_set_space(config), make_sampler(config.sampler, sampler_options(config, 0)),
                make_pruner(config.pruner, pruner_options(config, config.folds)), search_options(config));
}

std::vector<std::int32_t> rows_of_positions(const RunConfig& config, const ImageDataset& data,
                                            const std::vector<std::int32_t>& positions) {
  const std::vector<std::int32_t> pool = RunStream(config).pool_rows(data.train.n);
  std::vector<std::int32_t> rows;
  rows.reserve(positions.size());
  for (const std::int32_t position : positions) rows.push_back(pool.at(static_cast<std::size_t>(position)));
  return rows;
}

}  // namespace

Space frozen_set_space(const RunConfig& config) {
  Space space;
  Parameter lr, weight_decay;
  lr.name = "lr";
  lr.low = config.lr_low;
  lr.high = config.lr_high;
  lr.log = config.lr_scale == Scale::log;
  weight_decay.name = "weight_decay";
  weight_decay.low = config.weight_decay_low;
  weight_decay.high = config.weight_decay_high;
  weight_decay.log = true;
  space.parameters = {lr, weight_decay};
  return space;
}

FrozenSetRun::FrozenSetRun(FileSystem& files, const StudyRun& run, std::shared_ptr<const ImageDataset> data,
                           AcquiredSet acquired, const std::string& directory, ImageRunMeans means)
    : files_(files),
      run_(run),
      data_(std::move(data)),
      acquired_(std::move(acquired)),
      rows_(rows_of_positions(run.config, *data_, acquired_.positions)),
      splits_(search_splits(run.config, static_cast<std::int32_t>(rows_.size()))),
      directory_(directory),
      means_(std::move(means)),
      journal_((files.make_directories(directory), files), directory + "/journal.jsonl"),
      search_(new_search(run.config)) {
  resume();
}

Json FrozenSetRun::run_record() const {
  Json record = describe_image_run(run_, *data_, means_);
  record.set("acquired", Json::array_of(acquired_.positions));
  if (!acquired_.pool_is_known) record.set("pool_is_known", false);
  return record;
}

void FrozenSetRun::resume() {
  const Json expected = run_record();
  const std::vector<Json>& records = journal_.records();
  if (records.empty()) {
    journal_.append(expected);
    return;
  }
  check_engine(directory_, records.front(), means_.engine);
  if (records.front().dump() != expected.dump())
    fail(
        "{}/journal.jsonl was written for other data or labels or by another config (see its first line); choose "
        "another output folder",
        directory_);
  for (std::size_t r = 1; r < records.size(); ++r) {
    ++committed_trials_;
    diverged_once_ = diverged_once_ || records[r].at("diverged").boolean();
    if (records[r].at("type").string() == "final") {
      is_finished_ = true;
      continue;
    }
    search_.replay(read_trial(search_.space(), records[r], run_.config.measure));
    ++told_;
  }
}

std::vector<std::int32_t> FrozenSetRun::rows_at(std::span<const std::int32_t> positions) const {
  std::vector<std::int32_t> rows;
  rows.reserve(positions.size());
  for (const std::int32_t position : positions) rows.push_back(rows_[static_cast<std::size_t>(position)]);
  return rows;
}

std::vector<ImageJob> FrozenSetRun::jobs() {
  QUARRY_CHECK(!is_finished_, "run {} is finished", run_.id);
  std::vector<ImageJob> jobs;
  if (!searching()) {
    const Trial* best = search_.best();
    const Trial& chosen = best != nullptr ? *best : search_.trials().front();
    owners_ = {Owner{}};
    ImageJob& job = jobs.emplace_back();
    job.member = final_member(run_.config, *data_, chosen.point[0], chosen.point[1], rows_);
    job.member->keep_network = means_.networks != "none";
    job.test = true;
    return jobs;
  }
  const auto asked = [&] { return static_cast<std::int32_t>(search_.trials().size()); };
  // A pruner looks at the trials that this one may see: they must be over. Without one, start-up trials run together.
  const auto may_ask = [&] {
    return asked() < run_.config.trials && search_.independent_asks() > 0 &&
           (!prunes() || asked() - told_ <= run_.config.lag);
  };
  while (may_ask())
    running_.push_back({search_.ask().number, std::vector<ConvMemberResult>(splits_.size()), 0, 0, false});
  owners_.clear();
  for (Running& trial : running_) {
    const std::vector<double>& point = search_.trials()[static_cast<std::size_t>(trial.number)].point;
    if (is_over(trial)) continue;
    const std::size_t until = prunes() ? trial.wanted + 1 : splits_.size();
    for (; trial.wanted < until; ++trial.wanted) {
      const Split& split = splits_[trial.wanted];
      const Owner owner{trial.number, static_cast<std::int32_t>(trial.wanted)};
      jobs.emplace_back().member = trial_member(run_.config, *data_, point[0], point[1], {owner.trial, owner.fold},
                                                rows_at(split.train), rows_at(split.validation));
      owners_.push_back(owner);
    }
  }
  return jobs;
}

void FrozenSetRun::give(std::size_t place, ImageResult result) {
  QUARRY_CHECK(!is_finished_ && place < owners_.size(), "run {} wants no such network", run_.id);
  const Owner owner = owners_[place];
  if (owner.trial < 0) return commit_final(std::move(result));
  const auto trial =
      std::find_if(running_.begin(), running_.end(), [&](const Running& each) { return each.number == owner.trial; });
  QUARRY_CHECK(trial != running_.end(), "trial {} is not running", owner.trial);
  trial->folds[static_cast<std::size_t>(owner.fold)] = std::move(result.fit);
  if (++trial->arrived < trial->wanted) return;
  if (prunes()) prune(*trial);
  tell_finished();
}

std::vector<double> FrozenSetRun::reports_of(const Running& trial) const {
  std::vector<FoldRecord> records;
  for (std::size_t f = 0; f < trial.arrived; ++f)
    records.push_back({trial.folds[f].validation.accuracy, trial.folds[f].validation.loss, false});
  return fold_reports(records, run_.config.measure);
}

/// Ends a hopeless trial. The trials that it may see are over: no more than search.lag others are running.
void FrozenSetRun::prune(Running& trial) const {
  const std::vector<double> reports = reports_of(trial);
  const std::vector<double> thresholds = search_.thresholds(static_cast<std::int32_t>(reports.size()), trial.number);
  double best = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t step = 0; step < reports.size(); ++step) {
    best = run_.config.pruner == "median_current" ? reports[step] : std::fmin(best, reports[step]);
    trial.pruned = trial.pruned || is_pruned(best, thresholds[step]);
  }
}

/// Tells the trials that are over, in trial order.
void FrozenSetRun::tell_finished() {
  while (!running_.empty() && is_over(running_.front())) {
    const Running& trial = running_.front();
    const std::vector<double> reports = reports_of(trial);
    const Trial& told = search_.tell(trial.number, reports, reports.back());
    const Json record = describe_trial(search_.space(), told, std::span(trial.folds).first(trial.arrived));
    diverged_once_ = diverged_once_ || record.at("diverged").boolean();
    journal_.append(record);
    ++new_commits_;
    ++told_;
    running_.erase(running_.begin());
  }
}

void FrozenSetRun::commit_final(ImageResult result) {
  ConvMemberResult& fitted = result.fit;
  const Trial* best = search_.best();
  const Trial& chosen = best != nullptr ? *best : search_.trials().front();
  Json record = Json::object();
  record.set("type", "final").set("chosen", chosen.number).set("every_trial_failed", best == nullptr);
  record.set("lr", chosen.point[0]).set("weight_decay", chosen.point[1]);
  add_test(record, result.test);
  record.set("steps", fitted.steps).set("train_loss", fitted.train_loss);
  record.set("diverged", fitted.diverged).set("diverged_epoch", fitted.diverged_epoch);
  diverged_once_ = diverged_once_ || fitted.diverged;
  if (means_.networks != "none")
    save_network(
        files_, final_network_path(directory_),
        write_checkpoint({network_of(run_.config, *data_), std::move(fitted.parameters), std::move(fitted.buffers)}));
  journal_.append(record);
  ++new_commits_;
  is_finished_ = true;
}

std::int32_t FrozenSetRun::take_commits() {
  return std::exchange(new_commits_, 0);
}

std::vector<ResultRow> search_rows(const std::string& study, const StudyRun& run, const std::vector<Json>& records) {
  std::vector<ResultRow> rows;
  if (records.empty() || records.back().at("type").string() != "final") return rows;
  const Json& last = records.back();
  ResultRow row = image_row(study, run);
  row.idx_added = integers_of(records.front().at("acquired"));
  row.len_lb = static_cast<std::int32_t>(row.idx_added.size());
  row.n_initial = row.len_lb;
  read_test(last, row);
  row.train_loss = last.at("train_loss").number();
  row.lr = last.at("lr").number();
  row.weight_decay = last.at("weight_decay").number();
  row.diverged = last.at("diverged").boolean();
  for (const Json& record : records) {
    if (record.at("type").string() != "trial") continue;
    ++row.trials;
    row.pruned += record.at("state").string() == "pruned";
    if (record.at("number").integer() != last.at("chosen").integer()) continue;
    row.val_acc = record.at("val_acc").number();
    row.val_loss = record.at("val_loss").number();
  }
  rows.push_back(std::move(row));
  return rows;
}

}  // namespace quarry
