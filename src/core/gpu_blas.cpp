// SPDX-License-Identifier: MIT
// cuBLAS, loaded on first use: linking it would cost every start of the program 75 ms and forbid machines without it.
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <string>

#include "quarry/core/error.h"
#include "quarry/core/gpu_library.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_recent.h"

namespace quarry::gpu {
namespace {

/// The functions used, by the names they have in the library.
struct Functions {
  decltype(&cublasGetProperty) get_property;
  decltype(&cublasGetStatusString) get_status_string;
  decltype(&cublasCreate_v2) create;
  decltype(&cublasDestroy_v2) destroy;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  decltype(&cublasSetMathMode) set_math_mode;
  decltype(&cublasSetAtomicsMode) set_atomics_mode;
  decltype(&cublasSgemm_v2) sgemm;
};

std::string package() {
  return fmt::format("install package libcublas-{}-{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) device_error("cuBLAS has no function {}; {}", name, package());
}

Functions load() {
  const std::string name = fmt::format("libcublas.so.{}", CUBLAS_VER_MAJOR);
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays for the life of the process
  if (library == nullptr) device_error("cuBLAS cannot be loaded ({}); {}", dlerror(), package());
  Functions f;
  find(library, "cublasGetProperty", f.get_property);
  find(library, "cublasGetStatusString", f.get_status_string);
  find(library, "cublasCreate_v2", f.create);
  find(library, "cublasDestroy_v2", f.destroy);
  find(library, "cublasSetStream_v2", f.set_stream);
  find(library, "cublasSetWorkspace_v2", f.set_workspace);
  find(library, "cublasSetMathMode", f.set_math_mode);
  find(library, "cublasSetAtomicsMode", f.set_atomics_mode);
  find(library, "cublasSgemm_v2", f.sgemm);
  int major = 0;
  if (f.get_property(MAJOR_VERSION, &major) != CUBLAS_STATUS_SUCCESS || major != CUBLAS_VER_MAJOR) {
    device_error("{} is cuBLAS {}, this program was built for {}; {}", name, major, CUBLAS_VER_MAJOR, package());
  }
  return f;
}

const Functions& functions() {
  static const Functions loaded = load();  // tried again at the next call if it throws
  return loaded;
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  check_runtime(cudaPeekAtLastError(), call);  // the cause, where the runtime knows it
  device_error("{}: {}", call, functions().get_status_string(status));
}

}  // namespace

struct Blas::Impl {
  explicit Impl(Session& s) : session(s), f(functions()), workspace(s, blas_workspace(s.device())) {
    const auto stream = static_cast<cudaStream_t>(session.native_stream());  // the handle is of the current device
    check(f.create(&handle), "cublasCreate");
    try {
      check(f.set_stream(handle, stream), "cublasSetStream");
      // After the stream: setting a stream resets the workspace.
      check(f.set_workspace(handle, workspace.data(), workspace.size()), "cublasSetWorkspace");
      check(f.set_math_mode(handle, CUBLAS_PEDANTIC_MATH), "cublasSetMathMode");
      check(f.set_atomics_mode(handle, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
    } catch (...) {
      f.destroy(handle);
      throw;
    }
  }
  ~Impl() { f.destroy(handle); }

  Session& session;
  const Functions& f;
  Buffer<unsigned char> workspace;
  cublasHandle_t handle = nullptr;
};

Blas::Blas(Session& session) : impl_(std::make_unique<Impl>(session)) {}
Blas::~Blas() = default;

Session& Blas::session() const {
  return impl_->session;
}

void Blas::multiply_transposed(const float* a, const float* b, float* c, std::int32_t m, std::int32_t n, std::int32_t k,
                               bool accumulate) {
  QUARRY_CHECK(m > 0 && n > 0 && k > 0, "a product of shape {} x {} x {}", m, n, k);
  const float one = 1, beta = accumulate ? 1 : 0;
  // cuBLAS counts columns first: what is row-major here is its own transpose there, so c^T = b a^T is asked for.
  static_cast<void>(impl_->session.native_stream());  // for the current device
  recent_launches().add("cublasSgemm");
  check(impl_->f.sgemm(impl_->handle, CUBLAS_OP_T, CUBLAS_OP_N, n, m, k, &one, b, k, a, k, &beta, c, n), "cublasSgemm");
}

}  // namespace quarry::gpu
