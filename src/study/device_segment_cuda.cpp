// SPDX-License-Identifier: MIT
#include "src/study/device_segment_cuda.h"

#include <algorithm>
#include <utility>

#include "quarry/core/numpy_rng.h"
#include "src/al/pick_rules.h"
#include "src/nn/mlp_jobs.h"

namespace quarry {
namespace {

/// Copies to the device by way of one piece of pinned memory.
class Uploads {
 public:
  template <class T>
  void add(T* device, const std::vector<T>& values) {
    if (values.empty()) return;
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    pieces_.push_back({device, bytes_.size(), values.size() * sizeof(T)});
    bytes_.insert(bytes_.end(), bytes, bytes + values.size() * sizeof(T));
  }
  void run(gpu::Session& session) const {
    if (pieces_.empty()) return;
    const gpu::Pinned<unsigned char> staged(session, bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), staged.data());
    for (const Piece& piece : pieces_) session.copy_in(piece.device, staged.data() + piece.at, piece.bytes);
    session.synchronize();
  }

 private:
  struct Piece {
    void* device;
    std::size_t at, bytes;
  };
  std::vector<Piece> pieces_;
  std::vector<unsigned char> bytes_;
};

std::vector<std::int32_t> list_of(std::span<const std::int32_t> rows) {
  return {rows.begin(), rows.end()};
}

/// The network a run begins with: hyperparameters if they are known.
DeviceNetwork first_network(const RunOutlook& run, const RunPlaces& places) {
  DeviceNetwork network;
  network.sizes = places.sizes;
  network.parameters = places.parameters;
  if (!run.known()) return network;
  network.lr = run.known()->lr;
  network.weight_decay = run.known()->weight_decay;
  network.dropout = run.known()->dropout;
  network.n_layers = static_cast<std::int32_t>(run.known()->sizes.size()) - 1;
  return network;
}

/// What NumPy's generator of the run's seed draws first.
std::vector<double> uniforms(const RunConfig& config, std::int64_t n) {
  NumpyRandom random(numpy_seed(static_cast<std::uint64_t>(config.seed)));
  std::vector<double> values(static_cast<std::size_t>(n));
  for (double& value : values) value = random.uniform();
  return values;
}

std::vector<std::uint32_t> words(const RunConfig& config) {
  NumpyRandom random(numpy_seed(static_cast<std::uint64_t>(config.seed)));
  std::vector<std::uint32_t> values(kTieWords);
  for (std::uint32_t& value : values) value = random.next_u32();
  return values;
}

void add_streams(const RunOutlook& run, const SelectionKind& kind, const RunPlaces& places, Uploads& uploads) {
  if (places.uniforms != nullptr) {
    std::int64_t n = 0;
    for (const CycleOutlook& cycle : run.cycles())
      n = std::max<std::int64_t>(n, kind.method == SelectionKind::Method::badge ? cycle.picks : cycle.candidates);
    uploads.add(places.uniforms, uniforms(run.config(), n));
  }
  if (places.tie_words != nullptr && draws_from_numpy(run.config().ties))
    uploads.add(places.tie_words, words(run.config()));
}

}  // namespace

DeviceSegment::DeviceSegment(gpu::Session& session, const DeviceDataSets& data, std::span<const DeviceRun> runs,
                             const SegmentShape& shape, bool graphs)
    : session_(session), data_(data), shape_(shape), graphs_(graphs) {
  for (const DeviceRun& run : runs.first(static_cast<std::size_t>(shape.runs))) runs_.emplace_back(*run.run, *run.data);
  for (const RunOutlook& run : runs_) {
    kinds_.push_back(selection_kind(run));
    Carver count;
    place_run(run, count);
    blocks_.emplace_back(session, count.used());
    Carver carver(blocks_.back().data());
    places_.push_back(place_run(run, carver));
  }
  sizes_ = segment_sizes(session.device(), runs_, shape_);
  Carver count;
  place_shared(sizes_, count);
  blocks_.emplace_back(session, count.used());
  Carver carver(blocks_.back().data());
  shared_ = place_shared(sizes_, carver);
  session.fill(shared_.record, 0, sizes_.record);  // it goes to the host whole, what no cycle writes included
  Carver record(shared_.record);
  for (const RunOutlook& run : runs_) records_.push_back(place_record(run, record));
  const auto cycles = static_cast<std::size_t>(shape_.cycles);
  plans_ = {session, cycles * sizes_.plan};
  out_ = {session, cycles * sizes_.record};
  setups_ = segment_searches(runs_, shape_.cycles);
  if (!setups_.setups.empty()) searches_ = std::make_unique<DeviceSearches>(session, setups_.setups, setups_.together);
  upload_runs();
}

