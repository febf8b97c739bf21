// SPDX-License-Identifier: MIT
#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>

#include "quarry/core/rng.h"

namespace quarry::test {
namespace {

/// An unsynced change of a file's bytes.
struct Change {
  bool truncation = false;
  std::size_t offset = 0;  // or the new length
  std::string bytes;

  void apply(std::string& data) const {
    if (truncation) {
      data.resize(offset);
    } else {
      if (data.size() < offset + bytes.size()) data.resize(offset + bytes.size());
      data.replace(offset, bytes.size(), bytes);
    }
  }
};

struct Node {
  explicit Node(bool is_directory) : directory(is_directory) {}
  bool directory;
  std::uint64_t number = 0;
  std::string data, durable;
  std::vector<Change> unsynced;
  int lock_holder = -1;

  void change(Change what) {
    what.apply(data);
    unsynced.push_back(std::move(what));
  }
  void sync() {
    durable = data;
    unsynced.clear();
  }
};

using NodePointer = std::shared_ptr<Node>;
using Names = std::map<std::string, NodePointer>;

/// A change of one directory's names; `apply` works on a tree of paths.
struct NameChange {
  std::string directory;
  std::function<void(Names&)> apply;
};

struct OpenFile {
  NodePointer node;
  std::string path;
  OpenMode mode = OpenMode::read;
  std::size_t position = 0;
};

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Random choices of one power cut.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : key_(stream_key(seed, RngPurpose::data)) {}
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_below(key_, bound, next_++)); }

 private:
  std::uint64_t key_, next_ = 0;
};

/// What is left of a file after a power cut.
std::string survivor(const Node& node, Dice& dice) {
  std::string data = node.durable;
  for (const Change& change : node.unsynced) {
    const std::size_t fate = dice.below(4);
    if (fate == 0) continue;  // lost
    Change kept = change;
    if (!change.truncation && !change.bytes.empty() && fate >= 2) {
      const std::size_t start = dice.below(change.bytes.size()), n = dice.below(change.bytes.size() - start + 1);
      if (fate == 2) {  // a part of it; if its beginning is missing, there is a hole of zeros or of older bytes
        kept.offset += start;
        kept.bytes = change.bytes.substr(start, n);
      } else {  // garbled
        for (std::size_t i = start; i < start + n; ++i) kept.bytes[i] = static_cast<char>(dice.below(256));
      }
    }
    kept.apply(data);
  }
  return data;
}

}  // namespace

struct SimulatedDisk::State {
  Names names, durable_names;
  std::vector<NameChange> unsynced_names;
  std::map<int, OpenFile> open_files;
  int next_file = 3;
  std::uint64_t next_number = 1;

  enum class Plan { none, fail, fill, end };
  Plan plan = Plan::none;
  std::int64_t at = 0, calls = 0;
  int error = 0;
  bool half_done = false, faulted = false, ended = false, ignoring_syncs = false;
  std::size_t most_bytes = 0;
  bool interrupt_next = true;

  void set_plan(Plan what, std::int64_t n) {
    plan = what;
    at = n;
    calls = 0;
    faulted = ended = false;
  }

  /// What a call is: may it be interrupted, does it need space, is it made by destructors?
  struct Traits {
    bool interruptible = false, needs_space = false, quiet = false;
  };

  /// Counts a call. True if it may go on; else errno is set. `half` tells a write to do half of its bytes first.
  bool enter(Traits traits, bool* half = nullptr) {
    if (ended) return end_here(traits.quiet);
    ++calls;
    const bool now = plan == Plan::fill ? calls >= at && traits.needs_space : plan != Plan::none && calls == at;
    if (now && plan == Plan::end) {
      faulted = ended = true;
      if (!half) return end_here(traits.quiet);
      return *half = true;
    }
    if (now) {
      faulted = true;
      errno = plan == Plan::fill ? ENOSPC : error;
      if (!half || !half_done) return false;
      return *half = true;
    }
    interrupt_next = !interrupt_next;
    if (most_bytes == 0 || !traits.interruptible || !interrupt_next) return true;
    errno = EINTR;
    return false;
  }

  bool end_here(bool quiet) {
    if (!quiet) throw ProcessEnded{};
    return false;
  }

  NodePointer find(const std::string& path) const {
    const auto found = names.find(path);
    return found == names.end() ? nullptr : found->second;
  }

  NodePointer make(bool directory) {
    auto node = std::make_shared<Node>(directory);
    node->number = next_number++;
    return node;
  }

  void change_names(const std::string& directory, std::function<void(Names&)> apply) {
    apply(names);
    unsynced_names.push_back({directory, std::move(apply)});
  }

  /// True if the parent directory of a new name exists; else errno is set.
  bool has_parent(const std::string& path) const {
    const NodePointer parent = find(parent_of(path));
    if (parent && parent->directory) return true;
    errno = parent ? ENOTDIR : ENOENT;
    return false;
  }

