// SPDX-License-Identifier: MIT
// The scheduler: starts blocks in slots, picks the next thread, and says what is wrong when nobody can go on.
#include "tests/simt/emulator/executor.h"

#include <cstdarg>
#include <cstdio>
#include <utility>

#include "tests/simt/emulator/launch.h"
#include "tests/simt/emulator/sanitizer.h"

namespace simt {

constinit thread_local Launch* launch = nullptr;
constinit thread_local const Position* position = nullptr;

Error::Error(const char* text) {
  std::snprintf(text_, sizeof(text_), "%s", text);
}

Options& options() {
  thread_local Options of_this_thread;
  return of_this_thread;
}

std::uint64_t next_random(std::uint64_t& state) {  // splitmix64
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

namespace {

/// First ready bit at or after `from`, or before it going round; ready_words * 64 if there is none.
std::size_t first_ready(std::size_t from) {
  const std::size_t words = launch->ready_words;
  const std::size_t start = from / 64;
  for (std::size_t i = 0; i <= words; ++i) {
    const std::size_t word = (start + i) % words;
    std::uint64_t bits = launch->ready[word];
    if (i == 0) bits &= ~std::uint64_t{0} << (from % 64);
    if (bits != 0) return word * 64 + static_cast<std::size_t>(__builtin_ctzll(bits));
  }
  return words * 64;
}
std::size_t last_ready() {
  for (std::size_t word = launch->ready_words; word-- > 0;)
    if (launch->ready[word] != 0)
      return word * 64 + 63 - static_cast<std::size_t>(__builtin_clzll(launch->ready[word]));
  return launch->ready_words * 64;
}

/// The next thread to run; null if none is ready.
Thread* pick() {
  const std::size_t none = launch->ready_words * 64;
  std::size_t bit = none;
  switch (launch->options.schedule) {
    case Schedule::forward:
      bit = first_ready(0);
      break;
    case Schedule::reverse:
      bit = last_ready();
      break;
    case Schedule::random:
      bit = first_ready(next_random(launch->random) % none);
      break;
  }
  if (bit == none) return nullptr;
  return &launch->slots[bit / launch->threads_per_block].threads[bit % launch->threads_per_block];
}

void clear_ready(Thread& thread) {
  launch->ready[thread.bit / 64] &= ~(std::uint64_t{1} << (thread.bit % 64));
}

/// Goes from the running fiber to a thread, or to the host's stack for null.
void go_to(Fiber& from, Thread* to, bool for_good) {
  launch->current = to;
  position = to == nullptr ? nullptr : &to->position;
  from.switch_to(to == nullptr ? *launch->host : to->fiber, for_good);
}

/// Where every thread begins and ends.
void thread_main() {
  Fiber::entered(*launch->host);
  Thread& self = *launch->current;
  happens_after(&self.block->begin);
  try {
    launch->body(launch->context);
    if (self.pending.taken != self.pending.copies.size()) {
      fault(self.site, "a thread ends with asynchronous copies that it has not waited for");
    }
  } catch (const std::exception& e) {
    std::snprintf(launch->error, sizeof(launch->error), "kernel %s threw: %s", launch->name, e.what());
  }
  happens_before(&launch->end);
  self.state = State::done;
  clear_ready(self);
  --self.block->running;
  go_to(self.fiber, nullptr, true);
}

void start_block(Block& block, std::size_t slot, std::size_t number) {
  const quarry::gpu::LaunchShape& shape = *launch->shape;
  block.number = number;
  block.barrier = {};
  block.running = launch->threads_per_block;
  block.shared.start_block();
  for (unsigned i = 0; i < launch->threads_per_block; ++i) {
    Thread& thread = block.threads[i];
    const std::size_t in_plane = std::size_t{shape.grid.x} * shape.grid.y;
    thread.position.block_dim = {shape.block.x, shape.block.y, shape.block.z};
    thread.position.grid_dim = {shape.grid.x, shape.grid.y, shape.grid.z};
    thread.position.thread = {i % shape.block.x, i / shape.block.x % shape.block.y, i / shape.block.x / shape.block.y};
    thread.position.block = {static_cast<unsigned>(number % shape.grid.x),
                             static_cast<unsigned>(number % in_plane / shape.grid.x),
                             static_cast<unsigned>(number / in_plane)};
    thread.block = &block;
    thread.number = i;
    thread.bit = slot * launch->threads_per_block + i;
    thread.call = nullptr;
    thread.pending.copies.clear();
    thread.pending.group_ends.clear();
    thread.pending.taken = 0;
    thread.fiber.start(&thread_main, i);
    set_ready(thread);
  }
  happens_before(&block.begin);
}

void end_block(Block& block) {
  for (unsigned i = 0; i < launch->threads_per_block; ++i) {
    if (!block.threads[i].fiber.stack_intact()) {
      fault({"", 0}, "a thread used more than %zu KiB of stack", Fiber::kStackBytes / 1024);
    }
  }
  if (const char* name = block.shared.overrun()) fault({"", 0}, "written outside the shared array %s", name);
}

const char* file_name(const char* path) {
  const char* name = path;
  for (const char* c = path; *c != 0; ++c)
    if (*c == '/') name = c + 1;
  return name;
}

/// Nobody can go on: says who waits where.
void report_deadlock() {
  const Thread* first = nullptr;
  const Thread* other = nullptr;  // waits elsewhere, or has ended in a block where others wait
  for (std::size_t s = 0; s < launch->n_slots; ++s) {
    if (launch->slots[s].running == 0 && !launch->at_once()) continue;
    for (unsigned i = 0; i < launch->threads_per_block; ++i) {
      const Thread& thread = launch->slots[s].threads[i];
      if (first == nullptr && thread.state != State::done) first = &thread;
    }
    for (unsigned i = 0; i < launch->threads_per_block && other == nullptr && first != nullptr; ++i) {
      const Thread& thread = launch->slots[s].threads[i];
      const bool elsewhere = thread.state == State::done || thread.state != first->state ||
                             thread.site.line != first->site.line || thread.waits_in != first->waits_in;
      if (elsewhere) other = &thread;
    }
  }
  char more[300] = "";
  if (other != nullptr && other->state == State::done) {
    std::snprintf(more, sizeof(more), ", but thread %u of block %zu has exited", other->number, other->block->number);
  } else if (other != nullptr) {
    std::snprintf(more, sizeof(more), ", but thread %u of block %zu in %s at %s:%d", other->number,
                  other->block->number, other->waits_in, file_name(other->site.file), other->site.line);
  }
  char lanes[80] = "";
  if (first->state == State::at_warp) std::snprintf(lanes, sizeof(lanes), " (mask 0x%08x)", first->call->mask);
  std::snprintf(launch->error, sizeof(launch->error),
                "%s:%d: divergence: thread %u of block %zu waits in %s%s%s [kernel %s]", file_name(first->site.file),
                first->site.line, first->number, first->block->number, first->waits_in, lanes, more, launch->name);
}

/// The order in which blocks start.
std::vector<std::size_t> block_order() {
  std::vector<std::size_t> order(launch->n_blocks);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = launch->options.schedule == Schedule::reverse ? order.size() - 1 - i : i;
  }
  if (launch->options.schedule == Schedule::random) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next_random(launch->random) % i]);
  }
  return order;
}

