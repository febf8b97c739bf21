// SPDX-License-Identifier: MIT
// The fast engine on the CPU: oneDNN's primitives in its own blocked layouts, fp32, one thread. The only file that
// sees oneDNN.
//
// Maps have one layout throughout, the one that oneDNN likes best for the body of the network; parameters, gradients
// and momentum stay in the layout of the forward convolutions. Primitives are made once per number of rows. Scratch is
// ours and shared by all primitives: oneDNN's own would be tied to the thread that made them.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "quarry/core/buffer.h"
#include "quarry/core/error.h"
#include "src/nn/conv_engine.h"
#include "src/nn/conv_gemm.h"
#include "src/nn/conv_loops.h"

namespace quarry {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Desc = memory::desc;
using Tag = memory::format_tag;
using Flags = dnnl::normalization_flags;

/// While it lives, oneDNN uses one thread: the number is the caller's own (an OpenMP setting belongs to a thread), and
/// the workers of a fleet are threads already. Looked up at run time, so that quarry itself needs no OpenMP.
class OneThread {
 public:
  OneThread() {
    if (set() == nullptr) return;  // a oneDNN without OpenMP
    before_ = get()();
    set()(1);
  }
  ~OneThread() {
    if (set() != nullptr) set()(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  using Set = void (*)(int);
  using Get = int (*)();
  static Set set() {
    static const Set f = reinterpret_cast<Set>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    return f;
  }
  static Get get() {
    static const Get f = reinterpret_cast<Get>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    return f;
  }
  int before_ = 1;
};

/// Held while primitives are made and released: engines of all threads share them in oneDNN's cache, whose own locks
/// ThreadSanitizer cannot see in the packaged library.
std::mutex& primitives() {
  static std::mutex mutex;
  return mutex;
}

/// A primitive with what its arguments look like.
struct Step {
  dnnl::primitive primitive;
  Desc scratch;
};

/// One layer for one number of rows.
struct LayerSteps {
  Desc in, out, weights;
  Step forward, normalise_eval;
  // training
  Step normalise, normalise_back, to_inputs, to_weights;
  Desc workspace, weights_back, weights_slope;
};

struct RowSteps {
  std::vector<LayerSteps> layers;
  std::vector<Step> add_relu, relu_back, add;  ///< of each block; add: of the slopes at its input
  bool trains = false;
};

/// Where a layer's parameters are in the engine's own arrays.
struct LayerPlace {
  Desc packed, own;
  std::size_t weights = 0, norm = 0;  ///< norm: gamma, then beta
};

std::size_t round16(std::size_t n) {
  return (n + 15) / 16 * 16;
}

class OneDnnEngine : public ConvEngine<float> {
 public:
  explicit OneDnnEngine(const ResNetPlan& plan) : plan_(plan), sites_(dropout_sites(plan)) {
    const OneThread guard;
    const std::lock_guard lock(primitives());
    choose_layout();
    place_parameters();
    buffers_ = Buffer<float>(static_cast<std::size_t>(plan.n_buffers));
  }

  ~OneDnnEngine() override {
    const std::lock_guard lock(primitives());
    steps_.clear();
  }
  OneDnnEngine(const OneDnnEngine&) = delete;
  OneDnnEngine& operator=(const OneDnnEngine&) = delete;

  void load(const float* parameters, const float* buffers) override {
    const OneThread guard;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const ConvLayer& l = plan_.layers[i];
      reorder(places_[i].packed, parameters + l.weight, places_[i].own, parameters_.data() + places_[i].weights);
      std::copy_n(parameters + l.gamma, 2 * l.out_channels, parameters_.data() + places_[i].norm);
    }
    std::copy_n(parameters + plan_.linear_weight, plan_.n_parameters - plan_.linear_weight,
                parameters_.data() + linear_);
    std::copy_n(buffers, buffers_.size(), buffers_.data());
    std::fill_n(momentum_.data(), momentum_.size(), 0.0f);
  }

  void store(float* parameters, float* buffers) override {
    pack(parameters_.data(), parameters);
    std::copy_n(buffers_.data(), buffers_.size(), buffers);
  }

  float* images(std::int32_t rows) override {
    grow(images_, static_cast<std::size_t>(rows * plan_.spec.input.pixels()));
    return images_.data();
  }

  void train(std::int32_t rows, const std::int32_t* labels, const float* dropout, double* losses) override;
  void gradients(float* packed) override { pack(gradients_.data(), packed); }

  void update(float lr, float weight_decay, float momentum) override {
    float* const w = parameters_.data();
    float* const v = momentum_.data();
    const float* const g = gradients_.data();
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      v[i] = momentum * v[i] + (g[i] + weight_decay * w[i]);
      w[i] -= lr * v[i];
    }
  }