  OpenFile* at_file(int file) {
    const auto found = open_files.find(file);
    if (found != open_files.end()) return &found->second;
    errno = EBADF;
    return nullptr;
  }

  int sync(int file) {
    OpenFile* const open = at_file(file);
    if (!open) return -1;
    if (ignoring_syncs) return 0;
    if (!open->node->directory) {
      open->node->sync();
      return 0;
    }
    std::vector<NameChange> others;
    for (NameChange& change : unsynced_names) {
      if (change.directory == open->path) {
        change.apply(durable_names);
      } else {
        others.push_back(std::move(change));
      }
    }
    unsynced_names = std::move(others);
    return 0;
  }

  void restart() {
    open_files.clear();
    for (const auto& entry : names) entry.second->lock_holder = -1;
    set_plan(Plan::none, 0);
    most_bytes = 0;
  }
};

SimulatedDisk::SimulatedDisk() : state_(std::make_unique<State>()) {
  for (const char* path : {"/", "."}) state_->names[path] = state_->durable_names[path] = state_->make(true);
}

SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::fail_at(std::int64_t n, int error, bool half_done) {
  const std::lock_guard lock(mutex_);
  state_->set_plan(State::Plan::fail, n);
  state_->error = error;
  state_->half_done = half_done;
}

void SimulatedDisk::fill_at(std::int64_t n) {
  const std::lock_guard lock(mutex_);
  state_->set_plan(State::Plan::fill, n);
  state_->half_done = true;
}

void SimulatedDisk::end_at(std::int64_t n) {
  const std::lock_guard lock(mutex_);
  state_->set_plan(State::Plan::end, n);
}

void SimulatedDisk::be_slow(std::size_t most_bytes_per_write) {
  const std::lock_guard lock(mutex_);
  state_->most_bytes = most_bytes_per_write;
}

void SimulatedDisk::ignore_syncs(bool ignore) {
  const std::lock_guard lock(mutex_);
  state_->ignoring_syncs = ignore;
}

void SimulatedDisk::clear_faults() {
  const std::lock_guard lock(mutex_);
  state_->set_plan(State::Plan::none, 0);
  state_->most_bytes = 0;
  state_->ignoring_syncs = false;
}

std::int64_t SimulatedDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return state_->calls;
}

bool SimulatedDisk::faulted() const {
  const std::lock_guard lock(mutex_);
  return state_->faulted;
}

void SimulatedDisk::restart_after_kill() {
  const std::lock_guard lock(mutex_);
  state_->restart();
}

void SimulatedDisk::restart_after_power_cut(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  State& state = *state_;
  Dice dice(seed);
  std::map<std::string, std::vector<const NameChange*>> by_directory;
  for (const NameChange& change : state.unsynced_names) by_directory[change.directory].push_back(&change);
  for (const auto& [directory, changes] : by_directory) {
    const std::size_t kept = dice.below(changes.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) changes[i]->apply(state.durable_names);
  }
  state.unsynced_names.clear();
  state.names = state.durable_names;
  for (const auto& [path, node] : state.names) {
    node->data = survivor(*node, dice);
    node->sync();
  }
  state.restart();
}

std::map<std::string, std::string> SimulatedDisk::files() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> result;
  for (const auto& [path, node] : state_->names) {
    if (!node->directory) result[path] = node->data;
  }
  return result;
}

void SimulatedDisk::put(const std::string& path, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  State& state = *state_;
  for (std::string parent = parent_of(path); !state.find(parent); parent = parent_of(parent)) {
    state.names[parent] = state.durable_names[parent] = state.make(true);
  }
  const NodePointer node = state.make(false);
  node->data = bytes;
  node->sync();
  state.names[path] = state.durable_names[path] = node;
}

int SimulatedDisk::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  State& state = *state_;
  NodePointer node = state.find(path);
  const bool may_create = mode == OpenMode::create || mode == OpenMode::replace || mode == OpenMode::lock;
  if (!state.enter({true, may_create && !node})) return -1;
  if (node && mode == OpenMode::create) return errno = EEXIST, -1;
  if (node && node->directory != (mode == OpenMode::read_directory)) {
    return errno = node->directory ? EISDIR : ENOTDIR, -1;
  }
  if (!node) {
    if (!may_create) return errno = ENOENT, -1;
    if (!state.has_parent(path)) return -1;
    node = state.make(false);
    state.change_names(parent_of(path), [path, node](Names& names) { names[path] = node; });
  } else if (mode == OpenMode::replace) {
    node->change({true, 0, {}});
  }
  state.open_files[state.next_file] = {node, path, mode, 0};
  return state.next_file++;
}

