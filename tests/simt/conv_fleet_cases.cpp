// SPDX-License-Identifier: MIT
// Whole fleets of small residual networks on the device beside one in double precision: epochs with short and missing
// batches, augmentation, dropout, evaluation, scoring; fleets and members alone.
#include <algorithm>

#include "quarry/nn/conv_fleet_device.h"
#include "quarry/ops/augment.h"
#include "quarry/ops/conv_dropout.h"
#include "tests/simt/conv_net_reference.h"

namespace quarry {
namespace {

using cuda::ConvFleetNet;
using cuda::ConvNetMember;
using gpu::Session;
using test::Guarded;
using test::Images;
using test::NetReference;

constexpr std::int32_t kPool = 9, kClasses = 3;
using Orders = std::vector<std::vector<std::int32_t>>;

struct Problem {
  ConvMeans means;
  std::int32_t batch = 4;
  double dropout = 0;
  std::vector<ConvNetMember> members;
  std::vector<Orders> epochs;
};

ResNetPlan plan_of(const Problem& p) {
  return test::tiny_plan({3, 4, 3}, 8, kClasses, p.dropout);
}

std::vector<float> first_parameters(const ResNetPlan& plan, std::uint64_t key) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < plan.n_parameters; ++i)
    out.push_back(0.3f * test::bell(key, static_cast<std::uint64_t>(i)));
  for (const ConvLayer& l : plan.layers) {
    for (std::int64_t c = 0; c < l.out_channels; ++c) out[static_cast<std::size_t>(l.gamma + c)] += 1;
  }
  return out;
}
std::vector<float> first_buffers(const ResNetPlan& plan) {
  std::vector<float> out(static_cast<std::size_t>(plan.n_buffers), 0);
  for (const ConvLayer& l : plan.layers) {
    for (std::int64_t c = 0; c < l.out_channels; ++c) out[static_cast<std::size_t>(l.variance + c)] = 1;
  }
  return out;
}

std::vector<std::uint8_t> pool_pixels() {
  std::vector<std::uint8_t> pixels;
  for (std::uint64_t i = 0; i < kPool * 3 * 4 * 3; ++i) pixels.push_back(static_cast<std::uint8_t>(random_u32(77, i)));
  return pixels;
}
std::int32_t label_of(std::int32_t row) {
  return row * 2 % kClasses;
}

/// Rows as the network sees them, slots from `first` on.
Images images_of(const Orders& orders, std::size_t member, std::int32_t first, std::int32_t n, bool augment,
                 std::uint64_t key, std::uint32_t epoch) {
  static const std::vector<std::uint8_t> pixels = pool_pixels();
  Images out{n, 3, 4, 3, std::vector<double>(static_cast<std::size_t>(n * 36))};
  for (std::int32_t i = 0; i < n; ++i) {
    const std::int32_t row = orders[member][static_cast<std::size_t>(first + i)];
    const AugmentDraw draw = augment ? augment_draw(key, static_cast<std::uint64_t>(first + i), epoch) : AugmentDraw{};
    for (std::int32_t c = 0; c < 3; ++c) {
      for (std::int32_t y = 0; y < 4; ++y) {
        for (std::int32_t x = 0; x < 3; ++x) {
          const std::int32_t from_y = y + draw.dy - 4, from_x = (draw.flip ? 2 - x : x) + draw.dx - 4;
          const bool inside = from_y >= 0 && from_y < 4 && from_x >= 0 && from_x < 3;
          const double byte = inside ? pixels[static_cast<std::size_t>(((row * 3 + c) * 4 + from_y) * 3 + from_x)] : 0;
          out.at(i, c, y, x) = (byte / 255 - 0.5) / 0.25;
        }
      }
    }
  }
  return out;
}

std::vector<std::int32_t> labels_of(const Orders& orders, std::size_t member, std::int32_t first, std::int32_t n) {
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < n; ++i) labels.push_back(label_of(orders[member][static_cast<std::size_t>(first + i)]));
  return labels;
}

