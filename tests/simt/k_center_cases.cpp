// SPDX-License-Identifier: MIT
// k-center on the device beside the CPU backend: picks, scores and the flag, bit for bit.
#include <limits>

#include "kernels/select_shapes.h"
#include "quarry/ops/k_center.h"
#include "quarry/ops/select_device.h"
#include "tests/simt/cases.h"
#include "tests/support/select_data.h"

namespace quarry {
namespace {

using gpu::Buffer;
using gpu::Session;
using test::make_rows;
using test::Rows;
using test::Shape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Problem {
  Rows candidates, labelled;
  std::int32_t count;
};

Problem problem(Shape shape, std::int64_t n, std::int64_t width, std::int64_t m, std::int32_t count) {
  const auto key = static_cast<std::uint64_t>(n * 1000 + width * 10 + m);
  return {make_rows(shape, n, width, key), make_rows(shape, m, width, key + 1), count};
}

struct Answer {
  std::vector<std::int32_t> picks;
  std::vector<float> scores;
  std::int32_t any_finite = -7, apart = -7;
};

Answer on_cpu(const Problem& problem) {
  Context context({}, 1);
  Answer answer{std::vector<std::int32_t>(static_cast<std::size_t>(problem.count)),
                std::vector<float>(static_cast<std::size_t>(problem.candidates.n))};
  KCenterStats stats;
  answer.any_finite =
      k_center(context, {}, problem.candidates.view(), problem.labelled.view(), answer.picks, answer.scores, &stats)
          ? 1
          : 0;
  answer.apart = stats.apart;
  return answer;
}

/// Problems in device memory.
class OnDevice {
 public:
  OnDevice(Session& session, const std::vector<Problem>& problems) : session_(session) {
    for (const Problem& p : problems) {
      KCenterJob job;
      job.candidates = keep(gpu::upload<float>(session, p.candidates.data), floats_);
      job.n = p.candidates.n;
      job.width = p.candidates.width;
      job.labelled = keep(gpu::upload<float>(session, p.labelled.data), floats_);
      job.m = p.labelled.n;
      job.picks = keep(Buffer<std::int32_t>(session, static_cast<std::size_t>(p.count)), integers_);
      job.count = p.count;
      job.scores = keep(Buffer<float>(session, static_cast<std::size_t>(job.n)), floats_);
      job.any_finite = keep(Buffer<std::int32_t>(session, 1), integers_);
      job.apart = keep(Buffer<std::int32_t>(session, 1), integers_);
      job.scratch = keep(Buffer<unsigned char>(
                             session, cuda::k_center_scratch(job.n, job.width, job.m, job.count, KCenterMethod::lazy)),
                         bytes_);
      jobs.push_back(job);
    }
  }

  void expect_answers(const std::vector<Problem>& problems) {
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      const Answer want = on_cpu(problems[j]);
      Answer got{want.picks, want.scores};
      gpu::download<std::int32_t>(session_, jobs[j].any_finite, {&got.any_finite, 1});
      gpu::download<std::int32_t>(session_, jobs[j].apart, {&got.apart, 1});
      gpu::download<std::int32_t>(session_, jobs[j].picks, got.picks);
      gpu::download<float>(session_, jobs[j].scores, got.scores);
      simt::expect_equal<float>(got.scores, want.scores, "scores");
      simt::expect_equal<std::int32_t>(got.picks, want.picks, "picks");
      simt::expect(got.any_finite == want.any_finite, "any_finite is %d", got.any_finite);
      simt::expect(got.apart == want.apart, "%d picks apart, not %d", got.apart, want.apart);
    }
  }

  std::vector<KCenterJob> jobs;

