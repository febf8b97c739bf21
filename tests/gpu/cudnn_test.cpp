// SPDX-License-Identifier: MIT
// src/core/gpu_cudnn*.cpp over a cuDNN that is none: what is said when the library is missing or another one, which of
// the engines on offer is taken, and what an execution hands over.
#include <cuda_runtime.h>
#include <cudnn_graph.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "src/core/gpu_check.h"

namespace {

/// An engine on offer.
struct Offer {
  cudnnBackendHeurMode_t mode;
  std::int64_t engine;
  std::vector<cudnnBackendNumericalNote_t> notes;
  std::vector<cudnnBackendBehaviorNote_t> behavior;
  cudnnStatus_t plan = CUDNN_STATUS_SUCCESS;
  std::int64_t workspace = 0;
};

struct FakeDescriptor {
  cudnnBackendDescriptorType_t type;
  std::map<int, std::string> attributes;
  const Offer* offer = nullptr;
};

struct FakeCudnn {
  bool present = true;
  std::string without;  ///< a function that it lacks
  std::size_t version = CUDNN_MAJOR * 10000 + 1203;
  std::string failing;  ///< a function that fails
  std::vector<Offer> offers;
  std::vector<std::string> calls;
  std::vector<std::map<int, std::string>> executed;  ///< attributes of the variant packs
  int descriptors = 0;                               ///< alive
};
FakeCudnn& fake() {
  static FakeCudnn library;
  return library;
}

int stream, handle;

/// The CUDA runtime, which makes streams and events that are none.
struct FakeRuntime {
  std::vector<int*> streams, events;  ///< alive
  bool refuses_events = false;
};
FakeRuntime& runtime() {
  static FakeRuntime one;
  return one;
}
template <class T>
cudaError_t make(T* made, std::vector<int*>& alive) {
  alive.push_back(new int);
  *made = reinterpret_cast<T>(alive.back());
  return cudaSuccess;
}
cudaError_t drop(void* which, std::vector<int*>& alive) {
  delete static_cast<int*>(which);
  std::erase(alive, which);
  return cudaSuccess;
}
std::string name_of(cudaStream_t which) {
  if (static_cast<void*>(which) == &stream) return "main";
  const auto& all = runtime().streams;
  return "side " + std::to_string(std::find(all.begin(), all.end(), static_cast<void*>(which)) - all.begin());
}

cudnnStatus_t call(const std::string& name) {
  fake().calls.push_back(name);
  return fake().failing == name ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}

std::size_t get_version() {
  return fake().version;
}
const char* get_error_string(cudnnStatus_t) {
  return "a status";
}
void get_last_error_string(char* text, std::size_t room) {
  std::strncpy(text, "a reason", room);
}
cudnnStatus_t create(cudnnHandle_t* made) {
  *made = reinterpret_cast<cudnnHandle_t>(&handle);
  return call("create");
}
cudnnStatus_t destroy(cudnnHandle_t) {
  return call("destroy");
}
cudnnStatus_t set_stream(cudnnHandle_t, cudaStream_t given) {
  return call("stream " + name_of(given));
}
cudnnStatus_t create_descriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* made) {
  ++fake().descriptors;
  *made = new FakeDescriptor{type, {}, nullptr};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t destroy_descriptor(cudnnBackendDescriptor_t descriptor) {
  --fake().descriptors;
  delete static_cast<FakeDescriptor*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}
std::size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}
cudnnStatus_t set_attribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
  static_cast<FakeDescriptor*>(descriptor)->attributes[name] =
      std::string(static_cast<const char*>(values), static_cast<std::size_t>(count) * bytes_of(type));
  return CUDNN_STATUS_SUCCESS;
}
FakeDescriptor* part_of(const FakeDescriptor& descriptor, cudnnBackendAttributeName_t name) {
  FakeDescriptor* part = nullptr;
  std::memcpy(&part, descriptor.attributes.at(name).data(), sizeof part);
  return part;
}
template <class T>
cudnnStatus_t answer(const std::vector<T>& values, std::int64_t room, std::int64_t* count, void* to) {
  *count = static_cast<std::int64_t>(values.size());
  for (std::int64_t i = 0; i < std::min(room, *count); ++i) {
    static_cast<T*>(to)[i] = values[static_cast<std::size_t>(i)];
  }
  return CUDNN_STATUS_SUCCESS;
}
/// The offers of a mode, handed out to descriptors that are there.
cudnnStatus_t hand_out(const FakeDescriptor& heuristics, std::int64_t room, std::int64_t* count, void* to) {
  int mode = -1;
  std::memcpy(&mode, heuristics.attributes.at(CUDNN_ATTR_ENGINEHEUR_MODE).data(), sizeof mode);
  *count = 0;
  for (const Offer& offer : fake().offers) {
    if (offer.mode != mode) continue;
    if (*count < room) static_cast<FakeDescriptor**>(to)[*count]->offer = &offer;
    ++*count;
  }
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t get_attribute(cudnnBackendDescriptor_t const raw, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t, std::int64_t room, std::int64_t* count, void* to) {
  const FakeDescriptor& descriptor = *static_cast<FakeDescriptor*>(raw);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
      return hand_out(descriptor, room, count, to);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
      *count = 1;
      static_cast<FakeDescriptor**>(to)[0]->offer = descriptor.offer;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      return answer(std::vector<std::int64_t>{descriptor.offer->engine}, room, count, to);
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      return answer(descriptor.offer->notes, room, count, to);
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
      return answer(descriptor.offer->behavior, room, count, to);
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
      return answer(std::vector<cudnnBackendKnobType_t>{CUDNN_KNOB_TYPE_TILE_SIZE}, room, count, to);
    case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
      return answer(std::vector<std::int64_t>{descriptor.offer->engine + 100}, room, count, to);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      return answer(
          std::vector<std::int64_t>{part_of(descriptor, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->offer->workspace},
          room, count, to);
    case CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION:
      return answer(std::vector<char>{'{', '}', '\0'}, room, count, to);
    default:
      return CUDNN_STATUS_BAD_PARAM;
  }
}
cudnnStatus_t finalize(cudnnBackendDescriptor_t raw) {
  const FakeDescriptor& descriptor = *static_cast<FakeDescriptor*>(raw);
  if (descriptor.type == CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR) return call("properties");
  if (descriptor.type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) return CUDNN_STATUS_SUCCESS;
  return part_of(descriptor, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->offer->plan;
}
std::size_t attribute_count(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name) {
  return static_cast<FakeDescriptor*>(descriptor)->attributes.count(name);
}
cudnnStatus_t execute(cudnnHandle_t given, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t arguments) {
  fake().executed.push_back(static_cast<FakeDescriptor*>(arguments)->attributes);
  EXPECT_EQ(static_cast<void*>(given), &handle);
  EXPECT_EQ(attribute_count(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE), 1u);
  EXPECT_EQ(attribute_count(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP), 0u);
  const Offer* offer = part_of(*static_cast<FakeDescriptor*>(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->offer;
  return call("execute engine " + std::to_string(offer->engine));
}

}  // namespace

// Found before the runtime's own.
extern "C" {
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* made, unsigned) {
  return make(made, runtime().streams);
}
cudaError_t cudaStreamDestroy(cudaStream_t which) {
  return drop(which, runtime().streams);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* made, unsigned) {
  return runtime().refuses_events ? cudaErrorMemoryAllocation : make(made, runtime().events);
}
cudaError_t cudaEventDestroy(cudaEvent_t which) {
  return drop(which, runtime().events);
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t where) {
  fake().calls.push_back("record " + name_of(where));
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t which, cudaEvent_t, unsigned) {
  fake().calls.push_back(name_of(which) + " waits");
  return cudaSuccess;
}
cudaError_t cudaPeekAtLastError() {
  return cudaSuccess;
}
}

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
      {"cudnnGetVersion", reinterpret_cast<void*>(&get_version)},
      {"cudnnGetErrorString", reinterpret_cast<void*>(&get_error_string)},
      {"cudnnGetLastErrorString", reinterpret_cast<void*>(&get_last_error_string)},
      {"cudnnCreate", reinterpret_cast<void*>(&create)},
      {"cudnnDestroy", reinterpret_cast<void*>(&destroy)},
      {"cudnnSetStream", reinterpret_cast<void*>(&set_stream)},
      {"cudnnBackendCreateDescriptor", reinterpret_cast<void*>(&create_descriptor)},
      {"cudnnBackendDestroyDescriptor", reinterpret_cast<void*>(&destroy_descriptor)},
      {"cudnnBackendSetAttribute", reinterpret_cast<void*>(&set_attribute)},
      {"cudnnBackendGetAttribute", reinterpret_cast<void*>(&get_attribute)},
      {"cudnnBackendFinalize", reinterpret_cast<void*>(&finalize)},
      {"cudnnBackendExecute", reinterpret_cast<void*>(&execute)}};
  const auto found = functions.find(name);
  return found == functions.end() || fake().without == name ? nullptr : found->second;
}

