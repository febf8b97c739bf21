// SPDX-License-Identifier: MIT
// Forward pass and input gradient of convolutions as implicit matrix products: a block makes a tile of 128 rows
// (positions x images of one member) and 64 channels, summed in chunks of 64 bytes over taps and channels that three
// stages of asynchronous copies bring in. Chunks whose taps lie outside for every position of the tile are skipped;
// with 32 images a tile is four positions.
#include "kernels/conv_layer.h"
#include "kernels/conv_statistics.h"

namespace quarry {
namespace conv {
namespace {

constexpr int kStep = kThreads / kChunkUnits;  ///< rows of a wide tile that the threads bring at a time

template <class T>
struct RowsJob {
  Layer layer;
  const std::int32_t* images;
  const T *input, *weights;  ///< backward: the input is dy
  T* output;
  float* statistics;
  std::int32_t add;
};

template <class T>
struct Stage {
  alignas(kUnitBytes) T a[kRows * Tile<T>::kWidePitch];
  alignas(kUnitBytes) T b[kColumns * Tile<T>::kWidePitch];  ///< a deep tile is smaller
};
static_assert(Tile<float>::kChunk * Tile<float>::kDeepPitch <= kColumns * Tile<float>::kWidePitch);
static_assert(Tile<Bfloat16>::kChunk * Tile<Bfloat16>::kDeepPitch <= kColumns * Tile<Bfloat16>::kWidePitch);

/// One tile's way through taps and channels. The summed axis is counted in units of 16 bytes: tap by tap the channels
/// of the input.
template <class T, bool kBackward>
struct Rows {
  using Shape = Tile<T>;
  static constexpr int kOwn = kRows / kStep;  ///< rows that a thread brings
  static constexpr int kFar = -(1 << 20);     ///< y of a row that is not there: no tap reaches the input

  const RowsJob<T>& job;
  const T *input, *weights;  ///< of the member
  int first_row, first_column, rows, width, taps, tap_units, units, column_units, images;
  int y[kOwn], x[kOwn], image[kOwn];
  unsigned reached = 0;  ///< taps that some position of the tile has

  __device__ Rows(const RowsJob<T>& which, int model, int present) : job(which), images(present) {
    const Layer& l = job.layer;
    const int height = kBackward ? l.in_height : l.out_height, channels = kBackward ? l.out_channels : l.in_channels;
    width = kBackward ? l.in_width : l.out_width;
    taps = l.kernel * l.kernel;
    rows = height * width * l.batch;
    tap_units = channels / Shape::kUnit;
    units = taps * tap_units;
    column_units = (kBackward ? l.in_channels : l.weight_rows) / (kBackward ? Shape::kUnit : 1);
    first_row = static_cast<int>(blockIdx.x) * kRows;
    first_column = static_cast<int>(blockIdx.y) * kColumns;
    const std::int64_t pixels = kBackward ? l.out_height * l.out_width : l.in_height * l.in_width;
    input = job.input + model * pixels * l.batch * channels;
    weights = job.weights + model * (std::int64_t{l.weight_rows} * taps * l.in_channels);
    QUARRY_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const int row = first_row + static_cast<int>(threadIdx.x) / kChunkUnits + kStep * i, pixel = row / l.batch;
      image[i] = row - pixel * l.batch;
      y[i] = row < rows && image[i] < images ? pixel / width : kFar;
      x[i] = pixel % width;
    }
    const int behind = first_row + kRows < rows ? first_row + kRows : rows;
    for (int pixel = first_row / l.batch; pixel <= (behind - 1) / l.batch; ++pixel) {
      for (int tap = 0; tap < taps; ++tap) {
        if (source(pixel / width, pixel % width, tap) >= 0) reached |= 1u << tap;
      }
    }
  }

  __device__ int source(int at_y, int at_x, int tap) const {
    const int ky = tap / job.layer.kernel, kx = tap - ky * job.layer.kernel;
    return kBackward ? output_pixel(job.layer, at_y, at_x, ky, kx) : input_pixel(job.layer, at_y, at_x, ky, kx);
  }

  __device__ int channels_out() const { return kBackward ? job.layer.in_channels : job.layer.out_channels; }
  __device__ int chunks() const { return (units + kChunkUnits - 1) / kChunkUnits; }

  /// The first chunk from this one on that is not all outside.
  __device__ int next_chunk(int chunk) const {
    for (; chunk < chunks(); ++chunk) {
      const int last =
          chunk * kChunkUnits + kChunkUnits - 1 < units ? chunk * kChunkUnits + kChunkUnits - 1 : units - 1;
      const int low = chunk * kChunkUnits / tap_units, high = last / tap_units;
      if ((reached >> low & ((2u << (high - low)) - 1)) != 0) break;
    }
    return chunk;
  }

  __device__ void bring(Stage<T>& stage, int chunk) const {
    const int lane_unit = static_cast<int>(threadIdx.x) % kChunkUnits,
              own = static_cast<int>(threadIdx.x) / kChunkUnits;
    const int unit = chunk * kChunkUnits + lane_unit, tap = unit / tap_units;
    const int channel = (unit - tap * tap_units) * Shape::kUnit, channels = tap_units * Shape::kUnit;
    QUARRY_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const int pixel = unit < units ? source(y[i], x[i], tap) : -1;
      bring_unit(stage.a + (own + kStep * i) * Shape::kWidePitch + lane_unit * Shape::kUnit,
                 input + (pixel * job.layer.batch + image[i]) * channels + channel, pixel >= 0);
    }
    if constexpr (kBackward) {
      bring_deep_weights(stage, chunk);
    } else {
      QUARRY_UNROLL
      for (int i = 0; i < kColumns / kStep; ++i) {
        const int column = first_column + own + kStep * i;
        bring_unit(stage.b + (own + kStep * i) * Shape::kWidePitch + lane_unit * Shape::kUnit,
                   weights + (column * units + unit) * Shape::kUnit, unit < units && column < column_units);
      }
    }
  }