 private:
  template <class T>
  static T* keep(Buffer<T> buffer, std::vector<Buffer<T>>& all) {
    all.push_back(std::move(buffer));
    return all.back().data();
  }
  Session& session_;
  std::vector<Buffer<float>> floats_;
  std::vector<Buffer<std::int32_t>> integers_;
  std::vector<Buffer<unsigned char>> bytes_;
};

/// Both methods, all problems in one call.
void expect_as_on_cpu(const std::vector<Problem>& problems) {
  for (const KCenterMethod method : {KCenterMethod::lazy, KCenterMethod::plain}) {
    Session session(0);
    OnDevice device(session, problems);
    cuda::k_center(session, method, device.jobs.data(), static_cast<std::int32_t>(device.jobs.size()));
    device.expect_answers(problems);
  }
}

/// One problem in a given shape.
void expect_in_shape(const Problem& problem, KCenterMethod method, unsigned blocks, std::int32_t list_rows,
                     bool resident) {
  Session session(0);
  OnDevice device(session, {problem});
  cuda::KCenterShape shape = cuda::k_center_shape(session.device(), problem.candidates.n, problem.candidates.width);
  shape.launch.grid.x = blocks;
  shape.launch.cooperative = blocks > 1;
  shape.list_rows = list_rows;
  shape.resident = resident ? 1 : 0;
  cuda::k_center_launch(session, method, device.jobs.data(), &shape, 1);
  device.expect_answers({problem});
}

SIMT_CASE(k_center_of_all_shapes_side_by_side) {
  expect_as_on_cpu({problem(Shape::iid, 1, 1, 0, 1), problem(Shape::iid, 2, 3, 1, 2),
                    problem(Shape::clustered, 31, 31, 2, 5), problem(Shape::duplicates, 32, 32, 0, 4),
                    problem(Shape::integers, 33, 33, 9, 6), problem(Shape::zeros, 33, 2, 1, 3)});
}

SIMT_CASE(k_center_of_wide_rows_and_many_candidates) {
  expect_as_on_cpu({problem(Shape::clustered, 257, 70, 17, 6), problem(Shape::iid, 600, 5, 0, 3)});
}

SIMT_CASE(k_center_picks_everything) {
  expect_as_on_cpu({problem(Shape::duplicates, 17, 4, 0, 17), problem(Shape::integers, 16, 2, 3, 16)});
}

SIMT_CASE(k_center_makes_short_lists_anew) {
  for (const Shape shape : {Shape::clustered, Shape::integers}) {
    expect_in_shape(problem(shape, 45, 3, 2, 9), KCenterMethod::lazy, 1, 3, true);
  }
  expect_in_shape(problem(Shape::duplicates, 12, 3, 2, 12), KCenterMethod::lazy, 1, 3, true);
  expect_in_shape(problem(Shape::zeros, 40, 3, 0, 4), KCenterMethod::lazy, 1, 1, false);
}

SIMT_CASE(k_center_over_several_blocks) {
  expect_in_shape(problem(Shape::clustered, 130, 35, 3, 6), KCenterMethod::lazy, 3, 2, true);
  expect_in_shape(problem(Shape::integers, 70, 3, 0, 5), KCenterMethod::lazy, 3, 1, false);
  expect_in_shape(problem(Shape::integers, 130, 3, 0, 5), KCenterMethod::plain, 3, 1, true);
}

SIMT_CASE(k_center_by_the_whole_device) {
  gpu::fake_gpu().info.multiprocessors = 3;
  expect_as_on_cpu({problem(Shape::clustered, 8192, 64, 2, 4), problem(Shape::iid, 9, 3, 1, 2)});
}

Problem with_non_finite(std::int64_t m) {
  Problem p = problem(Shape::iid, 24, 5, m, 24);
  p.candidates.row(3)[0] = kNan;
  p.candidates.row(0)[4] = kInfinity;
  p.candidates.row(17)[2] = -kInfinity;
  p.candidates.row(20)[1] = 3e30f;  // its distance overflows
  p.candidates.row(23)[1] = kNan;
  return p;
}

SIMT_CASE(k_center_puts_non_finite_candidates_last) {
  Problem known = with_non_finite(6), all_bad = problem(Shape::iid, 9, 3, 2, 4);
  known.labelled.row(2)[1] = kNan;  // changes nothing
  for (float& x : all_bad.labelled.data) x = kNan;
  expect_as_on_cpu({known, with_non_finite(0), all_bad});
  expect_in_shape(known, KCenterMethod::lazy, 2, 2, true);
  expect_in_shape(all_bad, KCenterMethod::lazy, 2, 2, true);  // one block alone fills up
}

/// The last group of centres is nearer to one candidate alone, that of the warp's last lane: a pass that leaves early
/// for the others' sake misses the last feature.
SIMT_CASE(k_center_leaves_a_sum_early_for_no_lane_that_needs_it) {
  constexpr std::int64_t kWidth = 33;
  Problem p{{32, kWidth, std::vector<float>(32 * kWidth)}, {33, kWidth, std::vector<float>(33 * kWidth)}, 3};
  for (std::int64_t i = 0; i < 32; ++i) p.candidates.row(i)[0] = static_cast<float>(10 * i);
  for (std::int64_t j = 0; j < 31; ++j) p.labelled.row(j)[0] = static_cast<float>(10 * j);
  p.labelled.row(32)[0] = 311;
  p.labelled.row(32)[kWidth - 1] = 2;
  expect_as_on_cpu({p});
}

/// Fewer candidates with a distance than picks: the rest are filled up over several rounds of a block.
SIMT_CASE(k_center_fills_up_from_many_candidates) {
  Problem p = problem(Shape::iid, 1100, 2, 1, 1000);
  for (std::int64_t i = 0; i < p.candidates.n; ++i) {
    if (i % 100 != 7) p.candidates.row(i)[0] = kNan;
  }
  expect_in_shape(p, KCenterMethod::plain, 1, 4, false);
}

/// Too far from the labelled point for fp32, but not from a pick: it stays last, however it is reached.
SIMT_CASE(k_center_does_not_bring_back_a_candidate_without_a_distance) {
  const Problem far{{4, 1, {1, 1.9e19f, 1e19f, 2}}, {1, 1, {0}}, 4};
  expect_as_on_cpu({far});
}

SIMT_CASE(k_center_of_no_picks_still_scores) {
  expect_as_on_cpu({problem(Shape::iid, 33, 3, 2, 0), problem(Shape::iid, 5, 3, 0, 0)});
}

SIMT_CASE(k_center_of_nothing_is_finite) {
  Session session(0);
  const Buffer<std::int32_t> flag(session, 1);
  const Buffer<unsigned char> scratch(session, cuda::k_center_scratch(0, 3, 0, 0, KCenterMethod::lazy));
  KCenterJob job;
  job.width = 3;
  job.any_finite = flag.data();
  job.scratch = scratch.data();
  cuda::k_center(session, KCenterMethod::lazy, &job, 1);
  std::int32_t got = 0;
  gpu::download<std::int32_t>(session, flag.data(), {&got, 1});
  simt::expect(got == 1, "any_finite is %d", got);
}

}  // namespace
}  // namespace quarry