  void evaluate(std::int32_t rows, const float* dropout, float* logits, float* features) override;

 private:
  void choose_layout();
  void place_parameters();
  void make_steps(RowSteps& steps, std::int32_t rows, bool training) const;
  const RowSteps& steps_of(std::int32_t rows, bool training);
  LayerSteps forward_steps(std::size_t index, std::int32_t rows) const;
  void training_steps(std::size_t index, std::int32_t rows, LayerSteps& steps) const;

  Desc map_desc(const ConvLayer& l, std::int32_t rows) const {
    return {{rows, l.out_channels, l.out_height, l.out_width}, memory::data_type::f32, layout_};
  }
  std::size_t map_size(std::size_t layer, std::int32_t rows) const {
    return static_cast<std::size_t>(rows * map_out(plan_.layers[layer]));
  }
  bool relu_after(std::size_t layer) const {  // stem and conv1 of every block
    return std::count(sites_.layers.begin(), sites_.layers.end(), static_cast<std::int32_t>(layer)) > 0;
  }

  static void grow(Buffer<float>& buffer, std::size_t n) {
    if (buffer.size() < n) buffer = Buffer<float>(n);
  }
  memory at(const Desc& desc, const void* data) const { return {desc, engine_, const_cast<void*>(data)}; }
  dnnl::primitive_attr attributes() const {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
  }

  void run(const Step& step, std::unordered_map<int, memory> arguments) {
    if (step.scratch.get_size() > 0) {
      grow(scratch_, step.scratch.get_size() / sizeof(float) + 1);
      arguments.insert({DNNL_ARG_SCRATCHPAD, at(step.scratch, scratch_.data())});
    }
    step.primitive.execute(stream_, arguments);
  }

  void reorder(const Desc& from_desc, const float* from, const Desc& to_desc, float* to) {
    Step step;
    {
      const std::lock_guard lock(primitives());
      const dnnl::reorder::primitive_desc desc(engine_, from_desc, engine_, to_desc, attributes());
      step = {dnnl::reorder(desc), desc.scratchpad_desc()};
    }
    run(step, {{DNNL_ARG_FROM, at(from_desc, from)}, {DNNL_ARG_TO, at(to_desc, to)}});
    const std::lock_guard lock(primitives());
    step = {};
  }

  /// The layer's weights in the layout a primitive wants: in place, or a copy that lives until the next call.
  memory weights_for(std::size_t layer, const Desc& wanted) {
    const float* const own = parameters_.data() + places_[layer].weights;
    if (wanted == places_[layer].own) return at(wanted, own);
    grow(weights_copy_, wanted.get_size() / sizeof(float));
    reorder(places_[layer].own, own, wanted, weights_copy_.data());
    return at(wanted, weights_copy_.data());
  }
  memory norm_parameters(const Buffer<float>& of, std::size_t layer) const {
    return at({{2, plan_.layers[layer].out_channels}, memory::data_type::f32, Tag::nc},
              of.data() + places_[layer].norm);
  }
  memory statistics(const float* data, std::size_t layer) const {
    return at({{plan_.layers[layer].out_channels}, memory::data_type::f32, Tag::a}, data);
  }