NetReference::Drop drop_of(const Problem& p, std::uint64_t key, std::uint32_t step, bool by_image) {
  if (p.dropout == 0) return nullptr;
  const auto threshold = static_cast<std::uint32_t>(std::floor(p.dropout * 4294967296.0));
  return [=](std::int32_t image, std::int32_t site, std::int32_t channel) {
    const PhiloxBlock words =
        philox(philox_key(key), static_cast<std::uint32_t>(channel / 4),
               by_image ? static_cast<std::uint32_t>(image) : 0, step, static_cast<std::uint32_t>(site));
    return words.word[channel % 4] >= threshold ? 1 / (1 - p.dropout) : 0.0;
  };
}

/// The pool in device memory.
struct DevicePool {
  Guarded<std::uint8_t> pixels;
  Guarded<std::int32_t> labels;
  Guarded<float> mean, deviation;
  explicit DevicePool(Session& session)
      : pixels(session, pool_pixels()),
        labels(session, all_labels()),
        mean(session, std::vector<float>(3, 0.5f)),
        deviation(session, std::vector<float>(3, 0.25f)) {}
  static std::vector<std::int32_t> all_labels() {
    std::vector<std::int32_t> labels;
    for (std::int32_t row = 0; row < kPool; ++row) labels.push_back(label_of(row));
    return labels;
  }
  ImagePool view() const { return {pixels.data(), labels.data(), 3, 4, 3, mean.data(), deviation.data()}; }
};

struct Trained {
  std::vector<std::vector<float>> parameters, buffers, logits, features;
  std::vector<cuda::ConvNetProgress> training, validation;
};

const Orders kScored = {{0, 1, 2, 3, 4}, {8, 7}};

void score(Session& session, ConvFleetNet& net, const ResNetPlan& plan, const Orders& rows, Trained& out) {
  const std::int32_t padded = padded_channels(plan.features);
  std::vector<gpu::Buffer<float>> buffers;
  std::vector<float*> logits, features;
  for (const std::vector<std::int32_t>& r : rows) {
    buffers.emplace_back(session, r.size() * kClasses);
    logits.push_back(buffers.back().data());
    buffers.emplace_back(session, r.size() * static_cast<std::size_t>(padded));
    features.push_back(buffers.back().data());
  }
  const std::int64_t copies = session.counters().copies_out;
  net.score(rows, 2, std::vector<std::uint64_t>(rows.size(), 99), logits, features);
  simt::expect(session.counters().copies_out == copies, "scores come back to the host");
  for (std::size_t m = 0; m < rows.size(); ++m) {
    std::vector<float> wide(rows[m].size() * static_cast<std::size_t>(padded));
    out.logits.emplace_back(rows[m].size() * kClasses);
    gpu::download<float>(session, logits[m], out.logits.back());
    gpu::download<float>(session, features[m], wide);
    std::vector<float>& narrow = out.features.emplace_back();
    for (std::size_t i = 0; i < wide.size(); ++i) {
      const bool real = static_cast<std::int32_t>(i) % padded < plan.features;
      if (real) narrow.push_back(wide[i]);
      simt::expect(real || wide[i] == 0, "feature %zu behind the last is %g", i, static_cast<double>(wide[i]));
    }
  }
}

