// SPDX-License-Identifier: MIT
// Scores and selection on a GPU, many problems per launch; bit for bit the CPU's (quarry/ops/scores.h, top_k.h,
// k_center.h, badge.h). Every pointer is a device pointer. Nothing allocates, synchronises or reads back.
//
// The jobs of a call may differ in everything. Scores run side by side. Small problems of k-center and BADGE get a
// block each and run side by side too; one that fills the device (kernels/select_shapes.h) gets it in a cooperative
// launch of its own. Outputs and scratch of different jobs must not overlap; scratch is aligned to 16 bytes, that
// of top_k to 256, and need not be cleared. One exception to the bits: the sign and payload of a NaN that BALD's sums
// hold are the device's.
#pragma once

#include <cstdint>

#include "quarry/core/gpu.h"
#include "quarry/ops/badge.h"
#include "quarry/ops/k_center.h"

namespace quarry {

enum class ProbabilityScore : std::int32_t { entropy, margin, least_confidence };

struct ScoreJob {
  const float* probabilities = nullptr;  ///< [n][classes]
  std::int64_t n = 0, classes = 1;
  ProbabilityScore score = ProbabilityScore::entropy;
  float* scores = nullptr;  ///< [n]
};

/// Class probabilities of logits made elsewhere (convolutional networks): softmax of ops/mlp.h, bit for bit.
struct SoftmaxJob {
  const float* logits = nullptr;  ///< [n][classes]
  std::int64_t n = 0, classes = 1;
  float* probabilities = nullptr;  ///< [n][classes], may be logits
};

/// Streaming BALD over passes made elsewhere (convolutional networks).
struct BaldJob {
  const float* probabilities = nullptr;  ///< [n][classes] of this pass
  std::int64_t n = 0, classes = 1;
  float *sum_p = nullptr, *sum_entropy = nullptr;  ///< [n][classes], [n]
  std::int32_t passes = 0;                         ///< bald_finish
  float* scores = nullptr;                         ///< bald_finish
  bool clamp = false;                              ///< bald_finish: scores below 0 (rounding) become 0
};

struct TopKJob {
  const float* scores = nullptr;  ///< [n]
  std::int64_t n = 0;
  std::int32_t* picks = nullptr;  ///< [count] positions
  std::int32_t count = 1;
  std::int32_t* any_finite = nullptr;  ///< one number: 0 if no score is finite
};

struct KCenterJob {
  const float* candidates = nullptr;  ///< [n][width]
  std::int64_t n = 0, width = 1;
  const float* labelled = nullptr;  ///< [m][width]
  std::int64_t m = 0;
  std::int32_t* picks = nullptr;  ///< [count], count <= n < 2^31
  std::int32_t count = 0;
  float* scores = nullptr;             ///< [n] or null
  std::int32_t* any_finite = nullptr;  ///< one number
  void* scratch = nullptr;             ///< k_center_scratch bytes
  std::int32_t* apart = nullptr;       ///< one number, KCenterStats::apart; or null
};

struct BadgeJob {
  const float* probabilities = nullptr;  ///< [n][classes]
  const float* features = nullptr;       ///< [n][width]
  std::int64_t n = 0, classes = 1, width = 1;
  std::uint64_t key = 0;
  BadgeSampling sampling = BadgeSampling::rejection;
  const double* numpy_stream = nullptr;  ///< [count] uniforms drawn ahead, sampling = numpy
  std::int32_t* picks = nullptr;         ///< [count]
  std::int32_t count = 0;
  std::int32_t* any_finite = nullptr;  ///< one number
  void* scratch = nullptr;             ///< badge_scratch bytes
  std::int32_t* draws = nullptr;       ///< one number, picks drawn after the first (numpy_stream: uniforms); or null
};

namespace cuda {

/// Scratch of one job: pure functions.
std::size_t k_center_scratch(std::int64_t n, std::int64_t width, std::int64_t m, std::int32_t count,
                             KCenterMethod method);
std::size_t badge_scratch(std::int64_t n, std::int64_t classes, std::int64_t width, std::int32_t count,
                          BadgeSampling sampling);
std::size_t top_k_scratch(std::int64_t n, std::int32_t count);

/// jobs [n_jobs] is on the host here: shapes follow from it; it is copied into the launches.
void probability_scores(gpu::Session& session, const ScoreJob* jobs, std::int32_t n_jobs);
void softmax(gpu::Session& session, const SoftmaxJob* jobs, std::int32_t n_jobs);
void bald_accumulate(gpu::Session& session, const BaldJob* jobs, std::int32_t n_jobs);
void bald_finish(gpu::Session& session, const BaldJob* jobs, std::int32_t n_jobs);
void top_k(gpu::Session& session, const TopKJob* jobs, std::int32_t n_jobs, void* scratch);
void k_center(gpu::Session& session, KCenterMethod method, const KCenterJob* jobs, std::int32_t n_jobs);
void badge(gpu::Session& session, const BadgeJob* jobs, std::int32_t n_jobs);

/// The dense gradient embeddings [n][classes * width], for export and as the oracle of badge():
/// g[c * width + f] = (p[c] - [c = arg max p]) * h[f].
void badge_embeddings(gpu::Session& session, const BadgeJob& job, float* embeddings);

}  // namespace cuda
}  // namespace quarry