  void pack(const float* own, float* packed) {
    const OneThread guard;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const ConvLayer& l = plan_.layers[i];
      reorder(places_[i].own, own + places_[i].weights, places_[i].packed, packed + l.weight);
      std::copy_n(own + places_[i].norm, 2 * l.out_channels, packed + l.gamma);
    }
    std::copy_n(own + linear_, plan_.n_parameters - plan_.linear_weight, packed + plan_.linear_weight);
  }

  void convolve_forward(const LayerSteps& steps, std::size_t layer, const float* in, float* out) {
    run(steps.forward, {{DNNL_ARG_SRC, at(steps.in, in)},
                        {DNNL_ARG_WEIGHTS, weights_for(layer, steps.weights)},
                        {DNNL_ARG_DST, at(steps.out, out)}});
  }
  void layer_evaluate(const LayerSteps& steps, std::size_t layer, const float* in, float* out);
  void layer_train(const LayerSteps& steps, std::size_t layer, std::int32_t rows, const float* in, float* out);
  void layer_back(const LayerSteps& steps, std::size_t layer, const float* in, const float* slope, float* inner,
                  float* in_slope);
  void block_back(const RowSteps& steps, std::size_t b, std::int32_t rows, const float* dropout);
  void head(std::int32_t rows, const float* maps);
  void head_back(std::int32_t rows, const std::int32_t* labels, double* losses, float* maps_slope);
  void through_dropout(std::size_t site, std::int32_t rows, const float* dropout, float* maps) const;

  const ResNetPlan plan_;
  const DropoutSites sites_;
  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Tag layout_ = Tag::nchw;
  std::int32_t block_ = 1;  ///< channels side by side in a map: maps are [rows][channels / block][positions][block]
  std::vector<LayerPlace> places_;
  std::size_t linear_ = 0;
  Buffer<float> parameters_, gradients_, momentum_, buffers_;
  std::map<std::int32_t, RowSteps> steps_;
  Buffer<float> images_, scratch_, weights_copy_, gradient_copy_, batch_statistics_;
  std::array<Buffer<float>, 4> spare_;                 ///< maps of evaluation, slopes of training
  std::vector<Buffer<float>> convolved_, workspaces_;  ///< of each layer
  std::vector<Buffer<float>> hidden_, outputs_;        ///< inside each block; behind the stem and each block
  std::vector<float> pooled_, logits_, slopes_, pooled_slopes_;
};

// ---- making the primitives ----

void OneDnnEngine::choose_layout() {
  const ConvLayer& l = plan_.layers[1];
  const auto f32 = memory::data_type::f32;
  const memory::dims in = {kConvChunk, l.in_channels, l.in_height, l.in_width};
  const memory::dims out = {kConvChunk, l.out_channels, l.out_height, l.out_width};
  const dnnl::convolution_forward::primitive_desc desc(
      {prop_kind::forward_training, algorithm::convolution_direct, Desc(in, f32, Tag::any),
       Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, f32, Tag::any), Desc(out, f32, Tag::any),
       memory::dims{1, 1}, memory::dims{1, 1}, memory::dims{1, 1}},
      engine_);
  for (const auto& [tag, block] : {std::pair(Tag::nChw16c, 16), std::pair(Tag::nChw8c, 8)}) {
    if (desc.src_desc() == Desc(in, f32, tag)) {
      layout_ = tag;
      block_ = block;
    }
  }
}

void OneDnnEngine::place_parameters() {
  std::size_t end = 0;
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    const ConvLayer& l = plan_.layers[i];
    LayerPlace place;
    place.packed = Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, memory::data_type::f32, Tag::oihw);
    place.own = forward_steps(i, kConvChunk).weights;
    place.weights = end;
    place.norm = end + round16(place.own.get_size() / sizeof(float));
    end = place.norm + round16(2 * static_cast<std::size_t>(l.out_channels));
    places_.push_back(place);
  }
  linear_ = end;
  end += static_cast<std::size_t>(plan_.n_parameters - plan_.linear_weight);
  for (Buffer<float>* buffer : {&parameters_, &gradients_, &momentum_}) *buffer = Buffer<float>(end);
}

