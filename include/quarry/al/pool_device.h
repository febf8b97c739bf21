// SPDX-License-Identifier: MIT
// The pool of a run on a GPU: what quarry/al/pool.h keeps, as index lists in device memory that acquisitions change
// without the host reading anything back. The host knows every length: it asked for that many picks.
//
// Every pointer is a device pointer; calls are queued and never wait. Outputs must not overlap inputs. Scratch:
// pool_scratch(n) bytes for a list of n indices, aligned to 256.
#pragma once

#include <cstdint>

#include "quarry/core/gpu_library.h"

namespace quarry::cuda {

/// Bytes of scratch; a pure function.
std::size_t pool_scratch(std::int64_t n);

/// remaining = the indices of `from` [n] that are not in `taken` [m], in order; both ascending without repeats.
/// remaining has room for n; how many there are goes to *n_remaining.
void index_difference(gpu::Session& session, const std::int32_t* from, std::int64_t n, const std::int32_t* taken,
                      std::int64_t m, std::int32_t* remaining, std::int32_t* n_remaining, gpu::Scratch scratch);

/// One acquisition: picks [count] are different positions in `unlabelled` [n], in the order of acquisition.
/// added [count] = the indices picked, in that order: the end of the list of labelled indices.
/// remaining = the others in order, with room for n; n - count of them, which also goes to *n_remaining.
void pool_acquire(gpu::Session& session, const std::int32_t* unlabelled, std::int64_t n, const std::int32_t* picks,
                  std::int32_t count, std::int32_t* added, std::int32_t* remaining, std::int32_t* n_remaining,
                  gpu::Scratch scratch);

}  // namespace quarry::cuda
