// SPDX-License-Identifier: MIT
// Host code that does not wait for the device, or gives it memory that is not there.
#include <memory>

#include "tests/simt/planted/planted.h"

namespace planted {
namespace {

using quarry::gpu::Buffer;
using quarry::gpu::Pinned;
using quarry::gpu::Session;
using quarry::gpu::upload;

__global__ void just_doubles(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < n) y[i] = 2 * x[i];
}
std::vector<float> values_of(const Pinned<float>& pinned) {
  return {pinned.data(), pinned.data() + pinned.size()};
}

bool result_read_too_early() {
  Session session(0);
  const Buffer<float> in = upload<float>(session, inputs());
  const Buffer<float> out(session, kN);
  const Pinned<float> result(session, kN);
  quarry::gpu::launch(session, "doubles", {{1}, {kN}}, &just_doubles, in.data(), out.data(), kN);
  session.copy_out(result.data(), out.data(), kN * sizeof(float));
  return is_doubled(values_of(result));
}
bool wrong_mark_waited_for() {
  Session session(0);
  const Buffer<float> in = upload<float>(session, inputs());
  const Buffer<float> out(session, kN);
  const Pinned<float> result(session, kN);
  quarry::gpu::launch(session, "doubles", {{1}, {kN}}, &just_doubles, in.data(), out.data(), kN);
  const quarry::gpu::Mark mark = session.mark();
  session.copy_out(result.data(), out.data(), kN * sizeof(float));
  session.wait(mark);
  return is_doubled(values_of(result));
}
bool pinned_memory_used_again_too_early() {
  Session session(0);
  const std::vector<float> x = inputs();
  const Buffer<float> in(session, kN), out(session, kN);
  const Pinned<float> staged(session, kN);
  for (std::size_t i = 0; i < x.size(); ++i) staged[i] = x[i];
  session.copy_in(in.data(), staged.data(), kN * sizeof(float));
  for (std::size_t i = 0; i < x.size(); ++i) staged[i] = 0;
  quarry::gpu::launch(session, "doubles", {{1}, {kN}}, &just_doubles, in.data(), out.data(), kN);
  std::vector<float> y(kN);
  quarry::gpu::download<float>(session, out.data(), y);
  return is_doubled(y);
}
bool pinned_memory_released_too_early() {
  Session session(0);
  const Buffer<float> in(session, kN), out(session, kN);
  {
    const Pinned<float> staged(session, kN);
    for (std::size_t i = 0; i < kN; ++i) staged[i] = inputs()[i];
    session.copy_in(in.data(), staged.data(), kN * sizeof(float));
  }
  quarry::gpu::launch(session, "doubles", {{1}, {kN}}, &just_doubles, in.data(), out.data(), kN);
  std::vector<float> y(kN);
  quarry::gpu::download<float>(session, out.data(), y);
  return is_doubled(y);
}
bool device_memory_used_after_release() {
  Session session(0);
  auto in = std::make_unique<Buffer<float>>(upload<float>(session, inputs()));
  const float* x = in->data();
  in.reset();
  const Buffer<float> out(session, kN);
  quarry::gpu::launch(session, "doubles", {{1}, {kN}}, &just_doubles, x, out.data(), kN);
  std::vector<float> y(kN);
  quarry::gpu::download<float>(session, out.data(), y);
  return is_doubled(y);
}
bool copy_past_the_end() {
  Session session(0);
  const Buffer<float> in = upload<float>(session, inputs());
  const Buffer<float> out(session, kN);
  session.copy_within(out.data(), in.data(), (kN + 1) * sizeof(float));
  session.synchronize();
  return true;
}

}  // namespace

const std::vector<Fault>& host_faults() {
  static const std::vector<Fault> faults = {
      {"result read too early", &result_read_too_early, "wwws"},
      {"waits for a mark before the copy", &wrong_mark_waited_for, "wwws"},
      {"pinned memory used again too early", &pinned_memory_used_again_too_early, "wwww"},
      {"pinned memory released too early", &pinned_memory_released_too_early, "eeee"},
      {"device memory used after its release", &device_memory_used_after_release, "-s--"},
      {"copy past the end of an allocation", &copy_past_the_end, "eeee"},
  };
  return faults;
}

}  // namespace planted