LayerSteps OneDnnEngine::forward_steps(std::size_t index, std::int32_t rows) const {
  const ConvLayer& l = plan_.layers[index];
  const auto f32 = memory::data_type::f32;
  LayerSteps steps;
  steps.in = Desc({rows, l.in_channels, l.in_height, l.in_width}, f32, index == 0 ? Tag::nchw : layout_);
  steps.out = map_desc(l, rows);
  const dnnl::convolution_forward::primitive_desc forward(
      {prop_kind::forward_training, algorithm::convolution_direct, steps.in,
       Desc({l.out_channels, l.in_channels, l.kernel, l.kernel}, f32, Tag::any), steps.out,
       memory::dims{l.stride, l.stride}, memory::dims{l.padding, l.padding}, memory::dims{l.padding, l.padding}},
      attributes(), engine_);
  steps.weights = forward.weights_desc();
  steps.forward = {dnnl::convolution_forward(forward), forward.scratchpad_desc()};
  Flags flags = Flags::use_global_stats | Flags::use_scale_shift;
  if (relu_after(index)) flags |= Flags::fuse_norm_relu;
  const dnnl::batch_normalization_forward::primitive_desc normalise(
      {prop_kind::forward_inference, steps.out, static_cast<float>(kNormEpsilon), flags}, attributes(), engine_);
  steps.normalise_eval = {dnnl::batch_normalization_forward(normalise), normalise.scratchpad_desc()};
  return steps;
}

void OneDnnEngine::training_steps(std::size_t index, std::int32_t rows, LayerSteps& steps) const {
  const ConvLayer& l = plan_.layers[index];
  const Desc any({l.out_channels, l.in_channels, l.kernel, l.kernel}, memory::data_type::f32, Tag::any);
  const memory::dims stride = {l.stride, l.stride}, padding = {l.padding, l.padding};
  const dnnl::convolution_forward::primitive_desc hint(
      {prop_kind::forward_training, algorithm::convolution_direct, steps.in, any, steps.out, stride, padding, padding},
      attributes(), engine_);
  const dnnl::convolution_backward_weights::primitive_desc to_weights(
      {algorithm::convolution_direct, steps.in, any, steps.out, stride, padding, padding}, attributes(), engine_, hint);
  steps.weights_slope = to_weights.diff_weights_desc();
  steps.to_weights = {dnnl::convolution_backward_weights(to_weights), to_weights.scratchpad_desc()};
  if (index > 0) {
    const dnnl::convolution_backward_data::primitive_desc to_inputs(
        {algorithm::convolution_direct, steps.in, any, steps.out, stride, padding, padding}, attributes(), engine_,
        hint);
    steps.weights_back = to_inputs.weights_desc();
    steps.to_inputs = {dnnl::convolution_backward_data(to_inputs), to_inputs.scratchpad_desc()};
  }
  Flags flags = Flags::use_scale_shift;
  if (relu_after(index)) flags |= Flags::fuse_norm_relu;
  const auto epsilon = static_cast<float>(kNormEpsilon);
  const Desc out = map_desc(l, rows);
  const dnnl::batch_normalization_forward::primitive_desc normalise({prop_kind::forward_training, out, epsilon, flags},
                                                                    attributes(), engine_);
  steps.workspace = normalise.workspace_desc();
  steps.normalise = {dnnl::batch_normalization_forward(normalise), normalise.scratchpad_desc()};
  const dnnl::batch_normalization_backward::primitive_desc back({prop_kind::backward, out, out, epsilon, flags},
                                                                attributes(), engine_, normalise);
  steps.normalise_back = {dnnl::batch_normalization_backward(back), back.scratchpad_desc()};
}

