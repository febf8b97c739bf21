// SPDX-License-Identifier: MIT
// cuDNN, loaded on first use, as cuBLAS is (gpu_blas.cpp). Nothing here calls the CUDA runtime: the version can be
// asked for where there is no GPU.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <algorithm>
#include <string>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_cudnn.h"

namespace quarry::gpu {
namespace {

constexpr std::size_t kOldest = 91100;  // the first whose properties of a device can be written and read

std::string package() {
  return fmt::format("install package libcudnn{}-cuda-{}", CUDNN_MAJOR, CUDART_VERSION / 1000);
}

std::string version_text(std::size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) device_error("cuDNN has no function {}; {}", name, package());
}

CudnnFunctions load() {
  const std::string name = fmt::format("libcudnn.so.{}", CUDNN_MAJOR);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays for the life of the process
  if (library == nullptr) device_error("cuDNN cannot be loaded ({}); {}", dlerror(), package());
  CudnnFunctions f;
  find(library, "cudnnGetVersion", f.get_version);
  find(library, "cudnnGetErrorString", f.get_error_string);
  find(library, "cudnnGetLastErrorString", f.get_last_error_string);
  find(library, "cudnnCreate", f.create);
  find(library, "cudnnDestroy", f.destroy);
  find(library, "cudnnSetStream", f.set_stream);
  find(library, "cudnnBackendCreateDescriptor", f.create_descriptor);
  find(library, "cudnnBackendDestroyDescriptor", f.destroy_descriptor);
  find(library, "cudnnBackendSetAttribute", f.set_attribute);
  find(library, "cudnnBackendGetAttribute", f.get_attribute);
  find(library, "cudnnBackendFinalize", f.finalize);
  find(library, "cudnnBackendExecute", f.execute);
  const std::size_t version = f.get_version();
  if (version / 10000 != CUDNN_MAJOR || version < kOldest) {
    device_error("{} is cuDNN {}, this program was built for {} and needs {} or later; {}", name, version_text(version),
                 version_text(CUDNN_VERSION), version_text(kOldest), package());
  }
  return f;
}

}  // namespace

const CudnnFunctions& cudnn() {
  static const CudnnFunctions loaded = load();  // tried again at the next call if it throws
  return loaded;
}

std::string convolution_library() {
  return version_text(cudnn().get_version());
}

void check_cudnn(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char says[512] = {};
  cudnn().get_last_error_string(says, sizeof says);
  says[sizeof says - 1] = '\0';
  device_error("{}: {} ({})", call, cudnn().get_error_string(status), says);
}

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = nullptr;
  check_cudnn(cudnn().create_descriptor(type, &made), "cudnnBackendCreateDescriptor");
  descriptor_.reset(made);
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                          const void* values) {
  check_cudnn(cudnn().set_attribute(get(), name, type, count, values),
              fmt::format("cudnnBackendSetAttribute {}", static_cast<int>(name)).c_str());
}

std::int64_t CudnnDescriptor::read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                   std::int64_t room, void* values) const {
  std::int64_t there = 0;
  check_cudnn(cudnn().get_attribute(get(), name, type, room, &there, values),
              fmt::format("cudnnBackendGetAttribute {}", static_cast<int>(name)).c_str());
  return room == 0 ? there : std::min(room, there);
}

std::vector<CudnnDescriptor> CudnnDescriptor::parts(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                    std::size_t most) const {
  std::vector<CudnnDescriptor> made(most);
  std::vector<cudnnBackendDescriptor_t> raw;
  for (CudnnDescriptor& part : made) raw.push_back((part = CudnnDescriptor(type)).get());
  made.resize(
      static_cast<std::size_t>(read(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(most), raw.data())));
  return made;
}

CudnnDescriptor CudnnDescriptor::part(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
  std::vector<CudnnDescriptor> found = parts(name, type, 1);
  QUARRY_CHECK(found.size() == 1, "cuDNN's attribute {} has no part", static_cast<int>(name));
  return std::move(found.front());
}

}  // namespace quarry::gpu
