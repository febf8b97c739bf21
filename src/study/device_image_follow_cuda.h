// SPDX-License-Identifier: MIT
// What follows the training of networks on a GPU: their tests and selections, in the queue behind it, and one record of
// them for the host.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "quarry/ops/metrics_device.h"
#include "src/study/device_image_selection_cuda.h"

namespace quarry {

/// A data set on the device.
struct DeviceImageSet {
  DeviceImageSet(gpu::Session& session, const ImageDataset& data)
      : train(session, data, data.train), test(session, data, data.test), n_test(data.test.n) {}
  cuda::DeviceImages train, test;
  std::int64_t n_test;  ///< images of the test part
};

class DeviceImageFollow {
 public:
  /// sets: jobs that train the same network, each, of the members of a call of train_conv_fleet; all on `images`.
  DeviceImageFollow(gpu::Session& session, const DeviceImageSet& images, std::span<const ImageJob> jobs,
                    std::span<const std::vector<std::size_t>> sets, const std::atomic<bool>* stop);

  /// Bytes of device memory that it takes at least, beside the networks.
  std::size_t least_memory() const;
  /// Puts tests and selections of these members in the queue, and the record's way to the host. Waits for what an
  /// earlier call has left there.
  void enqueue(const cuda::ConvFleetTrained& trained);
  /// Test and picks of a job whose member was in the last enqueue(), once the queue has got there.
  void read(std::size_t job, ImageResult& result) const;

 private:
  bool tests(std::size_t member) const;
  void test(const DeviceConvNet& network, LogitMetrics* metrics);

  gpu::Session& session_;
  const DeviceImageSet& images_;
  const std::span<const ImageJob> jobs_;
  const std::span<const std::vector<std::size_t>> sets_;
  const std::atomic<bool>* stop_;
  /// Of the last enqueue(): of each job the place of its metrics and of its answer in the record.
  struct Place {
    std::size_t metrics = 0, answer = 0;
  };
  std::vector<Place> places_;
  gpu::Pinned<unsigned char> record_;
  std::unique_ptr<InQueue> queue_;  ///< behind the record: its end waits
};

}  // namespace quarry