/// The primitives for so many rows, made when they are first wanted.
void OneDnnEngine::make_steps(RowSteps& steps, std::int32_t rows, bool training) const {
  const std::lock_guard lock(primitives());
  if (steps.layers.empty()) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) steps.layers.push_back(forward_steps(i, rows));
    dnnl::post_ops relu;
    relu.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
    dnnl::primitive_attr then_relu = attributes();
    then_relu.set_post_ops(relu);
    for (const ResNetBlock& block : plan_.blocks) {
      const Desc out = steps.layers[static_cast<std::size_t>(block.conv2)].out;
      const dnnl::binary::primitive_desc add({algorithm::binary_add, out, out, out}, then_relu, engine_);
      steps.add_relu.push_back({dnnl::binary(add), add.scratchpad_desc()});
    }
  }
  if (training && !steps.trains) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) training_steps(i, rows, steps.layers[i]);
    for (const ResNetBlock& block : plan_.blocks) {
      const Desc out = steps.layers[static_cast<std::size_t>(block.conv2)].out;
      const Desc in = steps.layers[static_cast<std::size_t>(block.conv1)].in;
      const dnnl::eltwise_forward::primitive_desc hint(
          {prop_kind::forward_training, algorithm::eltwise_relu_use_dst_for_bwd, out, 0, 0}, engine_);
      const dnnl::eltwise_backward::primitive_desc back({algorithm::eltwise_relu_use_dst_for_bwd, out, out, 0, 0},
                                                        attributes(), engine_, hint);
      steps.relu_back.push_back({dnnl::eltwise_backward(back), back.scratchpad_desc()});
      const dnnl::binary::primitive_desc add({algorithm::binary_add, in, in, in}, attributes(), engine_);
      steps.add.push_back({dnnl::binary(add), add.scratchpad_desc()});
    }
    steps.trains = true;
  }
}

const RowSteps& OneDnnEngine::steps_of(std::int32_t rows, bool training) {
  RowSteps& steps = steps_[rows];
  if (steps.layers.empty() || (training && !steps.trains)) make_steps(steps, rows, training);
  std::size_t largest = 0;
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) largest = std::max(largest, map_size(i, rows));
  for (Buffer<float>& spare : spare_) grow(spare, largest);
  if (training) {
    convolved_.resize(plan_.layers.size());
    workspaces_.resize(plan_.layers.size());
    hidden_.resize(plan_.blocks.size());
    outputs_.resize(plan_.blocks.size() + 1);
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
      grow(convolved_[i], map_size(i, rows));
      grow(workspaces_[i], steps.layers[i].workspace.get_size() / sizeof(float) + 1);
    }
    grow(outputs_[0], map_size(0, rows));
    for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
      grow(hidden_[b], map_size(static_cast<std::size_t>(plan_.blocks[b].conv1), rows));
      grow(outputs_[b + 1], map_size(static_cast<std::size_t>(plan_.blocks[b].conv2), rows));
    }
    grow(batch_statistics_, 2 * static_cast<std::size_t>(plan_.n_buffers));
  }
  return steps;
}

// ---- one layer ----

void OneDnnEngine::layer_evaluate(const LayerSteps& steps, std::size_t layer, const float* in, float* out) {
  const ConvLayer& l = plan_.layers[layer];
  convolve_forward(steps, layer, in, out);
  run(steps.normalise_eval, {{DNNL_ARG_SRC, at(steps.out, out)},
                             {DNNL_ARG_MEAN, statistics(buffers_.data() + l.mean, layer)},
                             {DNNL_ARG_VARIANCE, statistics(buffers_.data() + l.variance, layer)},
                             {DNNL_ARG_SCALE_SHIFT, norm_parameters(parameters_, layer)},
                             {DNNL_ARG_DST, at(steps.out, out)}});
}

