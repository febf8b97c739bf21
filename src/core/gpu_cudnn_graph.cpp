// SPDX-License-Identifier: MIT
// A convolution as a graph of cuDNN, and the engine that is chosen for it.
#include "src/core/gpu_cudnn_graph.h"

#include <array>

#include "quarry/core/error.h"

namespace quarry::gpu {
namespace {

using Pass = ConvolutionProblem::Pass;
using Precision = ConvolutionProblem::Precision;

/// How cuDNN calls the operation of a pass and what belongs to it.
struct Operation {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, input, weights, output, alpha, beta;
};
constexpr std::array<Operation, 3> kOperations = {{
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
}};

CudnnDescriptor tensor_of(const ConvolutionTensor& tensor, std::int64_t id, Precision precision) {
  CudnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
        precision == Precision::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16});
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, tensor.sizes);
  d.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, tensor.strides);
  d.finalize("a tensor of cuDNN");
  return d;
}

CudnnDescriptor convolution_of(const ConvolutionProblem& p, std::size_t dimensions) {
  std::vector<std::int64_t> ones(dimensions, 1), strides(dimensions, p.stride), padding(dimensions, (p.kernel - 1) / 2);
  if (dimensions == 3) {  // along the images nothing is convolved
    strides[2] = 1;
    padding[2] = 0;
  }
  CudnnDescriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, static_cast<std::int64_t>(dimensions));
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, ones);
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides);
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, padding);
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, padding);
  d.finalize("a convolution of cuDNN");
  return d;
}

/// The operations refer to the descriptors they are made of: all stay until the graph goes.
struct ConvolutionGraph {
  CudnnDescriptor input, weights, output, convolution, operation, graph;

  explicit ConvolutionGraph(const ConvolutionProblem& p) {
    const ConvolutionTensors tensors = convolution_tensors(p);
    input = tensor_of(tensors.input, kCudnnInput, p.precision);
    weights = tensor_of(tensors.weights, kCudnnWeights, p.precision);
    output = tensor_of(tensors.output, kCudnnOutput, p.precision);
    convolution = convolution_of(p, tensors.input.sizes.size() - 2);
    const Operation& names = kOperations[static_cast<std::size_t>(p.pass)];
    operation = CudnnDescriptor(names.type);
    operation.set(names.convolution, convolution);
    operation.set(names.input, input);
    operation.set(names.weights, weights);
    operation.set(names.output, output);
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0f);
    operation.set(names.beta, CUDNN_TYPE_FLOAT, 0.0f);
    operation.finalize("an operation of cuDNN");
    graph = CudnnDescriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    graph.finalize("a graph of cuDNN");
  }
};

std::string note_text(cudnnBackendNumericalNote_t note) {
  constexpr std::array<const char*, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> kTexts = {
      "tensor cores", "inputs converted down", "sums in reduced precision",
      "FFT",          "nondeterministic",      "Winograd",
      "Winograd 4x4", "Winograd 6x6",          "Winograd 13x13",
      "strict NaN"};
  const auto number = static_cast<std::size_t>(note);
  return number < kTexts.size() ? kTexts[number] : fmt::format("note {}", number);
}

/// What is known of an engine before its plan is made.
struct Candidate {
  std::int64_t engine = 0;
  std::vector<cudnnBackendNumericalNote_t> notes;
  bool may_be_taken = false;
};

Candidate candidate_of(const CudnnDescriptor& configuration, Precision precision) {
  const CudnnDescriptor engine = configuration.part(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  Candidate c;
  c.engine = engine.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64);
  constexpr std::size_t most = 64;  // room for notes of later versions
  c.notes =
      engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, most);
  c.may_be_taken = true;
  for (const cudnnBackendNumericalNote_t note : c.notes) {
    c.may_be_taken = c.may_be_taken && (note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP ||
                                        (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && precision == Precision::bf16));
  }
  for (const auto note :
       engine.values<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, most)) {
    c.may_be_taken = c.may_be_taken && note != CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
  }
  return c;
}

