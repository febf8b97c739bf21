// SPDX-License-Identifier: MIT
#include "src/study/image_jobs.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "quarry/core/error.h"

namespace quarry {
namespace {

/// The bytes that determine a job's result, as a map key.
class SpecKey {
 public:
  explicit SpecKey(const ImageJob& job) {
    add(job.data);
    const ConvMemberSpec& m = *job.member;
    const ResNetSpec& net = m.network;
    for (const std::int32_t v :
         {static_cast<std::int32_t>(net.kind), net.input.channels, net.input.height, net.input.width, net.classes,
          static_cast<std::int32_t>(m.schedule), m.epochs, m.warmup_epochs, m.batch_size,
          static_cast<std::int32_t>(m.batches), std::int32_t{m.augment}, std::int32_t{m.augment_validation},
          std::int32_t{m.validate_every_epoch}, std::int32_t{m.keep_network}, static_cast<std::int32_t>(m.precision),
          static_cast<std::int32_t>(m.convolution)})
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

std::vector<std::vector<std::size_t>> identical_fits(std::span<const ImageJob> jobs) {
  std::map<std::string, std::size_t> places;
  std::vector<std::vector<std::size_t>> sets;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    if (!jobs[j].member) continue;
    const auto [place, is_new] = places.try_emplace(SpecKey(jobs[j]).bytes, sets.size());
    if (is_new) sets.emplace_back();
    sets[place->second].push_back(j);
  }
  return sets;
}

std::int64_t epochs_of(std::span<const ImageJob> jobs, std::span<const std::vector<std::size_t>> sets) {
  std::int64_t epochs = 0;
  for (const std::vector<std::size_t>& set : sets) epochs += jobs[set.front()].member->epochs;
  return epochs;
}

std::int32_t ImageSets::find(const ImageDataset& data) const {
  const auto is_it = [&](const std::shared_ptr<const ImageDataset>& set) { return set.get() == &data; };
  const auto known = std::find_if(sets_.begin(), sets_.end(), is_it);
  return known == sets_.end() ? -1 : static_cast<std::int32_t>(known - sets_.begin());
}

bool asks_network(const ImageSelectJob& job) {
  const StrategyNeeds needs = make_strategy(job.strategy)->needs();
  return needs.probabilities || needs.features || needs.bald;
}

Picks select_without_network(Context& context, const ImageSelectJob& job) {
  QUARRY_CHECK(!asks_network(job), "the strategy {} needs a network", job.strategy);
  SelectionProblem problem = job.problem;
  problem.n = std::ssize(job.candidates);
  problem.pool_index = job.candidates;
  return picks_of(job, make_strategy(job.strategy)->select(context, problem));
}

void run_without_network(Context& context, std::span<const ImageJob> jobs, const std::atomic<bool>* stop,
                         const std::function<void(std::size_t job, ImageResult)>& done) {
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    if (jobs[j].member) continue;
    check_stop(stop);
    ImageResult result;
    if (jobs[j].select) result.picks = select_without_network(context, *jobs[j].select);
    done(j, std::move(result));
  }
}

Picks picks_of(const ImageSelectJob& job, const Selection& selection) {
  Picks picks;
  picks.all_non_finite = selection.all_non_finite;
  picks.by_position = selection.by_position;
  for (const std::int32_t position : selection.positions)
    picks.indices.push_back(job.candidates.at(static_cast<std::size_t>(position)));
  return picks;
}

std::int32_t ImageSets::add(std::shared_ptr<const ImageDataset> data) {
  sets_.push_back(std::move(data));
  return static_cast<std::int32_t>(sets_.size()) - 1;
}

void check_stop(const std::atomic<bool>* stop) {
  if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Interrupted{};
}

}  // namespace quarry
