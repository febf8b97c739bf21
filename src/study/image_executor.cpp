// SPDX-License-Identifier: MIT
#include "quarry/study/image_executor.h"

#include <utility>

#include "quarry/core/error.h"
#include "src/study/image_jobs.h"

namespace quarry {
namespace {

class CpuImageExecutor final : public ImageExecutor {
 public:
  CpuImageExecutor(Context& context, const std::atomic<bool>* stop) : context_(context), stop_(stop) {}

  std::int32_t load(std::shared_ptr<const ImageDataset> data) override {
    const std::int32_t known = sets_.find(*data);
    return known >= 0 ? known : sets_.add(std::move(data));
  }
  void fit(std::span<const ImageFitJob> jobs, const std::function<void(std::size_t job, ConvMemberResult)>& done,
           const EpochsDone& epochs) override;
  TestMetrics test(const ImageTestJob& job) override;
  Picks select(const ImageSelectJob& job) override;
  std::string engine(const ResNetSpec&, ConvMeans means, std::int32_t) override {
    return std::string(conv_engine_name(means.precision));
  }

 private:
  Context& context_;
  const std::atomic<bool>* stop_;
  ImageSets sets_;
};

void CpuImageExecutor::fit(std::span<const ImageFitJob> jobs,
                           const std::function<void(std::size_t job, ConvMemberResult)>& done,
                           const EpochsDone& epochs) {
  const std::vector<std::vector<std::size_t>> sets = identical_fits(jobs);
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
    for (; end < sets.size() && end - begin < workers && jobs[sets[end].front()].data == number; ++end)
      members.push_back(jobs[sets[end].front()].member);
    const std::vector<ConvMemberResult> results = train_conv_fleet(context_, sets_.at(number), members, watch);
    for (std::size_t i = 0; i < results.size(); ++i)
      for (const std::size_t job : sets[begin + i]) done(job, results[i]);
    begin = end;
  }
}

TestMetrics CpuImageExecutor::test(const ImageTestJob& job) {
  check_stop(stop_);
  const ImageDataset& data = sets_.at(job.data);
  std::vector<float> logits(static_cast<std::size_t>(data.test.n) * static_cast<std::size_t>(data.n_classes));
  conv_forward(context_, *job.network, data, data.test, {}, logits.data(), nullptr);
  return image_test_metrics(data, logits);
}

Picks CpuImageExecutor::select(const ImageSelectJob& job) {
  check_stop(stop_);
  const ImageDataset& data = sets_.at(job.data);
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
  if (needs.probabilities || needs.features || needs.bald)
    QUARRY_CHECK(job.network != nullptr, "the strategy {} needs a network", job.strategy);
  const bool use_logits = job.layer == FeatureLayer::logits;
  if (needs.probabilities || needs.features) {
    sized(logits, n, classes);
    const std::int64_t width = use_logits ? classes : plan_resnet(job.network->spec).features;
    float* penultimate = needs.features && !use_logits ? sized(features, n, width) : nullptr;
    conv_forward(context_, *job.network, data, data.train, job.candidate_rows, logits.data(), penultimate);
    if (needs.features)
      problem.candidate_features = matrix<const float>(use_logits ? logits.data() : features.data(), n, width);
    if (needs.labelled_features && m > 0) {
      sized(labelled, m, width);
      conv_forward(context_, *job.network, data, data.train, job.labelled_rows, use_logits ? labelled.data() : nullptr,
                   use_logits ? nullptr : labelled.data());
    }
    problem.labelled_features = matrix<const float>(labelled.data(), needs.labelled_features ? m : 0, width);
  }
  if (needs.probabilities) {
    softmax_rows<float>(context_, matrix<const float>(logits.data(), n, classes), sized(probabilities, n, classes));
    problem.probabilities = matrix<const float>(probabilities.data(), n, classes);
  }
  if (needs.bald) {
    conv_bald(context_, *job.network, data, data.train, job.candidate_rows, job.mc_passes, job.mc_key,
              sized(bald, n, 1));
    problem.bald = bald;
  }
  return picks_of(job, strategy->select(context_, problem));
}

}  // namespace

std::unique_ptr<ImageExecutor> make_image_executor(Context& context, const std::atomic<bool>* stop) {
  return std::make_unique<CpuImageExecutor>(context, stop);
}

}  // namespace quarry
