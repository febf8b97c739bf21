// SPDX-License-Identifier: MIT
// Beginning of a fleet's step: the clock, the images by crop and flip, the dropout factors.
#include "quarry/ops/fleet_batch_device.h"
#include "tests/simt/fleet_tensors.h"

namespace quarry {
namespace {

using gpu::Session;
using test::Guarded;
using test::Images;

struct Problem {
  std::int32_t channels = 3, height = 5, width = 7, batch = 3;
  std::vector<std::int32_t> images, augment, epoch;
  bool draws = true;
};

constexpr std::int32_t kPool = 6;
constexpr std::uint64_t kKeys[] = {11, 22, 33};

std::int32_t slot_of(std::size_t member, std::int32_t image) {
  return static_cast<std::int32_t>(member) * 2 + image;
}

/// Of a member the images of its batch by the definition: pad, crop, flip, normalise.
Images expected(const Problem& p, std::size_t m, const std::vector<std::uint8_t>& pixels,
                const std::vector<std::int32_t>& order, const std::vector<double>& mean,
                const std::vector<double>& deviation) {
  Images out{p.images[m], p.channels, p.height, p.width, {}};
  out.values.resize(static_cast<std::size_t>(p.images[m] * p.channels * p.height * p.width));
  for (std::int32_t i = 0; i < p.images[m]; ++i) {
    const std::int32_t slot = slot_of(m, i),
                       row = order[m * order.size() / p.images.size() + static_cast<std::size_t>(slot)];
    std::int32_t dx = 4, dy = 4;
    bool flip = false;
    if (p.draws && p.augment[m] != 0) {
      const PhiloxBlock words =
          random_block(kKeys[m], static_cast<std::uint64_t>(slot), static_cast<std::uint32_t>(p.epoch[m]));
      dx = static_cast<std::int32_t>(std::floor(9.0 * words.word[0] / 4294967296.0));
      dy = static_cast<std::int32_t>(std::floor(9.0 * words.word[1] / 4294967296.0));
      flip = words.word[2] >= 0x80000000u;
    }
    for (std::int32_t c = 0; c < p.channels; ++c) {
      for (std::int32_t y = 0; y < p.height; ++y) {
        for (std::int32_t x = 0; x < p.width; ++x) {
          const std::int32_t from_y = y + dy - 4, from_x = (flip ? p.width - 1 - x : x) + dx - 4;
          const bool inside = from_y >= 0 && from_y < p.height && from_x >= 0 && from_x < p.width;
          const auto at = static_cast<std::size_t>(((row * p.channels + c) * p.height + from_y) * p.width + from_x);
          const double byte = inside ? pixels[at] : 0;
          out.at(i, c, y, x) =
              (byte / 255 - mean[static_cast<std::size_t>(c)]) / deviation[static_cast<std::size_t>(c)];
        }
      }
    }
  }
  return out;
}

template <class T>
void expect_gather(const Problem& p) {
  Session session(0);
  std::vector<std::uint8_t> pixels;
  for (std::int32_t i = 0; i < kPool * p.channels * p.height * p.width; ++i) {
    pixels.push_back(static_cast<std::uint8_t>(random_u32(5, static_cast<std::uint64_t>(i))));
  }
  const std::size_t members = p.images.size();
  const std::int32_t stride = p.batch + 4;
  std::vector<std::int32_t> order, first, labels;
  for (std::size_t m = 0; m < members; ++m) {
    for (std::int32_t s = 0; s < stride; ++s) order.push_back((s * 5 + static_cast<std::int32_t>(m)) % kPool);
    first.push_back(slot_of(m, 0));
  }
  for (std::int32_t i = 0; i < kPool; ++i) labels.push_back(100 + i);
  std::vector<double> mean, deviation;
  std::vector<float> device_values;
  for (std::int32_t c = 0; c < p.channels; ++c) mean.push_back(0.25 + 0.125 * c), deviation.push_back(0.5 + 0.25 * c);
  for (const double x : mean) device_values.push_back(static_cast<float>(x));
  for (const double x : deviation) device_values.push_back(static_cast<float>(x));

  const Guarded<std::uint8_t> device_pixels(session, pixels);
  const Guarded<std::int32_t> device_order(session, order), device_first(session, first),
      device_labels(session, labels), images(session, p.images), augment(session, p.augment), epoch(session, p.epoch);
  const Guarded<std::uint64_t> keys(session, std::vector<std::uint64_t>(kKeys, kKeys + members));
  const Guarded<float> device_mean(session,
                                   std::vector<float>(device_values.begin(), device_values.begin() + p.channels)),
      device_deviation(session, std::vector<float>(device_values.begin() + p.channels, device_values.end()));
  const std::size_t size = test::places({0, p.channels, p.height, p.width, {}}, p.batch);
  const Guarded<T> out(session, members * size);
  const Guarded<std::int32_t> out_labels(session, members * static_cast<std::size_t>(p.batch));
  const ImagePool pool{device_pixels.data(), device_labels.data(),   p.channels, p.height, p.width,
                       device_mean.data(),   device_deviation.data()};
  FleetRows rows;
  rows.fleet = {static_cast<std::int32_t>(members), images.data()};
  rows.batch = p.batch;
  rows.order = device_order.data();
  rows.order_stride = stride;
  rows.first_slot = device_first.data();
  rows.augment_keys = p.draws ? keys.data() : nullptr;
  rows.augment = augment.data();
  rows.epoch = epoch.data();
  cuda::gather_images(session, test::precision_of<T>(), pool, rows, out.data(), out_labels.data());

  const std::vector<T> got = out.read("images");
  const std::vector<std::int32_t> got_labels = out_labels.read("labels");
  for (std::size_t m = 0; m < members; ++m) {
    if (p.images[m] == 0) {
      test::expect_untouched(got, m * size, size, "images");
      test::expect_untouched(got_labels, m * static_cast<std::size_t>(p.batch), static_cast<std::size_t>(p.batch),
                             "labels");
      continue;
    }
    const Images want = expected(p, m, pixels, order, mean, deviation);
    Images scale = want;
    for (double& x : scale.values) x = 4;
    test::expect_images(got, m * size, want, scale, p.batch, 1e-7, "images");
    for (std::int32_t i = 0; i < p.batch; ++i) {
      const std::int32_t is = got_labels[m * static_cast<std::size_t>(p.batch) + static_cast<std::size_t>(i)];
      const std::int32_t label =
          i < p.images[m] ? 100 + order[m * static_cast<std::size_t>(stride) + static_cast<std::size_t>(slot_of(m, i))]
                          : -1;
      simt::expect(is == label, "label %d of member %zu is %d, not %d", i, m, is, label);
    }
  }
}

SIMT_CASE(gather_images_by_crop_and_flip) {
  const Problem p{3, 5, 7, 3, {3, 0, 2}, {1, 1, 1}, {0, 1, 7}};
  expect_gather<float>(p);
  expect_gather<Bfloat16>(p);
}
SIMT_CASE(gather_images_as_they_are) {
  expect_gather<Bfloat16>({3, 4, 9, 3, {3, 2}, {0, 1}, {2, 3}});
  expect_gather<float>({10, 3, 2, 33, {33, 1}, {0, 1}, {2, 3}, false});
}
SIMT_CASE(gather_images_of_one_row) {
  expect_gather<float>({1, 1, 4, 2, {2, 1}, {0, 1}, {2, 3}});
}
SIMT_CASE(gather_more_images_than_threads) {
  expect_gather<float>({1, 2, 3, 130, {129, 130}, {1, 1}, {5, 4}});
}

SIMT_CASE(fleet_clock_counts_batches) {
  Session session(0);
  const std::vector<std::int32_t> slots = {10, 4, 8, 5}, epochs = {3, 3, 3, 2}, zero = {0, 0, 0, 0},
                                  epoch = {1, 1, 2, 2};
  std::vector<float> rates;
  for (int i = 0; i < 16; ++i) rates.push_back(static_cast<float>(i) + 0.5f);
  const Guarded<std::int32_t> device_slots(session, slots), device_epochs(session, epochs), step(session, zero),
      device_epoch(session, epoch), images(session, 4), first(session, 4);
  const Guarded<float> device_rates(session, rates), lr(session, 4);
  const Guarded<std::uint32_t> done(session, std::vector<std::uint32_t>{0xffffffffu, 6, 7, 8});
  FleetClock clock{4,         4,           device_slots.data(), device_epochs.data(), device_rates.data(),
                   4,         step.data(), device_epoch.data(), images.data(),        first.data(),
                   lr.data(), done.data()};
  const std::vector<std::vector<std::int32_t>> want_images = {{4, 4, 4, 0}, {4, 0, 4, 0}, {2, 0, 0, 0}, {0, 0, 0, 0}},
                                               want_first = {{0, 0, 0, 0}, {4, 4, 4, 0}, {8, 4, 8, 0}, {12, 4, 8, 0}};
  const std::vector<std::vector<std::uint32_t>> want_done = {{0, 7, 8, 8}, {1, 7, 9, 8}, {2, 7, 9, 8}, {2, 7, 9, 8}};
  for (std::size_t s = 0; s < 4; ++s) {
    cuda::fleet_step(session, clock);
    simt::expect_equal<std::int32_t>(images.read("images"), want_images[s], "images");
    simt::expect_equal<std::int32_t>(first.read("slots"), want_first[s], "slots");
    simt::expect_equal<std::uint32_t>(done.read("steps"), want_done[s], "steps");
  }
  const std::vector<float> got = lr.read("rates");
  simt::expect_equal<float>(std::span(got).first(3), std::vector<float>{1.5f, 5.5f, 10.5f}, "rates");
  test::expect_untouched(got, 3, 1, "rates");
}

SIMT_CASE(dropout_factors_by_coordinates) {
  Session session(0);
  const Guarded<std::uint64_t> keys(session, std::vector<std::uint64_t>{7, 8});
  const Guarded<std::uint32_t> steps(session, std::vector<std::uint32_t>{3, 1});
  const std::vector<std::uint64_t> host_keys = {7, 8};
  const std::vector<std::uint32_t> host_steps = {3, 1};
  for (const bool per_image : {true, false}) {
    const std::int32_t rows = per_image ? 9 : 1;
    const Guarded<float> factors(session, static_cast<std::size_t>(2 * rows * 24));
    cuda::drop_factors(session, {2, 9, 18, keys.data(), steps.data(), 4, 0.2, per_image, factors.data()});
    const std::vector<float> got = factors.read("factors");
    for (std::size_t m = 0, at = 0; m < 2; ++m) {
      for (std::int32_t row = 0; row < rows; ++row) {
        for (std::int32_t c = 0; c < 24; ++c, ++at) {
          const PhiloxBlock words = philox(philox_key(host_keys[m]), static_cast<std::uint32_t>(c / 4),
                                           static_cast<std::uint32_t>(row), host_steps[m], 4);
          const bool lives = c < 18 && words.word[c % 4] >= 858993459u;  // floor(0.2 2^32)
          simt::expect(got[at] == (lives ? 1.25f : 0.0f), "factor of member %zu, image %d, channel %d is %g", m, row, c,
                       static_cast<double>(got[at]));
        }
      }
    }
  }
}

}  // namespace
}  // namespace quarry
