// SPDX-License-Identifier: MIT
// The fast engine on the CPU: oneDNN's primitives in its own blocked layouts, one thread. Only the files named
// conv_*onednn* see oneDNN.
//
//   conv_engine_onednn.cpp      the engine's parameters and its name
//   conv_primitives_onednn.cpp  which primitives there are
//   conv_describe_onednn.h      how they are described to oneDNN 3.x and 2.x
//   conv_layers_onednn.cpp      one layer, forward and backward
//   conv_network_onednn.cpp     the network: a training step, an evaluation
//
// Maps have one layout throughout, the one that oneDNN likes best for the body of the network; parameters, gradients
// and momentum stay in the layout of the forward convolutions. Primitives are made once per number of rows. Scratch is
// ours and shared by all primitives: oneDNN's own would be tied to the thread that made them.
//
// Maps, parameters and all sums are float in either precision. bf16: what a convolution reads (maps, slopes, weights)
// is rounded to bf16 on its way there, to nearest, ties to even.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "quarry/core/buffer.h"
#include "src/nn/conv_engine.h"
#include "src/nn/conv_loops.h"

namespace quarry::onednn {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Desc = memory::desc;
using Tag = memory::format_tag;
using Flags = dnnl::normalization_flags;

/// While it lives, oneDNN uses one thread: the number is the caller's own (an OpenMP setting belongs to a thread), and
/// the workers of a fleet are threads already.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = 1;
};

/// Held while primitives are made and released: engines of all threads share them in oneDNN's cache, whose own locks
/// ThreadSanitizer cannot see in the packaged library.
std::mutex& primitives();

/// A primitive with what its arguments look like.
struct Step {
  dnnl::primitive primitive;
  Desc scratch;
};

/// One layer for one number of rows.
struct LayerSteps {
  Desc in, out, weights;
  Desc conv_in, conv_slope;  ///< of the input, and of the slope at the output, as the convolutions read them
  Step forward, normalise_eval, round_in;
  // training
  Step normalise, normalise_back, to_inputs, to_weights, round_slope;
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

class OneDnnEngine : public ConvEngine<float> {
 public:
  OneDnnEngine(const ResNetPlan& plan, ConvPrecision precision);
  ~OneDnnEngine() override;
  OneDnnEngine(const OneDnnEngine&) = delete;
  OneDnnEngine& operator=(const OneDnnEngine&) = delete;

  void load(const float* parameters, const float* buffers) override;
  void store(float* parameters, float* buffers) override;

  float* images(std::int32_t rows) override {
    grow(images_, static_cast<std::size_t>(rows * plan_.spec.input.pixels()));
    return images_.data();
  }

  void train(std::int32_t rows, const std::int32_t* labels, const float* dropout, double* losses) override;
  void gradients(float* packed) override { pack(gradients_.data(), packed); }

  void update(float lr, float weight_decay, float momentum) override;
  void evaluate(std::int32_t rows, const float* dropout, float* logits, float* features) override;

 private:
  void choose_layout();
  void place_parameters();
  void make_steps(RowSteps& steps, std::int32_t rows, bool training) const;
  const RowSteps& steps_of(std::int32_t rows, bool training);
  LayerSteps forward_steps(std::size_t index, std::int32_t rows) const;
  void training_steps(std::size_t index, std::int32_t rows, LayerSteps& steps) const;

  memory::data_type read_type() const {
    return precision_ == ConvPrecision::bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  }
  void require_fast(const char* implementation) const;
  Step rounding(const Desc& from, const Desc& to) const;
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

  void run(const Step& step, std::unordered_map<int, memory> arguments);
  void reorder(const Desc& from_desc, const float* from, const Desc& to_desc, void* to);
  const float* rounded(const Step& step, const Desc& from_desc, const float* from, const Desc& to_desc,
                       Buffer<float>& place);
  memory weights_for(std::size_t layer, const Desc& wanted);
  void pack(const float* own, float* packed);
  memory per_channel(const float* data, std::size_t layer) const {
    return at({{plan_.layers[layer].out_channels}, memory::data_type::f32, Tag::a}, data);
  }
  memory scale(const Buffer<float>& of, std::size_t layer) const {
    return per_channel(of.data() + places_[layer].norm, layer);
  }
  memory shift(const Buffer<float>& of, std::size_t layer) const {
    return per_channel(of.data() + places_[layer].norm + plan_.layers[layer].out_channels, layer);
  }

  void convolve_forward(const LayerSteps& steps, std::size_t layer, const float* in, float* out);
  void layer_evaluate(const LayerSteps& steps, std::size_t layer, const float* in, float* out);
  void layer_train(const LayerSteps& steps, std::size_t layer, std::int32_t rows, const float* in, float* out);
  void layer_back(const LayerSteps& steps, std::size_t layer, const float* in, const float* slope, float* inner,
                  float* in_slope);
  void block_back(const RowSteps& steps, std::size_t b, std::int32_t rows, const float* dropout);
  void head(std::int32_t rows, const float* maps);
  void head_back(std::int32_t rows, const std::int32_t* labels, double* losses, float* maps_slope);
  void through_dropout(std::size_t site, std::int32_t rows, const float* dropout, float* maps) const;

  const ResNetPlan plan_;
  const ConvPrecision precision_;
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
  std::array<Buffer<float>, 4> spare_;  ///< maps of evaluation, slopes of training
  Buffer<float> rounded_slope_;
  std::vector<Buffer<float>> rounded_in_;              ///< of each layer
  std::vector<Buffer<float>> convolved_, workspaces_;  ///< of each layer
  std::vector<Buffer<float>> hidden_, outputs_;        ///< inside each block; behind the stem and each block
  std::vector<float> pooled_, logits_, slopes_, pooled_slopes_;
};

}  // namespace quarry::onednn
