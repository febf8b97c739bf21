// SPDX-License-Identifier: MIT
// Pooling, the linear layer, softmax cross-entropy, their gradients and steps, beside double precision.
#include "quarry/ops/fleet_batch_device.h"
#include "tests/simt/fleet_tensors.h"

namespace quarry {
namespace {

using gpu::Session;
using test::Guarded;
using test::Images;
using test::Values;

struct Problem {
  HeadShape shape;
  std::vector<std::int32_t> images;
};

struct Member {
  Images activations;
  std::vector<double> weights, biases, weight_velocity, bias_velocity;  ///< [classes][features], [classes]
  std::vector<std::int32_t> labels;
};

template <class T>
std::vector<Member> make_members(const Problem& p) {
  const HeadShape& s = p.shape;
  std::vector<Member> members;
  for (std::size_t m = 0; m < p.images.size(); ++m) {
    const std::uint64_t key = 4000 + 20 * m;
    const auto values = [&](std::int64_t n, std::uint64_t k) {
      return test::make_values<float>(n, key + k, Values::reals);
    };
    Member member{test::make_images<T>(p.images[m], s.features, s.height, s.width, key, Values::reals),
                  values(s.classes * s.features, 1),
                  values(s.classes, 2),
                  values(s.classes * s.features, 3),
                  values(s.classes, 4),
                  {}};
    for (std::int32_t i = 0; i < s.batch; ++i) {
      member.labels.push_back(i < p.images[m] ? (i * 7 + static_cast<std::int32_t>(m)) % s.classes : -1);
    }
    members.push_back(member);
  }
  return members;
}

std::vector<float> rows_of(const HeadShape& s, const std::vector<Member>& members,
                           const std::vector<double> Member::*values) {
  std::vector<float> out;
  for (const Member& m : members) {
    for (std::int32_t c = 0; c < s.classes; ++c) {
      for (std::int32_t f = 0; f < padded_channels(s.features); ++f) {
        out.push_back(f < s.features ? static_cast<float>((m.*values)[static_cast<std::size_t>(c * s.features + f)])
                                     : 0);
      }
    }
  }
  return out;
}
std::vector<float> all_of(const std::vector<Member>& members, const std::vector<double> Member::*values) {
  std::vector<float> out;
  for (const Member& m : members) {
    for (const double x : m.*values) out.push_back(static_cast<float>(x));
  }
  return out;
}

constexpr float kLr[] = {0.5f, 0.25f, 0.125f}, kDecay[] = {0.25f, 0.5f, 0.0f}, kMomentum[] = {0.5f, 0.0f, 0.75f};

template <class T>
struct Output {
  std::vector<float> features, logits, losses, d_logits, weights, biases, weight_velocity;
  std::vector<T> d_activations;
  std::vector<double> loss_sum;
  std::vector<std::int32_t> correct, diverged;
};

template <class T>
Output<T> run(const HeadShape& s, const std::vector<Member>& members, std::size_t first) {
  Session session(0);
  std::vector<T> activations;
  std::vector<std::int32_t> images, labels;
  for (const Member& m : members) {
    test::append_images(activations, m.activations, s.batch);
    labels.insert(labels.end(), m.labels.begin(), m.labels.end());
    images.push_back(m.activations.n);
  }
  const std::size_t n = members.size(), places = n * static_cast<std::size_t>(s.batch);
  const auto rate = [&](const float* rates) { return std::vector<float>(rates + first, rates + first + n); };
  const Guarded<T> device_activations(session, activations), d_activations(session, activations.size());
  const Guarded<float> features(session, places * static_cast<std::size_t>(padded_channels(s.features))),
      logits(session, places * static_cast<std::size_t>(s.classes)), losses(session, places),
      d_logits(session, places * static_cast<std::size_t>(s.classes));
  const Guarded<float> weights(session, rows_of(s, members, &Member::weights)),
      biases(session, all_of(members, &Member::biases)),
      weight_velocity(session, rows_of(s, members, &Member::weight_velocity)),
      bias_velocity(session, all_of(members, &Member::bias_velocity));
  const Guarded<float> lr(session, rate(kLr)), decay(session, rate(kDecay)), momentum(session, rate(kMomentum));
  const Guarded<double> loss_sum(session, std::vector<double>(n, 100.0));
  const Guarded<std::int32_t> correct(session, std::vector<std::int32_t>(n, 10)),
      diverged(session, std::vector<std::int32_t>(n, -1)), epoch(session, std::vector<std::int32_t>(n, 6)),
      device_labels(session, labels), device_images(session, images);
  const FleetImages fleet{static_cast<std::int32_t>(n), device_images.data()};
  const Head head{weights.data(), biases.data(), weight_velocity.data(), bias_velocity.data()};
  const ConvPrecision precision = test::precision_of<T>();

  cuda::head_features(session, precision, s, fleet, device_activations.data(), features.data());
  cuda::head_logits(session, s, fleet, features.data(), head, logits.data());
  HeadLoss loss;
  loss.logits = logits.data();
  loss.labels = device_labels.data();
  loss.losses = losses.data();
  loss.d_logits = d_logits.data();
  loss.loss_sum = loss_sum.data();
  loss.correct = correct.data();
  loss.diverged_epoch = diverged.data();
  loss.epoch = epoch.data();
  cuda::head_loss(session, s, fleet, loss);
  cuda::head_gradient(session, precision, s, fleet, d_logits.data(), head, d_activations.data());
  cuda::head_step(session, s, fleet, d_logits.data(), features.data(), {lr.data(), decay.data(), momentum.data()},
                  head);
  return {features.read("features"),
          logits.read("logits"),
          losses.read("losses"),
          d_logits.read("gradients of logits"),
          weights.read("weights"),
          biases.read("biases"),
          weight_velocity.read("momentum"),
          d_activations.read("gradients"),
          loss_sum.read("sums of losses"),
          correct.read("hits"),
          diverged.read("epochs")};
}

template <class T>
void expect_member(const Problem& p, const Member& m, const Output<T>& got, std::size_t number) {
  const HeadShape& s = p.shape;
  const std::int32_t n = m.activations.n, padded = padded_channels(s.features);
  const double positions = s.height * s.width, share = 2e-6;
  Images d_activations = m.activations, scale = m.activations;
  std::vector<double> d_weights(m.weights.size(), 0), d_biases(m.biases.size(), 0);
  double sum = 100;
  std::int32_t hits = 10;
  for (std::int32_t i = 0; i < s.batch; ++i) {
    const std::size_t place = number * static_cast<std::size_t>(s.batch) + static_cast<std::size_t>(i);
    std::vector<double> features, logits;
    for (std::int32_t f = 0; f < padded; ++f) {
      double mean = 0;
      for (std::int32_t y = 0; i < n && f < s.features && y < s.height; ++y) {
        for (std::int32_t x = 0; x < s.width; ++x) mean += m.activations.at(i, f, y, x) / positions;
      }
      features.push_back(mean);
      test::expect_close(
          static_cast<double>(got.features[place * static_cast<std::size_t>(padded) + static_cast<std::size_t>(f)]),
          mean, i < n && f < s.features ? 3 : 0, share, "features", static_cast<std::size_t>(f));
    }
    double largest = -HUGE_VAL, total = 0;
    for (std::int32_t c = 0; c < s.classes; ++c) {
      double z = m.biases[static_cast<std::size_t>(c)];
      for (std::int32_t f = 0; f < s.features; ++f) {
        z += features[static_cast<std::size_t>(f)] * m.weights[static_cast<std::size_t>(c * s.features + f)];
      }
      logits.push_back(i < n ? z : 0);
      largest = std::max(largest, z);
    }
    for (const double z : logits) total += std::exp(z - largest);
    const std::int32_t label = m.labels[static_cast<std::size_t>(i)];
    const double loss = i < n ? std::log(total) + largest - logits[static_cast<std::size_t>(label)] : 0;
    sum += loss;
    if (i < n && logits[static_cast<std::size_t>(label)] == largest) ++hits;
    test::expect_close(static_cast<double>(got.losses[place]), loss, i < n ? 20 + std::abs(loss) : 0, share, "losses",
                       place);
    for (std::int32_t c = 0; c < s.classes; ++c) {
      const auto at = place * static_cast<std::size_t>(s.classes) + static_cast<std::size_t>(c);
      const double z = logits[static_cast<std::size_t>(c)];
      const double d = i < n ? (std::exp(z - largest) / total - (c == label ? 1 : 0)) / n : 0;
      test::expect_close(static_cast<double>(got.logits[at]), z, i < n ? 20 : 0, share, "logits", at);
      test::expect_close(static_cast<double>(got.d_logits[at]), d, i < n ? 20.0 / n : 0, share, "gradients of logits",
                         at);
      d_biases[static_cast<std::size_t>(c)] += d;
      for (std::int32_t f = 0; f < s.features; ++f) {
        d_weights[static_cast<std::size_t>(c * s.features + f)] += d * features[static_cast<std::size_t>(f)];
      }
      logits[static_cast<std::size_t>(c)] = d;  // from here on the gradient
    }
    for (std::int32_t f = 0; i < n && f < s.features; ++f) {
      double d = 0;
      for (std::int32_t c = 0; c < s.classes; ++c) {
        d += logits[static_cast<std::size_t>(c)] * m.weights[static_cast<std::size_t>(c * s.features + f)] / positions;
      }
      for (std::int32_t y = 0; y < s.height; ++y) {
        for (std::int32_t x = 0; x < s.width; ++x) {
          d_activations.at(i, f, y, x) = d;
          scale.at(i, f, y, x) = 20 / positions / n;
        }
      }
    }
  }
  test::expect_images(got.d_activations, number * test::places(m.activations, s.batch), d_activations, scale, s.batch,
                      share, "gradients");
  test::expect_close(got.loss_sum[number], sum, 20.0 * n, share, "sums of losses", number);
  simt::expect(got.correct[number] == hits && got.diverged[number] == -1, "%d hits, not %d, diverged %d",
               got.correct[number], hits, got.diverged[number]);
  const double lr = static_cast<double>(kLr[number]), decay = static_cast<double>(kDecay[number]),
               momentum = static_cast<double>(kMomentum[number]);
  const std::size_t row = number * static_cast<std::size_t>(s.classes);
  for (std::size_t c = 0; c < m.biases.size(); ++c) {
    const double v = momentum * m.bias_velocity[c] + d_biases[c] + decay * m.biases[c];
    test::expect_close(static_cast<double>(got.biases[row + c]), m.biases[c] - lr * v, 10, share, "biases", c);
    for (std::int32_t f = 0; f < padded; ++f) {
      const std::size_t at = (row + c) * static_cast<std::size_t>(padded) + static_cast<std::size_t>(f);
      const std::size_t i = c * static_cast<std::size_t>(s.features) + static_cast<std::size_t>(f);
      const bool real = f < s.features;
      const double w = real ? m.weights[i] : 0,
                   u = real ? momentum * m.weight_velocity[i] + d_weights[i] + decay * w : 0;
      test::expect_close(static_cast<double>(got.weight_velocity[at]), u, real ? 10 : 0, share, "momentum", at);
      test::expect_close(static_cast<double>(got.weights[at]), w - lr * u, real ? 10 : 0, share, "weights", at);
    }
  }
}

template <class T>
void expect_head(const Problem& p) {
  const std::vector<Member> members = make_members<T>(p);
  const Output<T> got = run<T>(p.shape, members, 0);
  const std::size_t last = members.size() - 1, size = got.d_activations.size() / members.size(),
                    weights = got.weights.size() / members.size();
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (members[m].activations.n > 0) {
      expect_member(p, members[m], got, m);
      continue;
    }
    test::expect_untouched(got.d_activations, m * size, size, "gradients");
    const std::size_t features = got.features.size() / members.size(), logits = got.logits.size() / members.size();
    test::expect_untouched(got.features, m * features, features, "features");
    test::expect_untouched(got.logits, m * logits, logits, "logits");
    test::expect_untouched(got.d_logits, m * logits, logits, "gradients of logits");
    test::expect_same_bytes(got.weights, m * weights, rows_of(p.shape, members, &Member::weights), m * weights, weights,
                            "weights of a member that sits out");
    simt::expect(got.loss_sum[m] == 100 && got.correct[m] == 10, "a member that sits out has losses");
  }
  const Output<T> solo = run<T>(p.shape, {members[last]}, last);
  test::expect_same_bytes(got.d_activations, last * size, solo.d_activations, 0, size, "gradients of a member alone");
  test::expect_same_bytes(got.weights, last * weights, solo.weights, 0, weights, "weights of a member alone");
}

SIMT_CASE(head_of_few_features_fp32) {
  expect_head<float>({{20, 3, 2, 3, 5}, {5, 0, 2}});
}
SIMT_CASE(head_of_few_features_bf16) {
  expect_head<Bfloat16>({{20, 3, 2, 3, 5}, {5, 0, 2}});
}
SIMT_CASE(head_of_many_classes) {
  expect_head<float>({{70, 35, 1, 2, 3}, {3, 1}});
}
SIMT_CASE(head_of_one_image) {
  expect_head<Bfloat16>({{8, 2, 4, 4, 1}, {1}});
}

SIMT_CASE(head_notices_divergence) {
  const Problem p = {{8, 3, 2, 2, 4}, {4, 4, 2}};
  std::vector<Member> members = make_members<float>(p);
  const Output<float> healthy = run<float>(p.shape, members, 0);
  members[1].activations.values[5 * 4] = std::nan("");
  const Output<float> mixed = run<float>(p.shape, members, 0);
  simt::expect(mixed.diverged[0] == -1 && mixed.diverged[1] == 6 && mixed.diverged[2] == -1,
               "diverged in epochs %d, %d, %d", mixed.diverged[0], mixed.diverged[1], mixed.diverged[2]);
  simt::expect(std::isnan(mixed.loss_sum[1]), "losses of a member of NaN sum up to %g", mixed.loss_sum[1]);
  const std::size_t weights = healthy.weights.size() / 3;
  for (const std::size_t m : {0, 2}) {
    test::expect_same_bytes(mixed.weights, m * weights, healthy.weights, m * weights, weights,
                            "beside a member of NaN");
    simt::expect(mixed.loss_sum[m] == healthy.loss_sum[m], "losses beside a member of NaN have changed");
  }
}

/// Logits as they are: ties, NaN and infinities.
SIMT_CASE(head_loss_of_hard_logits) {
  Session session(0);
  const float nan = std::nanf(""), infinity = HUGE_VALF;
  const std::vector<float> z = {1, 1, 0, /**/ 0, nan, nan, /**/ 200, -200, 0, /**/ -infinity, 0, 0, /**/ 2, 3, 3};
  const std::vector<std::int32_t> labels = {1, 1, 1, 1, 2}, images = {5}, zero = {0};
  const Guarded<float> logits(session, z), losses(session, 5);
  const Guarded<std::int32_t> device_labels(session, labels), device_images(session, images), correct(session, zero);
  const Guarded<double> sum(session, std::vector<double>{0.0});
  HeadLoss loss;
  loss.logits = logits.data();
  loss.labels = device_labels.data();
  loss.losses = losses.data();
  loss.loss_sum = sum.data();
  loss.correct = correct.data();
  cuda::head_loss(session, {8, 3, 1, 1, 5}, {1, device_images.data()}, loss);
  const std::vector<float> got = losses.read("losses");
  // hits: of equals the first counts (no), the first NaN is the largest (yes), no, the first of equals (yes), no
  simt::expect(correct.read("hits")[0] == 2, "%d hits", correct.read("hits")[0]);
  simt::expect(std::isnan(got[1]), "the loss of NaN is %g", static_cast<double>(got[1]));
  test::expect_close(static_cast<double>(got[0]), std::log(2 + std::exp(-1.0)), 1, 1e-6, "losses", 0);
  test::expect_close(static_cast<double>(got[2]), 400, 400, 1e-6, "losses", 2);
  test::expect_close(static_cast<double>(got[3]), std::log(2.0), 1, 1e-6, "losses", 3);
  test::expect_close(static_cast<double>(got[4]), std::log(2 + std::exp(-1.0)), 1, 1e-6, "losses", 4);
}

}  // namespace
}  // namespace quarry
