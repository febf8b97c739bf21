// SPDX-License-Identifier: MIT
// The generator on small sources: what is changed, what is left alone, and that the rewriting is sound.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/simt/mutants/mutant.h"
#include "tests/simt/mutants/table.h"

namespace quarry::mutants {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
std::string sample() {
  return read_file(QUARRY_SOURCE_DIR "/tests/simt/mutants/testdata/sample.cu");
}

/// The body of a kernel, as "fault: change".
std::vector<std::string> faults_of(const std::string& body) {
  const Code code("__global__ void k(float* x, const float* y, int n) {\n" + body + "\n}\n");
  std::vector<std::string> faults;
  for (const Mutant& m : find_mutants(code)) faults.push_back(m.fault + ": " + m.change);
  return faults;
}
bool finds(const std::string& body, const std::string& fault) {
  const std::vector<std::string> all = faults_of(body);
  return std::find(all.begin(), all.end(), fault) != all.end();
}
std::string planted(const std::string& body, const std::string& fault) {
  const Code code("__global__ void k() {\n" + body + "\n}\n");
  const std::vector<Mutant> all = find_mutants(code);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].fault + ": " + all[i].change == fault) {
      const std::string text = plant(code, all, {i}, 7);
      return text.substr(22, text.size() - 25);
    }
  }
  return "no such mutant";
}

std::vector<std::size_t> everything(const std::vector<Mutant>& all) {
  std::vector<std::size_t> chosen(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) chosen[i] = i;
  return chosen;
}

TEST(Mutants, OfTheSampleAreThoseOfTheGolden) {
  std::string found;
  const Code code(sample());
  for (const Mutant& m : find_mutants(code)) {
    found += std::to_string(m.line) + " " + m.function + " | " + m.fault + " | " + m.change + "\n";
  }
  EXPECT_EQ(found, read_file(QUARRY_SOURCE_DIR "/tests/simt/mutants/testdata/sample.mutants"));
}

TEST(Mutants, EveryFaultOccursInTheSample) {
  std::set<std::string> faults;
  const Code code(sample());
  for (const Mutant& m : find_mutants(code)) faults.insert(m.fault);
  EXPECT_EQ(faults, (std::set<std::string>{"barrier", "index", "stride", "bound", "shuffle", "extreme", "stale", "sum",
                                           "constant", "atomic", "lane", "fma", "zero", "check", "compare"}));
}

TEST(Mutants, LeaveConstantExpressionsAlone) {
  for (const char* body :
       {"QUARRY_SHARED(float, tile, [2][32 + 1]);", "float a[4 * 2], b[3 + 1];", "static_assert(sizeof(float) == 4);",
        "constexpr int k = 3 + 4;", "const int kept = kThreads / 32 + 1;", "if constexpr (kThreads > 32) f<3 + 1>();",
        "switch (n) { case 1 + 2: break; }", "const std::array<int, 4> a;", "g([&x](int i = 3) { return i; });",
        "#define TWICE(x) ((x) + 1)", "alignas(16) float a[4];", "int *a, *b;"}) {
    EXPECT_EQ(faults_of(body), std::vector<std::string>{}) << body;
  }
}

TEST(Mutants, LeaveHostFunctionsAlone) {
  EXPECT_TRUE(find_mutants(Code("void launch(int n) { for (int i = 0; i < n; ++i) a[i] = 0; }")).empty());
  EXPECT_FALSE(find_mutants(Code("__device__ void f(int n) { a[n] = 0; }")).empty());
  EXPECT_FALSE(find_mutants(Code("struct S { QUARRY_HD int at(int n) const { return a[n]; } };")).empty());
}

TEST(Mutants, TellDeclarationsFromAssignments) {
  EXPECT_FALSE(finds("float *a = x, *b = y;", "stale: float *a = x, *b = y -> nothing"));
  EXPECT_FALSE(finds("const auto a = x;", "stale: const auto a = x -> nothing"));
  EXPECT_FALSE(finds("std::vector<int>* a = x;", "stale: std::vector<int>* a = x -> nothing"));
  EXPECT_TRUE(finds("if (n) *x = 0;", "stale: *x = 0 -> nothing"));
  EXPECT_TRUE(finds("for (;;) x[n] *= 2;", "stale: x[n] *= 2 -> nothing"));
  EXPECT_TRUE(finds("++n;", "stale: ++n -> nothing"));
}

TEST(Mutants, KnowHowFarOperandsReach) {
  EXPECT_TRUE(finds("x[0] = a + b * c < d && e;", "compare: a + b * c < d -> (a + b * c) <= (d)"));
  EXPECT_TRUE(finds("return f(a, b - c[1] * 2, d);", "sum: b - c[1] * 2 -> other sign"));
  EXPECT_TRUE(finds("return n < 2 ? 1 : 3;", "check: n < 2 -> true"));
  EXPECT_TRUE(finds("if (n >= 2) return;", "check: n >= 2 -> false"));
  EXPECT_FALSE(finds("return x[n - a * b + c];", "stride: a * b + c -> (c) * b + (a)"));
  EXPECT_TRUE(finds("return x[n + a * s * 2 + c];", "stride: a * s * 2 + c -> (c) * s * 2 + (a)"));
}

