// SPDX-License-Identifier: MIT
// Trained networks at work: logits, softmax, penultimate activations, uncertainty scores, and BALD with its stochastic
// passes streamed inside the kernel. A block takes a run of chunks of 32 rows and reads a network once for all its
// chunks. The host's counterparts are kernels/mlp_score.h and quarry/ops/scores.h; results are the same bit for bit.
#include "kernels/mlp_block_loss.h"
#include "quarry/nn/mlp_device.h"
#include "quarry/ops/scores.h"

namespace quarry {
namespace block {

/// In shared memory, written by thread 0 between barriers.
struct ScoreState {
  MlpBlockMap map;
  Rows rows;
  Dropout dropout;
};
static_assert(sizeof(ScoreState) <= kBlockStateBytes);

template <class Space>
struct Scorer {
  Network<Space> net;
  const MlpScoreJob& job;
  ScoreState& state;
};

/// Packed parameters into the block's memory. A barrier must come before they are used.
template <class Space>
QUARRY_BLOCK_FUNCTION void load_parameters(const Network<Space>& net, const float* packed) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = net.map.parameters + thread; i < net.map.scratch; i += kThreads) *net.memory.at(i) = 0;
  __syncthreads();
  for (int i = thread; i < net.map.packed; i += kThreads) *net.parameter(i) = packed[i];
}

/// The first `n` rows of an array [units][36] at offset `from` to out [n][units].
template <class Space>
QUARRY_BLOCK_FUNCTION void write_rows(const Network<Space>& net, int from, int units, int n, float* out) {
  const int slot = static_cast<int>(threadIdx.x) / 8;
  if (slot >= n) return;
  const float* const column = net.memory.at(from) + slot;
  float* const to = out + static_cast<std::int64_t>(slot) * units;
  for (int c = static_cast<int>(threadIdx.x) % 8; c < units; c += 8) to[c] = plain_nan(column[c * kUnitStride]);
}

template <class Row>
QUARRY_BLOCK_FUNCTION float score_column(const float* p, int classes) {
  FiniteRow<Row> row = {};
  for (int c = 0; c < classes; ++c) row.add(p[c * kUnitStride]);
  return row.score();
}

/// By one warp: softmax of the logits into probabilities(0), and the score by it. first: of the rows, in scores.
template <class Space>
QUARRY_BLOCK_FUNCTION void score_rows(const Scorer<Space>& s, std::int32_t first) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const MlpBlockLayer last = s.net.last();
  float* const p = s.net.memory.at(s.net.probabilities(0) + lane);
  softmax(s.net.memory.at(last.output + lane), last.out, p);
  if (lane >= s.net.rows.n || s.job.scores == nullptr) return;
  float* const score = s.job.scores + first + lane;
  switch (s.job.score) {
    case MlpScore::entropy:
      *score = score_column<RowEntropy<float>>(p, last.out);
      break;
    case MlpScore::margin:
      *score = score_column<RowMargin>(p, last.out);
      break;
    case MlpScore::least_confidence:
      *score = score_column<RowLeastConfidence>(p, last.out);
      break;
    default:
      break;
  }
}

/// The first hidden layer through the masks of a pass, from `first` to its place.
template <class Space>
QUARRY_BLOCK_FUNCTION void drop_first_layer(const Scorer<Space>& s, std::int32_t pass) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const MlpBlockLayer layer = s.net.layer(0);
  const Dropout& dropout = s.state.dropout;
  for (int o = static_cast<int>(threadIdx.x) / 32 * 4; o < layer.out; o += 4 * kWarps) {
    const PhiloxBlock words = philox(philox_key(dropout.key), s.net.rows.dropout_row[lane],
                                     static_cast<std::uint32_t>(o / 4), static_cast<std::uint32_t>(pass), 0);
    QUARRY_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = (o + i) * kUnitStride + lane;
      const float a = *s.net.memory.at(s.net.map.first + at);
      *s.net.memory.at(layer.output + at) = words.word[i] >= dropout.threshold ? a * dropout.scale : 0.0f;
    }
  }
}

/// By one warp, after a pass: adds its probabilities to probabilities(1) and returns their entropy.
template <class Space>
QUARRY_BLOCK_FUNCTION float add_pass(const Scorer<Space>& s) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const MlpBlockLayer last = s.net.last();
  float *const p = s.net.memory.at(s.net.probabilities(0) + lane), *const mean =
                                                                       s.net.memory.at(s.net.probabilities(1) + lane);
  softmax(s.net.memory.at(last.output + lane), last.out, p);
  for (int c = 0; c < last.out; ++c) mean[c * kUnitStride] = mean[c * kUnitStride] + p[c * kUnitStride];
  return entropy_of(p, last.out, kUnitStride);
}

