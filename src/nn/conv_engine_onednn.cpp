// SPDX-License-Identifier: MIT
// The engine's parameters, and what it is called.
#include <dlfcn.h>

#include <algorithm>

#include "quarry/core/error.h"
#include "quarry/nn/conv_fleet.h"
#include "src/nn/conv_onednn.h"

namespace quarry::onednn {
namespace {

using SetThreads = void (*)(int);
using GetThreads = int (*)();

/// Looked up at run time, so that quarry itself needs no OpenMP. Null: a oneDNN without it.
SetThreads set_threads() {
  static const auto f = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  return f;
}

GetThreads get_threads() {
  static const auto f = reinterpret_cast<GetThreads>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
  return f;
}

}  // namespace

OneThread::OneThread() {
  if (set_threads() == nullptr) return;
  before_ = get_threads()();
  set_threads()(1);
}

OneThread::~OneThread() {
  if (set_threads() != nullptr) set_threads()(before_);
}

std::mutex& primitives() {
  static std::mutex mutex;
  return mutex;
}

OneDnnEngine::OneDnnEngine(const ResNetPlan& plan, ConvPrecision precision)
    : plan_(plan), precision_(precision), sites_(dropout_sites(plan)), rounded_in_(plan.layers.size()) {
  const OneThread guard;
  const std::lock_guard lock(primitives());
  choose_layout();
  place_parameters();
  buffers_ = Buffer<float>(static_cast<std::size_t>(plan.n_buffers));
}

OneDnnEngine::~OneDnnEngine() {
  const std::lock_guard lock(primitives());
  steps_.clear();
}

void OneDnnEngine::load(const float* parameters, const float* buffers) {
  const OneThread guard;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const ConvLayer& l = plan_.layers[i];
    reorder(places_[i].packed, parameters + l.weight, places_[i].own, parameters_.data() + places_[i].weights);
    std::copy_n(parameters + l.gamma, 2 * l.out_channels, parameters_.data() + places_[i].norm);
  }
  std::copy_n(parameters + plan_.linear_weight, plan_.n_parameters - plan_.linear_weight, parameters_.data() + linear_);
  std::copy_n(buffers, buffers_.size(), buffers_.data());
  std::fill_n(momentum_.data(), momentum_.size(), 0.0f);
}

void OneDnnEngine::store(float* parameters, float* buffers) {
  pack(parameters_.data(), parameters);
  std::copy_n(buffers_.data(), buffers_.size(), buffers);
}

void OneDnnEngine::update(float lr, float weight_decay, float momentum) {
  float* const w = parameters_.data();
  float* const v = momentum_.data();
  const float* const g = gradients_.data();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    v[i] = momentum * v[i] + (g[i] + weight_decay * w[i]);
    w[i] -= lr * v[i];
  }
}

void OneDnnEngine::pack(const float* own, float* packed) {
  const OneThread guard;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const ConvLayer& l = plan_.layers[i];
    reorder(places_[i].own, own + places_[i].weights, places_[i].packed, packed + l.weight);
    std::copy_n(own + places_[i].norm, 2 * l.out_channels, packed + l.gamma);
  }
  std::copy_n(own + linear_, plan_.n_parameters - plan_.linear_weight, packed + plan_.linear_weight);
}

}  // namespace quarry::onednn

namespace quarry {

std::unique_ptr<ConvEngine<float>> make_conv_engine(const ResNetPlan& plan, ConvPrecision precision) {
  check_conv_precision(precision);
  return std::make_unique<onednn::OneDnnEngine>(plan, precision);
}

void check_conv_precision(ConvPrecision precision) {
  // An instruction set holds the bits of those it includes.
  constexpr int kNeeded = dnnl_cpu_isa_avx512_core_bf16;
  if (precision == ConvPrecision::bf16 && (dnnl_get_effective_cpu_isa() & kNeeded) != kNeeded)
    usage_error(
        "bf16 on the CPU needs AVX-512 BF16 or AMX, which this CPU has not or oneDNN may not use (ONEDNN_MAX_CPU_ISA); "
        "use fp32, or another machine");
}

std::string_view conv_engine_name(ConvPrecision precision) {
  const auto named = [](std::string_view numbers) {
    const dnnl_version_t* const v = dnnl_version();
    return fmt::format("oneDNN {}.{}.{}, {}, instruction set {}", v->major, v->minor, v->patch, numbers,
                       static_cast<int>(dnnl_get_effective_cpu_isa()));
  };
  static const std::string fp32 = named("fp32"), bf16 = named("bf16");
  return precision == ConvPrecision::bf16 ? bf16 : fp32;
}

}  // namespace quarry
