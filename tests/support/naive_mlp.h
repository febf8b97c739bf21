// SPDX-License-Identifier: MIT
// A multi-layer perceptron in plain double loops, written from the formulas and apart from the kernels: the reference
// of the MLP tests. One row at a time, weights [out][in], no blocks, no lanes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "quarry/core/rng.h"
#include "quarry/nn/mlp_fleet.h"

namespace quarry::testing {

using Doubles = std::vector<double>;

/// Features, labels and targets by row.
struct NaiveData {
  std::vector<Doubles> x;
  std::vector<std::int32_t> label;
  std::vector<Doubles> target;
};

inline Doubles naive_softmax(const Doubles& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  Doubles q;
  for (const double x : z) sum += q.emplace_back(std::exp(x - largest));
  for (double& x : q) x /= sum;
  return q;
}

class NaiveMlp {
 public:
  NaiveMlp(const MemberSpec& spec, Doubles parameters) : p(std::move(parameters)), spec_(spec) {}

  /// Mean loss of a batch; adds its gradient to `gradient` if that is not null. step < 0: no dropout.
  double batch(const NaiveData& data, const std::vector<std::int32_t>& rows, std::int64_t step,
               Doubles* gradient = nullptr) const {
    double loss = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      loss += row(data, static_cast<std::size_t>(rows[r]), static_cast<std::uint32_t>(r), step,
                  1.0 / static_cast<double>(rows.size()), gradient);
    }
    return loss / static_cast<double>(rows.size());
  }

  /// One optimizer step with the gradient of a batch.
  void update(const Doubles& gradient) {
    if (m_.empty()) m_.assign(p.size(), 0);
    if (v_.empty()) v_.assign(p.size(), 0);
    ++t_;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = gradient[i] + spec_.weight_decay * p[i];
      if (spec_.optimizer == Optimizer::sgd) {
        m_[i] = spec_.momentum * m_[i] + g;
        p[i] -= spec_.lr * m_[i];
      } else {
        m_[i] = spec_.beta1 * m_[i] + (1 - spec_.beta1) * g;
        v_[i] = spec_.beta2 * v_[i] + (1 - spec_.beta2) * g * g;
        const double c1 = 1 - std::pow(spec_.beta1, t_), c2 = 1 - std::pow(spec_.beta2, t_);
        p[i] -= spec_.lr * (m_[i] / c1) / (std::sqrt(v_[i] / c2) + spec_.epsilon);
      }
    }
  }

  /// Activations of every layer for one row, the input first, the logits last.
  std::vector<Doubles> forward(const Doubles& x, std::uint32_t position, std::int64_t step, std::uint64_t key) const {
    std::vector<Doubles> a{x};
    std::size_t at = 0;
    for (std::size_t l = 0; l + 1 < spec_.sizes.size(); ++l) {
      const auto in = static_cast<std::size_t>(spec_.sizes[l]), out = static_cast<std::size_t>(spec_.sizes[l + 1]);
      Doubles z(out);
      for (std::size_t n = 0; n < out; ++n) {
        z[n] = p[at + out * in + n];
        for (std::size_t k = 0; k < in; ++k) z[n] += p[at + n * in + k] * a.back()[k];
        if (l + 2 == spec_.sizes.size()) continue;
        z[n] = std::max(z[n], 0.0) * mask(key, position, n, step, l);
      }
      at += (in + 1) * out;
      a.push_back(z);
    }
    return a;
  }

  Doubles p;  ///< packed parameters

 private:
  /// Factor of unit n after hidden layer l.
  double mask(std::uint64_t key, std::uint32_t position, std::size_t n, std::int64_t step, std::size_t l) const {
    if (step < 0 || spec_.dropout == 0) return 1;
    const std::uint64_t element = (std::uint64_t{n / 4} << 32) | position;
    const auto block = random_block(key, element, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(l));
    return block.word[n % 4] >= std::floor(spec_.dropout * 4294967296.0) ? 1 / (1 - spec_.dropout) : 0;
  }

  /// Loss of a row; `delta` becomes its gradient at the logits.
  double loss(const NaiveData& data, std::size_t i, const Doubles& z, Doubles& delta) const {
    delta.assign(z.size(), 0);
    if (spec_.loss == Loss::mse) {
      const auto c = static_cast<double>(z.size());
      double sum = 0;
      for (std::size_t n = 0; n < z.size(); ++n) {
        const double e = z[n] - data.target[i][n];
        sum += e * e / c;
        delta[n] = 2 * e / c;
      }
      return sum;
    }
    Doubles y(z.size(), 0);  // a label, or a distribution where there are no labels
    if (data.label.empty()) {
      y = data.target[i];
    } else {
      y[static_cast<std::size_t>(data.label[i])] = 1;
    }
    const Doubles s = naive_softmax(z);
    const bool twice = spec_.loss == Loss::ce_on_probs;
    const Doubles q = twice ? naive_softmax(s) : s;
    double value = 0, mean = 0;
    for (std::size_t n = 0; n < z.size(); ++n) {
      if (y[n] != 0) value -= y[n] * std::log(q[n]);
      delta[n] = q[n] - y[n];
      mean += s[n] * delta[n];
    }
    for (std::size_t n = 0; n < z.size() && twice; ++n) delta[n] = s[n] * (delta[n] - mean);
    return value;
  }

  double row(const NaiveData& data, std::size_t i, std::uint32_t position, std::int64_t step, double weight,
             Doubles* gradient) const {
    const auto a = forward(data.x[i], position, step, spec_.dropout_key);
    Doubles delta;
    const double result = loss(data, i, a.back(), delta);
    if (gradient == nullptr) return result;
    for (double& d : delta) d *= weight;
    std::size_t end = p.size();
    for (std::size_t l = spec_.sizes.size() - 1; l-- > 0;) {
      const auto in = static_cast<std::size_t>(spec_.sizes[l]), out = static_cast<std::size_t>(spec_.sizes[l + 1]);
      const std::size_t at = end - (in + 1) * out;
      Doubles below(in, 0);
      for (std::size_t n = 0; n < out; ++n) {
        (*gradient)[at + out * in + n] += delta[n];
        for (std::size_t k = 0; k < in; ++k) {
          (*gradient)[at + n * in + k] += delta[n] * a[l][k];
          below[k] += p[at + n * in + k] * delta[n];
        }
      }
      for (std::size_t k = 0; k < in && l > 0; ++k) {
        below[k] = a[l][k] > 0 ? below[k] * mask(spec_.dropout_key, position, k, step, l - 1) : 0;
      }
      delta = below;
      end = at;
    }
    return result;
  }

  const MemberSpec& spec_;
  Doubles m_, v_;
  int t_ = 0;
};

}  // namespace quarry::testing
