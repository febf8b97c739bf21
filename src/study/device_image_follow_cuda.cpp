// SPDX-License-Identifier: MIT
#include "src/study/device_image_follow_cuda.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "src/study/image_memory.h"

namespace quarry {
namespace {

std::size_t test_memory(const ResNetPlan& plan, std::int64_t n) {
  return test_scores_memory(n, plan.spec.classes) + DeviceScorer::least_memory(plan, n);
}

/// Whether the device chooses.
bool selects(const ImageJob& job) {
  return job.select && asks_network(*job.select);
}

}  // namespace

DeviceImageFollow::DeviceImageFollow(gpu::Session& session, const DeviceImageSet& images,
                                     std::span<const ImageJob> jobs, std::span<const std::vector<std::size_t>> sets,
                                     const std::atomic<bool>* stop)
    : session_(session), images_(images), jobs_(jobs), sets_(sets), stop_(stop), places_(jobs.size()) {}

bool DeviceImageFollow::tests(std::size_t member) const {
  const std::vector<std::size_t>& set = sets_[member];
  return std::any_of(set.begin(), set.end(), [&](std::size_t job) { return jobs_[job].test; });
}

std::size_t DeviceImageFollow::least_memory() const {
  std::size_t most = 0, record = 0;  // the record at its longest: of all members
  for (std::size_t member = 0; member < sets_.size(); ++member) {
    const ResNetPlan plan = plan_resnet(jobs_[sets_[member].front()].member->network);
    if (tests(member)) {
      most = std::max(most, test_memory(plan, images_.n_test));
      record += sizeof(LogitMetrics);
    }
    for (const std::size_t job : sets_[member]) {
      if (!selects(jobs_[job])) continue;
      most = std::max(most, selection_memory(*jobs_[job].select, plan));
      record += answer_size(*jobs_[job].select) * sizeof(std::int32_t);
    }
  }
  return most + record;
}

void DeviceImageFollow::enqueue(const cuda::ConvFleetTrained& trained) {
  queue_ = nullptr;  // waits before its successor's first work
  std::size_t bytes = 0;
  for (const std::size_t member : trained.members) {
    for (const std::size_t job : sets_[member]) places_[job].metrics = bytes;
    bytes += tests(member) ? sizeof(LogitMetrics) : 0;
  }
  for (const std::size_t member : trained.members) {
    for (const std::size_t job : sets_[member]) {
      places_[job].answer = bytes;
      bytes += selects(jobs_[job]) ? answer_size(*jobs_[job].select) * sizeof(std::int32_t) : 0;
    }
  }
  if (bytes == 0) return;
  const gpu::Buffer<unsigned char> record(session_, bytes);
  record_ = gpu::Pinned<unsigned char>(session_, bytes);
  queue_ = std::make_unique<InQueue>(session_);
  for (std::size_t i = 0; i < trained.members.size(); ++i) {
    const std::size_t member = trained.members[i];
    const DeviceConvNet network{trained.networks, static_cast<std::int32_t>(i), trained.memory_limit};
    for (const std::size_t job : sets_[member]) {
      if (job == sets_[member].front() && tests(member))
        test(network, reinterpret_cast<LogitMetrics*>(record.data() + places_[job].metrics));
      if (!selects(jobs_[job])) continue;
      check_stop(stop_);
      const gpu::Range range(session_, "select");
      enqueue_selection(session_, *queue_, network, images_.train.pool(), *jobs_[job].select, stop_,
                        reinterpret_cast<std::int32_t*>(record.data() + places_[job].answer));
    }
  }
  session_.copy_out(record_.data(), record.data(), bytes);
}

void DeviceImageFollow::test(const DeviceConvNet& network, LogitMetrics* metrics) {
  check_stop(stop_);
  const gpu::Range range(session_, "test");
  const std::int64_t n = images_.n_test, classes = network.networks.plan().spec.classes;
  std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  const gpu::Buffer<float> logits(session_, static_cast<std::size_t>(n * classes));
  const gpu::Buffer<unsigned char> scratch(session_, cuda::logit_metrics_scratch(n, classes));
  const ImagePool pool = images_.test.pool();
  queue_->scorers.push_back(std::make_unique<DeviceScorer>(session_, network, pool, n));
  queue_->scorers.back()->score(rows, logits.data(), nullptr);
  queue_->scorers.back()->release();
  cuda::logit_metrics(session_, {logits.data(), pool.labels, n, classes, scratch.data(), metrics});
}

void DeviceImageFollow::read(std::size_t job, ImageResult& result) const {
  const ImageJob& of = jobs_[job];
  if (of.test) {
    LogitMetrics metrics;
    std::memcpy(&metrics, record_.data() + places_[job].metrics, sizeof metrics);
    result.test = {metrics.loss, metrics.accuracy, metrics.loss, metrics.auc, metrics.accuracy};
  }
  if (!selects(of)) return;
  std::vector<std::int32_t> answer(answer_size(*of.select));
  std::memcpy(answer.data(), record_.data() + places_[job].answer, answer.size() * sizeof answer[0]);
  result.picks = read_answer(*of.select, answer);
}

}  // namespace quarry
