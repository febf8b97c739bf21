// SPDX-License-Identifier: MIT
// The real cuDNN without a GPU: what it chooses for every layer of ResNet-18 on the H200 that
// tests/gpu/h200_device.json describes, and what it was told. Everything but the execution. The choices themselves are
// cuDNN's and no golden.
//
// h200_device.json holds public figures: multiprocessors, caches, clocks and memory as OpenXLA publishes them
// (openxla/xla, xla/backends/gpu/target_config/specs/h200.txtpb), the limits of a block and a multiprocessor as the
// CUDA C++ Programming Guide has them for compute capability 9.0.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "quarry/core/json.h"
#include "quarry/ops/conv_engines.h"
#include "src/core/gpu_cudnn.h"
#include "tests/support/conv_layers.h"
#include "tests/support/temp_dir.h"

namespace quarry::gpu {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Problem = ConvolutionProblem;

std::string h200() {
  return test::slurp(QUARRY_GPU_TESTS "/h200_device.json");
}

Problem problem_of(std::int32_t in, std::int32_t out, std::int32_t kernel, std::int32_t stride, std::int32_t size) {
  Problem p;
  p.images = 32;
  p.in_height = p.in_width = size;
  p.in_channels = in;
  p.out_channels = out;
  p.kernel = kernel;
  p.stride = stride;
  return p;
}

/// What a finished plan says of itself, by cuDNN's own words.
Json record_of(const ConvolutionPlan& plan) {
  std::int64_t size = 0;
  const auto read = [&](std::int64_t room, void* to) {
    EXPECT_EQ(cudnn().get_attribute(plan.native.get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                    room, &size, to),
              CUDNN_STATUS_SUCCESS);
  };
  read(0, nullptr);
  std::string text(static_cast<std::size_t>(size), '\0');
  read(size, text.data());
  return Json::parse(text.substr(0, text.find('\0')), "an execution plan of cuDNN");
}

/// The notes of a finished plan's engine, asked for once more, with nothing of the door between.
std::vector<cudnnBackendNumericalNote_t> notes_of(const ConvolutionPlan& plan) {
  const auto make = [](cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    EXPECT_EQ(cudnn().create_descriptor(type, &made), CUDNN_STATUS_SUCCESS);
    return made;
  };
  cudnnBackendDescriptor_t configuration = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  cudnnBackendDescriptor_t engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  std::int64_t n = 0;
  EXPECT_EQ(cudnn().get_attribute(plan.native.get(), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &configuration),
            CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(
      cudnn().get_attribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine),
      CUDNN_STATUS_SUCCESS);
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  EXPECT_EQ(cudnn().get_attribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                  CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, notes.data()),
            CUDNN_STATUS_SUCCESS);
  notes.resize(static_cast<std::size_t>(n));
  cudnn().destroy_descriptor(engine);
  cudnn().destroy_descriptor(configuration);
  return notes;
}

void expect_notes(const ConvolutionPlan& plan) {
  const auto notes = notes_of(plan);
  for (const auto forbidden :
       {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD}) {
    EXPECT_THAT(notes, Not(Contains(forbidden))) << plan.name;
  }
  if (plan.problem.precision == Problem::Precision::fp32) {
    EXPECT_THAT(notes, Not(Contains(CUDNN_NUMERICAL_NOTE_TENSOR_CORE))) << plan.name;
  }
  EXPECT_EQ(plan.notes.size(), notes.size()) << plan.name;
}

class Layers : public testing::TestWithParam<std::tuple<ConvPass, ConvPrecision>> {};

TEST_P(Layers, OfResNet18HaveADeterministicEngineWithoutAGpu) {
  const auto [pass, precision] = GetParam();
  const std::vector<ConvShape> layers = test::distinct_layers(ResNetKind::resnet18, 32);
  ASSERT_EQ(layers.size(), 11u);
  for (const ConvShape& layer : layers) {
    const Problem problem = convolution_problem(layer, pass, precision);
    SCOPED_TRACE(to_string(problem));
    const ConvolutionPlan plan = plan_convolution(problem, h200()), again = plan_convolution(problem, h200());
    EXPECT_THAT(plan.name, StartsWith("cuDNN " + convolution_library() + " engine "));
    EXPECT_EQ(plan.name, again.name);
    EXPECT_EQ(plan.workspace, again.workspace);
    EXPECT_EQ(plan.passed_over, 0) << "a better engine has too little workspace";
    expect_notes(plan);
    const Json record = record_of(plan);
    EXPECT_THAT(plan.name + " ", HasSubstr(" engine " + record.at("engine").at("engineId").dump() + " "));
    EXPECT_EQ(record.dump(), record_of(again).dump());
  }
}