namespace quarry::gpu {

struct Session::Impl {};
Session::Session(int) : impl_(std::make_unique<Impl>()) {}
Session::~Session() = default;
void* Session::native_stream() const {
  return &stream;
}
void check_runtime(int code, const char* call) {
  if (code != cudaSuccess) throw Failure(code, false, call);
}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Problem = ConvolutionProblem;

const std::string kCudnn = fmt::format("cuDNN {}.12.3", CUDNN_MAJOR);

/// The name of a choice.
std::string engine(int number) {
  return fmt::format("{} engine {} knobs 2={}", kCudnn, number, number + 100);
}

constexpr auto kA = CUDNN_HEUR_MODE_A, kFallback = CUDNN_HEUR_MODE_FALLBACK;

std::string failure_of(const std::function<void()>& body, ErrorKind kind = ErrorKind::device) {
  fake().calls.clear();
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "none";
}

Problem problem_of(Problem::Precision precision, Problem::Pass pass = Problem::Pass::forward) {
  Problem p;
  p.images = 2;
  p.in_height = p.in_width = 4;
  p.in_channels = p.out_channels = 8;
  p.precision = precision;
  p.pass = pass;
  return p;
}

std::string chosen(Problem::Precision precision, std::vector<Offer> offers) {
  fake().offers = std::move(offers);
  return plan_convolution(problem_of(precision), "{}").name;
}

// One test, because a library that was loaded stays.
TEST(Cudnn, IsLoadedWhenNeededAndSaysWhatIsWrongWithIt) {
  Session session(0);
  const std::string package = "install package libcudnn" + std::to_string(CUDNN_MAJOR) + "-cuda-";
  const auto load = [] { convolution_library(); };
  fake().present = false;
  EXPECT_THAT(failure_of(load), AllOf(HasSubstr("(no such file)"), HasSubstr(package)));
  fake().present = true;
  fake().without = "cudnnBackendExecute";
  EXPECT_THAT(failure_of(load), AllOf(HasSubstr("no function cudnnBackendExecute"), HasSubstr(package)));
  fake().without.clear();
  fake().version = CUDNN_MAJOR * 10000 + 1099;
  EXPECT_THAT(failure_of(load), AllOf(HasSubstr(".10.99"), HasSubstr("needs 9.11.0"), HasSubstr(package)));
  fake().version = 100100;
  EXPECT_THAT(failure_of(load), HasSubstr("is cuDNN 10.1.0"));
  fake().version = FakeCudnn().version;
  EXPECT_EQ("cuDNN " + convolution_library(), kCudnn);

  const auto construct = [&] { const Convolutions convolutions(session); };
  EXPECT_EQ(failure_of(construct), "none");
  EXPECT_THAT(fake().calls, ElementsAre("create", "stream main", "properties", "destroy"));
  fake().failing = "create";
  EXPECT_THAT(failure_of(construct), HasSubstr("cudnnCreate: a status (a reason)"));
  EXPECT_THAT(fake().calls, ElementsAre("create"));
  fake().failing = "properties";
  EXPECT_THAT(failure_of(construct), HasSubstr("a reason"));
  EXPECT_THAT(fake().calls, ElementsAre("create", "stream main", "properties", "destroy"));
  EXPECT_THAT(failure_of([] { plan_convolution(problem_of(Problem::Precision::fp32), "{}"); }, ErrorKind::usage),
              HasSubstr("does not take these properties"));
  fake().failing.clear();
  runtime().refuses_events = true;
  EXPECT_THAT(failure_of(construct), HasSubstr("cudaEventCreateWithFlags"));
  EXPECT_THAT(fake().calls, ElementsAre("create", "stream main", "properties", "destroy"));
  runtime().refuses_events = false;
  EXPECT_EQ(Convolutions(session).device_properties(), "{}");
  EXPECT_TRUE(runtime().streams.empty() && runtime().events.empty());
  EXPECT_EQ(fake().descriptors, 0);
}

TEST(Cudnn, TheFirstEngineOfFullPrecisionIsTaken) {
  constexpr auto fp32 = Problem::Precision::fp32, bf16 = Problem::Precision::bf16;
  for (const auto forbidden :
       {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
        CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_WINOGRAD,
        CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6, static_cast<cudnnBackendNumericalNote_t>(23)}) {
    for (const auto precision : {fp32, bf16}) {
      EXPECT_EQ(chosen(precision, {{kA, 7, {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, forbidden}, {}}, {kA, 5, {}, {}}}),
                engine(5));
    }
  }
  const std::vector<Offer> offers = {{kFallback, 1, {}, {}},
                                     {kA, 2, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}},
                                     {kA, 3, {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, {}},
                                     {kA, 4, {}, {}}};
  EXPECT_EQ(chosen(bf16, offers), engine(2));
  EXPECT_EQ(chosen(fp32, offers), engine(3));
  EXPECT_EQ(chosen(fp32, {{kFallback, 1, {}, {}}, {kA, 2, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {}}}), engine(1));
  EXPECT_EQ(chosen(fp32, {{kA, 6, {}, {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION}}, {kA, 8, {}, {}}}), engine(8));
}

TEST(Cudnn, AnEngineWithoutAPlanIsPassedOver) {
  constexpr auto fp32 = Problem::Precision::fp32;
  EXPECT_EQ(chosen(fp32, {{kA, 2, {}, {}, CUDNN_STATUS_NOT_SUPPORTED_SHAPE}, {kA, 3, {}, {}}}), engine(3));
  EXPECT_THAT(failure_of([] {
                chosen(fp32, {{kA, 2, {}, {}, CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH}});
              }),
              HasSubstr(kCudnn + " has no deterministic engine of full precision for 8 -> 8 channels, 3x3, stride 1, "
                                 "2 images of 4 x 4, fp32, forward"));
  EXPECT_THAT(failure_of([] {
                chosen(fp32, {{kA, 2, {}, {}, CUDNN_STATUS_INTERNAL_ERROR}, {kA, 3, {}, {}}});
              }),
              HasSubstr("an execution plan of cuDNN: a status (a reason)"));
  EXPECT_THAT(failure_of([] { chosen(fp32, {}); }), HasSubstr("no deterministic engine"));
  const auto most = static_cast<std::int64_t>(most_workspace(problem_of(fp32)));
  EXPECT_EQ(most, (2 * 2 * 4 * 4 * 8 + 3 * 3 * 8 * 8) * 4 + (1 << 20));
  const auto wants = [](int number, std::int64_t bytes) {
    return Offer{kA, number, {}, {}, CUDNN_STATUS_SUCCESS, bytes};
  };
  EXPECT_EQ(chosen(fp32, {wants(2, most + 1), wants(3, most)}), engine(3));
  EXPECT_EQ(plan_convolution(problem_of(fp32), "{}").passed_over, 1);
}

template <class T>
std::vector<T> handed_over(cudnnBackendAttributeName_t name) {
  const std::string& bytes = fake().executed.back().at(name);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Which of the caller's pointers cuDNN takes for the input, the weights and the output.
std::string roles(const std::map<const void*, std::string>& names) {
  std::map<std::int64_t, std::string> by_id;
  const auto ids = handed_over<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = handed_over<const void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  EXPECT_EQ(ids.size(), pointers.size());
  for (std::size_t i = 0; i < ids.size(); ++i) by_id[ids[i]] = names.at(pointers[i]);
  return by_id.at(1) + " " + by_id.at(2) + " " + by_id.at(3);
}

TEST(Cudnn, AnExecutionHandsOverWhatItWasGiven) {
  Session session(0);
  int first, second, result, scratch;
  const std::map<const void*, std::string> names = {{&first, "first"}, {&second, "second"}, {&result, "result"}};
  {
    Convolutions convolutions(session);
    const auto execute = [&](const ConvolutionPlan& plan, const void* weights, Scratch workspace) {
      const ConvolutionOperands operands{&first, weights, &result};
      convolutions.execute(plan, {&operands, 1}, {&workspace, 1});
    };
    fake().offers = {{kA, 4, {}, {}, CUDNN_STATUS_SUCCESS, 1000}};
    for (const auto& [pass, want] :
         std::map<Problem::Pass, std::string>{{Problem::Pass::forward, "first second result"},
                                              {Problem::Pass::input_gradient, "result second first"},
                                              {Problem::Pass::weight_gradient, "first result second"}}) {
      const ConvolutionPlan plan = convolutions.plan(problem_of(Problem::Precision::fp32, pass));
      EXPECT_EQ(plan.workspace, 1000u);
      fake().calls.clear();
      execute(plan, &second, {&scratch, 1000});
      EXPECT_THAT(fake().calls, ElementsAre("stream main", "execute engine 4"));
      EXPECT_EQ(roles(names), want);
      EXPECT_EQ(handed_over<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).front(), &scratch);
    }
    const ConvolutionPlan plan = convolutions.plan(problem_of(Problem::Precision::bf16));
    const auto run = [&](const void* weights, Scratch workspace) {
      return failure_of([&] { execute(plan, weights, workspace); }, ErrorKind::failed);
    };
    EXPECT_THAT(run(&second, {&scratch, 999}), HasSubstr("999 bytes of scratch where 1000 are needed"));
    EXPECT_THAT(run(nullptr, {&scratch, 1000}), HasSubstr("without a tensor"));
    EXPECT_THAT(failure_of([&] { execute({}, &second, {}); }, ErrorKind::failed), HasSubstr("planned by another"));
    const ConvolutionPlan away = plan_convolution(problem_of(Problem::Precision::bf16), "{}");
    EXPECT_EQ(away.name, plan.name);
    EXPECT_THAT(failure_of(
                    [&] {
                      execute(away, &second, {&scratch, 1000});
                    },
                    ErrorKind::failed),
                HasSubstr("planned by another"));
    EXPECT_THAT(failure_of([&] { convolutions.execute(plan, {}, {}); }, ErrorKind::failed), HasSubstr("0 workspaces"));
    EXPECT_THAT(fake().calls, ElementsAre());
    fake().failing = "execute engine 4";
    EXPECT_THAT(failure_of([&] {
                  execute(plan, &second, {&scratch, 1000});
                }),
                HasSubstr("cudnnBackendExecute: a status (a reason)"));
    fake().failing.clear();
  }
  EXPECT_EQ(fake().descriptors, 0);
}

TEST(Cudnn, NetworksGoSideBySideAndTheSessionWaitsForThem) {
  Session session(0);
  int first, second, results[5], scratch[3];
  {
    Convolutions convolutions(session);
    fake().offers = {{kA, 4, {}, {}, CUDNN_STATUS_SUCCESS, 8}};
    const ConvolutionPlan plan = convolutions.plan(problem_of(Problem::Precision::fp32));
    std::vector<ConvolutionOperands> networks;
    std::vector<Scratch> workspaces;
    for (int& result : results) networks.push_back({&first, &second, &result});
    for (int& one : scratch) workspaces.push_back({&one, 8});
    fake().calls.clear();
    fake().executed.clear();
    convolutions.execute(plan, networks, workspaces);
    const std::string run = "execute engine 4";
    EXPECT_THAT(fake().calls, ElementsAre("record main", "side 0 waits", "side 1 waits", "stream side 0", run, run,
                                          "stream side 1", run, "stream main", run, run, "record side 0", "main waits",
                                          "record side 1", "main waits"));
    std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places;  // of the result, and of the workspace
    for (const auto& attributes : fake().executed) {
      int *pointers[3], *workspace;
      std::memcpy(pointers, attributes.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).data(), sizeof pointers);
      std::memcpy(&workspace, attributes.at(CUDNN_ATTR_VARIANT_PACK_WORKSPACE).data(), sizeof workspace);
      places.emplace_back(pointers[2] - results, workspace - scratch);
    }
    using Places = std::pair<std::ptrdiff_t, std::ptrdiff_t>;
    EXPECT_THAT(places, ElementsAre(Places{1, 1}, Places{4, 1}, Places{2, 2}, Places{0, 0}, Places{3, 0}));
    fake().failing = run;
    EXPECT_THAT(failure_of([&] { convolutions.execute(plan, networks, workspaces); }), HasSubstr("a reason"));
    fake().failing.clear();
    EXPECT_THAT(fake().calls, ElementsAre("record main", "side 0 waits", "side 1 waits", "stream side 0", run,
                                          "record side 0", "main waits", "record side 1", "main waits"));
    fake().calls.clear();
    convolutions.execute(plan, {networks.data(), 1}, workspaces);
    EXPECT_THAT(fake().calls, ElementsAre("stream main", run)) << "left where the failure was";
    workspaces.resize(5, {&first, 8});
    EXPECT_THAT(failure_of([&] { convolutions.execute(plan, networks, workspaces); }, ErrorKind::failed),
                HasSubstr("5 workspaces"));
  }
  EXPECT_EQ(fake().descriptors, 0);
  EXPECT_TRUE(runtime().streams.empty() && runtime().events.empty());
}

}  // namespace
}  // namespace quarry::gpu