/// Members `first` and on of the problem, trained through all epochs, evaluated and scored.
Trained train(const Problem& p, std::size_t first, std::size_t n) {
  Session session(0);
  const DevicePool pool(session);
  const ResNetPlan plan = plan_of(p);
  const std::span<const ConvNetMember> members = std::span(p.members).subspan(first, n);
  ConvFleetNet net(session, plan, p.means, p.batch, pool.view(), members);
  Trained out;
  out.parameters.resize(n);
  out.buffers.resize(n);
  for (std::size_t m = 0; m < n; ++m) {
    net.load(static_cast<std::int32_t>(m), first_parameters(plan, 50 + first + m), first_buffers(plan));
  }
  const auto part = [&](const Orders& orders) {
    return Orders(orders.begin() + static_cast<std::ptrdiff_t>(first),
                  orders.begin() + static_cast<std::ptrdiff_t>(first + n));
  };
  for (std::size_t e = 0; e < p.epochs.size(); ++e) net.train_epoch(static_cast<std::int32_t>(e), part(p.epochs[e]));
  out.training = net.progress();
  for (std::size_t m = 0; m < n; ++m) {
    out.parameters[m].resize(static_cast<std::size_t>(plan.n_parameters));
    out.buffers[m].resize(static_cast<std::size_t>(plan.n_buffers));
    net.store(static_cast<std::int32_t>(m), out.parameters[m], out.buffers[m]);
  }
  net.evaluate(part(kScored), true);
  out.validation = net.progress();
  score(session, net, plan, part(kScored), out);
  return out;
}

/// Both networks by the share of the way from the start that they differ by.
void expect_same_way(const std::vector<float>& got, const std::vector<double>& want, const std::vector<float>& start,
                     double share, const char* what) {
  double off = 0, way = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    off += std::pow(static_cast<double>(got[i]) - want[i], 2);
    way += std::pow(want[i] - static_cast<double>(start[i]), 2);
  }
  simt::expect(off <= share * share * way, "%s: %.3g off on a way of %.3g", what, std::sqrt(off), std::sqrt(way));
}

void expect_near(const std::vector<float>& got, const std::vector<double>& want, double most, const char* what) {
  simt::expect(got.size() == want.size(), "%s: %zu numbers, not %zu", what, got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    test::expect_close(static_cast<double>(got[i]), want[i], 1 + std::abs(want[i]), most, what, i);
  }
}