std::string name_of(const testing::TestParamInfo<Layers::ParamType>& which) {
  constexpr const char* kPasses[] = {"forward", "input_gradient", "weight_gradient"};
  return std::string(kPasses[static_cast<int>(std::get<0>(which.param))]) +
         (std::get<1>(which.param) == ConvPrecision::bf16 ? "_bf16" : "_fp32");
}

INSTANTIATE_TEST_SUITE_P(Convolution, Layers,
                         testing::Combine(testing::Values(ConvPass::forward, ConvPass::input_gradient,
                                                          ConvPass::weight_gradient),
                                          testing::Values(ConvPrecision::fp32, ConvPrecision::bf16)),
                         name_of);

/// Where cuDNN looks for element `index` of the tensor that it calls `name`.
std::int64_t place_in(const Json& plan, const std::string& name, const std::vector<std::int64_t>& index) {
  for (const Json& tensor : plan.at("operationGraph").at("tensors").items()) {
    if (tensor.at("name").string() != name) continue;
    const Json::Items& strides = tensor.at("stride").items();
    EXPECT_EQ(strides.size(), index.size());
    std::int64_t place = 0;
    for (std::size_t i = 0; i < index.size(); ++i) place += index[i] * strides[i].integer();
    return place;
  }
  ADD_FAILURE() << "no tensor " << name;
  return -1;
}

// conv_device.h: activations [y][x][image][channel], weights [out channel][ky][kx][in channel].
TEST(Convolution, IsToldOurLayout) {
  Problem problem = problem_of(16, 24, 3, 2, 10);
  problem.in_width = 7;
  problem.images = 5;
  for (const auto pass : {Problem::Pass::forward, Problem::Pass::input_gradient, Problem::Pass::weight_gradient}) {
    problem.pass = pass;
    const Json plan = record_of(plan_convolution(problem, h200()));
    const Json& node = plan.at("operationGraph").at("nodes").items().front();
    const auto tensor = [&](const char* role) { return node.at(role).string(); };
    const std::string input = tensor(pass == Problem::Pass::input_gradient ? "dX" : "X"),
                      output = tensor(pass == Problem::Pass::forward ? "Y" : "dY"),
                      weights = tensor(pass == Problem::Pass::weight_gradient ? "dW" : "W");
    for (std::int64_t y = 0; y < 10; ++y) {
      for (std::int64_t x = 0; x < 7; ++x) {
        EXPECT_EQ(place_in(plan, input, {0, 11, y, x, 3}), ((y * 7 + x) * 5 + 3) * 16 + 11);
      }
    }
    EXPECT_EQ(place_in(plan, output, {0, 23, 4, 3, 4}), 5 * 4 * 5 * 24 - 1);  // the last of 5 x 4 positions
    EXPECT_EQ(place_in(plan, output, {0, 2, 3, 1, 4}), ((3 * 4 + 1) * 5 + 4) * 24 + 2);
    EXPECT_EQ(place_in(plan, weights, {21, 9, 2, 1, 0}), ((21 * 3 + 2) * 3 + 1) * 16 + 9);
    EXPECT_EQ(node.at("stride").dump(), "[2,2,1]");
    EXPECT_EQ(node.at("pad").dump(), "[1,1,0]");
    EXPECT_EQ(node.at("mathPrec").string(), "CUDNN_DATA_FLOAT");
    EXPECT_EQ(node.at("mode").string(), "CUDNN_CROSS_CORRELATION");
  }
}

TEST(Convolution, IsToldTheLayoutThatCudnnLikes) {
  Problem problem = problem_of(16, 24, 1, 2, 10);
  problem.in_width = 7;
  problem.images = 5;
  problem.layout = Problem::Layout::images;
  problem.precision = Problem::Precision::bf16;
  const Json plan = record_of(plan_convolution(problem, h200()));
  const Json& node = plan.at("operationGraph").at("nodes").items().front();
  EXPECT_EQ(place_in(plan, node.at("X").string(), {3, 11, 6, 2}), ((3 * 10 + 6) * 7 + 2) * 16 + 11);
  EXPECT_EQ(place_in(plan, node.at("Y").string(), {4, 23, 4, 3}), 5 * 5 * 4 * 24 - 1);
  EXPECT_EQ(place_in(plan, node.at("W").string(), {21, 9, 0, 0}), 21 * 16 + 9);
  EXPECT_EQ(node.at("stride").dump(), "[2,2]");
  EXPECT_EQ(node.at("pad").dump(), "[0,0]");
  for (const Json& tensor : plan.at("operationGraph").at("tensors").items()) {
    EXPECT_EQ(tensor.at("dataType").string(), "CUDNN_DATA_BFLOAT16");
  }
}

