// SPDX-License-Identifier: MIT
// The door to the GPU in a build without CUDA: there is no device, and no way past the constructor of a session.
#include "quarry/core/gpu.h"

namespace quarry::gpu {
namespace {

constexpr const char* kWhy =
    "this build has no CUDA backend; install the CUDA Toolkit 12.8 or later (package cuda-toolkit), build with "
    "QUARRY_CUDA=ON, or use --device cpu";

[[noreturn]] void refuse() {
  device_error("no GPU can be used: {}", kWhy);
}

}  // namespace

struct Session::Impl {};
class Graph {};

int device_count(std::string* why) {
  if (why != nullptr) *why = kWhy;
  return 0;
}
DeviceInfo device_info(int) {
  refuse();
}

Session::Session(int) {
  refuse();
}
Session::~Session() = default;

const DeviceInfo& Session::device() const {
  refuse();
}
const Counters& Session::counters() const {
  refuse();
}
std::size_t Session::memory_in_use() const {
  refuse();
}
std::size_t Session::memory_free() const {
  refuse();
}
void* Session::allocate(std::size_t) {
  refuse();
}
void Session::release(void*) noexcept {}
void* Session::allocate_pinned(std::size_t) {
  refuse();
}
void Session::release_pinned(void*) noexcept {}
void Session::launch(const Launch&) {
  refuse();
}
void Session::copy_in(void*, const void*, std::size_t) {
  refuse();
}
void Session::copy_out(void*, const void*, std::size_t) {
  refuse();
}
void Session::copy_within(void*, const void*, std::size_t) {
  refuse();
}
void Session::fill(void*, unsigned char, std::size_t) {
  refuse();
}
Mark Session::mark() {
  refuse();
}
bool Session::reached(Mark) {
  refuse();
}
void Session::wait(Mark) {
  refuse();
}
void Session::synchronize() {
  refuse();
}
std::unique_ptr<Graph, void (*)(Graph*)> Session::record(const std::function<void()>&) {
  refuse();
}
void Session::run(const Graph&) {
  refuse();
}
void Session::push_range(const char*) {}
void Session::pop_range() {}
void Session::start_profile() {
  refuse();
}
void Session::stop_profile() {
  refuse();
}
void* Session::native_stream() const {
  refuse();
}

}  // namespace quarry::gpu