void OneDnnEngine::layer_train(const LayerSteps& steps, std::size_t layer, std::int32_t rows, const float* in,
                               float* out) {
  const ConvLayer& l = plan_.layers[layer];
  convolve_forward(steps, layer, in, convolved_[layer].data());
  float* const mean = batch_statistics_.data() + l.mean;
  float* const variance = batch_statistics_.data() + l.variance;
  run(steps.normalise, {{DNNL_ARG_SRC, at(steps.out, convolved_[layer].data())},
                        {DNNL_ARG_MEAN, statistics(mean, layer)},
                        {DNNL_ARG_VARIANCE, statistics(variance, layer)},
                        {DNNL_ARG_SCALE_SHIFT, norm_parameters(parameters_, layer)},
                        {DNNL_ARG_WORKSPACE, at(steps.workspace, workspaces_[layer].data())},
                        {DNNL_ARG_DST, at(steps.out, out)}});
  const double count = static_cast<double>(rows) * l.out_height * l.out_width;
  float* const running_mean = buffers_.data() + l.mean;
  float* const running_variance = buffers_.data() + l.variance;
  for (std::int32_t c = 0; c < l.out_channels; ++c) {
    running_mean[c] = static_cast<float>((1 - kRunningShare) * running_mean[c] + kRunningShare * mean[c]);
    running_variance[c] = static_cast<float>((1 - kRunningShare) * running_variance[c] +
                                             kRunningShare * variance[c] * (count / (count - 1)));
  }
}

/// From the slope at the layer's output: its gradients, and the slope at its input unless null. `inner` holds the
/// slope between convolution and normalisation; it may be `slope`.
void OneDnnEngine::layer_back(const LayerSteps& steps, std::size_t layer, const float* in, const float* slope,
                              float* inner, float* in_slope) {
  const ConvLayer& l = plan_.layers[layer];
  run(steps.normalise_back, {{DNNL_ARG_SRC, at(steps.out, convolved_[layer].data())},
                             {DNNL_ARG_DIFF_DST, at(steps.out, slope)},
                             {DNNL_ARG_MEAN, statistics(batch_statistics_.data() + l.mean, layer)},
                             {DNNL_ARG_VARIANCE, statistics(batch_statistics_.data() + l.variance, layer)},
                             {DNNL_ARG_SCALE_SHIFT, norm_parameters(parameters_, layer)},
                             {DNNL_ARG_WORKSPACE, at(steps.workspace, workspaces_[layer].data())},
                             {DNNL_ARG_DIFF_SRC, at(steps.out, inner)},
                             {DNNL_ARG_DIFF_SCALE_SHIFT, norm_parameters(gradients_, layer)}});
  float* const own = gradients_.data() + places_[layer].weights;
  const bool same = steps.weights_slope == places_[layer].own;
  if (!same) grow(gradient_copy_, steps.weights_slope.get_size() / sizeof(float));
  run(steps.to_weights, {{DNNL_ARG_SRC, at(steps.in, in)},
                         {DNNL_ARG_DIFF_DST, at(steps.out, inner)},
                         {DNNL_ARG_DIFF_WEIGHTS, at(steps.weights_slope, same ? own : gradient_copy_.data())}});
  if (!same) reorder(steps.weights_slope, gradient_copy_.data(), places_[layer].own, own);
  if (in_slope == nullptr) return;
  run(steps.to_inputs, {{DNNL_ARG_DIFF_DST, at(steps.out, inner)},
                        {DNNL_ARG_WEIGHTS, weights_for(layer, steps.weights_back)},
                        {DNNL_ARG_DIFF_SRC, at(steps.in, in_slope)}});
}

/// Every channel of every image times its factor.
void OneDnnEngine::through_dropout(std::size_t site, std::int32_t rows, const float* dropout, float* maps) const {
  if (dropout == nullptr) return;
  const ConvLayer& l = plan_.layers[static_cast<std::size_t>(sites_.layers[site])];
  const std::int32_t positions = l.out_height * l.out_width;
  for (std::int32_t r = 0; r < rows; ++r) {
    const float* factors = dropout + std::ptrdiff_t{r} * sites_.width + sites_.offsets[site];
    for (std::int32_t group = 0; group < l.out_channels / block_; ++group, factors += block_) {
      for (std::int32_t p = 0; p < positions; ++p) {
        for (std::int32_t c = 0; c < block_; ++c) *maps++ *= factors[c];
      }
    }
  }
}

// ---- the network ----