std::vector<RowList> DeviceSegment::row_lists(std::size_t r) const {
  const RunOutlook& run = runs_[r];
  const RunPlaces& at = places_[r];
  const auto added = run.cycles().front().added;
  const auto base = [added](std::size_t rows) { return static_cast<std::int32_t>(rows) - added; };
  const std::size_t unviolated = run.run().pool().unviolated().size();
  std::vector<RowList> lists = {{at.labelled, static_cast<std::int32_t>(unviolated), nullptr, 0},
                                {at.network_train, base(run.network_rows().train.size()), nullptr, 0}};
  if (run.config().refit_on_all) {
    const auto tail = static_cast<std::int32_t>(run.run().validation_rows().size());
    lists[1] = {at.network_train, lists[1].base - tail, at.network_validation, tail};
  }
  for (std::size_t f = 0; run.folds_grow() && f < run.folds().size(); ++f)
    lists.push_back({at.fold_train[f], base(run.folds()[f].train.size()), nullptr, 0});
  return lists;
}

void DeviceSegment::upload_runs() {
  Uploads uploads;
  std::vector<DeviceNetwork> networks, trials(static_cast<std::size_t>(sizes_.trial_slots));
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    const RunOutlook& run = runs_[r];
    const RunPlaces& at = places_[r];
    uploads.add(at.labelled, run.run().pool().labelled());
    uploads.add(at.network_train, run.network_rows().train);
    uploads.add(at.network_validation, run.run().validation_rows());
    for (std::size_t f = 0; f < run.folds().size(); ++f) {
      uploads.add(at.fold_train[f], run.folds()[f].train);
      uploads.add(at.fold_validation[f], run.folds()[f].validation);
    }
    uploads.add(at.lists, row_lists(r));
    uploads.add(at.unlabelled[0], list_of(run.run().pool().unlabelled()));
    if (run.known()) uploads.add(at.sizes, run.known()->sizes);
    networks.push_back(first_network(run, at));
    add_streams(run, kinds_[r], at, uploads);
  }
  for (std::size_t t = 0; t < trials.size(); ++t) {
    trials[t].sizes = shared_.trial_sizes + t * static_cast<std::size_t>(sizes_.sizes_stride);
    trials[t].parameters = shared_.trial_parameters + t * static_cast<std::size_t>(sizes_.parameter_stride);
  }
  uploads.add(shared_.networks, networks);
  uploads.add(shared_.trial_networks, trials);
  uploads.run(session_);
}

std::vector<std::size_t> DeviceSegment::present(std::size_t cycle) const {
  std::vector<std::size_t> here;
  for (std::size_t r = 0; r < runs_.size(); ++r)
    if (cycle < runs_[r].cycles().size()) here.push_back(r);
  return here;
}

CycleResult DeviceSegment::result(std::size_t r, std::int32_t c) const {
  const auto cycle = static_cast<std::size_t>(c);
  const RunOutlook& run = runs_[r];
  const unsigned char* const block = out_.data() + cycle * sizes_.record;
  const auto at = [&]<class T>(const T* device) {  // the record's parts lie in the host's copy as on the device
    return reinterpret_cast<const T*>(block + (reinterpret_cast<const unsigned char*>(device) - shared_.record));
  };
  CycleResult result;
  result.cycle = &run.cycles()[cycle];
  if (result.cycle->tunes) {
    std::int32_t search = setups_.first[cycle];
    for (std::size_t before = 0; before < r; ++before) search += runs_[before].tunes(cycle);
    result.trials = searches_->trials(search);
  }
  const RunRecord& record = *at(records_[r].record);
  result.network = result_of(record.fit);
  if (records_[r].parameters != nullptr) {
    const float* const parameters = at(records_[r].parameters);
    result.network.parameters.assign(parameters, parameters + run.most_parameters());
  }
  result.logits = matrix<const float>(at(records_[r].logits), run.data().test.n, run.data().n_classes);
  const std::int32_t* const picks = at(records_[r].picks);
  result.picks.indices.assign(picks, picks + result.cycle->picks);
  result.picks.all_non_finite = record.all_non_finite != 0;
  return result;
}

}  // namespace quarry