TEST(Convolution, ThatCannotBeIsRefused) {
  const auto refusal = [](const Problem& problem) -> std::string {
    try {
      plan_convolution(problem, h200());
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage) << e.what();
      return e.what();
    }
    return "not refused";
  };
  Problem p;
  EXPECT_THAT(refusal(p), HasSubstr("images 0: expected 1 to"));
  EXPECT_THAT(refusal(problem_of(3, 64, 3, 1, 32)), HasSubstr("in_channels 3: expected a multiple of 8"));
  EXPECT_THAT(refusal(problem_of(8, 60, 3, 1, 32)), HasSubstr("out_channels 60: expected a multiple of 8"));
  EXPECT_THAT(refusal(problem_of(8, 0, 3, 1, 32)), HasSubstr("out_channels 0"));
  EXPECT_THAT(refusal(problem_of(8, 8, 5, 1, 32)), HasSubstr("kernel 5: expected 1 or 3"));
  EXPECT_THAT(refusal(problem_of(8, 8, 3, 3, 32)), HasSubstr("stride 3: expected 1 or 2"));
  EXPECT_THAT(refusal(problem_of(8, 8, 3, 1, -1)), HasSubstr("in_height -1"));
  EXPECT_THAT(refusal(problem_of(8, 8, 3, 1, 4096)),
              HasSubstr("images 32: expected fewer: in_height 4096 x in_width 4096 x images x 8 channels must be less "
                        "than 2^31 numbers"));
  EXPECT_THAT(refusal(problem_of(1 << 14, 1 << 14, 3, 1, 1)), HasSubstr("weights of less than 2^31"));
  p = problem_of(8, 8, 3, 1, 32);
  p.pass = static_cast<Problem::Pass>(3);
  EXPECT_THAT(refusal(p), HasSubstr("pass 3"));
  p = problem_of(8, 8, 3, 1, 32);
  p.precision = static_cast<Problem::Precision>(7);
  EXPECT_THAT(refusal(p), HasSubstr("precision 7"));
  p = problem_of(8, 8, 3, 1, 32);
  p.layout = static_cast<Problem::Layout>(-1);
  EXPECT_THAT(refusal(p), HasSubstr("layout -1"));
}

TEST(Convolution, PropertiesThatAreNoneAreRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"maxGridSize": 3})"}) {
    try {
      plan_convolution(problem_of(8, 8, 3, 1, 32), text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      EXPECT_THAT(e.what(), HasSubstr("does not take these properties of a device")) << text;
    }
  }
}

std::string of_capability(const std::string& number) {
  std::string text = h200();
  const std::string version = "\"deviceVer\": 900";
  return text.replace(text.find(version), version.size(), "\"deviceVer\": " + number);
}

TEST(Convolution, IsChosenForTheDeviceThatIsDescribed) {
  Problem problem = problem_of(64, 64, 3, 1, 32);
  problem.precision = Problem::Precision::bf16;
  for (const char* capability : {"800", "900"}) {
    const Json record = record_of(plan_convolution(problem, of_capability(capability)));
    EXPECT_EQ(record.at("GPUProfile").at("deviceVer").dump(), capability);
    EXPECT_LE(record.at("engine").at("smVersion").integer(), std::stoi(capability));
  }
  try {
    plan_convolution(problem, of_capability("300"));
    ADD_FAILURE() << "an engine for compute capability 3.0";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_THAT(e.what(), HasSubstr("ARCH_MISMATCH"));
  }
}

// Plans are made by several threads at once where several sessions are set up.
TEST(Convolution, IsChosenAlikeByManyThreads) {
  std::vector<std::string> names(4);
  std::vector<std::thread> threads;
  for (std::string& name : names) {
    threads.emplace_back([&name] { name = plan_convolution(problem_of(64, 128, 3, 2, 32), h200()).name; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& name : names) EXPECT_EQ(name, names.front());
}

}  // namespace
}  // namespace quarry::gpu
