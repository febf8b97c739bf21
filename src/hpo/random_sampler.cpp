// SPDX-License-Identifier: MIT
#include <limits>

#include "src/hpo/draws.h"

namespace quarry {
namespace {

class RandomSampler final : public Sampler {
 public:
  explicit RandomSampler(const TpeOptions& options) : source_(make_uniform_source(options)) {}

  std::vector<double> ask(const Space& space, std::int32_t trial, std::span<const Trial>) override {
    return draw_point(
        space, [&](const Parameter& parameter, std::size_t p) { return draw_startup(parameter, trial, p, *source_); });
  }
  std::int32_t independent_asks(std::span<const Trial>) const override {
    return std::numeric_limits<std::int32_t>::max();
  }

 private:
  std::unique_ptr<UniformSource> source_;
};

}  // namespace

std::unique_ptr<Sampler> make_random_sampler(const TpeOptions& options) {
  return std::make_unique<RandomSampler>(options);
}

}  // namespace quarry
