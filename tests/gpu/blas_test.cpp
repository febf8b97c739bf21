// SPDX-License-Identifier: MIT
// src/core/gpu_blas.cpp over a cuBLAS that is none: what is said when the library is missing or another one, how a
// handle is set up, and that the column-major product that is asked for is the row-major one that was meant.
#include <cublas_v2.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "quarry/core/gpu_library.h"
#include "src/core/gpu_check.h"

namespace {

struct FakeBlas {
  bool present = true;
  std::string without;  ///< a function that it lacks
  int major = CUBLAS_VER_MAJOR;
  std::string failing;  ///< a function that fails
  std::vector<std::string> calls;
};
FakeBlas& fake() {
  static FakeBlas blas;
  return blas;
}

int stream, handle;

cublasStatus_t call(const std::string& name) {
  fake().calls.push_back(name);
  return fake().failing == name ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t get_property(libraryPropertyType type, int* value) {
  *value = type == MAJOR_VERSION ? fake().major : 0;
  return CUBLAS_STATUS_SUCCESS;
}
const char* get_status_string(cublasStatus_t) {
  return "a reason";
}
cublasStatus_t create(cublasHandle_t* made) {
  *made = reinterpret_cast<cublasHandle_t>(&handle);
  return call("create");
}
cublasStatus_t destroy(cublasHandle_t) {
  return call("destroy");
}
cublasStatus_t set_stream(cublasHandle_t, cudaStream_t given) {
  return call(static_cast<void*>(given) == &stream ? "stream" : "another stream");
}
cublasStatus_t set_workspace(cublasHandle_t, void*, std::size_t bytes) {
  return call("workspace of " + std::to_string(bytes >> 20) + " MiB");
}
cublasStatus_t set_math_mode(cublasHandle_t, cublasMath_t mode) {
  return call(mode == CUBLAS_PEDANTIC_MATH ? "pedantic" : "another mode");
}
cublasStatus_t set_atomics_mode(cublasHandle_t, cublasAtomicsMode_t mode) {
  return call(mode == CUBLAS_ATOMICS_NOT_ALLOWED ? "no atomics" : "atomics");
}
/// As BLAS defines it, columns first.
cublasStatus_t sgemm(cublasHandle_t, cublasOperation_t op_a, cublasOperation_t op_b, int m, int n, int k,
                     const float* alpha, const float* a, int lda, const float* b, int ldb, const float* beta, float* c,
                     int ldc) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int l = 0; l < k; ++l) {
        sum += (op_a == CUBLAS_OP_N ? a[i + l * lda] : a[l + i * lda]) *
               (op_b == CUBLAS_OP_N ? b[l + j * ldb] : b[j + l * ldb]);
      }
      c[i + j * ldc] = *alpha * sum + (*beta == 0 ? 0 : *beta * c[i + j * ldc]);
    }
  }
  return call("sgemm");
}

}  // namespace

// Found before the C library's own.
extern "C" void* dlopen(const char*, int) noexcept {
  return fake().present ? &handle : nullptr;
}
extern "C" char* dlerror() noexcept {
  static char text[] = "no such file";
  return text;
}
extern "C" void* dlsym(void*, const char* name) noexcept {
  static const std::map<std::string, void*> functions = {
      {"cublasGetProperty", reinterpret_cast<void*>(&get_property)},
      {"cublasGetStatusString", reinterpret_cast<void*>(&get_status_string)},
      {"cublasCreate_v2", reinterpret_cast<void*>(&create)},
      {"cublasDestroy_v2", reinterpret_cast<void*>(&destroy)},
      {"cublasSetStream_v2", reinterpret_cast<void*>(&set_stream)},
      {"cublasSetWorkspace_v2", reinterpret_cast<void*>(&set_workspace)},
      {"cublasSetMathMode", reinterpret_cast<void*>(&set_math_mode)},
      {"cublasSetAtomicsMode", reinterpret_cast<void*>(&set_atomics_mode)},
      {"cublasSgemm_v2", reinterpret_cast<void*>(&sgemm)}};
  const auto found = functions.find(name);
  return found == functions.end() || fake().without == name ? nullptr : found->second;
}

namespace quarry::gpu {

struct Session::Impl {
  DeviceInfo info;
};
Session::Session(int) : impl_(std::make_unique<Impl>()) {
  impl_->info.major = 9;
}
Session::~Session() = default;
const DeviceInfo& Session::device() const {
  return impl_->info;
}
void* Session::native_stream() const {
  return &stream;
}
void* Session::allocate(std::size_t bytes) {
  return ::operator new(bytes);
}
void Session::release(void* device) noexcept {
  ::operator delete(device);
}
void check_runtime(int, const char*) {}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string failure_of(Session& session) {
  fake().calls.clear();
  try {
    const Blas blas(session);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device);
    return error.what();
  }
  return "none";
}

std::vector<float> product(Session& session, bool accumulate) {
  const std::vector<float> a = {1, 2, 3, 4, 5, 6};                     // [2][3]
  const std::vector<float> b = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, -1};  // [4][3]
  std::vector<float> c = {10, 10, 10, 10, 10, 10, 10, 10};             // [2][4]
  Blas(session).multiply_transposed(a.data(), b.data(), c.data(), 2, 4, 3, accumulate);
  return c;
}

// One test, because a library that was loaded stays.
TEST(Blas, IsLoadedWhenNeededAndSaysWhatIsWrongWithIt) {
  Session session(0);
  const std::string built_for = std::to_string(CUBLAS_VER_MAJOR);
  fake().present = false;
  EXPECT_THAT(failure_of(session), AllOf(HasSubstr("(no such file)"), HasSubstr("package libcublas-" + built_for)));
  fake().present = true;
  fake().without = "cublasSetMathMode";
  EXPECT_THAT(failure_of(session), AllOf(HasSubstr("cublasSetMathMode"), HasSubstr("package libcublas-" + built_for)));
  fake().without.clear();
  fake().major = 11;
  EXPECT_THAT(failure_of(session), AllOf(HasSubstr("is cuBLAS 11"), HasSubstr("built for " + built_for)));
  fake().major = CUBLAS_VER_MAJOR;

  EXPECT_EQ(failure_of(session), "none");
  EXPECT_THAT(fake().calls, ElementsAre("create", "stream", "workspace of 32 MiB", "pedantic", "no atomics", "destroy"))
      << "setting a stream would reset the workspace";
  EXPECT_THAT(product(session, false), ElementsAre(1, 2, 3, 0, 4, 5, 6, 3));
  EXPECT_THAT(product(session, true), ElementsAre(11, 12, 13, 10, 14, 15, 16, 13));

  fake().failing = "create";
  EXPECT_THAT(failure_of(session), AllOf(HasSubstr("cublasCreate"), HasSubstr("a reason")));
  EXPECT_THAT(fake().calls, ElementsAre("create"));
  fake().failing = "pedantic";
  EXPECT_THAT(failure_of(session), HasSubstr("cublasSetMathMode"));
  EXPECT_THAT(fake().calls, ElementsAre("create", "stream", "workspace of 32 MiB", "pedantic", "destroy"));
  fake().failing = "sgemm";
  EXPECT_THROW(product(session, false), Error);
}

}  // namespace
}  // namespace quarry::gpu
