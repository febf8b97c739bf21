// SPDX-License-Identifier: MIT
// The seeds of the fuzz targets as an ordinary test, so that every build and sanitizer runs them.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "quarry/core/file_system.h"
#include "tests/fuzz/cifar_body.h"
#include "tests/fuzz/csv_body.h"
#include "tests/fuzz/idx_body.h"
#include "tests/fuzz/libsvm_body.h"
#include "tests/fuzz/npy_body.h"
#include "tests/fuzz/npz_body.h"
#include "tests/fuzz/pickle_body.h"

namespace quarry {
namespace {

void replay(const std::string& name, void (*body)(std::string_view)) {
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(QUARRY_SOURCE_DIR "/tests/fuzz/corpus/" + name)) {
    SCOPED_TRACE(entry.path().string());
    const std::string bytes = read_file(entry.path().string());
    EXPECT_NO_THROW(body(bytes));
    for (const std::size_t cut : {bytes.size() / 3, bytes.size() / 2, bytes.size() - bytes.size() / 8}) {
      EXPECT_NO_THROW(body(std::string_view(bytes).substr(0, cut)));
    }
    ++seeds;
  }
  EXPECT_GE(seeds, 5) << "no seeds for " << name;
}

TEST(CorpusReplay, Libsvm) {
  replay("libsvm", fuzz_libsvm);
}
TEST(CorpusReplay, Csv) {
  replay("csv", fuzz_csv);
}
TEST(CorpusReplay, Npy) {
  replay("npy", fuzz_npy);
}
TEST(CorpusReplay, Npz) {
  replay("npz", fuzz_npz);
}
TEST(CorpusReplay, Idx) {
  replay("idx", fuzz_idx);
}
TEST(CorpusReplay, Cifar) {
  replay("cifar", fuzz_cifar);
}
TEST(CorpusReplay, Pickle) {
  replay("pickle", fuzz_pickle);
}

}  // namespace
}  // namespace quarry
