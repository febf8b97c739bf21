// SPDX-License-Identifier: MIT
// cuDNN on the device and the stream of a session.
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_check.h"
#include "src/core/gpu_convolution_check.h"
#include "src/core/gpu_cudnn_graph.h"
#include "src/core/gpu_cudnn_streams.h"
#include "src/core/gpu_recent.h"

namespace quarry::gpu {
namespace {

/// As check_cudnn; but where the runtime knows the cause, that is said.
void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) check_runtime(cudaPeekAtLastError(), call);
  check_cudnn(status, call);
}

/// The properties of the current device.
std::shared_ptr<const CudnnDescriptor> properties_of(cudnnHandle_t handle) {
  auto properties = std::make_shared<CudnnDescriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties->set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, handle);
  check(properties->try_finalize(), "the properties of a device");
  return properties;
}

struct Tensors {
  const void *input, *weights, *output;
};

Tensors tensors_of(ConvolutionProblem::Pass pass, const ConvolutionOperands& of) {
  using Pass = ConvolutionProblem::Pass;
  switch (pass) {
    case Pass::forward:
      return {of.first, of.second, of.result};
    case Pass::input_gradient:
      return {of.result, of.second, of.first};
    case Pass::weight_gradient:
      return {of.first, of.result, of.second};
  }
  QUARRY_CHECK(false, "pass {}", static_cast<int>(pass));
}

/// Handles' addresses are used again; numbers are not.
std::int64_t next_number() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

}  // namespace

struct Convolutions::Impl {
  explicit Impl(Session& s) : session(s) {
    const auto stream = static_cast<cudaStream_t>(session.native_stream());  // the handle is of the current device
    check(cudnn().create(&handle), "cudnnCreate");
    try {
      check(cudnn().set_stream(handle, stream), "cudnnSetStream");
      properties = properties_of(handle);
      sides.emplace(stream, kConvolutionQueues - 1);
    } catch (...) {
      cudnn().destroy(handle);
      throw;
    }
  }
  ~Impl() { cudnn().destroy(handle); }

  void run(const ConvolutionPlan& plan, const ConvolutionOperands& operands, Scratch workspace) const;
  void run_queue(std::size_t queue, const ConvolutionPlan& plan, std::span<const ConvolutionOperands> networks,
                 std::span<const Scratch> workspaces) const;

  Session& session;
  const std::int64_t number = next_number();
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<const CudnnDescriptor> properties;
  std::optional<CudnnStreams> sides;
};

void Convolutions::Impl::run(const ConvolutionPlan& plan, const ConvolutionOperands& operands,
                             Scratch workspace) const {
  const Tensors tensors = tensors_of(plan.problem.pass, operands);
  CudnnDescriptor arguments(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  arguments.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                std::vector<std::int64_t>{kCudnnInput, kCudnnWeights, kCudnnOutput});
  arguments.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                std::vector<const void*>{tensors.input, tensors.weights, tensors.output});
  arguments.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace.data);
  arguments.finalize("the arguments of a convolution of cuDNN");
  recent_launches().add("cudnnBackendExecute");
  check(cudnn().execute(handle, plan.native.get(), arguments.get()), "cudnnBackendExecute");
}

/// Queue 0 is the session's. Each is given to the handle anew: a failure may have left it any.
void Convolutions::Impl::run_queue(std::size_t queue, const ConvolutionPlan& plan,
                                   std::span<const ConvolutionOperands> networks,
                                   std::span<const Scratch> workspaces) const {
  check(cudnn().set_stream(handle, queue == 0 ? sides->main() : (*sides)[queue - 1]), "cudnnSetStream");
  for (std::size_t i = queue; i < networks.size(); i += workspaces.size()) run(plan, networks[i], workspaces[queue]);
}

Convolutions::Convolutions(Session& session) : impl_(std::make_unique<Impl>(session)) {}
Convolutions::~Convolutions() = default;

std::string Convolutions::device_properties() const {
  const CudnnDescriptor& properties = *impl_->properties;
  const std::int64_t most = properties.count(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR);
  const std::vector<char> text = properties.values<char>(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                                         static_cast<std::size_t>(most));
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

ConvolutionPlan Convolutions::plan(const ConvolutionProblem& problem) {
  static_cast<void>(impl_->session.native_stream());  // for the current device
  ConvolutionPlan plan = plan_cudnn(problem, impl_->properties, impl_->handle);
  plan.maker = impl_->number;
  return plan;
}

void Convolutions::execute(const ConvolutionPlan& plan, std::span<const ConvolutionOperands> networks,
                           std::span<const Scratch> workspaces) {
  Impl& impl = *impl_;
  check_execution(plan, impl.number, networks, workspaces);
  static_cast<void>(impl.session.native_stream());  // for the current device
  const std::size_t queues = std::min(workspaces.size(), networks.size()), sides = queues > 0 ? queues - 1 : 0;
  try {
    impl.sides->fork(sides);
    for (std::size_t queue = 1; queue < queues; ++queue) impl.run_queue(queue, plan, networks, workspaces);
    impl.run_queue(0, plan, networks, workspaces);  // last: the handle is left on the session's stream
  } catch (...) {
    static_cast<void>(impl.sides->join(sides));  // what is queued there uses memory that the caller may now free
    throw;
  }
  check_runtime(impl.sides->join(sides), "the streams of cuDNN");
}

}  // namespace quarry::gpu