std::string knobs_text(const CudnnDescriptor& configuration) {
  std::string text;
  for (const CudnnDescriptor& knob : configuration.parts(
           CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    const auto type = knob.value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    const auto value = knob.value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64);
    text += fmt::format(" {}={}", static_cast<int>(type), value);
  }
  return text.empty() ? text : " knobs" + text;
}

/// cuDNN may say already here, or only of a plan, that it does not support something.
bool is_unsupported(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(static_cast<int>(status)) == CUDNN_STATUS_NOT_SUPPORTED;
}

/// None where the mode knows nothing of the graph.
std::vector<CudnnDescriptor> configurations(const CudnnDescriptor& graph, const CudnnDescriptor& properties,
                                            cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, properties);
  const cudnnStatus_t status = heuristics.try_finalize();
  if (is_unsupported(status)) return {};
  check_cudnn(status, "the heuristics of cuDNN");
  const std::int64_t most = heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  return heuristics.parts(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                          static_cast<std::size_t>(most));
}

/// What a plan keeps.
struct Native {
  std::shared_ptr<const CudnnDescriptor> properties;
  ConvolutionGraph graph;
  CudnnDescriptor configuration, plan;
};

/// False where cuDNN supports no such plan after all.
bool make_plan(Native& native, cudnnHandle_t handle) {
  native.plan = CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  native.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, native.configuration);
  if (handle != nullptr) {  // properties alone make plans that cuDNN documents as to be written out, not executed
    native.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
  } else {
    native.plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *native.properties);
  }
  const cudnnStatus_t status = native.plan.try_finalize();
  if (is_unsupported(status)) return false;
  check_cudnn(status, "an execution plan of cuDNN");
  return true;
}

}  // namespace

ConvolutionPlan plan_cudnn(const ConvolutionProblem& problem, std::shared_ptr<const CudnnDescriptor> properties,
                           cudnnHandle_t handle) {
  const auto native = std::make_shared<Native>(Native{std::move(properties), ConvolutionGraph(problem), {}, {}});
  std::int32_t passed_over = 0;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (CudnnDescriptor& configuration : configurations(native->graph.graph, *native->properties, mode)) {
      const Candidate candidate = candidate_of(configuration, problem.precision);
      if (!candidate.may_be_taken) continue;
      native->configuration = std::move(configuration);
      if (!make_plan(*native, handle)) continue;
      const auto workspace =
          native->plan.value<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
      if (static_cast<std::size_t>(workspace) > most_workspace(problem)) {
        ++passed_over;
        continue;
      }
      ConvolutionPlan plan;
      plan.problem = problem;
      plan.name = fmt::format("cuDNN {} engine {}{}", convolution_library(), candidate.engine,
                              knobs_text(native->configuration));
      for (const cudnnBackendNumericalNote_t note : candidate.notes) plan.notes.push_back(note_text(note));
      plan.workspace = static_cast<std::size_t>(workspace);
      plan.passed_over = passed_over;
      plan.native = std::shared_ptr<void>(native, native->plan.get());
      return plan;
    }
  }
  device_error("cuDNN {} has no deterministic engine of full precision for {}", convolution_library(),
               to_string(problem));
}

std::shared_ptr<const CudnnDescriptor> cudnn_properties(const std::string& json) {
  auto properties = std::make_shared<CudnnDescriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  try {
    properties->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()),
                    json.data());
    properties->finalize("the properties of a device");
  } catch (const Error& e) {
    usage_error(
        "cuDNN {} does not take these properties of a device: {}; Convolutions::device_properties writes some that it "
        "does",
        convolution_library(), e.what());
  }
  return properties;
}

ConvolutionPlan plan_convolution(const ConvolutionProblem& problem, const std::string& properties) {
  static_cast<void>(convolution_tensors(problem));  // a problem that cannot be is refused first
  return plan_cudnn(problem, cudnn_properties(properties), nullptr);
}

}  // namespace quarry::gpu