/// How many blocks run side by side: all that wait for each other; otherwise one, or a few at random.
std::size_t choose_slots() {
  if (launch->at_once()) return launch->n_blocks;
  if (launch->options.schedule != Schedule::random) return 1;
  const std::size_t few = 1 + next_random(launch->random) % 4;
  return few < launch->n_blocks ? few : launch->n_blocks;
}

void check_shape() {
  const quarry::gpu::LaunchShape& shape = *launch->shape;
  const std::size_t threads = std::size_t{shape.block.x} * shape.block.y * shape.block.z;
  if (threads == 0 || threads > 1024 || shape.block.z > 64) {
    fault({"", 0}, "a block of %u x %u x %u threads (1 to 1024)", shape.block.x, shape.block.y, shape.block.z);
  }
  if (launch->n_blocks == 0 || shape.grid.y > 65535 || shape.grid.z > 65535 || shape.grid.x > 0x7fffffffu) {
    fault({"", 0}, "a grid of %u x %u x %u blocks", shape.grid.x, shape.grid.y, shape.grid.z);
  }
  if (shape.shared_bytes > launch->options.most_dynamic) {
    fault({"", 0}, "%zu bytes of dynamic shared memory, but the device has %zu", shape.shared_bytes,
          launch->options.most_dynamic);
  }
}

void make_slots() {
  launch->n_slots = choose_slots();
  launch->slots = std::make_unique<Block[]>(launch->n_slots);
  for (std::size_t s = 0; s < launch->n_slots; ++s) {
    launch->slots[s].threads = std::make_unique<Thread[]>(launch->threads_per_block);
    launch->slots[s].warps = std::make_unique<Warp[]>((launch->threads_per_block + kWarp - 1) / kWarp);
  }
  launch->clusters = std::make_unique<Barrier[]>(launch->n_blocks / launch->shape->cluster);
  launch->ready_words = (launch->n_slots * launch->threads_per_block + 63) / 64;
  launch->ready = std::make_unique<std::uint64_t[]>(launch->ready_words);
}

