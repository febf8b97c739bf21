// SPDX-License-Identifier: MIT
#include "src/study/device_memory_cuda.h"

#include <algorithm>

#include "quarry/ops/select_device.h"

namespace quarry {
namespace {

std::int64_t labelled_now(const RunOutlook& run) {
  return static_cast<std::int64_t>(run.run().pool().unviolated().size() + run.run().pool().added().size());
}

std::int64_t most_candidates(const RunOutlook& run) {
  std::int64_t most = 0;
  for (const CycleOutlook& cycle : run.cycles()) most = std::max<std::int64_t>(most, cycle.candidates);
  return most;
}

std::int64_t most_picks(const RunOutlook& run) {
  std::int64_t most = 0;
  for (const CycleOutlook& cycle : run.cycles()) most = std::max<std::int64_t>(most, cycle.picks);
  return most;
}

std::size_t most_top_k_scratch(const RunOutlook& run) {
  std::size_t most = 0;
  for (const CycleOutlook& cycle : run.cycles())
    if (cycle.picks > 0) most = std::max(most, cuda::top_k_scratch(cycle.candidates, cycle.picks));
  return most;
}

std::int64_t size_of(const std::vector<std::int32_t>& rows) {
  return static_cast<std::int64_t>(rows.size());
}

void place_rows(const RunOutlook& run, Carver& carver, RunPlaces& places) {
  const std::int64_t more = run.picks_ahead(), unlabelled = run.cycles().front().unlabelled;
  places.labelled = carver.take<std::int32_t>(labelled_now(run) + more);
  places.network_train = carver.take<std::int32_t>(size_of(run.network_rows().train) + more);
  // refit_on_all leaves none: then the rows stand here that come last in the training list
  places.network_validation = carver.take<std::int32_t>(labelled_now(run));
  for (const FitRows& fold : run.folds()) {
    places.fold_train.push_back(carver.take<std::int32_t>(size_of(fold.train) + more));
    places.fold_validation.push_back(carver.take<std::int32_t>(size_of(fold.validation)));
  }
  places.lists = carver.take<RowList>(growing_lists(run));
  for (std::int32_t*& list : places.unlabelled) list = carver.take<std::int32_t>(unlabelled);
}

void place_selection(const RunOutlook& run, Carver& carver, RunPlaces& places) {
  const std::int64_t n = most_candidates(run), count = most_picks(run);
  if (count == 0) return;
  const SelectionKind kind = selection_kind(run);
  const std::int64_t classes = run.data().n_classes, m = labelled_now(run) + run.picks_ahead();
  using Method = SelectionKind::Method;
  places.candidates = carver.take<std::int32_t>(n);
  places.positions = carver.take<std::int32_t>(count);
  places.any_finite = carver.take<std::int32_t>(1);
  const bool scored = kind.method == Method::score || kind.method == Method::random || kind.one_by_one;
  if (scored) places.scores = carver.take<unsigned char>(n * std::int64_t{sizeof(double)});
  if (kind.one_by_one) {
    places.taken = carver.take<unsigned char>(n);
    places.tie_words = carver.take<std::uint32_t>(kTieWords);
  }
  if (kind.numpy_uniforms) places.uniforms = carver.take<double>(kind.method == Method::badge ? count : n);
  if (kind.method == Method::centers || kind.method == Method::badge) {
    places.features = carver.take<float>(n * kind.width);
    places.spread = carver.take<float>(n * kind.width);
  }
  if (kind.method == Method::centers) {
    places.labelled_features = carver.take<float>(m * kind.width);
    places.labelled_spread = carver.take<float>(m * kind.width);
    if (kind.one_by_one) places.nearest = carver.take<float>(n);
  }
  if (kind.method == Method::badge) places.probabilities = carver.take<float>(n * classes);
  std::size_t scratch = 0;
  const auto picks = static_cast<std::int32_t>(count);
  if (kind.method == Method::centers && !kind.one_by_one)
    scratch = cuda::k_center_scratch(n, kind.width, m, picks, KCenterMethod::lazy);
  if (kind.method == Method::badge)
    scratch = cuda::badge_scratch(n, classes, kind.width, picks,
                                  kind.numpy_uniforms ? BadgeSampling::numpy : BadgeSampling::rejection);
  places.scratch = carver.take<unsigned char>(static_cast<std::int64_t>(scratch));
}

/// Upper bound of what a run's jobs take in the plan of a cycle; every kind of job may begin on a line of its own.
std::size_t plan_bytes(const RunOutlook& run) {
  const std::size_t folds = run.folds().size();
  return sizeof(TuningRun) + (folds + 1) * sizeof(MlpFitJob) + 3 * sizeof(MlpScoreJob) + sizeof(SubsetRun) +
         sizeof(RandomRun) + sizeof(PickRun) + sizeof(CenterPickRun) + 2 * sizeof(SpreadRun) + sizeof(PickedRun) +
         sizeof(FittedRun) + sizeof(AcquireRun);
}
constexpr std::size_t kPlanLines = 16 * 256;

void widen(cuda::MlpBounds& bounds, const RunOutlook& run) {
  const RunConfig& config = run.config();
  bounds.inputs = std::max(bounds.inputs, run.data().n_features);
  bounds.outputs = std::max(bounds.outputs, run.data().n_classes);
  bounds.hidden_layers = std::max(bounds.hidden_layers, run.hidden_layers());
  bounds.hidden_width = std::max(bounds.hidden_width, run.hidden_width());
  bounds.batch_size = std::max(bounds.batch_size, config.batch_size);
  bounds.momentum = bounds.momentum || config.momentum > 0;
  bounds.adam = bounds.adam || config.optimizer == Optimizer::adam;
  std::int64_t train = size_of(run.network_rows().train);
  for (const FitRows& fold : run.folds()) train = std::max(train, size_of(fold.train));
  bounds.train_rows = std::max(bounds.train_rows, static_cast<std::int32_t>(train) + run.picks_ahead());
}

}  // namespace

SelectionKind selection_kind(const RunOutlook& run) {
  using Method = SelectionKind::Method;
  const RunConfig& config = run.config();
  const bool numpy = config.rng == RngKind::numpy;
  SelectionKind kind;
  kind.one_by_one = config.ties != TieRule::lowest_index;
  kind.width = run.hidden_layers() == 0 ? run.data().n_features : run.hidden_width();
  if (config.strategy == "random") {
    kind = {Method::random, MlpScore::none, true, config.random_rng == RandomRng::reseeded, false, 1};
  } else if (config.strategy == "coreset") {
    kind.method = Method::centers;
    kind.logits = config.coreset_layer == FeatureLayer::logits;
    if (kind.logits) kind.width = run.data().n_classes;
  } else if (config.strategy == "badge") {
    kind.method = Method::badge;
    kind.one_by_one = false;
    kind.numpy_uniforms = numpy;
  } else if (config.strategy == "bald") {
    kind.score = MlpScore::bald;
  } else if (config.strategy == "entropy") {
    kind.score = MlpScore::entropy;
  } else if (config.strategy == "margin") {
    kind.score = MlpScore::margin;
  } else if (config.strategy == "least_confidence") {
    kind.score = MlpScore::least_confidence;
  } else {
    fail("the strategy '{}' does not run on a device", config.strategy);
  }
  return kind;
}

std::int32_t growing_lists(const RunOutlook& run) {
  return 2 + (run.folds_grow() ? static_cast<std::int32_t>(run.folds().size()) : 0);
}

RunPlaces place_run(const RunOutlook& run, Carver& carver) {
  RunPlaces places;
  place_rows(run, carver, places);
  places.sizes = carver.take<std::int32_t>(run.hidden_layers() + 2);
  places.parameters = carver.take<float>(run.most_parameters());
  place_selection(run, carver, places);
  return places;
}

RecordPlaces place_record(const RunOutlook& run, Carver& carver) {
  RecordPlaces places;
  places.record = carver.take<RunRecord>(1);
  places.picks = carver.take<std::int32_t>(most_picks(run));
  places.logits = carver.take<float>(run.data().test.n * run.data().n_classes);
  if (run.run().networks() != "none") places.parameters = carver.take<float>(run.most_parameters());
  return places;
}

std::int32_t folds_of_cycle(std::span<const RunOutlook> runs, std::size_t cycle) {
  std::size_t folds = 0;
  for (const RunOutlook& run : runs)
    if (run.tunes(cycle)) folds += run.folds().size();
  return static_cast<std::int32_t>(folds);
}

std::int32_t first_step(std::span<const RunOutlook> runs, std::size_t cycle, const SegmentShape& shape) {
  std::int32_t count = shape.step_trials;
  for (const RunOutlook& run : runs)
    if (run.tunes(cycle)) count = std::min(count, run.startup_batch());
  return count;
}

SegmentSizes segment_sizes(const gpu::DeviceInfo& device, std::span<const RunOutlook> runs, const SegmentShape& shape) {
  SegmentSizes sizes;
  sizes.runs = static_cast<std::int32_t>(runs.size());
  sizes.plan = kPlanLines;
  Carver record;
  for (const RunOutlook& run : runs) {
    widen(sizes.bounds, run);
    sizes.sizes_stride = std::max(sizes.sizes_stride, run.hidden_layers() + 2);
    sizes.parameter_stride = std::max(sizes.parameter_stride, run.most_parameters());
    const std::int64_t rows =
        std::max<std::int64_t>({run.data().test.n, most_candidates(run), labelled_now(run) + run.picks_ahead()});
    sizes.most_rows = std::max(sizes.most_rows, static_cast<std::int32_t>(rows));
    sizes.plan += plan_bytes(run);
    place_record(run, record);
    sizes.top_k += most_top_k_scratch(run);
  }
  sizes.record = record.used();
  const auto widen_workspace = [&](const cuda::MlpFleetPlan& plan) {
    sizes.workspace = std::max(sizes.workspace, plan.workspace_bytes);
  };
  widen_workspace(cuda::plan_mlp_fit(device, sizes.runs, sizes.bounds));
  for (std::size_t cycle = 0; cycle < static_cast<std::size_t>(shape.cycles); ++cycle) {
    const std::int32_t folds = folds_of_cycle(runs, cycle), slots = folds * first_step(runs, cycle, shape);
    sizes.trial_slots = std::max(sizes.trial_slots, slots);
    for (const std::int32_t jobs : {folds, slots})
      if (jobs > 0) widen_workspace(cuda::plan_mlp_fit(device, jobs, sizes.bounds));
  }
  for (std::int32_t jobs = 1; jobs <= 3 * sizes.runs; ++jobs)
    widen_workspace(cuda::plan_mlp_score(device, jobs, sizes.most_rows, sizes.bounds));
  return sizes;
}

SharedPlaces place_shared(const SegmentSizes& sizes, Carver& carver) {
  SharedPlaces places;
  places.networks = carver.take<DeviceNetwork>(sizes.runs);
  places.trial_networks = carver.take<DeviceNetwork>(sizes.trial_slots);
  places.trial_sizes = carver.take<std::int32_t>(std::int64_t{sizes.trial_slots} * sizes.sizes_stride);
  places.trial_parameters = carver.take<float>(sizes.trial_slots * sizes.parameter_stride);
  places.trial_jobs = carver.take<MlpFitJob>(sizes.trial_slots);
  places.ticket = carver.take<std::int32_t>(1);
  places.workspace = carver.take<unsigned char>(static_cast<std::int64_t>(sizes.workspace));
  places.top_k = carver.take<unsigned char>(static_cast<std::int64_t>(sizes.top_k));
  places.plan = carver.take<unsigned char>(static_cast<std::int64_t>(sizes.plan));
  places.record = carver.take<unsigned char>(static_cast<std::int64_t>(sizes.record));
  return places;
}

SegmentSearches segment_searches(std::span<const RunOutlook> runs, std::int32_t cycles) {
  SegmentSearches searches;
  for (std::size_t cycle = 0; cycle < static_cast<std::size_t>(cycles); ++cycle) {
    searches.first.push_back(static_cast<std::int32_t>(searches.setups.size()));
    for (const RunOutlook& run : runs)
      if (run.tunes(cycle)) searches.setups.push_back(run.search(cycle));
    searches.together =
        std::max(searches.together, static_cast<std::int32_t>(searches.setups.size()) - searches.first.back());
  }
  searches.first.push_back(static_cast<std::int32_t>(searches.setups.size()));
  return searches;
}

}  // namespace quarry
