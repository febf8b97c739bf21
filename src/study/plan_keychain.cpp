// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include "quarry/study/keychain.h"
#include "src/study/plan_fits.h"

namespace quarry {
namespace {

PlanFits passes_of(const RunConfig& run, const KeychainSettings& settings, std::int64_t train, std::int64_t added) {
  PlanFits fits;
  fits.count = settings.passes;
  fits.sequential = settings.form == KeychainForm::draws ? settings.passes : 1;
  const auto kept = [&](std::int64_t n) {
    return static_cast<std::int64_t>((1 - settings.share) * static_cast<double>(n));
  };
  const std::int64_t n = train + added, left = n - kept(train) - kept(added);
  fits.train = settings.form == KeychainForm::draws       ? n + run.budget - added
               : settings.form == KeychainForm::leave_out ? n - left
                                                          : n + left;
  fits.validation = static_cast<std::int64_t>(std::ceil(run.val_share * run.n_initial));
  return fits;
}

/// A search on `rows` rows, and the fit after it.
void add_model(std::vector<PlanFits>& all, const RunConfig& run, const KeychainSettings& settings, std::int64_t trials,
               std::int64_t rows, const PlanShape& shape) {
  PlanFits fits;
  fits.count = trials * settings.splits;
  fits.sequential = trials - std::min<std::int64_t>(trials, run.startup_trials) + 1;
  fits.validation = static_cast<std::int64_t>(std::ceil(settings.held_out * static_cast<double>(rows)));
  fits.train = rows - fits.validation;
  fits.every_epoch = settings.splits == 1;
  fits.shape = shape;
  all.push_back(fits);
  fits.count = fits.sequential = 1;
  fits.every_epoch = false;
  all.push_back(fits);
}

PlanShape autoencoder_shape(const RunConfig& run, double inputs) {
  const double width = 0.5 * (run.width_low + run.width_high);
  const std::vector<std::int32_t> hidden =
      autoencoder_hidden(static_cast<std::int32_t>(width), std::max(2, static_cast<std::int32_t>(width / 4)), 0.3);
  PlanShape shape;
  double before = inputs;
  for (const std::int32_t w : hidden) {
    shape.weights += before * w;
    before = w;
  }
  shape.weights += before * inputs;
  shape.first = inputs * hidden.front();
  shape.penultimate = before;
  return shape;
}

}  // namespace

std::vector<PlanFits> keychain_fits(const RunConfig& run, const DataSize& size, std::int64_t initial,
                                    std::int64_t train, std::int64_t added) {
  const KeychainSettings settings = keychain_settings(run);
  std::vector<PlanFits> all = {passes_of(run, settings, train, added)};
  if (settings.autoencoder)
    add_model(all, run, settings, settings.ae_trials, initial + added,
              autoencoder_shape(run, size.features + size.classes));
  std::int64_t rows = 0, before = added;
  for (std::int32_t kept = 0; kept < settings.capacity && before >= 0; ++kept, before -= run.size)
    rows += train + before;
  add_model(all, run, settings, settings.trials, rows,
            average_shape(run, keychain_width(settings, size.features, size.classes), keychain_outputs(settings)));
  return all;
}

}  // namespace quarry
