// SPDX-License-Identifier: MIT
// What a step of a fleet begins with: which images each member has, the images themselves, dropout factors.
#include "kernels/fleet_units.h"
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/ops/augment.h"
#include "quarry/ops/conv_dropout.h"
#include "quarry/ops/fleet_batch_device.h"

namespace quarry {
namespace fleet {
namespace {

__global__ void __launch_bounds__(kThreads) fleet_step_kernel(FleetClock clock) {
  const int model = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (model >= clock.members) return;
  const std::int32_t epoch = clock.epoch[model], first = clock.step[model] * clock.batch;
  const std::int32_t left = epoch < clock.epochs[model] ? clock.slots[model] - first : 0;
  const std::int32_t images = left < clock.batch ? left : clock.batch;
  clock.images[model] = images > 0 ? images : 0;
  clock.first_slot[model] = first;
  if (images <= 0) return;
  ++clock.step[model];
  if (clock.rates != nullptr) clock.lr[model] = clock.rates[model * clock.rates_stride + epoch];
  if (clock.steps_done != nullptr) ++clock.steps_done[model];
}

/// A thread keeps one image; a block makes one row of pixels. Images lie side by side, so that a warp writes a stretch.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_images_kernel(ImagePool pool, FleetRows rows, T* out, std::int32_t* labels) {
  constexpr int kCount = Unit<T>::kCount;
  const int model = static_cast<int>(blockIdx.z), y = static_cast<int>(blockIdx.x), images = rows.fleet.images[model];
  if (images == 0) return;
  const int channels = padded_channels(pool.channels);
  const int side = rows.batch < kThreads ? rows.batch : kThreads, lanes = kThreads / side;
  const int lane = static_cast<int>(threadIdx.x) / side;
  const int image = static_cast<int>(blockIdx.y) * side + static_cast<int>(threadIdx.x) % side;
  if (lane >= lanes || image >= rows.batch) return;
  const bool present = image < images;
  const std::int32_t slot = rows.first_slot[model] + image;
  const std::int32_t row = present ? rows.order[model * rows.order_stride + slot] : 0;
  if (labels != nullptr && y == 0 && lane == 0) {
    labels[model * rows.batch + image] = present ? pool.labels[row] : -1;
  }
  AugmentDraw draw;
  if (rows.augment_keys != nullptr && (rows.augment == nullptr || rows.augment[model] != 0)) {
    draw = augment_draw(rows.augment_keys[model], static_cast<std::uint64_t>(slot),
                        static_cast<std::uint32_t>(rows.epoch[model]));
  }
  const int from_y = y + draw.dy - kAugmentPadding;
  const std::uint8_t* const pixels = pool.pixels + std::int64_t{row} * pool.channels * pool.height * pool.width;
  for (int x = lane; x < pool.width; x += lanes) {
    const int from_x = (draw.flip ? pool.width - 1 - x : x) + draw.dx - kAugmentPadding;
    const bool inside = from_y >= 0 && from_y < pool.height && from_x >= 0 && from_x < pool.width;
    T* const to =
        out + ((std::int64_t{model} * pool.height + y) * pool.width + x) * rows.batch * channels + image * channels;
    for (int first = 0; first < channels; first += kCount) {
      float values[kCount];
      QUARRY_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const int c = first + i;
        values[i] = 0;
        if (!present || c >= pool.channels) continue;
        const std::uint8_t byte = inside ? pixels[(c * pool.height + from_y) * pool.width + from_x] : 0;
        values[i] = normalised_pixel(byte, pool.mean[c], pool.deviation[c]);
      }
      store_unit(to + first, values);
    }
  }
}

/// A thread makes four channels of a row.
__global__ void __launch_bounds__(kThreads)
    drop_factors_kernel(FleetDropout dropout, std::uint32_t threshold, float scale, std::int32_t rows) {
  const int model = static_cast<int>(blockIdx.y), quads = padded_channels(dropout.channels) / 4;
  const int at = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (at >= rows * quads) return;
  const int row = at / quads, quad = at - row * quads;
  const PhiloxBlock words = channel_dropout_words(dropout.keys[model], static_cast<std::uint32_t>(row),
                                                  dropout.steps[model], dropout.site, static_cast<std::uint32_t>(quad));
  float factors[4];
  QUARRY_UNROLL
  for (int i = 0; i < 4; ++i) {
    factors[i] = 4 * quad + i < dropout.channels && words.word[i] >= threshold ? scale : 0;
  }
  store_unit(dropout.factors + (std::int64_t{model} * rows + row) * 4 * quads + 4 * quad, factors);
}

unsigned blocks(std::int64_t n) {
  return static_cast<unsigned>((n + kThreads - 1) / kThreads);
}

}  // namespace
}  // namespace fleet

namespace cuda {

void fleet_step(gpu::Session& session, const FleetClock& clock) {
  if (clock.members == 0) return;
  gpu::LaunchShape launch;
  launch.grid.x = fleet::blocks(clock.members);
  launch.block.x = fleet::kThreads;
  gpu::launch(session, "fleet_step", launch, fleet::fleet_step_kernel, clock);
}

void gather_images(gpu::Session& session, ConvPrecision precision, const ImagePool& pool, const FleetRows& rows,
                   void* out, std::int32_t* labels) {
  QUARRY_CHECK(pool.channels >= 1 && pool.height >= 1 && pool.width >= 1 && rows.batch >= 1,
               "images of {} x {} x {}, batch {}", pool.channels, pool.height, pool.width, rows.batch);
  if (rows.fleet.members == 0) return;
  gpu::LaunchShape launch;
  launch.grid = {static_cast<unsigned>(pool.height), fleet::blocks(rows.batch),
                 static_cast<unsigned>(rows.fleet.members)};
  launch.block.x = fleet::kThreads;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    gpu::launch(session, "gather_images", launch, fleet::gather_images_kernel<T>, pool, rows, static_cast<T*>(out),
                labels);
  });
}

void drop_factors(gpu::Session& session, const FleetDropout& dropout) {
  QUARRY_CHECK(dropout.rate >= 0 && dropout.rate < 1, "dropout {}", dropout.rate);
  if (dropout.members == 0) return;
  const std::int32_t rows = dropout.per_image ? dropout.batch : 1;
  gpu::LaunchShape launch;
  launch.grid.x = fleet::blocks(std::int64_t{rows} * padded_channels(dropout.channels) / 4);
  launch.grid.y = static_cast<unsigned>(dropout.members);
  launch.block.x = fleet::kThreads;
  gpu::launch(session, "drop_factors", launch, fleet::drop_factors_kernel, dropout, dropout_threshold(dropout.rate),
              static_cast<float>(1 / (1 - dropout.rate)), rows);
}

}  // namespace cuda
}  // namespace quarry
