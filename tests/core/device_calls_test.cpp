// SPDX-License-Identifier: MIT
// An unchecked launch on a machine without a driver passes silently, and a kernel with raw __shared__ cannot be run by
// the emulator. So the sources are read: CUDA's own names stay behind the few files that check every call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::Not;

/// Comments, strings and characters blanked; lines stay where they are.
std::string code_of(std::string text) {
  enum { code, line, block, quoted } state = code;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '\n') {
      if (state != block) state = code;
      continue;
    }
    const bool digit_separator = c == '\'' && i > 0 && std::isxdigit(static_cast<unsigned char>(text[i - 1])) != 0;
    if (state == code) {
      if (c == '/' && next == '/') state = line;
      if (c == '/' && next == '*') state = block;
      if ((c == '"' || c == '\'') && !digit_separator) {
        state = quoted;
        quote = c;
        continue;
      }
      if (state == code) continue;
    } else if (state == quoted && c == '\\') {
      text[i++] = ' ';
    } else if (state == quoted && c == quote) {
      state = code;
      continue;
    } else if (state == block && c == '*' && next == '/') {
      text[i++] = ' ';
      state = code;
    }
    if (i < text.size() && text[i] != '\n') text[i] = ' ';
  }
  return text;
}

struct Rule {
  std::regex pattern;
  const char* says;
};

/// Names of the runtime and the libraries, anywhere but in a door.
const std::vector<Rule>& names_of_cuda() {
  static const std::vector<Rule> rules = {
      {std::regex(R"(\bcuda[A-Z]\w*)"), "a name of the CUDA runtime"},
      {std::regex(R"(\bcu(blas|dnn|rand|solver|sparse|fft)[A-Z_]\w*)"), "a CUDA library"},
      {std::regex(R"(\bcu(Init|Launch|Mem|Ctx|Module|Stream|Event|Graph|Device|Func)\w*\s*\()"), "the CUDA driver"},
      {std::regex(R"(\bnvtx[A-Z]\w*)"), "a name of NVTX"},
      {std::regex(R"(<<<)"), "a raw launch"},
      {std::regex(R"(\b(cub|thrust|cooperative_groups|nvcuda)\b)"), "a device library"},
      {std::regex(R"(#\s*include\s*<(cu(?!rl/)|thrust|nvtx|nvToolsExt|mma))"), "a CUDA header"},
  };
  return rules;
}
/// What kernels spell by way of kernels/simt.h, or not at all.
const std::vector<Rule>& spellings_of_kernels() {
  static const std::vector<Rule> rules = {
      {std::regex(R"(\b__shared__\b)"), "raw __shared__"},
      {std::regex(R"(\b(asm|__asm__)\b)"), "inline assembly"},
      {std::regex(R"(\batomic(Add|Sub|Exch|Max|Min)\s*\(\s*(static_cast<\s*)?(float|double)\b)"), "a float atomic"},
      {std::regex(R"(\b__(nanosleep|expf|logf|fdividef|sinf|cosf|powf)\b)"), "fast mathematics or waiting"},
  };
  return rules;
}

void apply(const std::vector<Rule>& rules, const std::string& file, const std::string& code,
           std::vector<std::string>& found) {
  std::istringstream lines(code);
  int number = 0;
  for (std::string text; std::getline(lines, text);) {
    ++number;
    for (const Rule& rule : rules) {
      std::smatch match;
      if (std::regex_search(text, match, rule.pattern))
        found.push_back(file + ":" + std::to_string(number) + ": " + rule.says + ": " + match.str());
    }
  }
}

/// In a door: calls whose answer nobody looks at. The four that only ask for an error are exempt.
void find_unchecked(const std::string& file, const std::string& code, std::vector<std::string>& found) {
  static const std::regex call(R"(\bcuda[A-Z]\w*\s*\()");
  static const std::set<std::string> exempt = {"cudaGetLastError(", "cudaPeekAtLastError(", "cudaGetErrorName(",
                                               "cudaGetErrorString("};
  for (std::sregex_iterator it(code.begin(), code.end(), call), end; it != end; ++it) {
    if (exempt.contains(it->str())) continue;
    const auto at = static_cast<std::size_t>(it->position());
    const std::size_t begin = code.find_last_of(";{}", at) + 1;
    const std::string before = code.substr(begin, at - begin);
    const auto has = [&](const char* text) { return before.find(text) != std::string::npos; };
    if (!has("check_runtime(") && !has("static_cast<void>(") && !has("cudaError_t "))
      found.push_back(file + ": unchecked: " + it->str());
  }
}

bool is_door(const std::string& file) {
  static const std::regex door(R"(src/core/gpu_\w+\.cpp|src/core/gpu_cudnn\w*\.h|kernels/simt\.h|kernels/library\.cu)");
  return std::regex_match(file, door);
}

