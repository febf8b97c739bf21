// SPDX-License-Identifier: MIT
// BADGE on the device beside the CPU backend: the same picks from the same random numbers.
#include <algorithm>
#include <limits>

#include "kernels/badge_rules.h"
#include "kernels/select_shapes.h"
#include "quarry/core/numpy_rng.h"
#include "quarry/ops/badge.h"
#include "quarry/ops/select_device.h"
#include "tests/simt/cases.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using gpu::Buffer;
using gpu::Session;
using test::make_probabilities;
using test::make_rows;
using test::Rows;
using test::Shape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr BadgeSampling kAll[] = {BadgeSampling::rejection, BadgeSampling::plain, BadgeSampling::numpy};

struct Problem {
  Rows p, h;
  std::int32_t count;
  BadgeParams params;
};

Problem problem(Shape shape, std::int64_t n, std::int64_t classes, std::int64_t width, std::int32_t count,
                BadgeSampling sampling) {
  const auto key = static_cast<std::uint64_t>(n * 1000 + width * 10 + classes);
  return {make_probabilities(n, classes, key),
          make_rows(shape, n, width, key + 1),
          count,
          {sampling, mix64(key), static_cast<std::uint32_t>(key)}};
}

/// Problems in device memory.
class OnDevice {
 public:
  OnDevice(Session& session, const std::vector<Problem>& problems) : session_(session) {
    for (const Problem& p : problems) {
      BadgeJob job;
      job.probabilities = keep(gpu::upload<float>(session, p.p.data), floats_);
      job.features = keep(gpu::upload<float>(session, p.h.data), floats_);
      job.n = p.p.n;
      job.classes = p.p.width;
      job.width = p.h.width;
      job.key = p.params.key;
      job.sampling = p.params.sampling;
      if (job.sampling == BadgeSampling::numpy) job.numpy_stream = upload_stream(p);
      job.draws = keep(Buffer<std::int32_t>(session, 1), integers_);
      job.picks = keep(Buffer<std::int32_t>(session, static_cast<std::size_t>(p.count)), integers_);
      job.count = p.count;
      job.any_finite = keep(Buffer<std::int32_t>(session, 1), integers_);
      job.scratch = keep(
          Buffer<unsigned char>(session, cuda::badge_scratch(job.n, job.classes, job.width, job.count, job.sampling)),
          bytes_);
      jobs.push_back(job);
    }
  }

  void expect_answers(const std::vector<Problem>& problems) {
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      Context context({}, 1);
      std::vector<std::int32_t> want(static_cast<std::size_t>(problems[j].count)), got = want;
      BadgeStats stats;
      const bool finite = badge(context, problems[j].params, problems[j].p.view(), problems[j].h.view(), want, &stats);
      std::int32_t any_finite = -7;
      gpu::download<std::int32_t>(session_, jobs[j].any_finite, {&any_finite, 1});
      gpu::download<std::int32_t>(session_, jobs[j].picks, got);
      simt::expect_equal<std::int32_t>(got, want, "picks");
      simt::expect(any_finite == (finite ? 1 : 0), "any_finite is %d", any_finite);
      std::int32_t draws = -7;
      const std::int32_t want_draws = std::max(stats.drawn - 1, 0);
      gpu::download<std::int32_t>(session_, jobs[j].draws, {&draws, 1});
      simt::expect(draws == want_draws, "%d draws, not %d", draws, want_draws);
      if (jobs[j].sampling == BadgeSampling::numpy)
        simt::expect(draws == stats.proposals, "%d draws, not %d", draws, static_cast<int>(stats.proposals));
    }
  }

  std::vector<BadgeJob> jobs;

 private:
  const double* upload_stream(const Problem& p) {
    NumpyRandom numpy(p.params.numpy_seed);
    std::vector<double> stream;
    for (std::int32_t j = 0; j < p.count; ++j) stream.push_back(numpy.uniform());
    return keep(gpu::upload<double>(session_, stream), doubles_);
  }
  template <class T>
  static T* keep(Buffer<T> buffer, std::vector<Buffer<T>>& all) {
    all.push_back(std::move(buffer));
    return all.back().data();
  }
  Session& session_;
  std::vector<Buffer<float>> floats_;
  std::vector<Buffer<double>> doubles_;
  std::vector<Buffer<std::int32_t>> integers_;
  std::vector<Buffer<unsigned char>> bytes_;
};

/// All problems in one call.
void expect_as_on_cpu(const std::vector<Problem>& problems) {
  Session session(0);
  OnDevice device(session, problems);
  cuda::badge(session, device.jobs.data(), static_cast<std::int32_t>(device.jobs.size()));
  device.expect_answers(problems);
}

void expect_over_blocks(const Problem& problem, unsigned blocks) {
  Session session(0);
  OnDevice device(session, {problem});
  gpu::LaunchShape shape = cuda::badge_shape(session.device(), problem.p.n, problem.p.width, problem.h.width);
  shape.grid.x = blocks;
  shape.cooperative = true;
  cuda::badge_launch(session, device.jobs.data(), shape, 1);
  device.expect_answers({problem});
}

SIMT_CASE(badge_of_all_kinds_side_by_side) {
  std::vector<Problem> problems;
  for (const BadgeSampling sampling : kAll) {
    problems.push_back(problem(Shape::iid, 1, 1, 1, 1, sampling));
    problems.push_back(problem(Shape::iid, 2, 2, 3, 2, sampling));
    problems.push_back(problem(Shape::clustered, 31, 10, 31, 6, sampling));
    problems.push_back(problem(Shape::integers, 32, 3, 32, 5, sampling));
    problems.push_back(problem(Shape::clustered, 33, 33, 33, 5, sampling));
  }
  expect_as_on_cpu(problems);
}

