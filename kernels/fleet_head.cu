// SPDX-License-Identifier: MIT
// Behind the last convolution of a fleet: mean over positions, linear layer, softmax cross-entropy, and back. A warp
// makes the logits, and later the loss, of an image: its lanes take every 32nd feature (class) and add up by halving.
#include <cmath>

#include "kernels/fleet_units.h"
#include "kernels/sgd.h"
#include "kernels/simt.h"
#include "quarry/core/error.h"
#include "quarry/core/exact_math.h"
#include "quarry/ops/fleet_batch_device.h"

namespace quarry {
namespace fleet {
namespace {

constexpr int kWarp = 32, kWarps = kThreads / kWarp;
constexpr unsigned kAll = 0xffffffffu;

struct HeadSizes {
  std::int32_t features, padded, classes, positions, batch;
  const std::int32_t* images;
};

__device__ inline float add_lanes(float mine) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) mine += __shfl_xor_sync(kAll, mine, distance);
  return mine;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    head_features_kernel(HeadSizes head, const T* activations, float* features) {
  const int model = static_cast<int>(blockIdx.y), images = head.images[model];
  const int at = static_cast<int>(blockIdx.x * kThreads + threadIdx.x), size = head.batch * head.padded;
  if (images == 0 || at >= size) return;
  float sum = 0;
  const T* const first = activations + std::int64_t{model} * head.positions * size + at;
  for (int p = 0; at / head.padded < images && p < head.positions; ++p) sum += to_float(first[std::int64_t{p} * size]);
  features[std::int64_t{model} * size + at] = sum / static_cast<float>(head.positions);
}

__global__ void __launch_bounds__(kThreads)
    head_logits_kernel(HeadSizes head, const float* features, const float* weights, const float* biases,
                       float* logits) {
  const int model = static_cast<int>(blockIdx.y), images = head.images[model];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const int image = static_cast<int>(blockIdx.x) * kWarps + thread / kWarp;
  if (images == 0 || image >= head.batch) return;
  const std::int64_t place = std::int64_t{model} * head.batch + image;
  for (int c = 0; c < head.classes; ++c) {
    const float* const w = weights + (std::int64_t{model} * head.classes + c) * head.padded;
    float sum = 0;
    for (int f = lane; image < images && f < head.features; f += kWarp) {
      sum = std::fma(features[place * head.padded + f], w[f], sum);
    }
    sum = add_lanes(sum);
    if (lane == 0) logits[place * head.classes + c] = image < images ? sum + biases[model * head.classes + c] : 0;
  }
}

/// A logit and its class; the first NaN counts as the largest.
struct Largest {
  float value;
  int which;
};
__device__ inline bool larger(const Largest& a, const Largest& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan;
  return a.value > b.value || (!(b.value > a.value) && a.which < b.which);
}
/// The largest logit, the first of equals, in every lane.
__device__ inline Largest largest_logit(const float* z, int classes) {
  Largest best = {-HUGE_VALF, classes};
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < classes; c += kWarp) {
    if (larger({z[c], c}, best)) best = {z[c], c};
  }
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Largest other = {__shfl_xor_sync(kAll, best.value, distance), __shfl_xor_sync(kAll, best.which, distance)};
    if (larger(other, best)) best = other;
  }
  return best;
}

/// Loss and gradient of an image by its warp.
__global__ void __launch_bounds__(kThreads) head_loss_kernel(HeadSizes head, HeadLoss loss) {
  const int model = static_cast<int>(blockIdx.y), images = head.images[model];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const int image = static_cast<int>(blockIdx.x) * kWarps + thread / kWarp;
  if (images == 0 || image >= head.batch) return;
  const std::int64_t place = std::int64_t{model} * head.batch + image;
  const float* const z = loss.logits + place * head.classes;
  const bool present = image < images;
  float lost = 0, share = 0, largest = 0;
  const int label = present ? loss.labels[place] : -1;
  if (present) {
    const Largest best = largest_logit(z, head.classes);
    largest = best.value;
    float sum = 0;
    for (int c = lane; c < head.classes; c += kWarp) sum += exact_exp(z[c] - largest);
    sum = add_lanes(sum);
    lost = exact_log(sum) - (z[label] - largest);
    share = 1 / sum;
    if (lane == 0 && loss.correct != nullptr && best.which == label) atomicAdd(loss.correct + model, 1);
  }
  if (lane == 0) loss.losses[place] = lost;
  if (loss.d_logits == nullptr) return;
  for (int c = lane; c < head.classes; c += kWarp) {
    const float p = present ? exact_exp(z[c] - largest) * share : 0;
    loss.d_logits[place * head.classes + c] = (p - (c == label ? 1.0f : 0.0f)) / static_cast<float>(images);
  }
}