/// Mean over positions and the linear layer.
void OneDnnEngine::head(std::int32_t rows, const float* maps) {
  const ConvLayer& last = plan_.layers[static_cast<std::size_t>(plan_.blocks.back().conv2)];
  const std::int32_t positions = last.out_height * last.out_width;
  const float share = 1.0f / static_cast<float>(positions);
  pooled_.assign(static_cast<std::size_t>(rows * plan_.features), 0.0f);
  for (float* sums = pooled_.data(); sums < pooled_.data() + pooled_.size(); sums += block_) {
    for (std::int32_t p = 0; p < positions; ++p) {
      for (std::int32_t c = 0; c < block_; ++c) sums[c] += *maps++;
    }
    for (std::int32_t c = 0; c < block_; ++c) sums[c] *= share;
  }
  const std::int64_t classes = plan_.spec.classes;
  logits_.resize(static_cast<std::size_t>(rows * classes));
  const float* const weights = parameters_.data() + linear_;
  conv_gemm<float>(false, true, rows, classes, plan_.features, pooled_.data(), weights, false, logits_.data());
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    logits_[i] += weights[classes * plan_.features + static_cast<std::int64_t>(i) % classes];
  }
}

void OneDnnEngine::head_back(std::int32_t rows, const std::int32_t* labels, double* losses, float* maps_slope) {
  const std::int64_t classes = plan_.spec.classes, features = plan_.features;
  slopes_.resize(logits_.size());
  cross_entropy(rows, classes, logits_.data(), labels, losses, slopes_.data());
  float* const weights = gradients_.data() + linear_;
  conv_gemm<float>(true, false, classes, features, rows, slopes_.data(), pooled_.data(), false, weights);
  for (std::int64_t c = 0; c < classes; ++c) {
    float sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += slopes_[static_cast<std::size_t>(r * classes + c)];
    weights[classes * features + c] = sum;
  }
  pooled_slopes_.resize(pooled_.size());
  conv_gemm<float>(false, false, rows, features, classes, slopes_.data(), parameters_.data() + linear_, false,
                   pooled_slopes_.data());
  const ConvLayer& last = plan_.layers[static_cast<std::size_t>(plan_.blocks.back().conv2)];
  const std::int32_t positions = last.out_height * last.out_width;
  const float share = 1.0f / static_cast<float>(positions);
  for (const float* from = pooled_slopes_.data(); from < pooled_slopes_.data() + pooled_slopes_.size();
       from += block_) {
    for (std::int32_t p = 0; p < positions; ++p) {
      for (std::int32_t c = 0; c < block_; ++c) *maps_slope++ = from[c] * share;
    }
  }
}

void OneDnnEngine::evaluate(std::int32_t rows, const float* dropout, float* logits, float* features) {
  const OneThread guard;
  const RowSteps& steps = steps_of(rows, false);
  float *in = spare_[0].data(), *hidden = spare_[1].data(), *out = spare_[2].data();
  float* const shortcut = spare_[3].data();
  layer_evaluate(steps.layers[0], 0, images_.data(), in);
  through_dropout(0, rows, dropout, in);
  for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
    const ResNetBlock& block = plan_.blocks[b];
    const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
    layer_evaluate(steps.layers[conv1], conv1, in, hidden);
    through_dropout(b + 1, rows, dropout, hidden);
    layer_evaluate(steps.layers[conv2], conv2, hidden, out);
    if (block.shortcut >= 0) {
      const auto s = static_cast<std::size_t>(block.shortcut);
      layer_evaluate(steps.layers[s], s, in, shortcut);
    }
    const Desc& desc = steps.layers[conv2].out;
    run(steps.add_relu[b], {{DNNL_ARG_SRC_0, at(desc, out)},
                            {DNNL_ARG_SRC_1, at(desc, block.shortcut >= 0 ? shortcut : in)},
                            {DNNL_ARG_DST, at(desc, out)}});
    std::swap(in, out);
  }
  head(rows, in);
  if (logits != nullptr) std::copy(logits_.begin(), logits_.end(), logits);
  if (features != nullptr) std::copy(pooled_.begin(), pooled_.end(), features);
}

