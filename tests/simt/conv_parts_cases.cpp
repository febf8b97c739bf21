// SPDX-License-Identifier: MIT
// What follows a convolution that a library has made: statistics, sums of gradients, steps.
#include "tests/simt/conv_reference.h"

namespace quarry {
namespace {

using gpu::Session;
using test::conv_shape;
using test::Guarded;
using test::Images;
using test::Values;

/// Members with all, no and some of their images.
struct Fleet {
  ConvShape shape;
  std::vector<std::int32_t> images;
};
const Fleet kStem = {conv_shape(3, 16, 3, 1, 7, 7, 4), {4, 0, 1}};
// a tile that ends within a pixel, channels that are no multiple of 8
const Fleet kStride = {conv_shape(8, 20, 3, 2, 7, 5, 11), {11, 2}};
// more channels than a tile has columns
const Fleet kWide = {conv_shape(24, 72, 1, 1, 3, 2, 5), {3}};

template <class T>
std::vector<T> activations(const Fleet& f, std::int32_t channels, std::int32_t height, std::int32_t width,
                           std::uint64_t key) {
  std::vector<T> values;
  for (std::size_t m = 0; m < f.images.size(); ++m) {
    test::append_images(values, test::make_images<T>(f.images[m], channels, height, width, key + m, Values::reals),
                        f.shape.batch);
  }
  return values;
}

/// As the convolution's own of the same numbers; what lies where no image is does not matter.
template <class T>
void expect_statistics(const Fleet& f) {
  const ConvShape& s = f.shape;
  const ConvPrecision precision = test::precision_of<T>();
  Session session(0);
  std::vector<T> w;
  for (std::size_t m = 0; m < f.images.size(); ++m) {
    const std::int64_t n = std::int64_t{s.out_channels} * s.in_channels * s.kernel * s.kernel;
    test::append_weights(w, s, test::make_values<T>(n, 300 + m, Values::reals));
  }
  const Guarded<T> x(session, activations<T>(f, s.in_channels, s.in_height, s.in_width, 100)), weights(session, w);
  const Guarded<std::int32_t> images(session, f.images);
  const FleetImages fleet{static_cast<std::int32_t>(f.images.size()), images.data()};
  const std::size_t size = f.images.size() * static_cast<std::size_t>(conv_output_size(s)),
                    marks = f.images.size() * static_cast<std::size_t>(conv_statistics_size(s));
  const Guarded<T> y(session, size);
  const Guarded<float> want(session, marks), got(session, marks);
  cuda::conv_forward(session, precision, s, fleet, x.data(), weights.data(), y.data(), want.data());
  std::vector<T> made = y.read("outputs");
  for (std::size_t i = 0; i < made.size(); ++i) {
    const std::size_t channels = static_cast<std::size_t>(padded_channels(s.out_channels)),
                      batch = static_cast<std::size_t>(s.batch);
    const std::int32_t present = f.images[i / static_cast<std::size_t>(conv_output_size(s))];
    if (static_cast<std::int32_t>(i / channels % batch) >= present) made[i] = from_float<T>(1e6f);
  }
  const Guarded<T> spoilt(session, made);
  cuda::conv_statistics(session, precision, s, fleet, spoilt.data(), got.data());
  test::expect_same_bytes(got.read("statistics"), 0, want.read("statistics of a convolution"), 0, marks, "statistics");
}

SIMT_CASE(conv_statistics_are_the_convolutions) {
  expect_statistics<float>(kStem);
  expect_statistics<Bfloat16>(kStride);
}
SIMT_CASE(conv_statistics_of_many_channels) {
  expect_statistics<float>(kWide);
  expect_statistics<Bfloat16>(kWide);
}

template <class T>
void expect_sum(const Fleet& f) {
  const ConvShape& s = f.shape;
  Session session(0);
  const std::vector<T> a = activations<T>(f, s.in_channels, s.in_height, s.in_width, 500),
                       b = activations<T>(f, s.in_channels, s.in_height, s.in_width, 600);
  const Guarded<T> sum(session, a), other(session, b);
  const Guarded<std::int32_t> images(session, f.images);
  cuda::conv_add_input_gradient(session, test::precision_of<T>(), s,
                                {static_cast<std::int32_t>(f.images.size()), images.data()}, other.data(), sum.data());
  const std::vector<T> got = sum.read("sums");
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool present = f.images[i / static_cast<std::size_t>(conv_input_size(s))] > 0;
    const double was = static_cast<double>(to_float(a[i])), more = present ? static_cast<double>(to_float(b[i])) : 0;
    test::expect_close(static_cast<double>(to_float(got[i])), test::rounded<T>(was + more), 0, 0, "sums", i);
  }
}

SIMT_CASE(conv_input_gradients_are_added) {
  expect_sum<float>(kStem);
  expect_sum<Bfloat16>(kStride);
}

constexpr float kLr[] = {0.3f, 0.7f, 0.1f}, kDecay[] = {0.2f, 0.6f, 0.0f}, kMomentum[] = {0.9f, 0.0f, 0.7f};

template <class T>
void expect_step(const Fleet& f) {
  const ConvShape& s = f.shape;
  Session session(0);
  const std::size_t n = f.images.size(), size = static_cast<std::size_t>(conv_weight_size(s));
  const auto numbers = [&](std::uint64_t key) {
    std::vector<float> values;
    for (std::size_t i = 0; i < n * size; ++i) values.push_back(test::bell(key, i));
    return values;
  };
  std::vector<T> g;
  for (const float x : numbers(1)) g.push_back(from_float<T>(x));
  const std::vector<float> w = numbers(2), v = numbers(3);
  const Guarded<T> gradient(session, g);
  const Guarded<float> weights(session, w), velocity(session, v);
  const Guarded<Bfloat16> copy(session, w.size());
  const auto rate = [&](const float* rates) { return std::vector<float>(rates, rates + n); };
  const Guarded<float> lr(session, rate(kLr)), decay(session, rate(kDecay)), momentum(session, rate(kMomentum));
  const Guarded<std::int32_t> images(session, f.images);
  const bool bf16 = sizeof(T) == 2;
  cuda::conv_gradient_step(session, test::precision_of<T>(), s, {static_cast<std::int32_t>(n), images.data()},
                           gradient.data(), {lr.data(), decay.data(), momentum.data()},
                           {weights.data(), velocity.data(), bf16 ? copy.data() : nullptr});
  const std::vector<float> new_w = weights.read("weights"), new_v = velocity.read("momentum");
  const std::vector<Bfloat16> copies = copy.read("copies");
  for (std::size_t i = 0; i < w.size(); ++i) {
    const std::size_t m = i / size;
    const bool trains = f.images[m] > 0;
    const float want_v = trains ? std::fma(kMomentum[m], v[i], std::fma(kDecay[m], w[i], to_float(g[i]))) : v[i],
                want_w = trains ? std::fma(-kLr[m], want_v, w[i]) : w[i];
    simt::expect(new_v[i] == want_v && new_w[i] == want_w, "[%zu]: weight %.9g, not %.9g", i,
                 static_cast<double>(new_w[i]), static_cast<double>(want_w));
    if (!bf16 || !trains) continue;
    test::expect_close(static_cast<double>(to_float(copies[i])), test::rounded<Bfloat16>(static_cast<double>(want_w)),
                       0, 0, "copies", i);
  }
  for (std::size_t m = 0; m < n; ++m) {
    if (f.images[m] == 0 || !bf16) test::expect_untouched(copies, m * size, size, "copies");
  }
}

SIMT_CASE(conv_steps_by_a_gradient_that_is_there) {
  expect_step<float>(kStem);
  expect_step<Bfloat16>(kStem);
  expect_step<Bfloat16>(kWide);
}

}  // namespace
}  // namespace quarry
