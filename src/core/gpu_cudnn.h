// SPDX-License-Identifier: MIT
// cuDNN as src/core/gpu_cudnn*.cpp call it: the functions, loaded on first use, every answer checked, and its
// descriptors.
#pragma once

#include <cudnn_graph.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace quarry::gpu {

/// The functions used, by the names they have in the library.
struct CudnnFunctions {
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnGetErrorString) get_error_string;
  decltype(&cudnnGetLastErrorString) get_last_error_string;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;
};

/// Error: device, as convolution_library (quarry/core/gpu_convolution.h).
const CudnnFunctions& cudnn();

/// Error: device, with the library's own words, unless the call succeeded.
void check_cudnn(cudnnStatus_t status, const char* call);

/// An owned descriptor of the graph interface.
class CudnnDescriptor {
 public:
  CudnnDescriptor() = default;
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const std::vector<T>& values) {
    set(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values);

  cudnnStatus_t try_finalize() { return cudnn().finalize(get()); }
  void finalize(const char* what) { check_cudnn(try_finalize(), what); }

  template <class T>
  T value(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T result{};
    read(name, type, 1, &result);
    return result;
  }
  /// All of at most `most` values.
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t most) const {
    std::vector<T> result(most);
    result.resize(static_cast<std::size_t>(read(name, type, static_cast<std::int64_t>(most), result.data())));
    return result;
  }
  CudnnDescriptor part(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const;
  /// All of at most `most` parts, in the library's order.
  std::vector<CudnnDescriptor> parts(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                     std::size_t most) const;
  /// How many values there are, or may be.
  std::int64_t count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    return read(name, type, 0, nullptr);
  }

  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

 private:
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t room,
                    void* values) const;

  struct Destroy {
    void operator()(void* descriptor) const { cudnn().destroy_descriptor(descriptor); }
  };
  std::unique_ptr<void, Destroy> descriptor_;
};

}  // namespace quarry::gpu
