// SPDX-License-Identifier: MIT
// train_fleet on a GPU, from and to host memory.
#include <algorithm>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/nn/mlp_device.h"
#include "src/nn/mlp_jobs.h"
#include "src/nn/mlp_members.h"

namespace quarry::cuda {
namespace {

MlpBounds bounds_of(std::span<const MemberSpec> members) {
  MlpBounds bounds;
  for (const MemberSpec& spec : members) {
    bounds.inputs = std::max(bounds.inputs, spec.sizes.front());
    bounds.outputs = std::max(bounds.outputs, spec.sizes.back());
    bounds.hidden_layers = std::max(bounds.hidden_layers, static_cast<std::int32_t>(spec.sizes.size()) - 2);
    for (std::size_t i = 1; i + 1 < spec.sizes.size(); ++i) {
      bounds.hidden_width = std::max(bounds.hidden_width, spec.sizes[i]);
    }
    bounds.train_rows = std::max(bounds.train_rows, static_cast<std::int32_t>(spec.train.size()));
    bounds.batch_size = std::max(bounds.batch_size, spec.batch_size);
    bounds.momentum = bounds.momentum || spec.momentum != 0;
    bounds.adam = bounds.adam || spec.optimizer == Optimizer::adam;
  }
  return bounds;
}

/// Where a member's parts begin in the arrays of the fleet.
struct Places {
  std::size_t sizes, rows, thresholds, initial, parameters, epoch_losses;
};

/// The members' lists end to end, as they go to the device.
struct Lists {
  std::vector<std::int32_t> sizes, n_layers, rows;
  std::vector<double> dropout, thresholds, initial;
  std::size_t parameters = 0, epoch_losses = 0;  ///< what comes back
  std::vector<Places> places;                    ///< by member

  explicit Lists(std::span<const MemberSpec> members) {
    const auto append = [](auto& list, const auto& part) {
      const std::size_t at = list.size();
      list.insert(list.end(), part.begin(), part.end());
      return at;
    };
    for (const MemberSpec& spec : members) {
      Places at;
      at.sizes = append(sizes, spec.sizes);
      at.rows = append(rows, spec.train);
      append(rows, spec.validation);
      at.thresholds = append(thresholds, spec.prune_above);
      at.initial = append(initial, spec.initial_parameters);
      at.parameters = parameters;
      at.epoch_losses = epoch_losses;
      places.push_back(at);
      n_layers.push_back(static_cast<std::int32_t>(spec.sizes.size()) - 1);
      dropout.push_back(spec.dropout);
      parameters += static_cast<std::size_t>(parameter_count(spec.sizes));
      epoch_losses += spec.validate_every_epoch ? static_cast<std::size_t>(spec.epochs) : 0;
    }
  }
};

/// Everything of a fleet in device memory.
struct DeviceFleet {
  gpu::Buffer<float> features, targets, parameters;
  gpu::Buffer<std::int32_t> labels, sizes, n_layers, rows;
  gpu::Buffer<double> dropout, thresholds, initial, epoch_losses;
  gpu::Buffer<MlpFitResult> results;

  DeviceFleet(gpu::Session& session, const MlpData<float>& data, const Lists& lists)
      : features(gpu::upload(session, all(data.features))),
        targets(gpu::upload(session, all(data.targets))),
        parameters(session, lists.parameters),
        labels(gpu::upload(session, data.labels)),
        sizes(gpu::upload(session, std::span(lists.sizes))),
        n_layers(gpu::upload(session, std::span(lists.n_layers))),
        rows(gpu::upload(session, std::span(lists.rows))),
        dropout(gpu::upload(session, std::span(lists.dropout))),
        thresholds(gpu::upload(session, std::span(lists.thresholds))),
        initial(gpu::upload(session, std::span(lists.initial))),
        epoch_losses(session, lists.epoch_losses),
        results(session, lists.places.size()) {}

  static std::span<const float> all(MatrixView<const float> matrix) {
    return {matrix.data, matrix.data == nullptr ? 0 : static_cast<std::size_t>(matrix.size())};
  }
};

MlpFitJob make_job(const DeviceFleet& fleet, const MemberSpec& spec, const Places& at, std::size_t member) {
  MlpFitJob job = settings_of(spec);
  job.features = fleet.features.data();
  job.labels = fleet.labels.data();
  job.targets = fleet.targets.data();
  job.train = fleet.rows.data() + at.rows;
  job.validation = job.train + job.n_train;
  job.network = {fleet.sizes.data() + at.sizes, fleet.n_layers.data() + member, fleet.dropout.data() + member,
                 fleet.parameters.data() + at.parameters};
  job.validate_every_epoch = spec.validate_every_epoch;
  if (!spec.prune_above.empty()) job.prune_above = fleet.thresholds.data() + at.thresholds;
  job.n_prune_above = static_cast<std::int32_t>(spec.prune_above.size());
  if (!spec.initial_parameters.empty()) job.initial_parameters = fleet.initial.data() + at.initial;
  if (spec.validate_every_epoch) job.epoch_losses = fleet.epoch_losses.data() + at.epoch_losses;
  job.result = fleet.results.data() + member;
  return job;
}

MemberResult<float> make_result(const MemberSpec& spec, const MlpFitResult& from, const float* parameters,
                                const double* epoch_losses) {
  MemberResult<float> result = result_of(from);
  result.parameters.assign(parameters, parameters + parameter_count(spec.sizes));
  if (spec.validate_every_epoch) result.epoch_losses.assign(epoch_losses, epoch_losses + from.epochs_run);
  return result;
}

}  // namespace

std::vector<MemberResult<float>> train_fleet(gpu::Session& session, const MlpData<float>& data,
                                             std::span<const MemberSpec> members) {
  for (const MemberSpec& member : members) check_member(data, member);
  if (members.empty()) return {};
  const Lists lists(members);
  const DeviceFleet fleet(session, data, lists);
  std::vector<MlpFitJob> jobs;
  for (const std::size_t m : longest_first(members)) {
    jobs.push_back(make_job(fleet, members[m], lists.places[m], m));
  }
  const auto n_jobs = static_cast<std::int32_t>(jobs.size());
  const MlpFleetPlan plan = plan_mlp_fit(session.device(), n_jobs, bounds_of(members));
  const auto device_jobs = gpu::upload(session, std::span<const MlpFitJob>(jobs));
  const gpu::Buffer<std::int32_t> ticket(session, 1);
  const gpu::Buffer<std::byte> workspace(session, plan.workspace_bytes);
  mlp_fit(session, plan, device_jobs.data(), n_jobs, ticket.data(), workspace.data());

  std::vector<MlpFitResult> results(members.size());
  std::vector<float> parameters(lists.parameters);
  std::vector<double> epoch_losses(lists.epoch_losses);
  gpu::download(session, fleet.results.data(), std::span(results));
  gpu::download(session, fleet.parameters.data(), std::span(parameters));
  gpu::download(session, fleet.epoch_losses.data(), std::span(epoch_losses));
  std::vector<MemberResult<float>> out;
  for (std::size_t m = 0; m < members.size(); ++m) {
    out.push_back(make_result(members[m], results[m], parameters.data() + lists.places[m].parameters,
                              epoch_losses.data() + lists.places[m].epoch_losses));
  }
  return out;
}

}  // namespace quarry::cuda