  /// Of the input gradient: a row for each out channel of a tap, in channels along it.
  __device__ void bring_deep_weights(Stage<T>& stage, int chunk) const {
    constexpr int kCopies = Shape::kChunk * Shape::kDeepUnits / kThreads;
    QUARRY_UNROLL
    for (int i = 0; i < kCopies; ++i) {
      const int copy = static_cast<int>(threadIdx.x) + kThreads * i;
      const int k = copy / Shape::kDeepUnits, along = copy % Shape::kDeepUnits;
      const int unit = chunk * kChunkUnits + k / Shape::kUnit, tap = unit / tap_units;
      const int channel = (unit - tap * tap_units) * Shape::kUnit + k % Shape::kUnit;
      const int column_unit = first_column / Shape::kUnit + along;
      const bool present = unit < units && channel < job.layer.weight_rows && column_unit < column_units;
      bring_unit(stage.b + k * Shape::kDeepPitch + along * Shape::kUnit,
                 weights + ((channel * taps + tap) * column_units + column_unit) * Shape::kUnit, present);
    }
  }
};

/// All chunks of the tile; each stage is filled again behind the barrier that ends its reading.
template <class T, bool kBackward>
__device__ inline void sum_chunks(const Rows<T, kBackward>& tile, Stage<T> (&stages)[kStages], Sums& acc) {
  const int own_rows = static_cast<int>(threadIdx.x) / kWarp * 16 * kRowParts, end = tile.chunks();
  const int columns = tile.first_row + own_rows < tile.rows ? tile.channels_out() - tile.first_column : 0;
  int coming = tile.next_chunk(0);
  for (int s = 0; s < kStages - 1; ++s) {
    if (coming < end) {
      tile.bring(stages[s], coming);
      coming = tile.next_chunk(coming + 1);
    }
    async_commit();
  }
  int stage = 0;
  for (int chunk = tile.next_chunk(0); chunk < end; chunk = tile.next_chunk(chunk + 1)) {
    async_wait<kStages - 2>();
    __syncthreads();
    if (coming < end) {
      tile.bring(stages[(stage + kStages - 1) % kStages], coming);
      coming = tile.next_chunk(coming + 1);
    }
    async_commit();
    multiply_chunk<false, kBackward>(acc, stages[stage].a + own_rows * Tile<T>::kWidePitch, stages[stage].b, columns);
    stage = (stage + 1) % kStages;
  }
}

/// Rounds the sums to what is stored, and stores them.
template <class T, bool kBackward>
__device__ inline void store_rows(const Rows<T, kBackward>& tile, int model, Sums& acc) {
  const int channels = tile.channels_out();
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  T* const output = tile.job.output + std::int64_t{model} * tile.rows * channels;
  QUARRY_UNROLL
  for (int r = 0; r < 2 * kRowParts; ++r) {
    const int row = tile.first_row + warp * 16 * kRowParts + 8 * r + lane / 4;
    if (row >= tile.rows) continue;
    QUARRY_UNROLL
    for (int j = 0; j < kColumnParts; ++j) {
      const int column = tile.first_column + 8 * j + 2 * (lane % 4);
      if (column >= channels) continue;
      float &first = acc[r / 2][j][r % 2 * 2], &second = acc[r / 2][j][r % 2 * 2 + 1];
      T* const to = output + row * channels + column;
      if (kBackward && tile.job.add) {
        first += to_float(to[0]);
        second += to_float(to[1]);
      }
      first = to_float(from_float<T>(first));
      second = to_float(from_float<T>(second));
      store_two(to, first, second);
    }
  }
}

template <class T, bool kBackward>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 4 ? 2 : 3) conv_rows_kernel(RowsJob<T> job) {
  QUARRY_SHARED(Stage<T>, stages, [kStages]);
  const int model = static_cast<int>(blockIdx.z), images = job.images[model];
  if (images == 0) return;
  const Rows<T, kBackward> tile(job, model, images);
  Sums acc = {};
  sum_chunks(tile, stages, acc);
  store_rows(tile, model, acc);
  if constexpr (!kBackward) {
    if (job.statistics != nullptr) write_statistics(acc, job.layer, model, images, tile.rows, job.statistics);
  }
}

}  // namespace
}  // namespace conv

namespace cuda {

void conv_forward(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                  const void* x, const void* w, void* y, float* statistics) {
  const conv::Layer layer = conv::layer_of(shape);
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    const conv::RowsJob<T> job = {
        layer, fleet.images, static_cast<const T*>(x), static_cast<const T*>(w), static_cast<T*>(y), statistics, 0};
    gpu::launch(session, "conv_forward", conv_forward_launch(shape, fleet.members), conv::conv_rows_kernel<T, false>,
                job);
  });
}

void conv_input_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                         const FleetImages& fleet, const void* dy, const void* w, void* dx, bool add) {
  const conv::Layer layer = conv::layer_of(shape);
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    const conv::RowsJob<T> job = {
        layer, fleet.images, static_cast<const T*>(dy), static_cast<const T*>(w), static_cast<T*>(dx), nullptr, add};
    gpu::launch(session, "conv_input_gradient", conv_input_gradient_launch(shape, fleet.members),
                conv::conv_rows_kernel<T, true>, job);
  });
}

}  // namespace cuda
}  // namespace quarry
