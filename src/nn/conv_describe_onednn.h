// SPDX-License-Identifier: MIT
// The descriptions of primitives, for oneDNN 3.x and 2.x: all that differs between the two is here. Callers give what
// 2.x's operation descriptors take.
#pragma once

#include "src/nn/conv_onednn.h"

namespace quarry::onednn {

/// Normalisation, backward: 2.x insists on its shift, 3.x refuses it.
constexpr bool kBackReadsShift = DNNL_VERSION_MAJOR < 3;

#if DNNL_VERSION_MAJOR >= 3

template <class Primitive, class... Arguments>
typename Primitive::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                            const Arguments&... arguments) {
  return {engine, arguments..., attributes};
}

template <class Primitive, class Forward, class... Arguments>
typename Primitive::primitive_desc describe_back(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                                 const Forward& forward, const Arguments&... arguments) {
  return {engine, arguments..., forward, attributes};
}

// 2.x takes that input and output look the same; 3.x wants to be told of each.

template <>
inline dnnl::batch_normalization_forward::primitive_desc describe<dnnl::batch_normalization_forward>(
    const dnnl::engine& engine, const dnnl::primitive_attr& attributes, const prop_kind& kind, const Desc& maps,
    const float& epsilon, const Flags& flags) {
  return {engine, kind, maps, maps, epsilon, flags, attributes};
}

template <>
inline dnnl::batch_normalization_backward::primitive_desc describe_back<dnnl::batch_normalization_backward>(
    const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
    const dnnl::batch_normalization_forward::primitive_desc& forward, const prop_kind& kind, const Desc& slopes,
    const Desc& maps, const float& epsilon, const Flags& flags) {
  return {engine, kind, slopes, slopes, maps, epsilon, flags, forward, attributes};
}

template <>
inline dnnl::eltwise_forward::primitive_desc describe<dnnl::eltwise_forward>(const dnnl::engine& engine,
                                                                             const dnnl::primitive_attr& attributes,
                                                                             const prop_kind& kind,
                                                                             const algorithm& function,
                                                                             const Desc& maps) {
  return {engine, kind, function, maps, maps, attributes};
}

template <>
inline dnnl::eltwise_backward::primitive_desc describe_back<dnnl::eltwise_backward>(
    const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
    const dnnl::eltwise_forward::primitive_desc& forward, const algorithm& function, const Desc& slopes,
    const Desc& maps) {
  return {engine, function, slopes, slopes, maps, forward, attributes};
}

inline void append_relu(dnnl::post_ops& then) {
  then.append_eltwise(algorithm::eltwise_relu, 0, 0);
}

#else

template <class Primitive, class... Arguments>
typename Primitive::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                            const Arguments&... arguments) {
  return {typename Primitive::desc(arguments...), attributes, engine};
}

template <class Primitive, class Forward, class... Arguments>
typename Primitive::primitive_desc describe_back(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                                 const Forward& forward, const Arguments&... arguments) {
  return {typename Primitive::desc(arguments...), attributes, engine, forward};
}

inline void append_relu(dnnl::post_ops& then) {
  then.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
}

#endif

}  // namespace quarry::onednn
