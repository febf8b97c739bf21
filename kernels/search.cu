// SPDX-License-Identifier: MIT
// Hyperparameter searches on the device (quarry/hpo/device_search.h): a thread block per search. Everything is computed
// from the history in global memory, so no capacity depends on the shared memory of a device.
#include "kernels/search_tpe.h"

namespace quarry::cuda {
namespace {

// ---- ask

/// Whether parameter p is asked, given the point so far.
__device__ bool is_asked(const DeviceParameter& parameter, const double* point) {
  return parameter.parent < 0 || point[parameter.parent] >= parameter.parent_at_least;  // false if that is NaN
}

/// A trial's parameters are chosen in waves first ... end - 1, each as wide as possible. With Philox one wave holds all
/// of them: what a parameter draws does not depend on the others, so values that turn out not to be asked are dropped.
/// A stream is consumed by the parameters that are asked, so a parameter whose parent is in the wave starts the next
/// one. One thread; sets memory.position and returns `end`.
__device__ std::int32_t plan_wave(DeviceSearch& search, const SearchMemory& memory, const double* point,
                                  std::int32_t first, bool guided) {
  const bool streams = search.startup_stream != nullptr;
  std::int64_t& drawn = guided ? search.guided_drawn : search.startup_drawn;
  std::int32_t p = first;
  for (; p < search.n_parameters; ++p) {
    const DeviceParameter& parameter = search.parameters[p];
    if (streams && parameter.parent >= first) break;
    const bool draws = parameter.fixed == 0 && (!streams || is_asked(parameter, point));
    memory.position[p] = draws ? drawn : -1;
    if (!draws || !streams) continue;
    const std::int32_t startup_draws = parameter.choices > 0 ? parameter.choices : 1;
    drawn += guided ? 2 * search.candidates : startup_draws;
  }
  return p;
}

/// draw_startup: a value that ignores results.
__device__ double draw_startup(const Ask& ask, std::int32_t p) {
  const DeviceParameter& parameter = ask.parameter(p);
  const double* const stream = ask.search.startup_stream;
  if (parameter.choices == 0) return tpe_uniform(parameter.domain, ask.uniform(stream, p, 0));
  std::int32_t best = 0;
  double largest = ask.uniform(stream, p, 0);
  for (std::int32_t choice = 1; choice < parameter.choices; ++choice) {
    const double u = ask.uniform(stream, p, choice);
    if (!(largest < u)) continue;
    best = choice;
    largest = u;
  }
  return best;
}

/// The point of the trial, parameter by parameter. All threads.
__device__ void ask_point(DeviceSearch& search, const Ask& ask, bool guided) {
  QUARRY_SHARED(std::int32_t, wave_end, [1]);
  const SearchMemory& memory = ask.memory;
  double* const point = search.points + static_cast<std::int64_t>(ask.trial) * search.n_parameters;
  const std::int32_t thread = static_cast<std::int32_t>(threadIdx.x);
  for (std::int32_t first = 0; first < search.n_parameters;) {
    if (thread == 0) wave_end[0] = plan_wave(search, memory, point, first, guided);
    __syncthreads();
    const std::int32_t end = wave_end[0];
    if (guided) {
      choose_values(ask, first, end);
    } else {
      for (std::int32_t p = first + thread; p < end; p += kSearchThreads) {
        if (memory.position[p] >= 0) memory.value[p] = draw_startup(ask, p);
      }
    }
    __syncthreads();
    if (thread == 0) {
      for (std::int32_t p = first; p < end; ++p) {
        const DeviceParameter& parameter = search.parameters[p];
        if (!is_asked(parameter, point)) {
          point[p] = __builtin_nan("");
        } else {
          point[p] = parameter.fixed != 0 ? parameter.fixed_value : memory.value[p];
        }
      }
    }
    first = end;
  }
}

__global__ void __launch_bounds__(kSearchThreads, 1) ask_kernel(DeviceSearch* searches, std::int32_t count) {
  DeviceSearch& search = searches[blockIdx.x];
  const std::int32_t from = search.asked, finished = search.finished;
  const std::int32_t left = search.most_trials - from;
  const bool guided = search.sampler == DeviceSampler::tpe && finished >= search.startup_trials;
  Ask ask{search, search_memory(search.scratch, search.n_parameters, search.most_trials, search.candidates), from,
          tpe_n_below(finished)};
  for (std::int32_t k = 0; k < count && k < left; ++k) {
    ask.trial = from + k;
    if (guided) {
      split_trials(ask);
      build_mixtures(ask);
    }
    ask_point(search, ask, guided);
    if (threadIdx.x == 0) {
      search.states[ask.trial] = static_cast<std::int32_t>(TrialState::running);
      search.values[ask.trial] = __builtin_nan("");
      search.n_reports[ask.trial] = 0;
      search.asked = ask.trial + 1;
    }
    __syncthreads();
  }
}

// ---- thresholds

/// Median as numpy.percentile computes it: halfway down from the upper middle value. One warp; middle is its memory and
/// may be read by some lanes until the next __syncwarp.
__device__ double warp_median(const double* values, std::int32_t n, double* middle) {
  const std::int32_t half = n / 2;
  for (std::int32_t i = lane_of_thread(); i < n; i += 32) {
    std::int32_t place = 0;
    for (std::int32_t j = 0; j < n; ++j) place += values[j] < values[i] || (values[j] == values[i] && j < i);
    if (place == half) middle[1] = values[i];
    if (place == half - 1) middle[0] = values[i];
  }
  __syncwarp();
  const double upper = middle[1], lower = n > 1 ? middle[0] : upper;
  const double infinity = __builtin_inf();
  if (n % 2 == 1 || upper == infinity || upper == -infinity) return upper;
  return upper - (upper - lower) * 0.5;
}

/// The pruner's threshold for the next told trial at a step. One warp; column [trials] and middle [2] are its memory.
__device__ double step_threshold(const DeviceSearch& search, std::int32_t step, double* column, double* middle) {
  if (search.pruner == DevicePruner::none || step < search.pruner_warmup_steps || search.complete == 0 ||
      search.complete < search.pruner_startup_trials) {
    return __builtin_nan("");  // no check
  }
  const std::int32_t lane = lane_of_thread();
  std::int32_t n = 0;
  for (std::int32_t first = 0; first < search.told; first += 32) {
    const std::int32_t t = first + lane;
    bool taken = t < search.told && search.states[t] == static_cast<std::int32_t>(TrialState::complete) &&
                 step < search.n_reports[t];
    double value = 0;
    if (taken) {
      value = search.reports[static_cast<std::int64_t>(t) * search.most_steps + step];
      taken = value == value;
    }
    const unsigned takers = __ballot_sync(kAllLanes, taken);
    if (taken) column[n + __popc(takers & ((1u << lane) - 1))] = value;
    n += __popc(takers);
  }
  __syncwarp();
  const double threshold =
      n == 0 ? __builtin_inf() : warp_median(column, n, middle);  // numbers pass where none is known
  __syncwarp();
  return threshold;
}

/// search.thresholds of steps 0 ... steps - 1, a warp each. All threads.
__device__ void write_thresholds(const DeviceSearch& search, std::int32_t steps) {
  QUARRY_SHARED(double, middle, [kSearchWarps][2]);
  const std::int32_t warp = static_cast<std::int32_t>(threadIdx.x) / 32;
  const SearchMemory memory = search_memory(search.scratch, search.n_parameters, search.most_trials, search.candidates);
  double* const column = memory.column + static_cast<std::int64_t>(warp) * search.most_trials;
  for (std::int32_t step = warp; step < steps; step += kSearchWarps) {
    const double threshold = step_threshold(search, step, column, middle[warp]);
    if (lane_of_thread() == 0) search.thresholds[step] = threshold;
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kSearchThreads, 1) thresholds_kernel(DeviceSearch* searches) {
  const DeviceSearch& search = searches[blockIdx.x];
  write_thresholds(search, search.most_steps);
}

// ---- tell

/// Search::tell and Search::best, incrementally. One thread.
__device__ void record_trial(DeviceSearch& search, std::int32_t t) {
  double* const reports = search.reports + static_cast<std::int64_t>(t) * search.most_steps;
  const double value = search.values[t];
  TrialState state = value != value && search.nan_trial == NanTrial::failed ? TrialState::failed : TrialState::complete;
  double compared = __builtin_nan("");
  for (std::int32_t step = 0; step < search.n_reports[t]; ++step) {
    const double report = reports[step];
    if (search.pruner == DevicePruner::median_current || compared != compared || report < compared) compared = report;
    if (!is_pruned(compared, search.thresholds[step])) continue;
    state = TrialState::pruned;
    search.n_reports[t] = step + 1;
    search.values[t] = report;
    break;
  }
  search.states[t] = static_cast<std::int32_t>(state);
  search.told = t + 1;
  search.finished += state != TrialState::failed;
  search.complete += state == TrialState::complete;
  if (state != TrialState::complete) return;
  const double best = search.best < 0 ? 0 : search.values[search.best];
  if (search.best < 0 || value < best || (best != best && value == value)) {
    search.best = t;
    search.tell_improved = 1;
  }
}

__global__ void __launch_bounds__(kSearchThreads, 1) tell_kernel(DeviceSearch* searches, std::int32_t count) {
  DeviceSearch& search = searches[blockIdx.x];
  const std::int32_t from = search.told, waiting = search.asked - from;
  if (threadIdx.x == 0) search.tell_improved = 0;
  for (std::int32_t k = 0; k < count && k < waiting; ++k) {
    write_thresholds(search, search.n_reports[from + k]);
    if (threadIdx.x == 0) record_trial(search, from + k);
    __syncthreads();
  }
}

__global__ void reset_kernel(DeviceSearch* searches, std::int32_t n) {
  const auto i = static_cast<std::int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  DeviceSearch& search = searches[i];
  search.asked = search.told = search.finished = search.complete = 0;
  search.best = -1;
  search.tell_improved = 0;
  search.startup_drawn = search.guided_drawn = 0;
}

gpu::LaunchShape block_per_search(std::int32_t n) {
  return {{static_cast<unsigned>(n), 1, 1}, {kSearchThreads, 1, 1}};
}

}  // namespace

std::int64_t search_scratch(std::int32_t n_parameters, std::int32_t most_trials, std::int32_t candidates) {
  return search_memory(nullptr, n_parameters, most_trials, candidates).size;
}

void search_reset(gpu::Session& session, DeviceSearch* searches, std::int32_t n) {
  constexpr std::int32_t kThreads = 32;
  const auto blocks = static_cast<unsigned>((n + kThreads - 1) / kThreads);
  gpu::launch(session, "search_reset", {{blocks, 1, 1}, {kThreads, 1, 1}}, reset_kernel, searches, n);
}

void search_ask(gpu::Session& session, DeviceSearch* searches, std::int32_t n, std::int32_t count) {
  gpu::launch(session, "search_ask", block_per_search(n), ask_kernel, searches, count);
}

void search_thresholds(gpu::Session& session, DeviceSearch* searches, std::int32_t n) {
  gpu::launch(session, "search_thresholds", block_per_search(n), thresholds_kernel, searches);
}

void search_tell(gpu::Session& session, DeviceSearch* searches, std::int32_t n, std::int32_t count) {
  gpu::launch(session, "search_tell", block_per_search(n), tell_kernel, searches, count);
}

}  // namespace quarry::cuda
