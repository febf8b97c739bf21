// SPDX-License-Identifier: MIT
// The arrays of a convolutional fleet in device memory (nn/conv_fleet_device.h), and what goes to them from the host.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "quarry/core/gpu.h"
#include "quarry/nn/conv_fleet.h"
#include "quarry/nn/resnet.h"
#include "quarry/ops/batch_norm_device.h"
#include "quarry/ops/conv_device.h"
#include "quarry/ops/conv_engines.h"
#include "quarry/ops/fleet_batch_device.h"

namespace quarry::cuda {

/// Device memory by pieces; without a session it only counts them.
class DeviceArrays {
 public:
  explicit DeviceArrays(gpu::Session* session) : session_(session) {}
  std::size_t bytes() const { return bytes_; }
  template <class T>
  T* take(std::int64_t n) {
    const std::size_t size = static_cast<std::size_t>(n) * sizeof(T);
    bytes_ += (size + 255) / 256 * 256;
    if (session_ == nullptr) return nullptr;
    pieces_.emplace_back(*session_, size);
    return reinterpret_cast<T*>(pieces_.back().data());
  }

 private:
  gpu::Session* session_;
  std::vector<gpu::Buffer<unsigned char>> pieces_;
  std::size_t bytes_ = 0;
};

/// Host arrays on their way to the device; what was sent stays until clear().
class Staging {
 public:
  explicit Staging(gpu::Session& session) : session_(session) {}
  template <class T>
  void send(T* device, const std::vector<T>& values) {
    if (values.empty()) return;
    const std::size_t size = values.size() * sizeof(T), place = (size + 15) / 16 * 16;
    if (pieces_.empty() || used_ + place > pieces_.back().size()) {
      // Twice the last, so that one piece is soon enough for all: making and freeing them waits for the device.
      const std::size_t last = pieces_.empty() ? std::size_t{1} << 15 : pieces_.back().size();
      pieces_.emplace_back(session_, 2 * std::max(place, last));
      used_ = 0;
    }
    unsigned char* const staged = pieces_.back().data() + used_;
    std::memcpy(staged, values.data(), size);
    session_.copy_in(device, staged, size);
    used_ += place;
  }
  /// Only when everything sent has arrived. Keeps the largest piece.
  void clear() {
    if (pieces_.size() > 1) pieces_.erase(pieces_.begin(), pieces_.end() - 1);
    used_ = 0;
  }

 private:
  gpu::Session& session_;
  std::vector<gpu::Pinned<unsigned char>> pieces_;
  std::size_t used_ = 0;
};

/// What the table of engines says for a layer, or the user for all.
struct LayerEngines {
  ConvEngine forward = ConvEngine::fp32_fma, input_gradient = ConvEngine::fp32_fma,
             weight_gradient = ConvEngine::fp32_fma;
};
LayerEngines layer_engines(const ConvShape& shape, ConvMeans means, const gpu::DeviceInfo& device);

/// Rows of a member's longest call in training.
std::int64_t conv_member_rows(const ConvMemberSpec& member);

/// Bytes of what is noted of a member while it trains, at most.
std::size_t conv_notes_memory(const ConvMemberSpec& member);

/// A layer as the kernels see it.
ConvShape conv_shape(const ConvLayer& layer, std::int32_t batch);

/// Where the parameters and buffers of networks lie, [member] side by side: they outlive what trains or scores them.
struct NetworkArrays {
  struct Layer {
    float *weights = nullptr, *gamma = nullptr, *beta = nullptr, *running_mean = nullptr, *running_variance = nullptr;
  };
  std::vector<Layer> layers;
  float *head_weights = nullptr, *head_biases = nullptr;
};
NetworkArrays lay_out_networks(const ResNetPlan& plan, std::int32_t members, DeviceArrays& memory);

/// A convolution with its normalisation.
struct NetLayer {
  ConvShape conv;
  LayerEngines engines;
  BatchNormShape shape;
  SgdWeights weights;
  BatchNorm norm;
  float *gamma_velocity = nullptr, *beta_velocity = nullptr;
  void *y = nullptr, *out = nullptr;  ///< behind the convolution; behind normalisation, ReLU and the rest
  float* drop = nullptr;              ///< factors of dropout, [member][batch][channels]; null without
  std::uint32_t site = 0;
};

struct NetArrays {
  std::vector<NetLayer> layers;
  HeadShape head_shape;
  Head head;
  void* images = nullptr;
  void* gradients[4] = {};  ///< of activations, each as large as the largest
  float *statistics = nullptr, *features = nullptr, *logits = nullptr, *losses = nullptr, *d_logits = nullptr;
  void* scratch = nullptr;
  void* weight_gradient = nullptr;  ///< where cuDNN makes it: of the layer with most weights; else null
  std::int32_t* labels = nullptr;
  // by member
  std::int32_t *slots = nullptr, *epochs = nullptr, *step = nullptr, *epoch = nullptr, *present = nullptr,
               *first_slot = nullptr, *augment = nullptr, *correct = nullptr, *diverged_epoch = nullptr,
               *non_finite = nullptr;
  float *rates = nullptr, *lr = nullptr, *weight_decay = nullptr, *momentum = nullptr;
  std::uint32_t *steps_done = nullptr, *passes = nullptr;
  std::uint64_t *augment_keys = nullptr, *dropout_keys = nullptr, *mc_keys = nullptr;
  double* loss_sum = nullptr;
};

struct NetSize {
  ConvMeans means;
  std::int32_t batch = 32, members = 1, epochs = 1;
  bool trains = true;  ///< false: scores alone, without momentum and gradients
};

/// All arrays of a fleet but those of its networks.
NetArrays lay_out(const ResNetPlan& plan, const NetSize& size, DeviceArrays& memory);
/// Gives a fleet its networks: `first` and those behind it.
void place_networks(const NetworkArrays& networks, std::int32_t first, NetArrays& arrays);

}  // namespace quarry::cuda