void expect_member(const Problem& p, const Trained& got, std::size_t m, double share) {
  const ResNetPlan plan = plan_of(p);
  const ConvNetMember& member = p.members[m];
  NetReference net(plan, first_parameters(plan, 50 + m), first_buffers(plan));
  std::uint32_t step = 0;
  double loss = 0;
  for (std::size_t e = 0; e < p.epochs.size() && e < member.rates.size(); ++e) {
    const auto rows = static_cast<std::int32_t>(p.epochs[e][m].size());
    if (rows > 0) loss = 0;
    for (std::int32_t first = 0; first < rows; first += p.batch, ++step) {
      const std::int32_t n = std::min(p.batch, rows - first);
      loss += net.forward(images_of(p.epochs[e], m, first, n, member.augment, member.augment_key,
                                    static_cast<std::uint32_t>(e)),
                          labels_of(p.epochs[e], m, first, n), true, drop_of(p, member.dropout_key, step, true))
                  .loss_sum;
      net.step(static_cast<double>(member.rates[e]), static_cast<double>(member.weight_decay),
               static_cast<double>(member.momentum));
    }
  }
  expect_same_way(got.parameters[m], net.parameters, first_parameters(plan, 50 + m), share, "parameters");
  expect_same_way(got.buffers[m], net.buffers, first_buffers(plan), share, "buffers");
  test::expect_close(got.training[m].loss_sum, loss, 1 + loss, share, "training losses", m);
  const auto n = static_cast<std::int32_t>(kScored[m].size());
  const auto labels = labels_of(kScored, m, 0, n);
  const auto checked =
      net.forward(images_of(kScored, m, 0, n, true, member.augment_key, 0xffffffffu), labels, false, nullptr);
  std::int32_t correct = 0;
  for (std::int32_t i = 0; i < n; ++i) {
    const auto z = checked.logits.begin() + i * kClasses;
    correct += std::max_element(z, z + kClasses) - z == labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  test::expect_close(got.validation[m].loss_sum, checked.loss_sum, 1 + checked.loss_sum, 10 * share, "losses", m);
  if (share < 1e-3)
    simt::expect(got.validation[m].correct == correct, "%d hits, not %d", got.validation[m].correct, correct);
  const auto scored = net.forward(images_of(kScored, m, 0, n, false, 0, 0), labels, false, drop_of(p, 99, 2, false));
  expect_near(got.logits[m], scored.logits, 10 * share, "logits");
  expect_near(got.features[m], scored.features, 10 * share, "features");
}

void expect_fleet(const Problem& p, double share, bool alone = true) {
  const std::size_t n = p.members.size(), last = n - 1;
  const Trained got = train(p, 0, n);
  for (std::size_t m = 0; m < n; ++m) expect_member(p, got, m, share);
  if (!alone) return;
  const Trained solo = train(p, last, 1);
  simt::expect_equal<float>(got.parameters[last], solo.parameters[0], "parameters of a member alone");
  simt::expect_equal<float>(got.buffers[last], solo.buffers[0], "buffers of a member alone");
  simt::expect_equal<float>(got.logits[last], solo.logits[0], "logits of a member alone");
  simt::expect(got.training[last].loss_sum == solo.training[0].loss_sum, "losses of a member alone");
}

/// Member 0 has a short batch, member 1 fewer batches and an epoch less.
Problem two_members() {
  Problem p;
  p.members = {{{0.05f, 0.02f}, 0.01f, 0.9f, true, 11, 21}, {{0.1f}, 0.0f, 0.5f, false, 12, 22}};
  p.epochs = {{{0, 1, 2, 3, 4, 5}, {6, 7, 8}}, {{5, 4, 3, 8}, {1, 2, 3, 4}}};
  return p;
}

SIMT_CASE(conv_fleet_trains_in_fp32) {
  expect_fleet(two_members(), 2e-5);
}
SIMT_CASE(conv_fleet_trains_in_bf16) {
  Problem p = two_members();
  p.means.precision = ConvPrecision::bf16;
  p.epochs.pop_back();
  expect_fleet(p, 0.1);
}
#if !QUARRY_ON_GPU || QUARRY_HAS_CUDNN
SIMT_CASE(conv_fleet_trains_by_the_convolutions_of_cudnn) {
  Problem p = two_members();
  p.means.choice = ConvChoice::cudnn;
  expect_fleet(p, 2e-5);
}
SIMT_CASE(conv_fleet_trains_by_the_convolutions_of_cudnn_in_bf16) {
  Problem p = two_members();
  p.means = {ConvPrecision::bf16, ConvChoice::cudnn};
  p.epochs.pop_back();
  expect_fleet(p, 0.1);
}
#endif
SIMT_CASE(conv_fleet_trains_with_dropout) {
  Problem p = two_members();
  p.dropout = 0.25;
  p.epochs.pop_back();
  expect_fleet(p, 2e-5, false);
}

SIMT_CASE(conv_fleet_ends_while_it_trains) {
  Session session(0);
  const DevicePool pool(session);
  const Problem p = two_members();
  const ResNetPlan plan = plan_of(p);
  {
    ConvFleetNet net(session, plan, p.means, p.batch, pool.view(), std::span(p.members).first(1));
    net.load(0, first_parameters(plan, 50), first_buffers(plan));
    session.synchronize();  // the second epoch would wait for the load
    net.train_epoch(0, Orders{{1, 2}});
    const gpu::Counters before = session.counters();
    net.train_epoch(1, Orders{{5, 4}});
    const gpu::Counters& after = session.counters();
    simt::expect(after.graph_launches == before.graph_launches + 1 && after.launches == before.launches,
                 "a step is %lld graphs", static_cast<long long>(after.graph_launches - before.graph_launches));
    simt::expect(after.copies_out == before.copies_out && after.allocations == before.allocations, "%lld copies out",
                 static_cast<long long>(after.copies_out - before.copies_out));
    simt::expect(after.blocking == before.blocking, "waits for the epoch before");
  }
  session.synchronize();
}

}  // namespace
}  // namespace quarry
