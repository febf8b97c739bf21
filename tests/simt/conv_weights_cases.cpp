// SPDX-License-Identifier: MIT
// Weight gradients of convolutions and the optimiser's step beside loops in double precision.
#include "tests/simt/conv_reference.h"

namespace quarry {
namespace {

using gpu::Session;
using test::conv_shape;
using test::ConvProblem;
using test::Guarded;
using test::Images;
using test::Values;

template <class T>
struct Member {
  Images x, dy;
  std::vector<double> w, v;
};

template <class T>
std::vector<Member<T>> make_members(const ConvProblem& p) {
  const ConvShape& s = p.shape;
  std::vector<Member<T>> members;
  for (std::size_t m = 0; m < p.images.size(); ++m) {
    const std::uint64_t key = 2000 + 10 * m;
    const std::int64_t weights = s.out_channels * s.in_channels * s.kernel * s.kernel;
    members.push_back({test::make_images<T>(p.images[m], s.in_channels, s.in_height, s.in_width, key, p.kind),
                       test::make_images<T>(p.images[m], s.out_channels, s.out_height, s.out_width, key + 1, p.kind),
                       test::make_values<float>(weights, key + 2, p.kind),
                       test::make_values<float>(weights, key + 3, p.kind)});
  }
  return members;
}

constexpr float kLr[] = {0.3f, 0.7f, 0.1f}, kDecay[] = {0.2f, 0.6f, 0.0f}, kMomentum[] = {0.9f, 0.0f, 0.7f};

template <class T>
struct Output {
  std::vector<float> gradient, weights, velocity;
  std::vector<Bfloat16> copy;
};

/// first: number of the first of these members in the fleet, for its rates.
template <class T>
Output<T> run(const ConvShape& s, const std::vector<Member<T>>& members, std::size_t first) {
  Session session(0);
  std::vector<T> x, dy;
  std::vector<float> w, v;
  std::vector<std::int32_t> images;
  for (const Member<T>& m : members) {
    test::append_images(x, m.x, s.batch);
    test::append_images(dy, m.dy, s.batch);
    test::append_weights(w, s, m.w);
    test::append_weights(v, s, m.v);
    images.push_back(m.x.n);
  }
  const std::size_t n = members.size();
  const auto rate = [&](const float* rates) { return std::vector<float>(rates + first, rates + first + n); };
  const Guarded<T> device_x(session, x), device_dy(session, dy);
  const Guarded<float> weights(session, w), velocity(session, v), gradient(session, w.size());
  const Guarded<float> lr(session, rate(kLr)), decay(session, rate(kDecay)), momentum(session, rate(kMomentum));
  const Guarded<Bfloat16> copy(session, w.size());
  const Guarded<std::int32_t> device_images(session, images);
  const FleetImages fleet{static_cast<std::int32_t>(n), device_images.data()};
  const Guarded<float> scratch(session, conv_scratch(s, fleet.members) / sizeof(float));
  const ConvPrecision precision = test::precision_of<T>();
  cuda::conv_weight_gradient(session, precision, s, fleet, device_x.data(), device_dy.data(), gradient.data(),
                             scratch.data());
  cuda::conv_weight_step(session, precision, s, fleet, device_x.data(), device_dy.data(),
                         {lr.data(), decay.data(), momentum.data()},
                         {weights.data(), velocity.data(), sizeof(T) == 4 ? nullptr : copy.data()}, scratch.data());
  scratch.read("scratch");
  return {gradient.read("gradients"), weights.read("weights"), velocity.read("momentum"), copy.read("copies")};
}

template <class T>
void expect_member(const ConvProblem& p, const Member<T>& member, const Output<T>& got, std::size_t m) {
  const ConvShape& s = p.shape;
  const std::vector<double> want = test::conv_weight_gradient(s, member.x, member.dy, false),
                            scale = test::conv_weight_gradient(s, member.x, member.dy, true);
  const double share = p.kind == Values::integers ? 0 : sizeof(T) == 4 ? 1e-6 : 1e-5;  // tensor cores may truncate
  const std::size_t begin = m * static_cast<std::size_t>(conv_weight_size(s));
  test::each_weight(s, [&](std::size_t place, std::int32_t number) {
    const std::size_t at = begin + place;
    const auto i = static_cast<std::size_t>(number);
    test::expect_close(static_cast<double>(got.gradient[at]), number < 0 ? 0 : want[i], number < 0 ? 0 : scale[i],
                       share, "gradients", place);
    // The step is one of the gradient's bits, an fma each.
    const float w = number < 0 ? 0 : static_cast<float>(member.w[i]),
                v = number < 0 ? 0 : static_cast<float>(member.v[i]);
    const float new_v = std::fma(kMomentum[m], v, std::fma(kDecay[m], w, got.gradient[at]));
    simt::expect(got.velocity[at] == new_v, "momentum [%zu] is %.9g, not %.9g", place,
                 static_cast<double>(got.velocity[at]), static_cast<double>(new_v));
    simt::expect(got.weights[at] == std::fma(-kLr[m], new_v, w), "weight [%zu] is %.9g after %.9g", place,
                 static_cast<double>(got.weights[at]), static_cast<double>(w));
    if (sizeof(T) == 2) {
      test::expect_close(static_cast<double>(to_float(got.copy[at])),
                         test::rounded<Bfloat16>(static_cast<double>(got.weights[at])), 0, 0, "copies", place);
    }
  });
}

template <class T>
void expect_weights(const ConvProblem& p) {
  const std::vector<Member<T>> members = make_members<T>(p);
  const Output<T> got = run(p.shape, members, 0);
  const std::size_t size = got.gradient.size() / members.size(), last = members.size() - 1;
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (members[m].x.n > 0) {
      expect_member(p, members[m], got, m);
      continue;
    }
    std::vector<float> w, v;
    test::append_weights(w, p.shape, members[m].w);
    test::append_weights(v, p.shape, members[m].v);
    test::expect_untouched(got.gradient, m * size, size, "gradients");
    test::expect_untouched(got.copy, m * size, size, "copies");
    test::expect_same_bytes(got.weights, m * size, w, 0, size, "weights of a member that sits out");
    test::expect_same_bytes(got.velocity, m * size, v, 0, size, "momentum of a member that sits out");
  }
  if (last == 0) return;
  const Output<T> solo = run<T>(p.shape, {members[last]}, last);
  test::expect_same_bytes(got.gradient, last * size, solo.gradient, 0, size, "gradients of a member alone");
  test::expect_same_bytes(got.weights, last * size, solo.weights, 0, size, "weights of a member alone");
}

ConvProblem in_pieces(ConvProblem p, std::int32_t rows) {
  p.shape.split_rows = rows;
  return p;
}

const ConvProblem kStem = {conv_shape(3, 16, 3, 1, 7, 7, 4), {4, 0, 1}, Values::integers};
const ConvProblem kStride = in_pieces({conv_shape(16, 20, 3, 2, 7, 5, 9), {9, 5}, Values::integers}, 64);
const ConvProblem kShortcut = in_pieces({conv_shape(24, 8, 1, 2, 8, 6, 3), {0, 2, 3}, Values::reals}, 32);
const ConvProblem kWide = {conv_shape(72, 66, 3, 1, 3, 2, 5), {5}, Values::reals};
const ConvProblem kManyImages = {conv_shape(8, 8, 3, 1, 1, 2, 40), {33, 40}, Values::reals};
const ConvProblem kOneImage = {conv_shape(8, 8, 3, 1, 1, 1, 1), {1, 1}, Values::integers};

SIMT_CASE(conv_weights_of_a_stem_fp32) {
  expect_weights<float>(kStem);
}
SIMT_CASE(conv_weights_of_a_stem_bf16) {
  expect_weights<Bfloat16>(kStem);
}
SIMT_CASE(conv_weights_in_pieces_fp32) {
  expect_weights<float>(kStride);
}
SIMT_CASE(conv_weights_in_pieces_bf16) {
  expect_weights<Bfloat16>(kStride);
}
SIMT_CASE(conv_weights_of_a_shortcut_fp32) {
  expect_weights<float>(kShortcut);
}
SIMT_CASE(conv_weights_of_a_shortcut_bf16) {
  expect_weights<Bfloat16>(kShortcut);
}
SIMT_CASE(conv_weights_of_many_channels_fp32) {
  expect_weights<float>(kWide);
}
SIMT_CASE(conv_weights_of_many_channels_bf16) {
  expect_weights<Bfloat16>(kWide);
}
SIMT_CASE(conv_weights_of_many_images) {
  expect_weights<float>(kManyImages);
  expect_weights<Bfloat16>(kManyImages);
}
SIMT_CASE(conv_weights_of_one_image) {
  expect_weights<float>(kOneImage);
  expect_weights<Bfloat16>(kOneImage);
}

/// y, x, image, then the pieces: the order that the contract has for float.
SIMT_CASE(conv_weights_in_fp32_are_sums_in_order) {
  const ConvProblem p = in_pieces({conv_shape(3, 5, 3, 2, 9, 7, 3), {2}, Values::reals}, 32);
  const ConvShape& s = p.shape;
  const std::vector<Member<float>> members = make_members<float>(p);
  const Output<float> got = run(s, members, 0);
  test::each_weight(s, [&](std::size_t place, std::int32_t number) {
    if (number < 0) return;
    const std::int32_t tap = number % 9, i = number / 9 % 3, o = number / 27;
    float sum = 0, piece = 0;
    for (std::int32_t row = 0; row < s.out_height * s.out_width * s.batch; ++row) {
      if (row % 32 == 0) {
        sum += piece;
        piece = 0;
      }
      const std::int32_t image = row % s.batch, x = row / s.batch % s.out_width, y = row / s.batch / s.out_width;
      const std::int32_t in_y = 2 * y + tap / 3 - 1, in_x = 2 * x + tap % 3 - 1;
      if (image >= 2 || in_y < 0 || in_y >= s.in_height || in_x < 0 || in_x >= s.in_width) continue;
      piece = std::fma(static_cast<float>(members[0].dy.at(image, o, y, x)),
                       static_cast<float>(members[0].x.at(image, i, in_y, in_x)), piece);
    }
    simt::expect(got.gradient[place] == sum + piece, "gradient [%zu] is %.9g, not %.9g", place,
                 static_cast<double>(got.gradient[place]), static_cast<double>(sum + piece));
  });
}

SIMT_CASE(conv_weights_keep_a_diverged_member_to_itself) {
  ConvProblem p = kStem;
  p.images = {2, 4, 3};
  std::vector<Member<float>> members = make_members<float>(p);
  const Output<float> healthy = run(p.shape, members, 0);
  for (double& x : members[1].dy.values) x = std::nan("");
  const Output<float> mixed = run(p.shape, members, 0);
  const std::size_t size = healthy.weights.size() / 3;
  simt::expect(std::isnan(mixed.weights[size]), "a gradient of NaN made a weight of %g",
               static_cast<double>(mixed.weights[size]));
  for (const std::size_t m : {0, 2}) {
    test::expect_same_bytes(mixed.weights, m * size, healthy.weights, m * size, size, "beside a member of NaN");
    test::expect_same_bytes(mixed.velocity, m * size, healthy.velocity, m * size, size, "beside a member of NaN");
  }
}

}  // namespace
}  // namespace quarry