void run_blocks() {
  const std::vector<std::size_t> order = block_order();
  std::size_t started = 0, ended = 0;
  for (std::size_t s = 0; s < launch->n_slots; ++s) start_block(launch->slots[s], s, order[started++]);
  while (ended < order.size()) {
    Thread* next = pick();
    if (next == nullptr) {
      report_deadlock();
      return;
    }
    go_to(*launch->host, next, false);
    if (launch->error[0] != 0) return;
    Block* block = next->block;
    for (std::size_t s = 0; s < launch->n_slots; ++s) {
      block = &launch->slots[s];
      if (block->running != 0 || block->number == launch->n_blocks) continue;
      end_block(*block);
      ++ended;
      if (started < order.size()) {
        start_block(*block, s, order[started++]);
      } else {
        block->number = launch->n_blocks;
      }
    }
  }
}

/// After an error: threads that have not ended never will, and the host frees what they used.
void abandon_threads() {
  for (std::size_t s = 0; s < launch->n_slots; ++s) {
    for (unsigned i = 0; i < launch->threads_per_block; ++i) {
      Thread& thread = launch->slots[s].threads[i];
      if (thread.state != State::done) thread.fiber.abandon(&launch->end, *launch->host);
    }
  }
}

}  // namespace

void set_ready(Thread& thread) {
  thread.state = State::ready;
  launch->ready[thread.bit / 64] |= std::uint64_t{1} << (thread.bit % 64);
}

void wait_as(State state, const char* name, Site site) {
  Thread& self = *launch->current;
  self.state = state;
  self.waits_in = name;
  self.site = site;
  if (state != State::ready) clear_ready(self);
  Thread* next = pick();
  if (next != &self) go_to(self.fiber, next, false);
}

Thread& running_thread(const char* what) {
  if (launch == nullptr || launch->current == nullptr) fault({"", 0}, "%s outside a kernel", what);
  return *launch->current;
}

void maybe_yield() {
  if (launch != nullptr && launch->options.schedule == Schedule::random && next_random(launch->random) % 4 == 0) {
    wait_as(State::ready, "an atomic", {"", 0});
  }
}

void fence() {
  happens_after(&launch->fence);
  happens_before(&launch->fence);
}

// The buffers of the text belong to no CUDA thread: the host reads them when this one has stopped.
void fault(Site site, const char* format, ...) {
  const Unseen unseen;
  char text[600], where[200] = "", thread[200] = "";
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if (site.line != 0) std::snprintf(where, sizeof(where), "%s:%d: ", file_name(site.file), site.line);
  Thread* self = launch == nullptr ? nullptr : launch->current;
  if (self != nullptr) {
    const Position& p = self->position;
    std::snprintf(thread, sizeof(thread), ", block (%u,%u,%u), thread (%u,%u,%u)", p.block.x, p.block.y, p.block.z,
                  p.thread.x, p.thread.y, p.thread.z);
  }
  char whole[1024];
  std::snprintf(whole, sizeof(whole), "%s%s [kernel %s%s]", where, text, launch == nullptr ? "none" : launch->name,
                thread);
  if (self == nullptr) throw Error(whole);
  // A kernel cannot be unwound past others' frames: the thread stops here for good and the host throws.
  std::snprintf(launch->error, sizeof(launch->error), "%s", whole);
  go_to(self->fiber, nullptr, false);
  __builtin_unreachable();
}

void execute(const char* name, const quarry::gpu::LaunchShape& shape, void (*body)(const void*), const void* context) {
  if (launch != nullptr) fault({"", 0}, "a launch of %s inside a kernel", name);
  thread_local Fiber host;
  Launch here;
  here.name = name;
  here.shape = &shape;
  here.body = body;
  here.context = context;
  here.options = options();
  here.random = here.options.seed;
  here.threads_per_block = shape.block.x * shape.block.y * shape.block.z;
  here.n_blocks = std::size_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  here.host = &host;
  struct Active {
    explicit Active(Launch* l) { launch = l; }
    ~Active() {
      abandon_threads();
      happens_after(&launch->end);
      launch = nullptr;
    }
  } active(&here);
  check_shape();
  make_slots();
  run_blocks();
  if (here.error[0] != 0) throw Error(here.error);
}

}  // namespace simt