TEST(Mutants, LoopsStartAndEndOneStepOff) {
  const std::string loop = "for (int i = n; i < 2 * n; ++i) f(i);";
  EXPECT_TRUE(finds(loop, "bound: n -> (n) + 1"));
  EXPECT_TRUE(finds(loop, "bound: i < 2 * n -> (i) <= (2 * n)"));
  const std::string halving = "for (int m = 16; m > 0; m >>= 1) f(m);";
  EXPECT_TRUE(finds(halving, "bound: 16 -> (16) / 2"));
  EXPECT_TRUE(finds(halving, "bound: 0 -> (0) + 1"));
}

TEST(Mutants, BecomeChoicesThatKeepTheOriginal) {
  EXPECT_EQ(planted("__syncthreads();", "barrier: __syncthreads() -> nothing"),
            "(quarry_mutant(7) ? void() : void(__syncthreads()));");
  EXPECT_EQ(planted("x[i] = y;", "index: i -> (i) + 1"), "x[(quarry_mutant(7) ? ((i) + 1) : (i))] = y;");
  EXPECT_EQ(planted("return a[i][j];", "stride: i, j -> j, i"),
            "return a[(quarry_mutant(7) ? (j) : (i))][(quarry_mutant(7) ? (i) : (j))];");
  EXPECT_EQ(planted("if (p && q) f();", "check: q -> true"), "if (p && (quarry_mutant(7) || bool(q))) f();");
  EXPECT_EQ(planted("int a[2] = {};", "zero: a[2] = {} -> not cleared"),
            "int a[2] = {}; if (quarry_mutant(7)) quarry_soil(a);");
}

TEST(Mutants, NestAndKeepTheLines) {
  const Code code(sample());
  const std::vector<Mutant> all = find_mutants(code);
  const std::string text = plant(code, all, everything(all), 1), source = sample();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), std::count(source.begin(), source.end(), '\n'));
  for (std::size_t i = 1; i <= all.size(); ++i) {
    EXPECT_NE(text.find("quarry_mutant(" + std::to_string(i) + ")"), std::string::npos) << i;
  }
  EXPECT_EQ(plant(code, all, {}, 1), source);
}

TEST(Mutants, SampleTakesFaultsInTurnAndHardlyMoves) {
  const Code code(sample());
  std::vector<Mutant> all = find_mutants(code);
  const std::vector<std::size_t> chosen = sample_mutants(all, 15);
  std::set<std::string> faults;
  for (const std::size_t i : chosen) faults.insert(all[i].fault);
  EXPECT_EQ(chosen.size(), 15u);
  EXPECT_EQ(faults.size(), 15u);
  EXPECT_EQ(sample_mutants(all, 10000), everything(all));
  std::set<std::string> before, after;
  for (const std::size_t i : chosen) before.insert(all[i].fault + all[i].change);
  all.erase(all.begin());  // an edit of the source
  for (const std::size_t i : sample_mutants(all, 15)) after.insert(all[i].fault + all[i].change);
  std::vector<std::string> kept;
  std::set_intersection(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(kept));
  EXPECT_GE(kept.size(), 14u);
}

TEST(Mutants, RefuseWhatTheyCannotRead) {
  EXPECT_THROW(Code("void f() { (a]; }"), SourceError);
  EXPECT_THROW(Code("void f() {"), SourceError);
  EXPECT_THROW(Code("const char* s = R\"(x)\";"), SourceError);
  EXPECT_THROW(Code("/* no end"), SourceError);
  EXPECT_THROW(Code("int a = `;"), SourceError);
}

TEST(MutantTable, ReadsWhatItWrites) {
  const std::vector<Row> rows = {{3, "kernels/a.cu", 12, "f", "index", "i -> (i) + 1"}, {0, "b.h", 1, "g", "sum", "x"}};
  const std::vector<Row> read = read_table(table_text(rows));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].number, 3);
  EXPECT_EQ(read[0].line, 12);
  EXPECT_EQ(read[0].name(), "kernels/a.cu | f | index | i -> (i) + 1");
  EXPECT_THROW(read_table("1\tx\n"), std::runtime_error);
}

TEST(MutantTable, EntriesNeedAReason) {
  const auto entries = read_explained("# why\n\na.cu | f | check | a | b -> c | both are zero\n");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "a.cu | f | check | a | b -> c");
  EXPECT_EQ(entries[0].reason, "both are zero");
  EXPECT_THROW(read_explained("a.cu | f | check | a -> b\n"), std::runtime_error);
}

}  // namespace
}  // namespace quarry::mutants
