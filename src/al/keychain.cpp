// SPDX-License-Identifier: MIT
#include "quarry/al/keychain.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "quarry/core/error.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"
#include "src/core/weighted_choice.h"

namespace quarry {
namespace {

constexpr double kSmallest = 1e-9;  ///< spec 9.1: what the least credited instance keeps
constexpr double kLargest = 1e100;  ///< sums and squares of contributions stay finite

/// Uniforms in [0, 1) of one pass.
class PassUniforms {
 public:
  PassUniforms(const KeychainOptions& options, std::int32_t pass)
      : key_(options.key), pass_(static_cast<std::uint32_t>(pass)) {
    if (options.numpy_random) numpy_.emplace(pass_);
  }
  double operator()() { return numpy_ ? numpy_->uniform() : random_uniform(key_, draw_++, pass_); }
  /// k different ones of 0 .. size-1, each as likely; NumPy's choice draws a permutation even for none.
  std::vector<std::int32_t> distinct(std::int32_t size, std::int32_t k) {
    if (numpy_) return numpy_->choice_without_replacement(size, k);
    return choose_weighted_distinct(std::vector<double>(static_cast<std::size_t>(size), 1), k, *this);
  }

 private:
  std::optional<NumpyRandom> numpy_;
  std::uint64_t key_, draw_ = 0;
  std::uint32_t pass_;
};

/// Python's int((1 - share) * size).
std::int32_t kept_of(double share, std::int32_t size) {
  return static_cast<std::int32_t>((1 - share) * size);
}

}  // namespace

KeychainPasses::KeychainPasses(const KeychainOptions& options) : options_(options) {
  const auto n = static_cast<std::size_t>(options.first + options.second);
  QUARRY_CHECK(options.first >= 0 && options.second >= 0 && n >= 1 && options.passes >= 1 && options.n_draws >= 0,
               "{} passes over {} and {} instances, {} draws", options.passes, options.first, options.second,
               options.n_draws);
  if (options.form == KeychainForm::draws) {
    credits_.assign(n, 0);
    probabilities_.assign(n, 1 / static_cast<double>(n));
    return;
  }
  QUARRY_CHECK(options.form == KeychainForm::duplicate ||
                   kept_of(options.share, options.first) + kept_of(options.share, options.second) >= 1,
               "a share of {} leaves nothing of {} and {} instances", options.share, options.first, options.second);
  credits_.assign(n, options.form == KeychainForm::leave_out ? 0 : 1);
  counts_.assign(n, 1);
  weights_.assign(n, 0);
}

std::int32_t KeychainPasses::independent_asks() const {
  const std::int32_t left = options_.passes - asked_;
  return options_.form == KeychainForm::draws ? std::min(left, asked_ == told_ ? 1 : 0) : left;
}

std::vector<std::int32_t> KeychainPasses::ask() {
  QUARRY_CHECK(independent_asks() >= 1, "pass {} of {} is asked with {} of them told", asked_, options_.passes, told_);
  std::vector<std::int32_t> rows = options_.form == KeychainForm::draws ? ask_draws() : ask_groups();
  ++asked_;
  return rows;
}

std::vector<std::int32_t> KeychainPasses::ask_draws() {
  std::vector<std::int32_t> rows(credits_.size());
  std::iota(rows.begin(), rows.end(), 0);
  chosen_.push_back(choose_by(probabilities_, options_.n_draws, PassUniforms(options_, asked_)));
  rows.insert(rows.end(), chosen_.back().begin(), chosen_.back().end());
  return rows;
}

/// Those that a pass of leave_out leaves out, or a pass of duplicate repeats; the added group is drawn first.
std::vector<bool> KeychainPasses::choose_groups() {
  std::vector<bool> chosen(credits_.size(), false);
  PassUniforms uniforms(options_, asked_);
  for (const auto& [begin, size] : {std::pair{options_.first, options_.second}, std::pair{0, options_.first}}) {
    if (size == 0) continue;
    const auto first = static_cast<std::size_t>(begin), n = static_cast<std::size_t>(size);
    if (options_.form == KeychainForm::duplicate) {
      for (const std::int32_t i : uniforms.distinct(size, static_cast<std::int32_t>(options_.share * size)))
        chosen[first + static_cast<std::size_t>(i)] = true;
      continue;
    }
    std::fill_n(chosen.begin() + begin, size, true);
    for (const std::int32_t i :
         choose_weighted_distinct(std::span(counts_).subspan(first, n), kept_of(options_.share, size), uniforms))
      chosen[first + static_cast<std::size_t>(i)] = false;
  }
  return chosen;
}

std::vector<std::int32_t> KeychainPasses::ask_groups() {
  const std::vector<bool> chosen = choose_groups();
  std::vector<std::int32_t> rows;
  chosen_.emplace_back();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto position = static_cast<std::int32_t>(i);
    if (!chosen[i] || options_.form == KeychainForm::duplicate) rows.push_back(position);
    if (!chosen[i]) continue;
    chosen_.back().push_back(position);
    counts_[i] += 1;
  }
  if (options_.form == KeychainForm::duplicate) rows.insert(rows.end(), chosen_.back().begin(), chosen_.back().end());
  return rows;
}

void KeychainPasses::tell(double loss) {
  QUARRY_CHECK(told_ < asked_, "pass {} is told but was not asked", told_);
  const std::vector<std::int32_t>& chosen = chosen_[static_cast<std::size_t>(told_++)];
  const double base = options_.base_loss;
  const double gain = options_.form == KeychainForm::draws       ? 1 - loss / base
                      : options_.form == KeychainForm::leave_out ? options_.steepness * (loss - base)
                                                                 : base / loss;
  const bool counts = std::isfinite(loss) && std::isfinite(base) && std::abs(gain) <= kLargest;
  without_credit_ += !counts;
  if (options_.form != KeychainForm::draws) {
    for (const std::int32_t position : chosen) {
      if (!counts) break;
      const auto i = static_cast<std::size_t>(position);
      weights_[i] += 1;
      credits_[i] += (gain - credits_[i]) / weights_[i];
    }
    return;
  }
  std::vector<double> multiplicity(credits_.size(), 1);
  for (const std::int32_t position : chosen) multiplicity[static_cast<std::size_t>(position)] += 1;
  for (std::size_t i = 0; i < credits_.size() && counts; ++i) credits_[i] += multiplicity[i] * gain;
  const double least = *std::min_element(credits_.begin(), credits_.end());
  std::vector<double> weights;
  for (const double credit : credits_) weights.push_back(credit - least + kSmallest);
  probabilities_ = normalised_weights(weights);
}

double keychain_target(KeychainForm form, double steepness, double credit) {
  if (form == KeychainForm::draws) return credit;
  return 1 / (1 + std::exp(-(form == KeychainForm::leave_out ? credit : steepness * (credit - 1))));
}

void standardise(std::span<double> values) {
  if (values.empty()) return;
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / n);
  const bool equal = std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
  for (double& value : values) value = equal || deviation == 0 ? 0 : (value - mean) / deviation;
}

}  // namespace quarry
