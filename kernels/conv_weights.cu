// SPDX-License-Identifier: MIT
// Weight gradients of convolutions, with the optimiser's step in the epilogue. A block makes a tile of 64 out channels
// and 64 of the taps' in channels (counted tap by tap), summed over positions x images in chunks of 64 bytes. Layers of
// many positions are split in pieces of split_rows: their sums go to scratch and a second kernel adds them in order.
#include "kernels/conv_layer.h"
#include "kernels/sgd.h"

namespace quarry {
namespace conv {
namespace {

constexpr int kParts = 2, kColumnParts = 4;  ///< a warp: 32 x 32 of the 64 x 64
constexpr int kSumThreads = 256;

/// Where gradients go: to `gradient`, or by a step into the weights.
struct Target {
  float* gradient;
  SgdRates rates;
  SgdWeights weights;
};

template <class T>
struct WeightsJob {
  Layer layer;
  const std::int32_t* images;
  const T *x, *dy;
  Target target;
  float* scratch;  ///< [member][piece][weights]; null without pieces
  std::int32_t pieces, piece_rows;
};

/// Takes the gradient of weight `at` of the fleet.
__device__ inline void apply_gradient(const Target& target, const SgdStep& step, std::int64_t at, float gradient) {
  if (target.gradient != nullptr) {
    target.gradient[at] = gradient;
    return;
  }
  float velocity = target.weights.velocity[at];
  const float weight = sgd_update(step, target.weights.weights[at], velocity, gradient);
  target.weights.velocity[at] = velocity;
  target.weights.weights[at] = weight;
  if (target.weights.copy != nullptr) static_cast<Bfloat16*>(target.weights.copy)[at] = to_bfloat16(weight);
}

__device__ inline SgdStep step_of(const Target& target, int model) {
  return target.gradient != nullptr ? SgdStep{} : sgd_step(target.rates, model);
}

template <class T>
struct Stage {
  alignas(kUnitBytes) T a[Tile<T>::kChunk * Tile<T>::kDeepPitch];
  alignas(kUnitBytes) T b[Tile<T>::kChunk * Tile<T>::kDeepPitch];
};

/// One tile's way through the rows (positions x images) of its piece.
template <class T>
struct Deep {
  using Shape = Tile<T>;
  static constexpr int kStep = kThreads / Shape::kDeepUnits;  ///< rows that the threads bring at a time
  static constexpr int kOwn = Shape::kChunk / kStep;

  const WeightsJob<T>& job;
  const T *x, *dy;  ///< of the member
  int images, own, along;
  int ky, kx, in_channel, out_channel;  ///< that this thread brings
  int row_behind;                       ///< of the piece
  int row[kOwn], image[kOwn], at_y[kOwn], at_x[kOwn];

  __device__ Deep(const WeightsJob<T>& which, int model, int piece, int present) : job(which), images(present) {
    const Layer& l = job.layer;
    x = job.x + model * (std::int64_t{l.in_height} * l.in_width * l.batch * l.in_channels);
    dy = job.dy + model * (std::int64_t{l.out_height} * l.out_width * l.batch * l.out_channels);
    const int thread = static_cast<int>(threadIdx.x);
    own = thread / Shape::kDeepUnits;
    along = thread % Shape::kDeepUnits;
    const int column = static_cast<int>(blockIdx.x) * kColumns + along * Shape::kUnit, tap = column / l.in_channels;
    in_channel = column - tap * l.in_channels;
    ky = tap / l.kernel;
    kx = tap - ky * l.kernel;
    out_channel = static_cast<int>(blockIdx.y) * kColumns + along * Shape::kUnit;
    const int rows = l.out_height * l.out_width * l.batch, first = piece * job.piece_rows;
    row_behind = first + job.piece_rows < rows ? first + job.piece_rows : rows;
    QUARRY_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      row[i] = first + own + kStep * i;
      const int pixel = row[i] / l.batch;
      image[i] = row[i] - pixel * l.batch;
      at_y[i] = pixel / l.out_width;
      at_x[i] = pixel - at_y[i] * l.out_width;
    }
  }