/// The rules for one file, by its path in the repository.
std::vector<std::string> faults_of(const std::string& file, const std::string& text) {
  std::vector<std::string> found;
  const std::string code = code_of(text);
  if (is_door(file)) {
    find_unchecked(file, code, found);
  } else {
    apply(names_of_cuda(), file, code, found);
  }
  if (file.starts_with("kernels/") && file != "kernels/simt.h") apply(spellings_of_kernels(), file, code, found);
  return found;
}

#if !defined(QUARRY_UNDER_ASAN) && !defined(QUARRY_UNDER_TSAN)  // about the sources, which are the same there
TEST(DeviceCalls, StayBehindTheDoors) {
  const fs::path root = QUARRY_SOURCE_DIR;
  std::vector<std::string> found;
  int files = 0, doors = 0, kernels = 0;
  for (const char* folder : {"include", "src", "kernels", "benchmarks"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension();
      if (ending != ".h" && ending != ".cpp" && ending != ".cu" && ending != ".inl" && ending != ".cuh") continue;
      const std::string file = fs::relative(entry.path(), root);
      if (file.starts_with("benchmarks/peers/")) continue;
      ++files;
      doors += is_door(file);
      kernels += ending == ".cu";
      for (const std::string& fault : faults_of(file, test::slurp(entry.path()))) found.push_back(fault);
    }
  }
  EXPECT_THAT(found, IsEmpty());
  EXPECT_GT(files, 150);  // the folders were read
  EXPECT_GE(doors, 4);
  EXPECT_GE(kernels, 1);
}
#endif

TEST(DeviceCalls, PlantedOnesAreFound) {
  const std::pair<const char*, const char*> planted[] = {
      {"src/nn/a.cpp", "x();\ncudaMalloc(&p, 3);"},
      {"src/nn/a.cpp", "cudaStream_t stream;"},
      {"src/nn/a.cpp", "#include <cuda_runtime.h>"},
      {"src/nn/a.cpp", "cublasSgemm_v2(h);"},
      {"src/nn/a.cpp", "cudnnHandle_t handle; curand_init(1);"},
      {"src/nn/a.cpp", "#include <cudnn_graph.h>"},
      {"src/nn/a.cpp", "cuLaunchKernel(f);"},
      {"src/nn/a.cpp", "nvtxRangePushA(n);"},
      {"kernels/a.cu", "kernel<<<1, 32>>>(p);"},
      {"kernels/a.cu", "#include <cub/cub.cuh>"},
      {"kernels/a.cu", "thrust::sort(a, b);"},
      {"kernels/a.cu", "cooperative_groups::this_grid().sync();"},
      {"kernels/a.cu", "__shared__ float tile[32];"},
      {"kernels/a.cu", "asm volatile(\"bar.sync 0;\");"},
      {"kernels/a.cu", "float e = __expf(x);"},
      {"kernels/a.cu", "/* fine */ cudaDeviceSynchronize(); // not fine"},
      {"kernels/a.cu", "const char c = '\"'; cudaDeviceSynchronize();"},
      {"kernels/a.cu", "const int n = 1'000; cudaDeviceSynchronize();"},
      {"kernels/library.cu", "__shared__ float tile[32];"},
      {"src/core/gpu_x.cpp", "cudaFree(p);"},
      {"src/core/gpu_x.cpp", "check_runtime(0, text); cudaFree(p);"},
      {"src/core/gpu_x.cpp", "if (cudaFree(p)) {}"},
  };
  for (const auto& [file, text] : planted) EXPECT_THAT(faults_of(file, text), Not(IsEmpty())) << file << ": " << text;
}

TEST(DeviceCalls, WhatIsAllowedIsNot) {
  const std::pair<const char*, const char*> fine[] = {
      {"src/nn/a.cpp", "// cudaMalloc(&p, 3) is not called\nf(\"cudaMalloc(\"); /* <<<\n cudaFree(p) */"},
      {"src/nn/a.cpp", "Device device{DeviceKind::cuda}; auto text = \"\\\"cudaFree\"; current(1); cube(2);"},
      {"src/nn/a.cpp", "const ConvEngine engine = ConvEngine::cudnn;"},
      {"kernels/a.cu", "QUARRY_SHARED(float, tile, [32]); std::cout << x << y; atomicAdd(&count, 1);"},
      {"kernels/library.cu", "#include <cub/cub.cuh>\ncheck_runtime(cub::DeviceScan::Sum(a), \"x\");"},
      {"src/core/gpu_x.cpp",
       "check_runtime(cudaFree(p), \"cudaFree\"); static_cast<void>(a ? cudaFree(p) : cudaFree(q));"},
      {"src/core/gpu_x.cpp", "QUARRY_CUDA(cudaMalloc, &p, 3); const cudaError_t answer = cudaEventQuery(e);"},
      {"src/core/gpu_x.cpp", "cudaGetLastError();"},
      {"src/data/a.cpp", "#include <curl/curl.h>"},
  };
  for (const auto& [file, text] : fine) EXPECT_THAT(faults_of(file, text), IsEmpty()) << text;
}

}  // namespace
}  // namespace quarry
