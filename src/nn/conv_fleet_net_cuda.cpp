// SPDX-License-Identifier: MIT
#include <algorithm>

#include "quarry/core/error.h"
#include "src/nn/conv_fleet_net.h"
#include "src/nn/conv_networks.h"

namespace quarry::cuda {
namespace {

std::int32_t most_epochs(std::span<const ConvNetMember> members) {
  std::size_t most = 1;
  for (const ConvNetMember& m : members) most = std::max(most, m.rates.size());
  return static_cast<std::int32_t>(most);
}

template <class T, class F>
std::vector<T> of_each(std::span<const ConvNetMember> members, const F& value) {
  std::vector<T> out;
  for (const ConvNetMember& m : members) out.push_back(static_cast<T>(value(m)));
  return out;
}

}  // namespace

ConvFleetNet::Impl::Impl(gpu::Session& s, const ResNetPlan& p, const NetSize& with_size, const ImagePool& images,
                         std::span<const ConvNetMember> m, bool with_graphs)
    : session(s),
      plan(p),
      size(with_size),
      pool(images),
      members(m.begin(), m.end()),
      networks(size.trains ? std::make_shared<ConvNetworks>(s, p, size.members) : nullptr),
      memory(&s),
      arrays(lay_out(plan, size, memory)),
      pass(session, plan, size, arrays),
      graphs(with_graphs),
      stagings{Staging(session), Staging(session)} {
  const ImageShape& input = plan.spec.input;
  QUARRY_CHECK(input.channels == pool.channels && input.height == pool.height && input.width == pool.width,
               "the network takes images of {} x {} x {}, the pool has {} x {} x {}", input.channels, input.height,
               input.width, pool.channels, pool.height, pool.width);
  for (NetLayer& layer : arrays.layers) layer.engines = layer_engines(layer.conv, size.means, session.device());
  try {
    send_members();
  } catch (...) {
    wait_for_copies();
    throw;
  }
}

void ConvFleetNet::Impl::send_members() {
  begin();
  const std::size_t n = members.size(), epochs = static_cast<std::size_t>(size.epochs);
  std::vector<float> rates(n * epochs, 0.0f);
  for (std::size_t m = 0; m < n; ++m) std::copy(members[m].rates.begin(), members[m].rates.end(), &rates[m * epochs]);
  staging().send(arrays.rates, rates);
  staging().send(arrays.epochs, of_each<std::int32_t>(members, [](auto& m) { return m.rates.size(); }));
  staging().send(arrays.weight_decay, of_each<float>(members, [](auto& m) { return m.weight_decay; }));
  staging().send(arrays.momentum, of_each<float>(members, [](auto& m) { return m.momentum; }));
  staging().send(arrays.augment, of_each<std::int32_t>(members, [](auto& m) { return m.augment ? 1 : 0; }));
  staging().send(arrays.augment_keys, of_each<std::uint64_t>(members, [](auto& m) { return m.augment_key; }));
  staging().send(arrays.dropout_keys, of_each<std::uint64_t>(members, [](auto& m) { return m.dropout_key; }));
  staging().send(arrays.correct, std::vector<std::int32_t>(n, 0));
  end();
}

FleetRows ConvFleetNet::Impl::fleet_rows(bool augment) const {
  FleetRows rows;
  rows.fleet = {size.members, arrays.present};
  rows.batch = size.batch;
  rows.order = order.data();
  rows.order_stride = stride;
  rows.first_slot = arrays.first_slot;
  rows.augment_keys = augment ? arrays.augment_keys : nullptr;
  rows.epoch = arrays.epoch;
  return rows;
}

FleetClock ConvFleetNet::Impl::clock(bool training) const {
  FleetClock c;
  c.members = size.members;
  c.batch = size.batch;
  c.slots = arrays.slots;
  c.epochs = arrays.epochs;
  c.rates = training ? arrays.rates : nullptr;
  c.rates_stride = size.epochs;
  c.step = arrays.step;
  c.epoch = arrays.epoch;
  c.images = arrays.present;
  c.first_slot = arrays.first_slot;
  c.lr = arrays.lr;
  c.steps_done = training ? arrays.steps_done : nullptr;
  return c;
}

void ConvFleetNet::Impl::enqueue_loss(bool training) {
  HeadLoss loss;
  loss.logits = arrays.logits;
  loss.labels = arrays.labels;
  loss.losses = arrays.losses;
  loss.d_logits = training ? arrays.d_logits : nullptr;
  loss.loss_sum = arrays.loss_sum;
  loss.correct = training ? nullptr : arrays.correct;
  loss.diverged_epoch = training ? arrays.diverged_epoch : nullptr;
  loss.epoch = arrays.epoch;
  head_loss(session, arrays.head_shape, {size.members, arrays.present}, loss);
}

void ConvFleetNet::Impl::enqueue_drops(const std::uint64_t* keys, const std::uint32_t* steps, bool per_image) {
  for (const NetLayer& l : arrays.layers) {
    if (l.drop == nullptr) continue;
    drop_factors(session, {size.members, size.batch, l.conv.out_channels, keys, steps, l.site, plan.spec.dropout,
                           per_image, l.drop});
  }
}

void ConvFleetNet::Impl::enqueue_training_step() {
  fleet_step(session, clock(true));
  FleetRows rows = fleet_rows(true);
  rows.augment = arrays.augment;
  gather_images(session, size.means.precision, pool, rows, arrays.images, arrays.labels);
  const bool drop = plan.spec.dropout > 0;
  if (drop) enqueue_drops(arrays.dropout_keys, arrays.steps_done, true);
  const PassMode mode{true, drop ? PassMode::drop_by_image : PassMode::no_drop};
  pass.forward(mode);
  enqueue_loss(true);
  pass.backward(mode);
}

void ConvFleetNet::Impl::reserve(std::int64_t rows) {
  if (rows <= stride) return;
  if (train_graph) settle();
  train_graph = GraphPointer(nullptr, nullptr);  // it knows the old place
  order = gpu::Buffer<std::int32_t>(session, members.size() * static_cast<std::size_t>(rows));
  stride = rows;
}

std::int64_t ConvFleetNet::Impl::send_rows(std::int32_t epoch, std::span<const std::vector<std::int32_t>> rows) {
  QUARRY_CHECK(rows.size() == members.size(), "rows of {} members, not {}", rows.size(), members.size());
  std::vector<std::int32_t> slots;
  std::int64_t longest = 0;
  for (const std::vector<std::int32_t>& r : rows) {
    slots.push_back(static_cast<std::int32_t>(r.size()));
    longest = std::max(longest, static_cast<std::int64_t>(r.size()));
  }
  reserve(longest);
  for (std::size_t m = 0; m < rows.size(); ++m) {
    staging().send(order.data() + static_cast<std::int64_t>(m) * stride, rows[m]);
  }
  staging().send(arrays.slots, slots);
  staging().send(arrays.epoch, std::vector<std::int32_t>(members.size(), epoch));
  session.fill(arrays.step, 0, members.size() * sizeof *arrays.step);
  return (longest + size.batch - 1) / size.batch;
}

void ConvFleetNet::Impl::clear_sums(std::span<const std::vector<std::int32_t>> rows) {
  for (std::size_t m = 0; m < rows.size(); ++m) {
    if (rows[m].empty()) continue;
    session.fill(arrays.loss_sum + m, 0, sizeof(double));
    session.fill(arrays.correct + m, 0, sizeof(std::int32_t));
  }
}

ConvFleetNet::ConvFleetNet(gpu::Session& session, const ResNetPlan& plan, ConvMeans means, std::int32_t batch,
                           const ImagePool& pool, std::span<const ConvNetMember> members, bool graphs)
    : impl_(std::make_unique<Impl>(
          session, plan, NetSize{means, batch, static_cast<std::int32_t>(members.size()), most_epochs(members)}, pool,
          members, graphs)) {
  place_networks(impl_->networks->impl_->arrays, 0, impl_->arrays);
}

ConvFleetNet::ConvFleetNet(gpu::Session& session, const ConvNetworks& networks, std::int32_t network,
                           std::int32_t batch, const ImagePool& pool) {
  const ConvNetMember one;
  const NetSize size{{}, batch, 1, 1, false};
  QUARRY_CHECK(network >= 0 && network < networks.impl_->networks, "network {} of {}", network,
               networks.impl_->networks);
  impl_ = std::make_unique<Impl>(session, networks.plan(), size, pool, std::span(&one, 1), false);
  place_networks(networks.impl_->arrays, network, impl_->arrays);
}

ConvFleetNet::~ConvFleetNet() {
  impl_->wait_for_copies();
}

void ConvFleetNet::reserve(std::int64_t rows) {
  impl_->reserve(rows);
}

void ConvFleetNet::train_epoch(std::int32_t epoch, std::span<const std::vector<std::int32_t>> orders) {
  Impl& net = *impl_;
  QUARRY_CHECK(epoch >= 0 && net.size.trains, "epoch {}{}", epoch, net.size.trains ? "" : " of a fleet that scores");
  net.begin();
  std::vector<std::vector<std::int32_t>> rows(orders.begin(), orders.end());
  for (std::size_t m = 0; m < rows.size() && m < net.members.size(); ++m) {
    if (static_cast<std::size_t>(epoch) >= net.members[m].rates.size()) rows[m].clear();
  }
  const std::int64_t steps = net.send_rows(epoch, rows);
  net.clear_sums(rows);
  if (net.graphs && !net.train_graph) {
    net.train_graph = net.session.record([&net] { net.enqueue_training_step(); });
  }
  for (std::int64_t s = 0; s < steps; ++s) {
    if (net.graphs) {
      net.session.run(*net.train_graph);
    } else {
      net.enqueue_training_step();
    }
  }
  net.end();
}

void ConvFleetNet::evaluate(std::span<const std::vector<std::int32_t>> rows, bool augment) {
  Impl& net = *impl_;
  net.begin();
  const std::int64_t steps = net.send_rows(-1, rows);
  net.clear_sums(rows);
  for (std::int64_t s = 0; s < steps; ++s) {
    fleet_step(net.session, net.clock(false));
    gather_images(net.session, net.size.means.precision, net.pool, net.fleet_rows(augment), net.arrays.images,
                  net.arrays.labels);
    net.pass.forward({false, PassMode::no_drop});
    net.enqueue_loss(false);
  }
  net.end();
}

void ConvFleetNet::score(std::span<const std::vector<std::int32_t>> rows, std::int32_t pass,
                         std::span<const std::uint64_t> mc_keys, std::span<float* const> logits,
                         std::span<float* const> features) {
  Impl& net = *impl_;
  net.begin();
  const std::size_t n = net.members.size();
  const std::int64_t batch = net.size.batch;
  QUARRY_CHECK((logits.empty() || logits.size() == n) && (features.empty() || features.size() == n),
               "room for the logits of {} and the features of {} of {} members", logits.size(), features.size(), n);
  const bool drop = pass >= 0 && net.plan.spec.dropout > 0;
  if (drop) {
    QUARRY_CHECK(mc_keys.size() == n, "{} keys for {} members", mc_keys.size(), n);
    net.staging().send(net.arrays.mc_keys, std::vector<std::uint64_t>(mc_keys.begin(), mc_keys.end()));
    net.staging().send(net.arrays.passes, std::vector<std::uint32_t>(n, static_cast<std::uint32_t>(pass)));
    net.enqueue_drops(net.arrays.mc_keys, net.arrays.passes, false);
  }
  const std::int64_t steps = net.send_rows(-1, rows);
  // A member's rows of one chunk, of `width` numbers each, behind those of the chunks before.
  const auto keep = [&](const float* chunk, std::int64_t width, std::int64_t step, std::span<float* const> out) {
    for (std::size_t m = 0; m < out.size(); ++m) {
      const std::int64_t first = step * batch, count = std::min(batch, std::ssize(rows[m]) - first);
      if (count <= 0) continue;
      net.session.copy_within(out[m] + first * width, chunk + static_cast<std::int64_t>(m) * batch * width,
                              static_cast<std::size_t>(count * width) * sizeof(float));
    }
  };
  for (std::int64_t s = 0; s < steps; ++s) {
    fleet_step(net.session, net.clock(false));
    gather_images(net.session, net.size.means.precision, net.pool, net.fleet_rows(false), net.arrays.images, nullptr);
    net.pass.forward({false, drop ? PassMode::drop_by_channel : PassMode::no_drop});
    keep(net.arrays.logits, net.plan.spec.classes, s, logits);
    keep(net.arrays.features, padded_channels(net.plan.features), s, features);
  }
  net.end();
}

std::vector<ConvNetProgress> ConvFleetNet::progress() {
  Impl& net = *impl_;
  const gpu::Buffer<ConvNetProgress> noted(net.session, net.members.size());
  note(noted.data());
  std::vector<ConvNetProgress> out(net.members.size());
  gpu::download<ConvNetProgress>(net.session, noted.data(), out);
  return out;
}

void ConvFleetNet::note(ConvNetProgress* device) {
  const NetArrays& arrays = impl_->arrays;
  fleet_progress(impl_->session,
                 {impl_->size.members, arrays.loss_sum, arrays.correct, arrays.diverged_epoch, arrays.non_finite},
                 device);
}

}  // namespace quarry::cuda
