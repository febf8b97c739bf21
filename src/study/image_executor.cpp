// SPDX-License-Identifier: MIT
#include "quarry/study/image_executor.h"

#include <algorithm>
#include <utility>

#include "quarry/core/error.h"
#include "src/study/image_jobs.h"
#include "src/study/timings.h"

namespace quarry {
namespace {

class CpuImageExecutor final : public ImageExecutor {
 public:
  CpuImageExecutor(Context& context, const std::atomic<bool>* stop) : context_(context), stop_(stop) {}

  std::int32_t load(std::shared_ptr<const ImageDataset> data) override {
    const std::int32_t known = sets_.find(*data);
    return known >= 0 ? known : sets_.add(std::move(data));
  }
  void run(std::span<const ImageJob> jobs, const std::function<void(std::size_t job, ImageResult)>& done,
           const EpochsDone& epochs) override;
  std::string engine(const ResNetSpec&, ConvMeans means, std::int32_t) override {
    return std::string(conv_engine_name(means.precision));
  }

 private:
  using Set = std::vector<std::size_t>;
  void follow(std::span<const ImageJob> jobs, const Set& set, ConvMemberResult fitted,
              const std::function<void(std::size_t job, ImageResult)>& done);
  TestMetrics test(const ImageDataset& data, const TrainedConvNet& network);
  Picks select(const ImageDataset& data, const TrainedConvNet& network, const ImageSelectJob& job);

  Context& context_;
  const std::atomic<bool>* stop_;
  ImageSets sets_;
};

void CpuImageExecutor::run(std::span<const ImageJob> jobs,
                           const std::function<void(std::size_t job, ImageResult)>& done, const EpochsDone& epochs) {
  run_without_network(context_, jobs, stop_, done);
  const std::vector<Set> sets = identical_fits(jobs);
  const std::int64_t all_epochs = epochs_of(jobs, sets);
  std::atomic<std::int64_t> epochs_done{0};
  FleetWatch watch{stop_, {}};
  if (epochs) watch.epoch_done = [&] { epochs(++epochs_done, all_epochs); };
  // A fleet trains on one data set, one network per worker at a time, so that a kill loses little.
  const auto workers = static_cast<std::size_t>(context_.pool().workers());
  for (std::size_t begin = 0; begin < sets.size();) {
    check_stop(stop_);
    const std::int32_t number = jobs[sets[begin].front()].data;
    std::vector<ConvMemberSpec> members;
    std::size_t end = begin;
    for (; end < sets.size() && end - begin < workers && jobs[sets[end].front()].data == number; ++end) {
      members.push_back(*jobs[sets[end].front()].member);
      for (const std::size_t j : sets[end])
        members.back().keep_network = members.back().keep_network || jobs[j].test || jobs[j].select;
    }
    std::vector<ConvMemberResult> results = train_conv_fleet(context_, sets_.at(number), members, watch);
    for (std::size_t i = 0; i < results.size(); ++i) follow(jobs, sets[begin + i], std::move(results[i]), done);
    begin = end;
  }
}

/// Test and selections of a network that several jobs have trained.
void CpuImageExecutor::follow(std::span<const ImageJob> jobs, const Set& set, ConvMemberResult fitted,
                              const std::function<void(std::size_t job, ImageResult)>& done) {
  const ImageJob& first = jobs[set.front()];
  const ImageDataset& data = sets_.at(first.data);
  const TrainedConvNet network{first.member->network, std::move(fitted.parameters), std::move(fitted.buffers)};
  ImageResult tested;
  if (std::any_of(set.begin(), set.end(), [&](std::size_t j) { return jobs[j].test; })) {
    const PhaseTimer timer;
    tested.test = test(data, network);
    tested.test_seconds = timer.share(1, set.size());
  }
  for (const std::size_t j : set) {
    ImageResult result = tested;
    result.fit = fitted;
    if (first.member->keep_network) {
      result.fit.parameters = network.parameters;
      result.fit.buffers = network.buffers;
    }
    if (jobs[j].select) {
      const PhaseTimer timer;
      result.picks = select(data, network, *jobs[j].select);
      result.select_seconds = timer.share(1, 1);
    }
    done(j, std::move(result));
  }
}

TestMetrics CpuImageExecutor::test(const ImageDataset& data, const TrainedConvNet& network) {
  check_stop(stop_);
  std::vector<float> logits(static_cast<std::size_t>(data.test.n) * static_cast<std::size_t>(data.n_classes));
  conv_forward(context_, network, data, data.test, {}, logits.data(), nullptr);
  DataPart labels;
  labels.n = data.test.n;
  labels.labels = data.test.labels;
  return test_metrics(matrix<const float>(logits.data(), data.test.n, data.n_classes), labels, Loss::ce_on_logits, 1,
                      true);
}

Picks CpuImageExecutor::select(const ImageDataset& data, const TrainedConvNet& network, const ImageSelectJob& job) {
  check_stop(stop_);
  if (!asks_network(job)) return select_without_network(context_, job);
  const std::unique_ptr<Strategy> strategy = make_strategy(job.strategy);
  const StrategyNeeds needs = strategy->needs();
  const auto n = static_cast<std::int64_t>(job.candidate_rows.size());
  const auto m = static_cast<std::int64_t>(job.labelled_rows.size());
  const std::int64_t classes = data.n_classes;
  SelectionProblem problem = job.problem;
  problem.n = n;
  problem.pool_index = job.candidates;
  std::vector<float> logits, probabilities, features, labelled, bald;
  const auto sized = [](std::vector<float>& v, std::int64_t rows, std::int64_t columns) {
    v.resize(static_cast<std::size_t>(rows * columns));
    return v.data();
  };
  const bool use_logits = job.layer == FeatureLayer::logits;
  if (needs.probabilities || needs.features) {
    sized(logits, n, classes);
    const std::int64_t width = use_logits ? classes : plan_resnet(network.spec).features;
    float* penultimate = needs.features && !use_logits ? sized(features, n, width) : nullptr;
    conv_forward(context_, network, data, data.train, job.candidate_rows, logits.data(), penultimate);
    if (needs.features)
      problem.candidate_features = matrix<const float>(use_logits ? logits.data() : features.data(), n, width);
    if (needs.labelled_features && m > 0) {
      sized(labelled, m, width);
      conv_forward(context_, network, data, data.train, job.labelled_rows, use_logits ? labelled.data() : nullptr,
                   use_logits ? nullptr : labelled.data());
    }
    problem.labelled_features = matrix<const float>(labelled.data(), needs.labelled_features ? m : 0, width);
  }
  if (needs.probabilities) {
    softmax_rows<float>(context_, matrix<const float>(logits.data(), n, classes), sized(probabilities, n, classes));
    problem.probabilities = matrix<const float>(probabilities.data(), n, classes);
  }
  if (needs.bald) {
    conv_bald(context_, network, data, data.train, job.candidate_rows, job.mc_passes, job.mc_key, sized(bald, n, 1));
    problem.bald = bald;
  }
  return picks_of(job, strategy->select(context_, problem));
}

}  // namespace

std::unique_ptr<ImageExecutor> make_image_executor(Context& context, const std::atomic<bool>* stop) {
  return std::make_unique<CpuImageExecutor>(context, stop);
}

}  // namespace quarry
