// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/study/executor.h"

namespace quarry {
namespace {

/// The bytes that determine a member's result, as a map key.
class SpecKey {
 public:
  explicit SpecKey(const MemberSpec& m) {
    for (const auto* list : {&m.sizes, &m.train, &m.validation}) add_list(*list);
    add_list(m.prune_above);
    add_list(m.initial_parameters);
    for (double v : {m.lr, m.weight_decay, m.momentum, m.beta1, m.beta2, m.epsilon, m.dropout}) add(v);
    for (std::uint64_t k : {m.init_key, m.order_key, m.dropout_key}) add(k);
    for (int v :
         {static_cast<int>(m.loss), static_cast<int>(m.optimizer), static_cast<int>(m.dropout_epochs),
          static_cast<int>(m.epochs), static_cast<int>(m.batch_size), int{m.drop_last}, int{m.validate_every_epoch},
          int{m.weight_by_size}, int{m.prune_on_current}, static_cast<int>(m.early_stopping),
          static_cast<int>(m.patience), static_cast<int>(m.stopping_warmup), static_cast<int>(m.train_report)})
      add(v);
  }
  std::string bytes;

 private:
  template <class T>
  void add(const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <class T>
  void add_list(const std::vector<T>& values) {
    add(values.size());
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
};

class InProcessExecutor final : public Executor {
 public:
  InProcessExecutor(Context& context, const std::atomic<bool>* stop) : context_(context), stop_(stop) {}

  std::int32_t load(std::shared_ptr<const Dataset> data) override {
    const auto known = std::find(data_.begin(), data_.end(), data);
    const auto number = static_cast<std::int32_t>(known - data_.begin());
    if (known == data_.end()) data_.push_back(std::move(data));
    return number;
  }

  std::vector<MemberResult<float>> fit(std::span<const FitJob> jobs) override {
    std::vector<MemberResult<float>> results(jobs.size());
    for (std::size_t d = 0; d < data_.size(); ++d) {
      std::vector<std::size_t> wanted;
      for (std::size_t j = 0; j < jobs.size(); ++j)
        if (jobs[j].rows == nullptr && jobs[j].data == static_cast<std::int32_t>(d)) wanted.push_back(j);
      const Dataset& data = *data_[d];
      fit_on({data.train_features(), data.train.labels}, jobs, wanted, {}, results);
    }
    fit_own_rows(jobs, results);
    return results;
  }

  std::vector<TestMetrics> test(std::span<const TestJob> jobs) override {
    std::vector<TestMetrics> results;
    for (const TestJob& job : jobs) {
      check_stop();
      const Dataset& data = dataset(job.data);
      std::vector<float> logits(static_cast<std::size_t>(data.test.n) * static_cast<std::size_t>(data.n_classes));
      mlp_forward<float>(context_, *job.network, data.test_features(), {}, logits.data(), nullptr);
      results.push_back(test_metrics(matrix<const float>(logits.data(), data.test.n, data.n_classes), data.test,
                                     job.network->loss, job.batch_size, job.weight_by_size));
    }
    return results;
  }

  std::vector<Picks> select(std::span<const SelectJob> jobs) override {
    std::vector<Picks> results;
    for (const SelectJob& job : jobs) {
      check_stop();
      results.push_back(select_one(job));
    }
    return results;
  }

 private:
  void check_stop() const {
    if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) throw Interrupted{};
  }
  const Dataset& dataset(std::int32_t number) const { return *data_.at(static_cast<std::size_t>(number)); }

  /// Rows of one shape are stacked: networks of all runs train side by side. A result does not depend on the number
  /// of a row.
  void fit_own_rows(std::span<const FitJob> jobs, std::vector<MemberResult<float>>& results) {
    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<std::size_t>> shapes;
    for (std::size_t j = 0; j < jobs.size(); ++j)
      if (jobs[j].rows != nullptr) shapes[{jobs[j].rows->width, jobs[j].rows->outputs}].push_back(j);
    for (const auto& [shape, wanted] : shapes) {
      std::map<const OwnRows*, std::int32_t> first_row;
      std::vector<float> features, targets;
      std::int32_t n = 0;
      for (const std::size_t j : wanted) {
        const OwnRows& rows = *jobs[j].rows;
        if (!first_row.emplace(&rows, n).second) continue;
        features.insert(features.end(), rows.features.begin(), rows.features.end());
        targets.insert(targets.end(), rows.targets.begin(), rows.targets.end());
        n += rows.n;
      }
      fit_on({matrix<const float>(features.data(), n, shape.first),
              {},
              matrix<const float>(targets.data(), n, shape.second)},
             jobs, wanted, first_row, results);
    }
  }

  /// Trains the jobs listed, identical ones once, in slices so that a stop is noticed soon.
  void fit_on(const MlpData<float>& rows, std::span<const FitJob> jobs, const std::vector<std::size_t>& wanted,
              const std::map<const OwnRows*, std::int32_t>& first_row, std::vector<MemberResult<float>>& results) {
    std::map<std::string, std::size_t> first_of;
    std::vector<MemberSpec> members;
    std::vector<std::pair<std::size_t, std::size_t>> job_to_member;
    for (const std::size_t j : wanted) {
      MemberSpec member = jobs[j].member;
      if (jobs[j].rows != nullptr) {
        const std::int32_t first = first_row.at(jobs[j].rows.get());
        for (std::vector<std::int32_t>* list : {&member.train, &member.validation})
          for (std::int32_t& row : *list) row += first;
      }
      const auto [place, is_new] = first_of.try_emplace(SpecKey(member).bytes, members.size());
      if (is_new) members.push_back(std::move(member));
      job_to_member.emplace_back(j, place->second);
    }
    if (members.empty()) return;

    std::vector<MemberResult<float>> trained;
    const std::size_t slice = static_cast<std::size_t>(context_.pool().workers()) * kMembersPerWorkerAndSlice;
    for (std::size_t begin = 0; begin < members.size(); begin += slice) {
      check_stop();
      const std::size_t count = std::min(slice, members.size() - begin);
      auto part = train_fleet<float>(context_, rows, std::span(members).subspan(begin, count));
      std::move(part.begin(), part.end(), std::back_inserter(trained));
    }
    for (const auto& [job, member] : job_to_member) results[job] = trained[member];
  }

  Picks select_one(const SelectJob& job) {
    const Dataset& data = dataset(job.data);
    const std::unique_ptr<Strategy> strategy = make_strategy(job.strategy);
    const StrategyNeeds needs = strategy->needs();
    const auto n = static_cast<std::int64_t>(job.candidates.size());
    const auto m = static_cast<std::int64_t>(job.labelled.size());
    const std::int64_t classes = data.n_classes;
    const bool use_logits = job.layer == FeatureLayer::logits;
    const std::int64_t width = use_logits ? classes : penultimate_width(job.network->sizes);

    SelectionProblem problem = job.problem;
    problem.n = n;
    problem.pool_index = job.candidates;
    std::vector<float> logits, probabilities, features, labelled, bald;
    const auto sized = [](std::vector<float>& v, std::int64_t rows, std::int64_t columns) {
      v.resize(static_cast<std::size_t>(rows * columns));
      return v.data();
    };
    if (needs.probabilities || needs.features) {
      sized(logits, n, classes);
      float* penultimate = needs.features && !use_logits ? sized(features, n, width) : nullptr;
      mlp_forward<float>(context_, *job.network, data.train_features(), job.candidates, logits.data(), penultimate);
    }
    if (needs.probabilities) {
      softmax_rows<float>(context_, matrix<const float>(logits.data(), n, classes), sized(probabilities, n, classes));
      problem.probabilities = matrix<const float>(probabilities.data(), n, classes);
    }
    if (needs.features) {
      problem.candidate_features = matrix<const float>(use_logits ? logits.data() : features.data(), n, width);
    }
    if (needs.labelled_features) {
      sized(labelled, m, width);
      mlp_forward<float>(context_, *job.network, data.train_features(), job.labelled,
                         use_logits ? labelled.data() : nullptr, use_logits ? nullptr : labelled.data());
      problem.labelled_features = matrix<const float>(labelled.data(), m, width);
    }
    std::vector<float> keychain;
    if (needs.keychain) {
      QUARRY_CHECK(job.keychain != nullptr, "a selection by {} without its meta model", job.strategy);
      keychain = keychain_scores(context_, *job.keychain, *job.network, data.train_features(), job.candidates);
      problem.keychain = keychain;
    }
    if (needs.bald) {
      mlp_bald<float>(context_, *job.network, data.train_features(), job.candidates, job.mc_passes, job.mc_key,
                      sized(bald, n, 1), problem.log_epsilon);
      problem.bald = bald;
    }
    const Selection selection = strategy->select(context_, problem);
    Picks picks;
    picks.all_non_finite = selection.all_non_finite;
    for (std::int32_t position : selection.positions)
      picks.indices.push_back(job.candidates.at(static_cast<std::size_t>(position)));
    return picks;
  }

  static constexpr std::size_t kMembersPerWorkerAndSlice = 16;
  Context& context_;
  const std::atomic<bool>* stop_;
  std::vector<std::shared_ptr<const Dataset>> data_;
};

}  // namespace

std::unique_ptr<Executor> make_in_process_executor(Context& context, const std::atomic<bool>* stop) {
  return std::make_unique<InProcessExecutor>(context, stop);
}

}  // namespace quarry
