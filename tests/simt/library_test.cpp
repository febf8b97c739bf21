// SPDX-License-Identifier: MIT
// What the door to the libraries refuses before anything is queued.
#include <gtest/gtest.h>

#include "quarry/al/pool_device.h"
#include "quarry/core/gpu_library.h"
#include "quarry/ops/distance_device.h"
#include "quarry/ops/select_device.h"
#include "tests/simt/fake_gpu.h"

namespace quarry {
namespace {

class LibraryRefuses : public testing::Test {
 protected:
  LibraryRefuses() : session_((gpu::fake_gpu().reset(), 0)), room_(session_, 1 << 20) {}
  ~LibraryRefuses() override { EXPECT_EQ(session_.counters().launches, 0) << "nothing was queued"; }
  gpu::Scratch scratch(std::size_t bytes) const { return {room_.data(), bytes}; }

  gpu::Session session_;
  gpu::Buffer<unsigned char> room_;
  std::uint64_t* keys_ = nullptr;
  std::int32_t* numbers_ = nullptr;
  float* floats_ = nullptr;
};

TEST_F(LibraryRefuses, CountsThatNoCallCanHave) {
  for (const std::int64_t n : {std::int64_t{-1}, std::int64_t{1} << 31}) {
    EXPECT_THROW(gpu::sort_keys_descending(session_, keys_, keys_, n, scratch(1 << 20)), Error);
    EXPECT_THROW(gpu::sort_pairs(session_, keys_, numbers_, n, scratch(1 << 20)), Error);
    EXPECT_THROW(gpu::inclusive_sum(session_, numbers_, numbers_, n, scratch(1 << 20)), Error);
    EXPECT_THROW(gpu::select_flagged(session_, numbers_, nullptr, numbers_, numbers_, n, scratch(1 << 20)), Error);
    EXPECT_THROW(gpu::partition_flagged(session_, numbers_, nullptr, numbers_, numbers_, n, scratch(1 << 20)), Error);
    EXPECT_THROW(gpu::fill(session_, numbers_, 1, n), Error);
    EXPECT_THROW(gpu::iota(session_, numbers_, 1, n), Error);
    EXPECT_THROW(gpu::gather(session_, numbers_, numbers_, numbers_, n), Error);
  }
}

TEST_F(LibraryRefuses, TooLittleScratch) {
  const gpu::Scratch sort = scratch(gpu::sort_scratch(100) - 1), scan = scratch(gpu::scan_scratch(100) - 1);
  EXPECT_THROW(gpu::sort_keys_descending(session_, keys_, keys_, 100, sort), Error);
  EXPECT_THROW(gpu::sort_pairs(session_, keys_, numbers_, 100, sort), Error);
  EXPECT_THROW(gpu::sort_pairs(session_, keys_, numbers_, 100, {nullptr, 1 << 20}), Error);
  EXPECT_THROW(gpu::exclusive_sum(session_, numbers_, numbers_, 100, scan), Error);
  EXPECT_THROW(gpu::select_flagged(session_, numbers_, nullptr, numbers_, numbers_, 100, scan), Error);
  EXPECT_THROW(gpu::partition_flagged(session_, numbers_, nullptr, numbers_, numbers_, 100, scan), Error);
}

TEST_F(LibraryRefuses, ShapesOfProductsAndDistances) {
  gpu::Blas blas(session_);
  EXPECT_THROW(blas.multiply_transposed(floats_, floats_, floats_, 0, 1, 1), Error);
  EXPECT_THROW(blas.multiply_transposed(floats_, floats_, floats_, 1, 0, 1), Error);
  EXPECT_THROW(blas.multiply_transposed(floats_, floats_, floats_, 1, 1, 0), Error);
  const std::size_t needed = cuda::nearest_center_gemm_scratch(10, 20, 3);
  EXPECT_THROW(cuda::nearest_center_gemm(blas, floats_, 10, floats_, 20, 3, floats_, scratch(needed - 1)), Error);
  EXPECT_THROW(cuda::nearest_center_gemm(blas, floats_, -1, floats_, 20, 3, floats_, scratch(needed)), Error);
  EXPECT_THROW(cuda::nearest_center_gemm(blas, floats_, 10, floats_, 20, 0, floats_, scratch(needed)), Error);
}

TEST_F(LibraryRefuses, MorePicksThanThereAre) {
  const TopKJob job{floats_, 5, numbers_, 6, numbers_};
  EXPECT_THROW(cuda::top_k(session_, &job, 1, room_.data()), Error);
  EXPECT_THROW(cuda::pool_acquire(session_, numbers_, 5, numbers_, 6, numbers_, numbers_, numbers_, scratch(1 << 20)),
               Error);
  EXPECT_THROW(cuda::pool_acquire(session_, numbers_, 5, numbers_, 1, numbers_, numbers_, numbers_,
                                  scratch(cuda::pool_scratch(5) - 1)),
               Error);
}

}  // namespace
}  // namespace quarry
