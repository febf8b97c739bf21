// SPDX-License-Identifier: MIT
// Keychain's credit arithmetic (spec 9 of the online-tuning study): which labelled instances help the validation loss
// when they are repeated, or hurt it when they are left out. It knows no network: it says which rows a pass trains on
// and is told the validation loss.
//
// Forms, with L0 the loss of the present network and L that of a pass:
//   draws      (619f170) n instances, all trained on, plus n_draws of them, drawn with replacement by `probabilities`;
//              credit += c (1 - L / L0), c = multiplicity; probabilities ~ credit - min(credit) + 1e-9
//   leave_out  (5d08ebc) of each of two groups int((1 - share) size) instances are kept, drawn without replacement with
//              weights count (1 + how often it was left out); credit = mean of steepness (L - L0) over the passes that
//              left the instance out, 0 if none did
//   duplicate  (6f1412b) of each group int(share size) instances, all as likely, are trained on twice; credit = mean of
//              L0 / L over the passes that did so, 1 if none did
// The group of the added is drawn before the other.
// The probabilities of a pass of `draws` depend on the pass before it; passes of the other forms depend on none.
// A pass contributes nothing, and is counted, unless L, L0 and its contribution are finite and that is within 1e100.
// Random numbers: NumPy's RandomState(i) for pass i, as published, or Philox (element = draw, step = pass).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quarry {

enum class KeychainForm { leave_out, duplicate, draws };

struct KeychainOptions {
  KeychainForm form = KeychainForm::draws;
  std::int32_t first = 0, second = 0;  ///< sizes of the groups: positions 0 .. first-1, first .. first+second-1
  std::int32_t passes = 20;
  std::int32_t n_draws = 0;  ///< draws: the remaining budget
  double share = 0.1;        ///< leave_out, duplicate
  double steepness = 10;     ///< leave_out: factor of a difference; duplicate: of keychain_target
  double base_loss = 0;      ///< L0
  bool numpy_random = true;
  std::uint64_t key = 0;  ///< Philox (RngPurpose::keychain)
};

class KeychainPasses {
 public:
  /// Error: a check fails unless every pass has an instance to train on.
  explicit KeychainPasses(const KeychainOptions& options);

  bool done() const { return told_ == options_.passes; }
  /// How many passes may be asked before the next tell; at least 1 unless one is out or all were asked.
  std::int32_t independent_asks() const;
  /// Positions that the next pass trains on: every one kept in ascending order, then the repeats in the order drawn.
  std::vector<std::int32_t> ask();
  /// The validation loss of the earliest pass that was asked and not told.
  void tell(double loss);

  std::span<const double> credits() const { return credits_; }  ///< [first + second]
  /// draws: probabilities of the next pass, [first + second]; the other forms: empty.
  std::span<const double> probabilities() const { return probabilities_; }
  std::int32_t without_credit() const { return without_credit_; }  ///< passes that were not finite

 private:
  std::vector<std::int32_t> ask_draws();
  std::vector<std::int32_t> ask_groups();
  std::vector<bool> choose_groups();

  KeychainOptions options_;
  std::int32_t asked_ = 0, told_ = 0, without_credit_ = 0;
  std::vector<double> credits_, probabilities_;
  std::vector<double> counts_;                     ///< leave_out: weights of the next pass
  std::vector<double> weights_;                    ///< passes in the mean that is a credit
  std::vector<std::vector<std::int32_t>> chosen_;  ///< by pass: those left out or repeated
};

/// What the meta model learns of a credit: draws, the credit itself (standardise it); leave_out, s(credit); duplicate,
/// s(steepness (credit - 1)), with s(x) = 1 / (1 + exp(-x)).
double keychain_target(KeychainForm form, double steepness, double credit);

/// Mean 0 and (population) standard deviation 1, in place; equal values become 0.
void standardise(std::span<double> values);

}  // namespace quarry