void OneDnnEngine::train(std::int32_t rows, const std::int32_t* labels, const float* dropout, double* losses) {
  const OneThread guard;
  const RowSteps& steps = steps_of(rows, true);
  layer_train(steps.layers[0], 0, rows, images_.data(), outputs_[0].data());
  through_dropout(0, rows, dropout, outputs_[0].data());
  for (std::size_t b = 0; b < plan_.blocks.size(); ++b) {
    const ResNetBlock& block = plan_.blocks[b];
    const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
    const float* shortcut = outputs_[b].data();
    float* const out = outputs_[b + 1].data();
    layer_train(steps.layers[conv1], conv1, rows, outputs_[b].data(), hidden_[b].data());
    through_dropout(b + 1, rows, dropout, hidden_[b].data());
    layer_train(steps.layers[conv2], conv2, rows, hidden_[b].data(), out);
    if (block.shortcut >= 0) {
      const auto s = static_cast<std::size_t>(block.shortcut);
      layer_train(steps.layers[s], s, rows, outputs_[b].data(), spare_[0].data());
      shortcut = spare_[0].data();
    }
    const Desc& desc = steps.layers[conv2].out;
    run(steps.add_relu[b],
        {{DNNL_ARG_SRC_0, at(desc, out)}, {DNNL_ARG_SRC_1, at(desc, shortcut)}, {DNNL_ARG_DST, at(desc, out)}});
  }
  head(rows, outputs_.back().data());
  head_back(rows, labels, losses, spare_[0].data());
  for (std::size_t b = plan_.blocks.size(); b-- > 0;) block_back(steps, b, rows, dropout);
  through_dropout(0, rows, dropout, spare_[0].data());
  layer_back(steps.layers[0], 0, images_.data(), spare_[0].data(), spare_[0].data(), nullptr);
}

/// spare_[0]: slope at the block's output, then at its input.
void OneDnnEngine::block_back(const RowSteps& steps, std::size_t b, std::int32_t rows, const float* dropout) {
  const ResNetBlock& block = plan_.blocks[b];
  const auto conv1 = static_cast<std::size_t>(block.conv1), conv2 = static_cast<std::size_t>(block.conv2);
  const float* const in = outputs_[b].data();
  float* const slope = spare_[0].data();
  float* const inner = spare_[1].data();
  float* const hidden_slope = spare_[2].data();
  float* const in_slope = spare_[3].data();
  const Desc& desc = steps.layers[conv2].out;
  run(steps.relu_back[b], {{DNNL_ARG_DST, at(desc, outputs_[b + 1].data())},
                           {DNNL_ARG_DIFF_DST, at(desc, slope)},
                           {DNNL_ARG_DIFF_SRC, at(desc, slope)}});
  layer_back(steps.layers[conv2], conv2, hidden_[b].data(), slope, inner, hidden_slope);
  through_dropout(b + 1, rows, dropout, hidden_slope);
  layer_back(steps.layers[conv1], conv1, in, hidden_slope, hidden_slope, in_slope);
  const float* past = slope;  // the slope that came past conv1 and conv2
  if (block.shortcut >= 0) {
    const auto s = static_cast<std::size_t>(block.shortcut);
    layer_back(steps.layers[s], s, in, slope, slope, inner);
    past = inner;
  }
  const Desc& in_desc = steps.layers[conv1].in;
  run(steps.add[b], {{DNNL_ARG_SRC_0, at(in_desc, in_slope)},
                     {DNNL_ARG_SRC_1, at(in_desc, past)},
                     {DNNL_ARG_DST, at(in_desc, slope)}});
}

}  // namespace

std::unique_ptr<ConvEngine<float>> make_conv_engine(const ResNetPlan& plan) {
  return std::make_unique<OneDnnEngine>(plan);
}

std::string_view conv_engine_name() {
  static const std::string name = [] {
    const dnnl_version_t* const v = dnnl_version();
    return fmt::format("oneDNN {}.{}.{}, fp32, instruction set {}", v->major, v->minor, v->patch,
                       static_cast<int>(dnnl_get_effective_cpu_isa()));
  }();
  return name;
}

}  // namespace quarry
