// SPDX-License-Identifier: MIT
#include "quarry/study/image_executor.h"

#include <algorithm>
#include <map>
#include <utility>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// The bytes that determine a member's result, as a map key.
class SpecKey {
 public:
  SpecKey(std::int32_t data, const ConvMemberSpec& m) {
    add(data);
    const ResNetSpec& net = m.network;
    for (const std::int32_t v :
         {static_cast<std::int32_t>(net.kind), net.input.channels, net.input.height, net.input.width, net.classes,
          static_cast<std::int32_t>(m.schedule), m.epochs, m.warmup_epochs, m.batch_size,
          static_cast<std::int32_t>(m.batches), std::int32_t{m.augment}, std::int32_t{m.augment_validation},
          std::int32_t{m.validate_every_epoch}, std::int32_t{m.keep_network}, static_cast<std::int32_t>(m.precision)})
      add(v);
    for (const double v : {net.dropout, m.lr, m.weight_decay, m.momentum, m.warmup_start}) add(v);
    for (const std::uint64_t k : {m.init_key, m.order_key, m.augment_key, m.dropout_key}) add(k);
    for (const auto* list : {&m.train, &m.validation}) {
      add(list->size());
      bytes.append(reinterpret_cast<const char*>(list->data()), list->size() * sizeof((*list)[0]));
    }
  }
  std::string bytes;

 private:
  template <class T>
  void add(const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

}  // namespace

void ImageExecutor::check_stop() const {
  if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) throw Interrupted{};
}

std::int32_t ImageExecutor::load(std::shared_ptr<const ImageDataset> data) {
  const auto known = std::find(data_.begin(), data_.end(), data);
  const auto number = static_cast<std::int32_t>(known - data_.begin());
  if (known == data_.end()) data_.push_back(std::move(data));
  return number;
}

void ImageExecutor::fit(std::span<const ImageFitJob> jobs,
                        const std::function<void(std::size_t job, ConvMemberResult)>& done, const EpochsDone& epochs) {
  std::map<std::string, std::vector<std::size_t>> same;
  std::vector<std::size_t> first;  // of each set of identical jobs
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    std::vector<std::size_t>& those = same[SpecKey(jobs[j].data, jobs[j].member).bytes];
    if (those.empty()) first.push_back(j);
    those.push_back(j);
  }
  std::int64_t all_epochs = 0;
  for (const std::size_t j : first) all_epochs += jobs[j].member.epochs;
  std::atomic<std::int64_t> epochs_done{0};
  FleetWatch watch{stop_, {}};
  if (epochs) watch.epoch_done = [&] { epochs(++epochs_done, all_epochs); };
  // A fleet trains on one data set, one network per worker at a time, so that a kill loses little.
  const auto workers = static_cast<std::size_t>(context_.pool().workers());
  for (std::size_t begin = 0; begin < first.size();) {
    check_stop();
    const std::int32_t number = jobs[first[begin]].data;
    std::size_t end = begin;
    std::vector<ConvMemberSpec> members;
    while (end < first.size() && end - begin < workers && jobs[first[end]].data == number)
      members.push_back(jobs[first[end++]].member);
    std::vector<ConvMemberResult> results = train_conv_fleet(context_, dataset(number), members, watch);
    for (std::size_t i = 0; i < results.size(); ++i)
      for (const std::size_t job : same.at(SpecKey(number, members[i]).bytes)) done(job, results[i]);
    begin = end;
  }
}

TestMetrics ImageExecutor::test(const ImageTestJob& job) {
  check_stop();
  const ImageDataset& data = dataset(job.data);
  std::vector<float> logits(static_cast<std::size_t>(data.test.n) * static_cast<std::size_t>(data.n_classes));
  conv_forward(context_, *job.network, data, data.test, {}, logits.data(), nullptr);
  DataPart labels;
  labels.n = data.test.n;
  labels.labels = data.test.labels;
  return test_metrics(matrix<const float>(logits.data(), data.test.n, data.n_classes), labels, Loss::ce_on_logits, 1,
                      true);
}

Picks ImageExecutor::select(const ImageSelectJob& job) {
  check_stop();
  const ImageDataset& data = dataset(job.data);
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
  const Selection selection = strategy->select(context_, problem);
  Picks picks;
  picks.all_non_finite = selection.all_non_finite;
  for (const std::int32_t position : selection.positions)
    picks.indices.push_back(job.candidates.at(static_cast<std::size_t>(position)));
  return picks;
}

}  // namespace quarry