std::ptrdiff_t SimulatedDisk::read(int file, char* bytes, std::size_t n) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({true})) return -1;
  OpenFile* const open = state_->at_file(file);
  if (!open) return -1;
  const std::string& data = open->node->data;
  const std::size_t start = std::min(open->position, data.size());
  const std::size_t got = std::min(n, data.size() - start);
  std::copy_n(data.data() + start, got, bytes);
  open->position = start + got;
  return static_cast<std::ptrdiff_t>(got);
}

std::ptrdiff_t SimulatedDisk::write(int file, const char* bytes, std::size_t n) {
  const std::lock_guard lock(mutex_);
  bool half = false;
  if (!state_->enter({true, true}, &half)) return -1;
  const bool ended = state_->ended;
  OpenFile* const open = state_->at_file(file);
  if (!open || open->mode == OpenMode::read) return errno = EBADF, -1;
  if (state_->most_bytes > 0) n = std::min(n, state_->most_bytes);
  if (half) n /= 2;
  Node& node = *open->node;
  const bool appends = open->mode == OpenMode::append || open->mode == OpenMode::create;
  const std::size_t offset = appends ? node.data.size() : open->position;
  if (n > 0) node.change({false, offset, std::string(bytes, n)});
  open->position = offset + n;
  if (ended) throw ProcessEnded{};
  if (half) {
    // After some bytes a write reports them, and the next one the error.
    state_->half_done = false;
    if (n == 0) return -1;
    if (state_->plan == State::Plan::fail) state_->at = state_->calls + 1;
  }
  return static_cast<std::ptrdiff_t>(n);
}

int SimulatedDisk::fsync(int file) {
  const std::lock_guard lock(mutex_);
  return state_->enter({true}) ? state_->sync(file) : -1;
}

int SimulatedDisk::fdatasync(int file) {
  return fsync(file);
}

int SimulatedDisk::ftruncate(int file, std::uint64_t length) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({true})) return -1;
  OpenFile* const open = state_->at_file(file);
  if (!open) return -1;
  open->node->change({true, static_cast<std::size_t>(length), {}});
  return 0;
}

int SimulatedDisk::close(int file) {
  const std::lock_guard lock(mutex_);
  OpenFile* const open = state_->at_file(file);
  if (!open) return -1;
  if (open->node->lock_holder == file) open->node->lock_holder = -1;
  state_->open_files.erase(file);
  return 0;
}

int SimulatedDisk::flock(int file) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({true})) return -1;
  OpenFile* const open = state_->at_file(file);
  if (!open) return -1;
  if (open->node->lock_holder >= 0 && open->node->lock_holder != file) return errno = EWOULDBLOCK, -1;
  open->node->lock_holder = file;
  return 0;
}

int SimulatedDisk::stat(const std::string& path, FileInfo& info) {
  const std::lock_guard lock(mutex_);
  const NodePointer node = state_->find(path);
  if (!node) return errno = ENOENT, -1;
  info = {node->directory ? FileKind::directory : FileKind::regular, node->data.size(), 1, node->number};
  return 0;
}

int SimulatedDisk::fstat(int file, FileInfo& info) {
  const std::lock_guard lock(mutex_);
  OpenFile* const open = state_->at_file(file);
  if (!open) return -1;
  const Node& node = *open->node;
  info = {node.directory ? FileKind::directory : FileKind::regular, node.data.size(), 1, node.number};
  return 0;
}

int SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({})) return -1;
  const NodePointer node = state_->find(from);
  if (!node) return errno = ENOENT, -1;
  if (!state_->has_parent(to)) return -1;
  state_->change_names(parent_of(to), [from, to, node](Names& names) {
    names.erase(from);
    names[to] = node;
  });
  return 0;
}

int SimulatedDisk::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  // Destructors come here, so an end is not thrown: the call does nothing, and the next one throws.
  if (!state_->enter({false, false, true})) return state_->ended ? 0 : -1;
  if (!state_->find(path)) return errno = ENOENT, -1;
  state_->change_names(parent_of(path), [path](Names& names) { names.erase(path); });
  return 0;
}

int SimulatedDisk::mkdir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({false, true})) return -1;
  if (state_->find(path)) return errno = EEXIST, -1;
  if (!state_->has_parent(path)) return -1;
  const NodePointer node = state_->make(true);
  state_->change_names(parent_of(path), [path, node](Names& names) { names[path] = node; });
  return 0;
}

int SimulatedDisk::list(const std::string& path, std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  if (!state_->enter({})) return -1;
  const NodePointer node = state_->find(path);
  if (!node) return errno = ENOENT, -1;
  if (!node->directory) return errno = ENOTDIR, -1;
  for (const auto& entry : state_->names) {
    if (entry.first != path && parent_of(entry.first) == path && entry.first.find('/') != std::string::npos) {
      names.push_back(entry.first.substr(entry.first.rfind('/') + 1));
    }
  }
  return 0;
}

}  // namespace quarry::test