/// The losses of a member in order.
__global__ void __launch_bounds__(kThreads) head_sum_kernel(HeadSizes head, HeadLoss loss, std::int32_t members) {
  const int model = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (model >= members || head.images[model] == 0) return;
  double sum = loss.loss_sum[model];
  bool finite = true;
  for (int image = 0; image < head.images[model]; ++image) {
    const float one = loss.losses[std::int64_t{model} * head.batch + image];
    finite = finite && one - one == 0;
    sum += static_cast<double>(one);
  }
  loss.loss_sum[model] = sum;
  if (loss.diverged_epoch != nullptr && !finite && loss.diverged_epoch[model] < 0) {
    loss.diverged_epoch[model] = loss.epoch[model];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    head_gradient_kernel(HeadSizes head, const float* d_logits, const float* weights, T* d_activations) {
  const int model = static_cast<int>(blockIdx.y), images = head.images[model];
  const int at = static_cast<int>(blockIdx.x * kThreads + threadIdx.x), size = head.batch * head.padded;
  if (images == 0 || at >= size) return;
  const int image = at / head.padded, feature = at - image * head.padded;
  float sum = 0;
  for (int c = 0; image < images && c < head.classes; ++c) {
    sum = std::fma(d_logits[(std::int64_t{model} * head.batch + image) * head.classes + c],
                   weights[(std::int64_t{model} * head.classes + c) * head.padded + feature], sum);
  }
  const T each = from_float<T>(sum / static_cast<float>(head.positions));
  T* const first = d_activations + std::int64_t{model} * head.positions * size + at;
  for (int p = 0; p < head.positions; ++p) first[std::int64_t{p} * size] = each;
}

/// A thread makes one weight, or the bias behind the last weight of a class; images in order.
__global__ void __launch_bounds__(kThreads)
    head_step_kernel(HeadSizes head, const float* d_logits, const float* features, SgdRates rates, Head layer) {
  const int model = static_cast<int>(blockIdx.y), images = head.images[model];
  const int at = static_cast<int>(blockIdx.x * kThreads + threadIdx.x), width = head.features + 1;
  if (images == 0 || at >= head.classes * width) return;
  const int c = at / width, f = at - c * width;
  const std::int64_t place = std::int64_t{model} * head.batch, row = std::int64_t{model} * head.classes + c;
  float sum = 0;
  for (int image = 0; image < images; ++image) {
    const float x = f < head.features ? features[(place + image) * head.padded + f] : 1;
    sum = std::fma(d_logits[(place + image) * head.classes + c], x, sum);
  }
  const SgdStep step = sgd_step(rates, model);
  if (f < head.features) {
    float& w = layer.weights[row * head.padded + f];
    w = sgd_update(step, w, layer.weight_velocity[row * head.padded + f], sum);
  } else {
    layer.biases[row] = sgd_update(step, layer.biases[row], layer.bias_velocity[row], sum);
  }
}

HeadSizes sizes_of(const HeadShape& s, const FleetImages& fleet) {
  QUARRY_CHECK(s.features >= 1 && s.classes >= 1 && s.height >= 1 && s.width >= 1 && s.batch >= 1,
               "{} features, {} classes, {} x {} positions, batch {}", s.features, s.classes, s.height, s.width,
               s.batch);
  return {s.features, padded_channels(s.features), s.classes, s.height * s.width, s.batch, fleet.images};
}

gpu::LaunchShape head_launch(std::int64_t items, std::int32_t each, std::int32_t members) {
  gpu::LaunchShape shape;
  shape.grid.x = static_cast<unsigned>((items + each - 1) / each);
  shape.grid.y = static_cast<unsigned>(members);
  shape.block.x = kThreads;
  return shape;
}

}  // namespace
}  // namespace fleet

namespace cuda {

void head_features(gpu::Session& session, ConvPrecision precision, const HeadShape& shape, const FleetImages& fleet,
                   const void* activations, float* features) {
  const fleet::HeadSizes head = fleet::sizes_of(shape, fleet);
  if (fleet.members == 0) return;
  const std::int64_t items = std::int64_t{head.batch} * head.padded;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    gpu::launch(session, "head_features", fleet::head_launch(items, fleet::kThreads, fleet.members),
                fleet::head_features_kernel<T>, head, static_cast<const T*>(activations), features);
  });
}

void head_logits(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const float* features,
                 const Head& layer, float* logits) {
  const fleet::HeadSizes head = fleet::sizes_of(shape, fleet);
  if (fleet.members == 0) return;
  gpu::launch(session, "head_logits", fleet::head_launch(head.batch, fleet::kWarps, fleet.members),
              fleet::head_logits_kernel, head, features, layer.weights, layer.biases, logits);
}

void head_loss(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const HeadLoss& loss) {
  const fleet::HeadSizes head = fleet::sizes_of(shape, fleet);
  if (fleet.members == 0) return;
  gpu::launch(session, "head_loss", fleet::head_launch(head.batch, fleet::kWarps, fleet.members),
              fleet::head_loss_kernel, head, loss);
  gpu::launch(session, "head_sum", fleet::head_launch(fleet.members, fleet::kThreads, 1), fleet::head_sum_kernel, head,
              loss, fleet.members);
}

void head_gradient(gpu::Session& session, ConvPrecision precision, const HeadShape& shape, const FleetImages& fleet,
                   const float* d_logits, const Head& layer, void* d_activations) {
  const fleet::HeadSizes head = fleet::sizes_of(shape, fleet);
  if (fleet.members == 0) return;
  const std::int64_t items = std::int64_t{head.batch} * head.padded;
  fleet::with_numbers(precision, [&](auto number) {
    using T = decltype(number);
    gpu::launch(session, "head_gradient", fleet::head_launch(items, fleet::kThreads, fleet.members),
                fleet::head_gradient_kernel<T>, head, d_logits, layer.weights, static_cast<T*>(d_activations));
  });
}

void head_step(gpu::Session& session, const HeadShape& shape, const FleetImages& fleet, const float* d_logits,
               const float* features, const SgdRates& rates, const Head& layer) {
  const fleet::HeadSizes head = fleet::sizes_of(shape, fleet);
  if (fleet.members == 0) return;
  const std::int64_t items = std::int64_t{head.classes} * (head.features + 1);
  gpu::launch(session, "head_step", fleet::head_launch(items, fleet::kThreads, fleet.members), fleet::head_step_kernel,
              head, d_logits, features, rates, layer);
}

}  // namespace cuda
}  // namespace quarry