/// BALD of the block's rows, after a forward pass without dropout. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void bald_rows(const Scorer<Space>& s, std::int32_t first) {
  const int thread = static_cast<int>(threadIdx.x);
  const MlpBlockLayer bottom = s.net.layer(0), last = s.net.last();
  const bool drop = s.net.map.n_layers > 1 && s.state.dropout.threshold != 0;
  for (int i = thread; i < round_up4(bottom.out) * kUnitStride; i += kThreads) {
    *s.net.memory.at(s.net.map.first + i) = *s.net.memory.at(bottom.output + i);
  }
  for (int i = thread; i < last.out * kUnitStride; i += kThreads) *s.net.memory.at(s.net.probabilities(1) + i) = 0;
  __syncthreads();
  float entropies = 0;
  for (std::int32_t pass = 0; pass < s.job.passes; ++pass) {
    if (thread == 0) s.state.dropout.step = static_cast<std::uint32_t>(pass);
    if (drop) drop_first_layer(s, pass);
    __syncthreads();
    forward(s.net, 1, &s.state.dropout);
    if (thread < 32) entropies = entropies + add_pass(s);
  }
  if (thread < s.net.rows.n) {
    float* const mean = s.net.memory.at(s.net.probabilities(1) + thread);
    RowEntropy<float> row;
    for (int c = 0; c < last.out; ++c) row.add(bald_mean(mean[c * kUnitStride], s.job.passes));
    const float score = plain_nan(row.score() - bald_mean(entropies, s.job.passes));
    s.job.scores[first + thread] = s.job.bald_clamp && score < 0 && score - score == 0 ? 0.0f : score;
  }
  __syncthreads();
}

/// Rows first ... first + 32 of a job. Ends with a barrier.
template <class Space>
QUARRY_BLOCK_FUNCTION void score_chunk(const Scorer<Space>& s, std::int32_t first) {
  const MlpScoreJob& job = s.job;
  const Network<Space>& net = s.net;
  const MlpBlockLayer last = net.last();
  read_rows(net, job.features, nullptr, job.rows, first, job.n_rows - first, -1);
  __syncthreads();
  forward(net, 0, nullptr);
  if (threadIdx.x < 32) score_rows(s, first);
  __syncthreads();
  const auto write = [&](float* out, int from, int units) {
    if (out != nullptr) write_rows(net, from, units, net.rows.n, out + static_cast<std::int64_t>(first) * units);
  };
  write(job.logits, last.output, last.out);
  write(job.penultimate, last.input, last.in);
  write(job.probabilities, net.probabilities(0), last.out);
  __syncthreads();
  if (job.score == MlpScore::bald && job.scores != nullptr) bald_rows(s, first);
}

/// Chunks begin ... end of a job.
template <class Space>
QUARRY_BLOCK_FUNCTION void score_job(Space space, const MlpScoreJob& job, const MlpBlockNeeds& needs, ScoreState& state,
                                     std::int32_t begin, std::int32_t end) {
  if (threadIdx.x == 0) {
    state.map =
        map_network(job.network.sizes, *job.network.n_layers, needs, reinterpret_cast<MlpBlockLayer*>(space.at(0)));
    state.dropout = make_dropout(*job.network.dropout, job.mc_key);
  }
  __syncthreads();
  const Scorer<Space> scorer{{space, state.map, state.rows}, job, state};
  load_parameters(scorer.net, job.network.parameters);
  for (std::int32_t chunk = begin; chunk < end; ++chunk) score_chunk(scorer, chunk * kBlockRows);
}

__global__ void __launch_bounds__(kThreads, 2)
    mlp_score_kernel(const MlpScoreJob* jobs, std::int32_t n_jobs, std::int32_t chunks, std::int64_t shared_words,
                     float* workspace, std::int64_t slice_words) {
  QUARRY_SHARED(ScoreState, state, );
  const std::int64_t items = std::int64_t{n_jobs} * chunks;
  std::int64_t item = items * blockIdx.x / gridDim.x;
  const std::int64_t stop = items * (blockIdx.x + 1) / gridDim.x;
  while (item < stop) {
    const MlpScoreJob& job = jobs[item / chunks];
    const std::int64_t job_begin = item / chunks * chunks;
    const std::int64_t job_end = job_begin + chunks < stop ? job_begin + chunks : stop;
    const std::int32_t own = (job.n_rows + kBlockRows - 1) / kBlockRows,
                       begin = static_cast<std::int32_t>(item - job_begin);
    const std::int32_t end = static_cast<std::int32_t>(job_end - job_begin);
    item = job_end;
    if (begin >= own) continue;
    const MlpBlockNeeds needs = {false, false, false, false, job.score == MlpScore::bald};
    const std::int32_t until = end < own ? end : own;
    if (map_network(job.network.sizes, *job.network.n_layers, needs, nullptr).words <= shared_words) {
      score_job(SharedSpace{}, job, needs, state, begin, until);
    } else {
      score_job(GlobalSpace{workspace + blockIdx.x * slice_words}, job, needs, state, begin, until);
    }
  }
}

}  // namespace block

namespace cuda {

void mlp_score(gpu::Session& session, const MlpFleetPlan& plan, const MlpScoreJob* jobs, std::int32_t n_jobs,
               std::int32_t most_rows, void* workspace) {
  if (n_jobs == 0 || most_rows == 0) return;
  gpu::launch(session, "mlp_score", plan.shape, &block::mlp_score_kernel, jobs, n_jobs,
              (most_rows + kBlockRows - 1) / kBlockRows,
              static_cast<std::int64_t>(plan.shape.shared_bytes / sizeof(float)), static_cast<float*>(workspace),
              static_cast<std::int64_t>(plan.workspace_bytes / plan.shape.grid.x / sizeof(float)));
}

}  // namespace cuda
}  // namespace quarry