  /// Brings the next chunk and moves on.
  __device__ void bring(Stage<T>& stage) {
    const Layer& l = job.layer;
    QUARRY_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const bool here = row[i] < row_behind && image[i] < images;
      const int pixel = here && ky < l.kernel ? input_pixel(l, at_y[i], at_x[i], ky, kx) : -1;
      const int to = (own + kStep * i) * Shape::kDeepPitch + along * Shape::kUnit;
      bring_unit(stage.a + to, dy + row[i] * l.out_channels + out_channel, here && out_channel < l.out_channels);
      bring_unit(stage.b + to, x + (pixel * l.batch + image[i]) * l.in_channels + in_channel, pixel >= 0);
      row[i] += Shape::kChunk;
      for (image[i] += Shape::kChunk; image[i] >= l.batch; image[i] -= l.batch) {
        if (++at_x[i] == l.out_width) {
          at_x[i] = 0;
          ++at_y[i];
        }
      }
    }
  }
};

using Sums = float[kParts][kColumnParts][4];

template <class T>
__device__ inline void sum_rows(Deep<T>& tile, int chunks, Stage<T> (&stages)[kStages], Sums& acc) {
  const Layer& l = tile.job.layer;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, row = warp / 2 * 32, column = warp % 2 * 32;
  const int rows_left = l.weight_rows - static_cast<int>(blockIdx.y) * kColumns - row;
  const int columns_left = l.kernel * l.kernel * l.in_channels - static_cast<int>(blockIdx.x) * kColumns - column;
  const int columns = rows_left > 0 ? columns_left : 0;
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < chunks) tile.bring(stages[s]);
    async_commit();
  }
  for (int chunk = 0; chunk < chunks; ++chunk) {
    async_wait<kStages - 2>();
    __syncthreads();
    if (chunk + kStages - 1 < chunks) tile.bring(stages[(chunk + kStages - 1) % kStages]);
    async_commit();
    multiply_chunk<true, true>(acc, stages[chunk % kStages].a + row, stages[chunk % kStages].b + column, columns);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4) conv_weights_kernel(WeightsJob<T> job) {
  QUARRY_SHARED(Stage<T>, stages, [kStages]);
  const int model = static_cast<int>(blockIdx.z) / job.pieces, piece = static_cast<int>(blockIdx.z) % job.pieces;
  const int images = job.images[model];
  if (images == 0) return;
  Deep<T> tile(job, model, piece, images);
  Sums acc = {};
  const int rows = tile.row_behind - piece * job.piece_rows;
  sum_rows(tile, (rows + Tile<T>::kChunk - 1) / Tile<T>::kChunk, stages, acc);

  const Layer& layer = job.layer;
  const int width = layer.kernel * layer.kernel * layer.in_channels;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const SgdStep step = step_of(job.target, model);
  QUARRY_UNROLL
  for (int r = 0; r < 2 * kParts; ++r) {
    const int row = static_cast<int>(blockIdx.y) * kColumns + warp / 2 * 32 + 8 * r + lane / 4;
    if (row >= layer.weight_rows) continue;
    QUARRY_UNROLL
    for (int j = 0; j < kColumnParts; ++j) {
      QUARRY_UNROLL
      for (int c = 0; c < 2; ++c) {
        const int column = static_cast<int>(blockIdx.x) * kColumns + warp % 2 * 32 + 8 * j + 2 * (lane % 4) + c;
        if (column >= width) continue;
        const float sum = acc[r / 2][j][r % 2 * 2 + c];
        const std::int64_t member = std::int64_t{layer.weight_rows} * width, at = std::int64_t{row} * width + column;
        if (job.scratch != nullptr) {
          job.scratch[(std::int64_t{model} * job.pieces + piece) * member + at] = sum;
        } else {
          apply_gradient(job.target, step, model * member + at, sum);
        }
      }
    }
  }
}

/// Adds the pieces of each weight in order.
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    conv_pieces_kernel(const std::int32_t* images, const T* gradients, std::int32_t pieces, std::int32_t size,
                       Target target) {
  const int model = static_cast<int>(blockIdx.y), at = static_cast<int>(blockIdx.x) * kSumThreads + threadIdx.x;
  if (images[model] == 0 || at >= size) return;
  const T* const first = gradients + std::int64_t{model} * pieces * size + at;
  float sum = to_float(first[0]);
  for (int piece = 1; piece < pieces; ++piece) sum += to_float(first[std::int64_t{piece} * size]);
  apply_gradient(target, step_of(target, model), std::int64_t{model} * size + at, sum);
}

template <class T>
void launch_pieces(gpu::Session& session, const ConvShape& shape, const FleetImages& fleet, const T* gradients,
                   std::int32_t pieces, const Target& target) {
  const auto size = static_cast<std::int32_t>(conv_weight_size(shape));
  gpu::LaunchShape launch;
  launch.grid = {static_cast<unsigned>((size + kSumThreads - 1) / kSumThreads), static_cast<unsigned>(fleet.members),
                 1};
  launch.block.x = kSumThreads;
  gpu::launch(session, "conv_pieces", launch, conv_pieces_kernel<T>, fleet.images, gradients, pieces, size, target);
}

void launch_weights(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                    const void* x, const void* dy, const Target& target, void* scratch) {
  const Layer layer = layer_of(shape);
  if (fleet.members == 0) return;
  const gpu::LaunchShape launch = cuda::conv_weight_gradient_launch(shape, fleet.members);
  const auto pieces = static_cast<std::int32_t>(launch.grid.z) / fleet.members;
  float* const sums = pieces == 1 ? nullptr : static_cast<float*>(scratch);
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    const WeightsJob<T> job = {layer, fleet.images, static_cast<const T*>(x), static_cast<const T*>(dy), target,
                               sums,  pieces,       shape.split_rows};
    gpu::launch(session, "conv_weights", launch, conv_weights_kernel<T>, job);
  });
  if (pieces > 1) launch_pieces<float>(session, shape, fleet, sums, pieces, target);
}

}  // namespace
}  // namespace conv

namespace cuda {

void conv_weight_gradient(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                          const FleetImages& fleet, const void* x, const void* dy, float* gradient, void* scratch) {
  conv::launch_weights(session, precision, shape, fleet, x, dy, {gradient, {}, {}}, scratch);
}

void conv_weight_step(gpu::Session& session, ConvPrecision precision, const ConvShape& shape, const FleetImages& fleet,
                      const void* x, const void* dy, const SgdRates& rates, const SgdWeights& weights, void* scratch) {
  conv::launch_weights(session, precision, shape, fleet, x, dy, {nullptr, rates, weights}, scratch);
}

void conv_gradient_step(gpu::Session& session, ConvPrecision precision, const ConvShape& shape,
                        const FleetImages& fleet, const void* gradient, const SgdRates& rates,
                        const SgdWeights& weights) {
  static_cast<void>(conv::layer_of(shape));  // a shape that cannot be is refused
  if (fleet.members == 0) return;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    conv::launch_pieces(session, shape, fleet, static_cast<const T*>(gradient), 1, {nullptr, rates, weights});
  });
}

}  // namespace cuda
}  // namespace quarry
