// SPDX-License-Identifier: MIT
// Batch normalisation of fleets beside its definition in double precision, the gradient by the chain rule through mean
// and variance.
#include "quarry/ops/batch_norm_device.h"
#include "tests/simt/fleet_tensors.h"

namespace quarry {
namespace {

using gpu::Session;
using test::Guarded;
using test::Images;
using test::Values;

struct Problem {
  BatchNormShape shape;
  std::vector<std::int32_t> images;
  bool residual = false, relu = true;
  enum { no_drop, drop_channels, drop_maps } drop = no_drop;  ///< drop_maps: of each image on its own
  double offset = 0;                                          ///< of all y
};

struct Member {
  Images y, residual, d_out;
  std::vector<double> gamma, beta, running_mean, running_variance;
  std::vector<double> drop;  ///< [batch][channels]
};

template <class T>
std::vector<Member> make_members(const Problem& p) {
  const BatchNormShape& s = p.shape;
  std::vector<Member> members;
  for (std::size_t m = 0; m < p.images.size(); ++m) {
    const std::uint64_t key = 3000 + 20 * m;
    const auto images = [&](std::uint64_t k) {
      return test::make_images<T>(p.images[m], s.channels, s.height, s.width, key + k, Values::reals);
    };
    const auto channels = [&](std::uint64_t k) { return test::make_values<float>(s.channels, key + k, Values::reals); };
    Member member{images(0), images(1), images(2), channels(3), channels(4), channels(5), channels(6), {}};
    for (double& y : member.y.values) y = test::rounded<T>(y + p.offset);
    for (double& v : member.running_variance) v = std::abs(v) + 0.5;
    for (std::int32_t i = 0; i < s.batch * s.channels; ++i) {
      const std::int32_t which = p.drop == Problem::drop_channels ? i % s.channels : i;
      member.drop.push_back(p.drop == Problem::no_drop ||
                                    random_u32(key + 7, static_cast<std::uint64_t>(which)) % 4 != 0
                                ? (p.drop == Problem::no_drop ? 1.0 : 1.25)
                                : 0.0);
    }
    members.push_back(member);
  }
  return members;
}

/// Of every tile of 128 rows and channel, by its definition.
void append_statistics(std::vector<float>& out, const BatchNormShape& s, const Images& y) {
  const std::int32_t rows = s.height * s.width * s.batch;
  for (std::int32_t tile = 0; 128 * tile < rows; ++tile) {
    std::vector<float> means, squares;
    for (std::int32_t c = 0; c < padded_channels(s.channels); ++c) {
      std::vector<double> values;
      for (std::int32_t row = 128 * tile; row < std::min(rows, 128 * (tile + 1)); ++row) {
        const std::int32_t image = row % s.batch, pixel = row / s.batch;
        if (image < y.n) values.push_back(c < s.channels ? y.at(image, c, pixel / s.width, pixel % s.width) : 0);
      }
      double mean = 0, sum = 0;
      for (const double v : values) mean += v / static_cast<double>(values.size());
      for (const double v : values) sum += (v - mean) * (v - mean);
      means.push_back(static_cast<float>(mean));
      squares.push_back(static_cast<float>(sum));
    }
    out.insert(out.end(), means.begin(), means.end());
    out.insert(out.end(), squares.begin(), squares.end());
  }
}

std::vector<float> channels_of(const BatchNormShape& s, const std::vector<Member>& members,
                               const std::vector<double> Member::*values) {
  std::vector<float> out;
  for (const Member& m : members) {
    for (std::int32_t c = 0; c < padded_channels(s.channels); ++c) {
      out.push_back(c < s.channels ? static_cast<float>((m.*values)[static_cast<std::size_t>(c)]) : 0.0f);
    }
  }
  return out;
}

constexpr float kLr[] = {0.5f, 0.25f, 0.125f}, kDecay[] = {0.25f, 0.5f, 0.0f}, kMomentum[] = {0.5f, 0.0f, 0.75f};

template <class T>
struct Output {
  std::vector<T> out, evaluated, d_y, d_residual;
  std::vector<float> mean, scale, running_mean, running_variance, d_gamma, d_beta, gamma, beta, gamma_velocity;
};

template <class T>
Output<T> run(const Problem& p, const std::vector<Member>& members, std::size_t first) {
  const BatchNormShape& s = p.shape;
  Session session(0);
  std::vector<T> y, residual, d_out;
  std::vector<float> statistics, drop;
  std::vector<std::int32_t> images;
  for (const Member& m : members) {
    test::append_images(y, m.y, s.batch);
    test::append_images(residual, m.residual, s.batch);
    test::append_images(d_out, m.d_out, s.batch);
    append_statistics(statistics, s, m.y);
    for (std::int32_t i = 0; i < (p.drop == Problem::drop_maps ? s.batch : 1); ++i) {
      for (std::int32_t c = 0; c < padded_channels(s.channels); ++c) {
        drop.push_back(c < s.channels ? static_cast<float>(m.drop[static_cast<std::size_t>(i * s.channels + c)])
                                      : 0.0f);
      }
    }
    images.push_back(m.y.n);
  }
  const std::size_t n = members.size(), channels = n * static_cast<std::size_t>(padded_channels(s.channels));
  const auto rate = [&](const float* rates) { return std::vector<float>(rates + first, rates + first + n); };
  const Guarded<T> device_y(session, y), device_residual(session, residual), device_d_out(session, d_out);
  const Guarded<T> out(session, y.size()), evaluated(session, y.size()), d_y(session, y.size()),
      d_residual(session, y.size());
  const Guarded<float> device_statistics(session, statistics), device_drop(session, drop);
  const Guarded<float> gamma(session, channels_of(s, members, &Member::gamma)),
      beta(session, channels_of(s, members, &Member::beta)),
      running_mean(session, channels_of(s, members, &Member::running_mean)),
      running_variance(session, channels_of(s, members, &Member::running_variance));
  const Guarded<float> mean(session, channels), scale(session, channels), d_gamma(session, channels),
      d_beta(session, channels);
  const Guarded<float> lr(session, rate(kLr)), decay(session, rate(kDecay)), momentum(session, rate(kMomentum));
  const Guarded<float> gamma_velocity(session, channels_of(s, members, &Member::beta)),
      beta_velocity(session, channels_of(s, members, &Member::gamma));
  const Guarded<std::int32_t> device_images(session, images);
  const FleetImages fleet{static_cast<std::int32_t>(n), device_images.data()};
  const Guarded<float> scratch(session, batch_norm_scratch(s, fleet.members) / sizeof(float));
  const BatchNorm norm{gamma.data(), beta.data(), running_mean.data(), running_variance.data(),
                       mean.data(),  scale.data()};
  BatchNormEnd end;
  end.residual = p.residual ? device_residual.data() : nullptr;
  end.relu = p.relu;
  end.drop = p.drop == Problem::no_drop ? nullptr : device_drop.data();
  end.per_image = p.drop == Problem::drop_maps;
  const ConvPrecision precision = test::precision_of<T>();

  Output<T> got;
  cuda::batch_norm_running(session, s, fleet, norm);
  cuda::batch_norm_apply(session, precision, s, fleet, device_y.data(), norm, end, evaluated.data());
  cuda::batch_norm_statistics(session, s, fleet, device_statistics.data(), norm);
  cuda::batch_norm_apply(session, precision, s, fleet, device_y.data(), norm, end, out.data());
  BatchNormGradient gradient;
  gradient.y = device_y.data();
  gradient.out = out.data();
  gradient.d_out = device_d_out.data();
  gradient.d_y = d_y.data();
  gradient.d_residual = p.residual ? d_residual.data() : nullptr;
  gradient.d_gamma = d_gamma.data();
  gradient.d_beta = d_beta.data();
  cuda::batch_norm_gradient(session, precision, s, fleet, norm, end, gradient, scratch.data());
  got.d_y = d_y.read("gradients");
  gradient.d_gamma = gradient.d_beta = nullptr;
  gradient.rates = {lr.data(), decay.data(), momentum.data()};
  gradient.gamma_velocity = gamma_velocity.data();
  gradient.beta_velocity = beta_velocity.data();
  gradient.d_y = device_d_out.data();  // in place
  cuda::batch_norm_gradient(session, precision, s, fleet, norm, end, gradient, scratch.data());
  scratch.read("scratch");
  const std::vector<T> in_place = device_d_out.read("gradients in place");
  for (std::size_t m = 0, size = in_place.size() / n; m < n; ++m) {
    if (images[m] > 0) test::expect_same_bytes(in_place, m * size, got.d_y, m * size, size, "gradients in place");
  }
  got.out = out.read("outputs");
  got.evaluated = evaluated.read("outputs of an evaluation");
  got.d_residual = d_residual.read("gradients of the residual");
  got.mean = mean.read("means");
  got.scale = scale.read("scales");
  got.running_mean = running_mean.read("running means");
  got.running_variance = running_variance.read("running variances");
  got.d_gamma = d_gamma.read("gradients of gamma");
  got.d_beta = d_beta.read("gradients of beta");
  got.gamma = gamma.read("gamma");
  got.beta = beta.read("beta");
  got.gamma_velocity = gamma_velocity.read("momentum of gamma");
  return got;
}

/// Sums over the numbers of a channel.
template <class F>
double sum_over(const Images& like, const F& value) {
  double sum = 0;
  for (std::int32_t i = 0; i < like.n; ++i) {
    for (std::int32_t y = 0; y < like.height; ++y) {
      for (std::int32_t x = 0; x < like.width; ++x) sum += value(i, y, x);
    }
  }
  return sum;
}

template <class T>
void expect_member(const Problem& p, const Member& m, const Output<T>& got, std::size_t number) {
  const BatchNormShape& s = p.shape;
  const double n = static_cast<double>(m.y.n * s.height * s.width), share = 2e-6;
  const std::size_t places = test::places(m.y, s.batch), begin = number * places,
                    channels = number * static_cast<std::size_t>(padded_channels(s.channels));
  Images out = m.y, evaluated = m.y, d_y = m.y, dz = m.y, scale = m.y, d_scale = m.y;
  for (std::int32_t c = 0; c < s.channels; ++c) {
    const auto at = static_cast<std::size_t>(c);
    const auto close = [&](const std::vector<float>& values, double want, double range, const char* what) {
      test::expect_close(static_cast<double>(values[channels + at]), want, range, share, what, at);
    };
    const double mean = sum_over(m.y, [&](auto i, auto y, auto x) { return m.y.at(i, c, y, x); }) / n;
    const double variance =
        sum_over(m.y, [&](auto i, auto y, auto x) { return std::pow(m.y.at(i, c, y, x) - mean, 2); }) / n;
    const double unbiased = n > 1 ? variance * n / (n - 1) : 0, factor = 1 / std::sqrt(variance + 1e-5);
    // Tiles know their means as floats, which is all the larger an error the larger they are.
    const double soft = 1 + 1e-3 * p.offset * p.offset;
    close(got.mean, mean, 1 + std::abs(mean), "means");
    close(got.scale, factor, factor * soft, "scales");
    close(got.running_mean, 0.9 * m.running_mean[at] + 0.1 * mean, 2 + std::abs(mean), "running means");
    close(got.running_variance, 0.9 * m.running_variance[at] + 0.1 * unbiased, 3 * soft, "running variances");
    const double wide = 1 / std::sqrt(m.running_variance[at] + 1e-5);
    const auto visit = [&](auto i, auto y, auto x) {
      const double drop = m.drop[static_cast<std::size_t>(i * s.channels + c)];
      const double other = p.residual ? m.residual.at(i, c, y, x) : 0;
      const auto end = [&](double mu, double f) {
        const double in = (m.y.at(i, c, y, x) - mu) * f * m.gamma[at] + m.beta[at] + other;
        return (p.relu && in < 0 ? 0 : in) * drop;
      };
      out.at(i, c, y, x) = end(mean, factor);
      evaluated.at(i, c, y, x) = end(m.running_mean[at], wide);
      scale.at(i, c, y, x) = 4 + soft + std::abs(m.y.at(i, c, y, x) * m.gamma[at]) * factor;
      // Where the ReLU is open is what the kernel made of it: a rounding decides when a number is next to 0.
      const std::size_t place =
          begin + static_cast<std::size_t>(((y * s.width + x) * s.batch + i) * padded_channels(s.channels) + c);
      const bool open = !p.relu || to_float(got.out[place]) > 0;
      dz.at(i, c, y, x) = open ? m.d_out.at(i, c, y, x) * drop : 0;
      return 0.0;
    };
    sum_over(m.y, visit);
    const double d_beta = sum_over(m.y, [&](auto i, auto y, auto x) { return dz.at(i, c, y, x); });
    const double d_gamma =
        sum_over(m.y, [&](auto i, auto y, auto x) { return dz.at(i, c, y, x) * (m.y.at(i, c, y, x) - mean) * factor; });
    const double d_variance = sum_over(m.y, [&](auto i, auto y, auto x) {
      return dz.at(i, c, y, x) * m.gamma[at] * (m.y.at(i, c, y, x) - mean) * -0.5 * std::pow(factor, 3);
    });
    const double d_mean = -factor * m.gamma[at] * d_beta;
    sum_over(m.y, [&](auto i, auto y, auto x) {
      d_y.at(i, c, y, x) =
          dz.at(i, c, y, x) * m.gamma[at] * factor + d_variance * 2 * (m.y.at(i, c, y, x) - mean) / n + d_mean / n;
      d_scale.at(i, c, y, x) = (10 + soft) * factor * std::abs(m.gamma[at]);
      return 0.0;
    });
    close(got.d_beta, d_beta, 3 * n, "gradients of beta");
    close(got.d_gamma, d_gamma, 3 * n * soft, "gradients of gamma");
    const double lr = static_cast<double>(kLr[number]), decay = static_cast<double>(kDecay[number]),
                 momentum = static_cast<double>(kMomentum[number]);
    const double v = momentum * m.beta[at] + d_gamma + decay * m.gamma[at];
    close(got.gamma_velocity, v, 3 * n * soft + 3, "momentum of gamma");
    close(got.gamma, m.gamma[at] - lr * v, 3 * n * soft + 3, "gamma");
    close(got.beta, m.beta[at] - lr * (momentum * m.gamma[at] + d_beta + decay * m.beta[at]), 3 * n + 3, "beta");
  }
  test::expect_images(got.out, begin, out, scale, s.batch, share, "outputs");
  test::expect_images(got.evaluated, begin, evaluated, scale, s.batch, share, "outputs of an evaluation");
  test::expect_images(got.d_y, begin, d_y, d_scale, s.batch, share, "gradients");
  if (!p.residual) return;
  Images dz_scale = dz;
  for (double& x : dz_scale.values) x = std::abs(x);
  test::expect_images(got.d_residual, begin, dz, dz_scale, s.batch, 1e-7, "gradients of the residual");
}

template <class T>
void expect_norm(const Problem& p) {
  const std::vector<Member> members = make_members<T>(p);
  const Output<T> got = run<T>(p, members, 0);
  const std::size_t size = got.out.size() / members.size(), channels = got.mean.size() / members.size(),
                    last = members.size() - 1;
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (members[m].y.n > 0) {
      expect_member(p, members[m], got, m);
      continue;
    }
    test::expect_untouched(got.out, m * size, size, "outputs");
    test::expect_untouched(got.d_y, m * size, size, "gradients");
    test::expect_untouched(got.mean, m * channels, channels, "means");
    test::expect_untouched(got.d_gamma, m * channels, channels, "gradients of gamma");
    for (const auto& [values, before] : {std::pair{&got.gamma, &Member::gamma},
                                         {&got.beta, &Member::beta},
                                         {&got.running_mean, &Member::running_mean},
                                         {&got.running_variance, &Member::running_variance}}) {
      test::expect_same_bytes(*values, m * channels, channels_of(p.shape, members, before), m * channels, channels,
                              "numbers of a member that sits out");
    }
  }
  if (last == 0) return;
  const Output<T> solo = run<T>(p, {members[last]}, last);
  test::expect_same_bytes(got.out, last * size, solo.out, 0, size, "outputs of a member alone");
  test::expect_same_bytes(got.d_y, last * size, solo.d_y, 0, size, "gradients of a member alone");
  test::expect_same_bytes(got.gamma, last * channels, solo.gamma, 0, channels, "gamma of a member alone");
}

const Problem kSeveral = {{20, 8, 9, 5}, {5, 0, 3}};
const Problem kJoin = {{70, 3, 3, 4}, {4, 1}, true};
const Problem kPlain = {{8, 2, 3, 7}, {7, 2}, true, false};
const Problem kLong = {{8, 15, 14, 10}, {9}};

SIMT_CASE(batch_norm_of_several_tiles_fp32) {
  expect_norm<float>(kSeveral);
}
SIMT_CASE(batch_norm_of_several_tiles_bf16) {
  expect_norm<Bfloat16>(kSeveral);
}
SIMT_CASE(batch_norm_with_a_residual_fp32) {
  expect_norm<float>(kJoin);
}
SIMT_CASE(batch_norm_with_a_residual_bf16) {
  expect_norm<Bfloat16>(kJoin);
}
SIMT_CASE(batch_norm_without_relu) {
  expect_norm<float>(kPlain);
  expect_norm<Bfloat16>(kPlain);
}
SIMT_CASE(batch_norm_of_more_tiles_than_threads) {
  expect_norm<float>(kLong);
}
SIMT_CASE(batch_norm_with_dropout) {
  Problem p = kPlain;
  p.relu = true;
  p.drop = Problem::drop_maps;
  expect_norm<float>(p);
  p.drop = Problem::drop_channels;
  expect_norm<Bfloat16>(p);
}
SIMT_CASE(batch_norm_far_from_zero) {
  Problem p = kSeveral;
  p.offset = 1000;
  expect_norm<float>(p);
}

SIMT_CASE(batch_norm_of_one_number_and_of_two) {
  expect_norm<float>({{8, 1, 1, 1}, {1}});
  expect_norm<float>({{8, 1, 1, 2}, {2}});
}
SIMT_CASE(batch_norm_of_whole_slabs) {
  expect_norm<Bfloat16>({{8, 8, 8, 4}, {4}});
}

SIMT_CASE(batch_norm_keeps_a_diverged_member_to_itself) {
  Problem p = kSeveral;
  p.images = {5, 5, 3};
  std::vector<Member> members = make_members<float>(p);
  const Output<float> healthy = run<float>(p, members, 0);
  for (double& y : members[1].y.values) y = std::nan("");
  const Output<float> mixed = run<float>(p, members, 0);
  const std::size_t size = healthy.out.size() / 3, channels = healthy.mean.size() / 3;
  simt::expect(std::isnan(mixed.out[size]) && std::isnan(mixed.d_y[size]) && std::isnan(mixed.running_mean[channels]),
               "NaN became %g, %g, %g", static_cast<double>(mixed.out[size]), static_cast<double>(mixed.d_y[size]),
               static_cast<double>(mixed.running_mean[channels]));
  for (const std::size_t m : {0, 2}) {
    test::expect_same_bytes(mixed.out, m * size, healthy.out, m * size, size, "beside a member of NaN");
    test::expect_same_bytes(mixed.d_y, m * size, healthy.d_y, m * size, size, "beside a member of NaN");
    test::expect_same_bytes(mixed.gamma, m * channels, healthy.gamma, m * channels, channels, "beside NaN");
  }
}

}  // namespace
}  // namespace quarry
