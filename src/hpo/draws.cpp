// SPDX-License-Identifier: MIT
#include "src/hpo/draws.h"

#include <algorithm>

#include "quarry/core/numpy_rng.h"
#include "quarry/core/rng.h"

namespace quarry {
namespace {

/// element = trial, step = parameter, draw = position; a trial is either a start-up trial or a guided one.
class PhiloxSource final : public UniformSource {
 public:
  explicit PhiloxSource(std::uint64_t key) : key_(key) {}
  void startup(std::int32_t trial, std::size_t parameter, std::span<double> out) override {
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] = random_uniform(key_, static_cast<std::uint64_t>(trial), static_cast<std::uint32_t>(parameter),
                              static_cast<std::uint32_t>(k));
    }
  }
  void guided(std::int32_t trial, std::size_t parameter, std::span<double> out) override {
    startup(trial, parameter, out);
  }

 private:
  std::uint64_t key_;
};

/// Optuna 3.1: the TPE sampler and the random sampler inside it own one generator each, seeded alike.
class NumpySource final : public UniformSource {
 public:
  explicit NumpySource(std::uint32_t seed) : startup_(seed), guided_(seed) {}
  void startup(std::int32_t, std::size_t, std::span<double> out) override { fill(startup_, out); }
  void guided(std::int32_t, std::size_t, std::span<double> out) override { fill(guided_, out); }

 private:
  static void fill(NumpyRandom& random, std::span<double> out) {
    for (double& u : out) u = random.uniform();
  }
  NumpyRandom startup_, guided_;
};

}  // namespace

std::unique_ptr<UniformSource> make_uniform_source(const TpeOptions& options) {
  if (options.numpy_random) return std::make_unique<NumpySource>(options.numpy_seed);
  return std::make_unique<PhiloxSource>(options.key);
}

TpeDomain domain_of(const Parameter& parameter) {
  const bool integer = parameter.kind == ParameterKind::integer;
  const TpeKind kind = integer ? (parameter.log ? TpeKind::integer_log : TpeKind::integer)
                               : (parameter.log ? TpeKind::real_log : TpeKind::real);
  return make_tpe_domain(kind, parameter.low, parameter.high);
}

bool is_fixed(const Parameter& parameter) {
  if (parameter.kind == ParameterKind::categorical) return parameter.choices.size() == 1;
  const TpeDomain domain = domain_of(parameter);  // two neighbouring doubles may have one logarithm
  return parameter.low == parameter.high || !(domain.sample_low < domain.sample_high);
}

double fixed_value(const Parameter& parameter) {
  return parameter.kind == ParameterKind::categorical ? 0.0 : parameter.low;
}

double draw_startup(const Parameter& parameter, std::int32_t trial, std::size_t index, UniformSource& source) {
  if (parameter.kind != ParameterKind::categorical) {
    double u;
    source.startup(trial, index, std::span(&u, 1));
    return tpe_uniform(domain_of(parameter), u);
  }
  std::vector<double> u(parameter.choices.size());
  source.startup(trial, index, u);
  return static_cast<double>(std::max_element(u.begin(), u.end()) - u.begin());
}

}  // namespace quarry
