// SPDX-License-Identifier: MIT
// What threads of a block, a warp or the whole grid wait for, shared arrays, and copies that run beside the thread.
#include "tests/simt/emulator/launch.h"
#include "tests/simt/emulator/sanitizer.h"

namespace simt {
namespace {

unsigned members(const Thread& thread) {
  const unsigned first = thread.number / kWarp * kWarp;
  const unsigned left = launch->threads_per_block - first;
  return left >= kWarp ? 0xffffffffu : (1u << left) - 1;
}

/// Counts a thread in; true for the last of `expected`, which opens the barrier.
bool arrive(Barrier& barrier, unsigned expected, const char* name, Site site) {
  if (barrier.arrived == 0) {
    barrier.site = site;
  } else if (barrier.site.line != site.line || barrier.site.file != site.file) {
    fault(site, "divergence: this thread waits in %s here, others at line %d", name, barrier.site.line);
  }
  happens_before(&barrier.ordering[barrier.generation % 2]);
  if (++barrier.arrived < expected) return false;
  barrier.arrived = 0;
  ++barrier.generation;
  return true;
}

void open_block(Block& block, const Thread& self) {
  for (unsigned i = 0; i < launch->threads_per_block; ++i)
    if (&block.threads[i] != &self) set_ready(block.threads[i]);
}

bool same_call(const WarpCall& a, const WarpCall& b) {
  return a.combine == b.combine && a.mask == b.mask;
}

}  // namespace

int block_barrier(const char* name, Vote vote, bool ballot, Site site) {
  Thread& self = running_thread(name);
  Block& block = *self.block;
  Barrier& barrier = block.barrier;
  const unsigned generation = barrier.generation % 2;
  barrier.votes += ballot ? 1 : 0;
  if (arrive(barrier, launch->threads_per_block, name, site)) {
    const int all = static_cast<int>(launch->threads_per_block);
    barrier.result[generation] = vote == Vote::all   ? barrier.votes == all
                                 : vote == Vote::any ? barrier.votes != 0
                                                     : barrier.votes;
    barrier.votes = 0;
    open_block(block, self);
    wait_as(State::ready, name, site);
  } else {
    wait_as(State::at_block, name, site);
  }
  happens_after(&barrier.ordering[generation]);
  return barrier.result[generation];
}

void grid_barrier(Site site) {
  Thread& self = running_thread("grid_sync");
  if (!launch->shape->cooperative) fault(site, "grid_sync in a launch that is not cooperative");
  const unsigned generation = launch->grid.generation % 2;
  if (arrive(launch->grid, static_cast<unsigned>(launch->n_blocks) * launch->threads_per_block, "grid_sync", site)) {
    for (std::size_t s = 0; s < launch->n_slots; ++s) open_block(launch->slots[s], self);
    wait_as(State::ready, "grid_sync", site);
  } else {
    wait_as(State::at_grid, "grid_sync", site);
  }
  happens_after(&launch->grid.ordering[generation]);
}

void cluster_barrier(Site site) {
  Thread& self = running_thread("cluster_sync");
  const unsigned blocks = launch->shape->cluster;
  if (blocks == 1) fault(site, "cluster_sync in a launch without clusters");
  const std::size_t number = launch->cluster_of(*self.block);
  Barrier& barrier = launch->clusters[number];
  const unsigned generation = barrier.generation % 2;
  if (arrive(barrier, blocks * launch->threads_per_block, "cluster_sync", site)) {
    for (std::size_t s = 0; s < launch->n_slots; ++s)
      if (launch->cluster_of(launch->slots[s]) == number) open_block(launch->slots[s], self);
    wait_as(State::ready, "cluster_sync", site);
  } else {
    wait_as(State::at_cluster, "cluster_sync", site);
  }
  happens_after(&barrier.ordering[generation]);
}

unsigned cluster_rank(Site site) {
  const Block& block = *running_thread("cluster_rank").block;
  if (launch->shape->cluster == 1) fault(site, "cluster_rank in a launch without clusters");
  return static_cast<unsigned>(block.number % launch->shape->cluster);
}

void* cluster_shared(const void* mine, unsigned rank, Site site) {
  const Block& block = *running_thread("cluster_shared").block;
  if (rank >= launch->shape->cluster) {
    fault(site, "cluster_shared: block %u of a cluster of %u", rank, launch->shape->cluster);
  }
  const std::size_t number = launch->cluster_of(block) * launch->shape->cluster + rank;
  for (std::size_t s = 0; s < launch->n_slots; ++s) {
    const Block& other = launch->slots[s];
    if (other.number != number || other.running == 0) continue;
    void* const there = other.shared.counterpart(block.shared, mine);
    if (there == nullptr) {
      fault(site, "cluster_shared: block %u of the cluster has no such memory yet, or this is none", rank);
    }
    return there;
  }
  fault(site, "cluster_shared: block %u of the cluster has ended", rank);
}

void warp_call(WarpCall& call) {
  Thread& self = running_thread(call.name);
  const unsigned first = self.number / kWarp * kWarp;
  call.lane = self.number - first;
  if ((call.mask >> call.lane & 1u) == 0) {
    fault(call.site, "%s: lane %u is not in its own mask 0x%08x", call.name, call.lane, call.mask);
  }
  if ((call.mask & ~members(self)) != 0) {
    fault(call.site, "%s: mask 0x%08x names lanes that the block does not have", call.name, call.mask);
  }
  Warp& warp = self.block->warps[self.number / kWarp];
  WarpCall* lanes[kWarp] = {};
  bool complete = true;
  call.ordering = nullptr;
  self.call = &call;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((call.mask >> lane & 1u) == 0) continue;
    Thread& other = self.block->threads[first + lane];
    if (other.state == State::done) {
      fault(call.site, "%s: lane %u of the mask 0x%08x has exited", call.name, lane, call.mask);
    }
    if (&other != &self && (other.state != State::at_warp || !same_call(*other.call, call))) {
      complete = false;
      continue;
    }
    if (other.call->site.line != call.site.line || other.call->site.file != call.site.file) {
      fault(call.site, "divergence: this lane calls %s here, lane %u at line %d", call.name, lane,
            other.call->site.line);
    }
    lanes[lane] = other.call;
    if (&other != &self) call.ordering = other.call->ordering;
  }
  if (call.ordering == nullptr) call.ordering = &warp.ordering[warp.next_ordering++ % kOrderings];
  const bool orders = call.combine == nullptr;
  if (orders) happens_before(call.ordering);
  if (complete) {
    if (!orders) call.combine(lanes);
    for (unsigned lane = 0; lane < kWarp; ++lane)
      if (lanes[lane] != nullptr && lanes[lane] != &call) set_ready(self.block->threads[first + lane]);
    wait_as(State::ready, call.name, call.site);
  } else {
    wait_as(State::at_warp, call.name, call.site);
  }
  self.call = nullptr;
  if (orders) happens_after(call.ordering);
}

