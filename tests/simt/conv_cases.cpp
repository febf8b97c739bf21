// SPDX-License-Identifier: MIT
// Forward pass and input gradient of convolutions beside loops in double precision: small integers exactly, other
// numbers within the rounding of the sums; members without images, short batches, fleets and solo runs.
#include "tests/simt/conv_reference.h"

namespace quarry {
namespace {

using gpu::Session;
using test::conv_shape;
using test::ConvProblem;
using test::Guarded;
using test::Images;
using test::Values;

enum class Way { forward, backward, backward_added };

template <class T>
struct Member {
  Images in, before;  ///< before: what the gradient is added to
  std::vector<double> w;
};

template <class T>
std::vector<Member<T>> make_members(const ConvProblem& p, Way way) {
  const ConvShape& s = p.shape;
  std::vector<Member<T>> members;
  for (std::size_t m = 0; m < p.images.size(); ++m) {
    const std::uint64_t key = 1000 + 10 * m;
    Member<T> member;
    const Images in = test::make_images<T>(p.images[m], s.in_channels, s.in_height, s.in_width, key, p.kind);
    const Images out = test::make_images<T>(p.images[m], s.out_channels, s.out_height, s.out_width, key + 1, p.kind);
    member.in = way == Way::forward ? in : out;
    member.before = in;
    member.w = test::make_values<T>(s.out_channels * s.in_channels * s.kernel * s.kernel, key + 2, p.kind);
    members.push_back(member);
  }
  return members;
}

template <class T>
struct Output {
  std::vector<T> values;
  std::vector<float> statistics;
};

template <class T>
Output<T> run(const ConvShape& s, const std::vector<Member<T>>& members, Way way) {
  Session session(0);
  std::vector<T> in, w, before;
  std::vector<std::int32_t> images;
  for (const Member<T>& m : members) {
    test::append_images(in, m.in, s.batch);
    test::append_weights(w, s, m.w);
    test::append_images(before, m.before, s.batch);
    images.push_back(m.in.n);
  }
  const Guarded<T> device_in(session, in), device_w(session, w);
  const Guarded<std::int32_t> device_images(session, images);
  const auto n = static_cast<std::int32_t>(members.size());
  const FleetImages fleet{n, device_images.data()};
  const auto size = static_cast<std::size_t>(way == Way::forward ? conv_output_size(s) : conv_input_size(s));
  const auto out =
      way == Way::backward_added ? Guarded<T>(session, before) : Guarded<T>(session, members.size() * size);
  const Guarded<float> statistics(session, members.size() * static_cast<std::size_t>(conv_statistics_size(s)));
  if (way == Way::forward) {
    cuda::conv_forward(session, test::precision_of<T>(), s, fleet, device_in.data(), device_w.data(), out.data(),
                       statistics.data());
  } else {
    cuda::conv_input_gradient(session, test::precision_of<T>(), s, fleet, device_in.data(), device_w.data(), out.data(),
                              way == Way::backward_added);
  }
  return {out.read("outputs"), statistics.read("statistics")};
}

/// The statistics of each tile from what was stored.
template <class T>
void expect_statistics(const ConvShape& s, const Output<T>& got, std::size_t member, std::int32_t images) {
  const std::int32_t channels = padded_channels(s.out_channels), rows = s.out_height * s.out_width * s.batch;
  const float* statistics = got.statistics.data() + member * static_cast<std::size_t>(conv_statistics_size(s));
  const T* y = got.values.data() + member * static_cast<std::size_t>(conv_output_size(s));
  for (std::int32_t tile = 0; tile < conv_tiles(s); ++tile) {
    for (std::int32_t c = 0; c < channels; ++c) {
      std::vector<double> values;
      for (std::int32_t row = 128 * tile; row < std::min(rows, 128 * (tile + 1)); ++row) {
        if (row % s.batch < images) values.push_back(static_cast<double>(to_float(y[row * channels + c])));
      }
      double mean = 0, squares = 0, magnitude = 0;
      for (const double v : values) mean += v / static_cast<double>(values.size());
      for (const double v : values) squares += (v - mean) * (v - mean);
      for (const double v : values) magnitude += std::abs(v) / static_cast<double>(values.size());
      const auto at = static_cast<std::size_t>(2 * channels * tile + c);
      test::expect_close(static_cast<double>(statistics[at]), mean, magnitude, 1e-6, "means", at);
      test::expect_close(static_cast<double>(statistics[at + static_cast<std::size_t>(channels)]), squares,
                         squares + 1e-6 * magnitude * magnitude, 1e-5, "squares", at);
    }
  }
}

template <class T>
void expect_member(const ConvProblem& p, const Member<T>& member, const Output<T>& got, std::size_t m, Way way) {
  const ConvShape& s = p.shape;
  const double share = p.kind == Values::integers ? 0 : sizeof(T) == 4 ? 1e-6 : 1e-5;  // tensor cores may truncate
  const std::size_t begin =
      m * test::places(way == Way::forward ? Images{0, s.out_channels, s.out_height, s.out_width, {}}
                                           : Images{0, s.in_channels, s.in_height, s.in_width, {}},
                       s.batch);
  if (way == Way::forward) {
    test::expect_images(got.values, begin, test::conv_forward(s, member.in, member.w, false),
                        test::conv_forward(s, member.in, member.w, true), s.batch, share, "outputs");
    return expect_statistics(s, got, m, member.in.n);
  }
  Images want = test::conv_input_gradient(s, member.in, member.w, false),
         scale = test::conv_input_gradient(s, member.in, member.w, true);
  for (std::size_t i = 0; way == Way::backward_added && i < want.values.size(); ++i) {
    want.values[i] += member.before.values[i];
    scale.values[i] += std::abs(member.before.values[i]);
  }
  test::expect_images(got.values, begin, want, scale, s.batch, share, "input gradients");
}

/// A whole fleet against the loops, and each member that trains against itself alone.
template <class T>
void expect_convolution(const ConvProblem& p, Way way) {
  const std::vector<Member<T>> members = make_members<T>(p, way);
  const Output<T> got = run(p.shape, members, way);
  const std::size_t size = got.values.size() / members.size(), marks = got.statistics.size() / members.size();
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (members[m].in.n > 0) {
      expect_member(p, members[m], got, m, way);
    } else {
      if (way != Way::backward_added) test::expect_untouched(got.values, m * size, size, "outputs");
      test::expect_untouched(got.statistics, m * marks, marks, "statistics");
    }
  }
  if (members.size() == 1) return;
  const Output<T> solo = run<T>(p.shape, {members.back()}, way);
  test::expect_same_bytes(got.values, (members.size() - 1) * size, solo.values, 0, size, "a fleet and a member alone");
  test::expect_same_bytes(got.statistics, (members.size() - 1) * marks, solo.statistics, 0, marks,
                          "statistics of a fleet and of a member alone");
}

template <class T>
void expect_both(const ConvProblem& p) {
  expect_convolution<T>(p, Way::forward);
  expect_convolution<T>(p, Way::backward_added);
}

// odd sizes, three channels, a member that sits out, a short batch
const ConvProblem kStem = {conv_shape(3, 16, 3, 1, 7, 7, 4), {4, 0, 1}, Values::integers};
// a stride over odd sizes, channels that are no multiple of 8, a tile that ends within a pixel
const ConvProblem kStride = {conv_shape(16, 20, 3, 2, 7, 5, 5), {5, 2}, Values::integers};
const ConvProblem kShortcut = {conv_shape(24, 8, 1, 2, 8, 6, 3), {2, 3}, Values::reals};
// more channels than a tile has columns; several chunks to a tap
const ConvProblem kWide = {conv_shape(72, 66, 2, 1, 3, 4, 5), {5}, Values::reals};
// a tile is a pixel and less, so that most taps of its chunks are outside
const ConvProblem kCorner = {conv_shape(16, 8, 3, 1, 1, 2, 130), {3, 129}, Values::integers};
const ConvProblem kOneImage = {conv_shape(8, 8, 3, 1, 1, 1, 1), {1, 1}, Values::integers};

SIMT_CASE(conv_stem_fp32) {
  expect_both<float>(kStem);
}
SIMT_CASE(conv_stem_bf16) {
  expect_both<Bfloat16>(kStem);
}
SIMT_CASE(conv_stride_fp32) {
  expect_both<float>(kStride);
}
SIMT_CASE(conv_stride_bf16) {
  expect_both<Bfloat16>(kStride);
}
SIMT_CASE(conv_shortcut_fp32) {
  expect_both<float>(kShortcut);
}
SIMT_CASE(conv_shortcut_bf16) {
  expect_both<Bfloat16>(kShortcut);
}
SIMT_CASE(conv_wide_fp32) {
  expect_both<float>(kWide);
}
SIMT_CASE(conv_wide_bf16) {
  expect_both<Bfloat16>(kWide);
}
SIMT_CASE(conv_corner_fp32) {
  expect_both<float>(kCorner);
}
SIMT_CASE(conv_corner_bf16) {
  expect_both<Bfloat16>(kCorner);
}
SIMT_CASE(conv_one_image) {
  expect_both<float>(kOneImage);
  expect_both<Bfloat16>(kOneImage);
  expect_convolution<float>(kOneImage, Way::backward);
}
SIMT_CASE(conv_gradient_replaces_what_was_there) {
  ConvProblem p = kStem;
  p.kind = Values::reals;
  expect_convolution<float>(p, Way::backward);
  expect_convolution<Bfloat16>(p, Way::backward);
}

/// ky, kx, channel: the order that the contract has for float.
SIMT_CASE(conv_in_fp32_is_sums_in_order) {
  const ConvProblem p = {conv_shape(10, 12, 3, 2, 5, 4, 2), {2}, Values::reals};
  const ConvShape& s = p.shape;
  const auto weight = [&](const Member<float>& m, std::int32_t o, std::int32_t i, std::int32_t tap) {
    return static_cast<float>(m.w[static_cast<std::size_t>((o * s.in_channels + i) * 9 + tap)]);
  };
  for (const Way way : {Way::forward, Way::backward}) {
    const bool forward = way == Way::forward;
    const std::vector<Member<float>> members = make_members<float>(p, way);
    const Output<float> got = run(s, members, way);
    const Images like = forward ? Images{2, s.out_channels, s.out_height, s.out_width, {}}
                                : Images{2, s.in_channels, s.in_height, s.in_width, {}};
    test::each_place(like, s.batch,
                     [&](std::size_t place, std::int32_t image, std::int32_t c, std::int32_t y, std::int32_t x) {
                       if (image < 0 || c < 0) return;
                       float sum = 0;
                       for (std::int32_t tap = 0; tap < 9; ++tap) {
                         const std::int32_t far_y = y + 1 - tap / 3, far_x = x + 1 - tap % 3;
                         const std::int32_t at_y = forward ? 2 * y + tap / 3 - 1 : far_y / 2,
                                            at_x = forward ? 2 * x + tap % 3 - 1 : far_x / 2;
                         if (!forward && (far_y < 0 || far_x < 0 || far_y % 2 != 0 || far_x % 2 != 0)) continue;
                         const Images& in = members[0].in;
                         if (at_y < 0 || at_y >= in.height || at_x < 0 || at_x >= in.width) continue;
                         for (std::int32_t k = 0; k < in.channels; ++k) {
                           sum = std::fma(static_cast<float>(in.at(image, k, at_y, at_x)),
                                          forward ? weight(members[0], c, k, tap) : weight(members[0], k, c, tap), sum);
                         }
                       }
                       simt::expect(got.values[place] == sum, "[%zu] is %.9g, not %.9g", place,
                                    static_cast<double>(got.values[place]), static_cast<double>(sum));
                     });
  }
}

/// A member that has diverged leaves the bits of the others alone.
template <class T>
void expect_no_spread(Way way) {
  ConvProblem p = kStem;
  p.images = {2, 4, 3};
  std::vector<Member<T>> members = make_members<T>(p, way);
  const Output<T> healthy = run(p.shape, members, way);
  for (double& x : members[1].in.values) x = std::nan("");
  for (double& x : members[1].w) x = HUGE_VAL;
  const Output<T> mixed = run(p.shape, members, way);
  const std::size_t size = healthy.values.size() / 3, marks = healthy.statistics.size() / 3;
  simt::expect(std::isnan(to_float(mixed.values[size])), "a member of NaN became %g",
               static_cast<double>(to_float(mixed.values[size])));
  for (const std::size_t m : {0, 2}) {
    test::expect_same_bytes(mixed.values, m * size, healthy.values, m * size, size, "beside a member of NaN");
    test::expect_same_bytes(mixed.statistics, m * marks, healthy.statistics, m * marks, marks,
                            "beside a member of NaN");
  }
}
SIMT_CASE(conv_keeps_a_diverged_member_to_itself) {
  expect_no_spread<float>(Way::forward);
  expect_no_spread<Bfloat16>(Way::backward);
}

}  // namespace
}  // namespace quarry