SIMT_CASE(badge_counts_the_uniforms_it_used) {
  Problem equal = problem(Shape::iid, 5, 3, 2, 4, BadgeSampling::numpy), nothing = equal;
  for (std::int64_t i = 1; i < 5; ++i) {  // two points: the second draw leaves nothing to draw
    std::copy_n(equal.p.row(0), 3, equal.p.row(i));
    std::copy_n(equal.h.row(i == 3 ? 3 : 0), 2, equal.h.row(i));
  }
  nothing.h.data.assign(nothing.h.data.size(), kNan);
  expect_as_on_cpu({equal, nothing});
}

SIMT_CASE(badge_by_inverse_over_several_chunks) {
  expect_as_on_cpu({problem(Shape::clustered, 300, 2, 3, 3, BadgeSampling::numpy),
                    problem(Shape::iid, 520, 3, 2, 2, BadgeSampling::plain)});
}

SIMT_CASE(badge_over_several_windows_and_chunks) {
  expect_as_on_cpu({problem(Shape::clustered, 600, 4, 7, 60, BadgeSampling::rejection),
                    problem(Shape::iid, 257, 3, 70, 40, BadgeSampling::rejection)});
}

SIMT_CASE(badge_over_several_blocks) {
  for (const BadgeSampling sampling : kAll) expect_over_blocks(problem(Shape::clustered, 300, 3, 9, 8, sampling), 3);
  expect_over_blocks(problem(Shape::clustered, 1100, 4, 3, 40, BadgeSampling::rejection), 2);
}

SIMT_CASE(badge_by_the_whole_device) {
  gpu::fake_gpu().info.multiprocessors = 3;
  expect_as_on_cpu({problem(Shape::clustered, 8192, 4, 60, 20, BadgeSampling::rejection),
                    problem(Shape::iid, 9, 3, 1, 2, BadgeSampling::plain)});
}

SIMT_CASE(badge_of_many_picks) {
  expect_as_on_cpu({problem(Shape::iid, 1100, 4, 24, 400, BadgeSampling::rejection)});
}

SIMT_CASE(badge_takes_duplicates_last) {
  std::vector<Problem> problems;
  for (const BadgeSampling sampling : kAll) {
    Problem p = problem(Shape::iid, 24, 3, 5, 24, sampling);
    for (std::int64_t i = 12; i < 24; ++i) {  // row i repeats row i - 12
      std::copy_n(p.p.row(i - 12), 3, p.p.row(i));
      std::copy_n(p.h.row(i - 12), 5, p.h.row(i));
    }
    problems.push_back(p);
  }
  expect_as_on_cpu(problems);
}

SIMT_CASE(badge_without_gradients_goes_by_position) {
  std::vector<Problem> problems;
  for (const BadgeSampling sampling : kAll) {
    problems.push_back(problem(Shape::zeros, 35, 2, 3, 34, sampling));
    problems.push_back(problem(Shape::iid, 5, 1, 3, 5, sampling));  // one class: no residual
  }
  expect_as_on_cpu(problems);
}

SIMT_CASE(badge_puts_non_finite_and_huge_embeddings_last) {
  std::vector<Problem> problems;
  for (const BadgeSampling sampling : kAll) {
    Problem some = problem(Shape::iid, 30, 3, 4, 30, sampling), all = problem(Shape::iid, 6, 3, 4, 3, sampling);
    some.p.row(2)[1] = kNan;
    some.p.row(3)[0] = kNan;
    some.h.row(9)[0] = std::numeric_limits<float>::infinity();
    some.h.row(14)[3] = -kNan;
    some.h.row(25)[0] = 1.8e19f;  // its square fits fp32, four times its norm does not
    std::fill_n(some.p.row(25), 3, 0.33333334f);
    for (float& x : all.h.data) x = kNan;
    problems.push_back(some);
    problems.push_back(all);
  }
  expect_as_on_cpu(problems);
}

SIMT_CASE(badge_of_no_picks) {
  std::vector<Problem> problems;
  for (const BadgeSampling sampling : kAll) problems.push_back(problem(Shape::iid, 3, 2, 2, 0, sampling));
  expect_as_on_cpu(problems);
}

SIMT_CASE(badge_embeddings_in_full) {
  for (const auto& [n, classes, width] : {std::array{1, 1, 1}, {33, 3, 31}, {9, 10, 33}}) {
    const Problem p = problem(Shape::iid, n, classes, width, 0, BadgeSampling::rejection);
    Session session(0);
    OnDevice device(session, {p});
    std::vector<float> want(static_cast<std::size_t>(n * classes * width)), got = want;
    for (std::int64_t i = 0; i < n; ++i) {
      const float* row = p.p.data.data() + i * classes;
      const std::int64_t predicted = std::max_element(row, row + classes) - row;
      for (std::int64_t c = 0; c < classes; ++c) {
        const float q = c == predicted ? row[c] - 1.0f : row[c];
        for (std::int64_t f = 0; f < width; ++f) {
          want[static_cast<std::size_t>((i * classes + c) * width + f)] = q * p.h.view()(i, f);
        }
      }
    }
    const Buffer<float> out(session, want.size());
    cuda::badge_embeddings(session, device.jobs[0], out.data());
    gpu::download<float>(session, out.data(), got);
    simt::expect_equal<float>(got, want, "embeddings");
  }
}

}  // namespace
}  // namespace quarry
