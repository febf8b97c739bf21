// SPDX-License-Identifier: MIT
// What a fleet tells of its members: their numbers as they are, and which hold something that is not finite.
#include <limits>

#include "quarry/ops/fleet_record_device.h"
#include "tests/simt/cases.h"

namespace quarry {
namespace {

SIMT_CASE(fleet_progress_gathers_each_member) {
  gpu::Session session(0);
  std::vector<double> losses;
  std::vector<std::int32_t> correct, epochs, flags;
  for (std::int32_t m = 0; m < 130; ++m) {
    losses.push_back(0.5 * m);
    correct.push_back(3 * m);
    epochs.push_back(m - 1);
    flags.push_back(m % 2);
  }
  const auto a = gpu::upload<double>(session, losses);
  const auto b = gpu::upload<std::int32_t>(session, correct), c = gpu::upload<std::int32_t>(session, epochs),
             d = gpu::upload<std::int32_t>(session, flags);
  const gpu::Buffer<cuda::ConvNetProgress> out(session, 130);
  session.fill(out.data(), 0xff, out.size() * sizeof(cuda::ConvNetProgress));
  cuda::fleet_progress(session, {130, a.data(), b.data(), c.data(), d.data()}, out.data());
  std::vector<cuda::ConvNetProgress> got(130);
  gpu::download<cuda::ConvNetProgress>(session, out.data(), got);
  for (std::int32_t m = 0; m < 130; ++m) {
    const cuda::ConvNetProgress& one = got[static_cast<std::size_t>(m)];
    simt::expect(
        one.loss_sum == 0.5 * m && one.correct == 3 * m && one.diverged_epoch == m - 1 && one.non_finite == m % 2,
        "member %d", m);
    simt::expect(one.unused == 0, "bytes of member %d that nobody has written", m);
  }
}

/// Flags of members whose numbers are finite but for `value` at one place of member 1.
std::vector<std::int32_t> flags_of(std::int64_t rows, std::int32_t width, std::int32_t used, std::int64_t place,
                                   float value) {
  gpu::Session session(0);
  std::vector<float> numbers(static_cast<std::size_t>(3 * rows * width), 1e38f);
  numbers[static_cast<std::size_t>(rows * width + place)] = value;
  const auto on_device = gpu::upload<float>(session, numbers);
  const auto flags = gpu::upload<std::int32_t>(session, std::vector<std::int32_t>{0, 0, 1});
  cuda::flag_non_finite(session, {3, rows, width, used, on_device.data()}, flags.data());
  std::vector<std::int32_t> got(3);
  gpu::download<std::int32_t>(session, flags.data(), got);
  return got;
}

SIMT_CASE(flag_non_finite_finds_the_member) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::int32_t> none = {0, 0, 1}, second = {0, 1, 1};  // a flag stays
  for (const float bad : {infinity, -infinity, nan}) {
    simt::expect_equal<std::int32_t>(flags_of(1, 8, 8, 7, bad), second, "the last number");
    simt::expect_equal<std::int32_t>(flags_of(300, 8, 3, 8 * 299 + 2, bad), second, "the last number that counts");
    simt::expect_equal<std::int32_t>(flags_of(300, 8, 3, 8 * 299 + 3, bad), none, "padding");
    simt::expect_equal<std::int32_t>(flags_of(1, 8, 1, 0, bad), second, "the first number");
  }
  simt::expect_equal<std::int32_t>(flags_of(300, 8, 3, 0, 3e38f), none, "large numbers");
}

}  // namespace
}  // namespace quarry