void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment, Site site) {
  Block& block = *running_thread("QUARRY_SHARED").block;
  void* data = block.shared.find_or_make(key, name, bytes, alignment);
  if (block.shared.static_bytes() > Options::kMostStatic) {
    fault(site, "%zu bytes of static shared memory with %s; a kernel may have %zu", block.shared.static_bytes(), name,
          Options::kMostStatic);
  }
  if (block.shared.static_bytes() + launch->shape->shared_bytes > launch->options.most_dynamic) {
    fault(site, "%zu bytes of static and %zu of dynamic shared memory; the device has %zu", block.shared.static_bytes(),
          launch->shape->shared_bytes, launch->options.most_dynamic);
  }
  return data;
}

void* dynamic_shared(Site) {
  Block& block = *running_thread("QUARRY_DYNAMIC_SHARED").block;
  return block.shared.find_or_make(nullptr, "of the launch (dynamic)", launch->shape->shared_bytes, 128);
}

void async_begin(const AsyncCopy& copy, Site site) {
  Thread& self = running_thread("async_copy");
  if (copy.bytes != 4 && copy.bytes != 8 && copy.bytes != 16) {
    fault(site, "an asynchronous copy of %u bytes (4, 8 or 16)", copy.bytes);
  }
  const auto to = reinterpret_cast<std::uintptr_t>(copy.to), from = reinterpret_cast<std::uintptr_t>(copy.from);
  if (to % copy.bytes != 0 || from % copy.bytes != 0) {
    fault(site, "an asynchronous copy of %u bytes between addresses that are not multiples of it", copy.bytes);
  }
  self.site = site;
  const Unseen unseen;
  self.pending.copies.push_back(copy);
}

void async_close() {
  PendingCopies& pending = running_thread("async_commit").pending;
  const Unseen unseen;
  pending.group_ends.push_back({pending.copies.size()});
}

bool async_next(unsigned groups, AsyncCopy& copy) {
  PendingCopies& pending = running_thread("async_wait").pending;
  if (pending.group_ends.size() <= groups) return false;
  const std::size_t end = pending.group_ends[pending.group_ends.size() - 1 - groups].copies;
  if (pending.taken >= end) return false;
  copy = pending.copies[pending.taken++];
  return true;
}

}  // namespace simt
