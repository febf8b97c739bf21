// SPDX-License-Identifier: MIT
// Image studies on a GPU: images in device memory, fleets of networks, tests and selections.
#include <utility>

#include "src/study/device_image_follow_cuda.h"

namespace quarry {
namespace {

class DeviceImageExecutor final : public ImageExecutor {
 public:
  DeviceImageExecutor(Context& context, const DeviceImageOptions& options)
      : context_(context), options_(options), session_(options.ordinal) {}

  std::int32_t load(std::shared_ptr<const ImageDataset> data) override {
    const std::int32_t known = sets_.find(*data);
    if (known >= 0) return known;
    images_.push_back(std::make_unique<DeviceImageSet>(session_, *data));
    return sets_.add(std::move(data));
  }

  void run(std::span<const ImageJob> jobs, const std::function<void(std::size_t job, ImageResult)>& done,
           const EpochsDone& epochs) override {
    run_without_network(context_, jobs, options_.stop, done);
    Sets left = identical_fits(jobs);
    const std::int64_t all_epochs = epochs_of(jobs, left);
    std::int64_t epochs_done = 0;
    cuda::ConvFleetOptions options{options_.graphs, options_.stop, {}, {}, 0};
    if (epochs) options.epochs_done = [&](std::int64_t more) { epochs(epochs_done += more, all_epochs); };
    while (!left.empty()) {
      const std::int32_t data = jobs[left.front().front()].data;
      Sets now, later;
      for (std::vector<std::size_t>& set : left)
        (jobs[set.front()].data == data ? now : later).push_back(std::move(set));
      run_on(data, jobs, now, done, options);
      left = std::move(later);
    }
  }

  std::string engine(const ResNetSpec& network, ConvMeans means, std::int32_t batch_size) override {
    return cuda::conv_engine_name(session_, plan_resnet(network), means, batch_size);
  }

 private:
  using Sets = std::vector<std::vector<std::size_t>>;

  /// Jobs on one data set, in sets that train the same network.
  void run_on(std::int32_t data, std::span<const ImageJob> jobs, const Sets& sets,
              const std::function<void(std::size_t job, ImageResult)>& done, cuda::ConvFleetOptions options) {
    const DeviceImageSet& images = *images_.at(static_cast<std::size_t>(data));
    std::vector<ConvMemberSpec> members;
    for (const std::vector<std::size_t>& set : sets) members.push_back(*jobs[set.front()].member);
    DeviceImageFollow follow(session_, images, jobs, sets, options_.stop);
    options.follow_memory = follow.least_memory();
    options.follow = [&](const cuda::ConvFleetTrained& trained) { follow.enqueue(trained); };
    cuda::train_conv_fleet(session_, sets_.at(data), images.train.pool(), members, options,
                           [&](std::size_t member, const ConvMemberResult& fitted) {
                             for (const std::size_t job : sets[member]) {
                               ImageResult result;
                               result.fit = fitted;
                               follow.read(job, result);
                               if (jobs[job].select && !asks_network(*jobs[job].select))
                                 result.picks = select_without_network(context_, *jobs[job].select);
                               done(job, std::move(result));
                             }
                           });
  }

  Context& context_;
  const DeviceImageOptions options_;
  gpu::Session session_;
  ImageSets sets_;
  std::vector<std::unique_ptr<DeviceImageSet>> images_;
};

}  // namespace

std::unique_ptr<ImageExecutor> make_device_image_executor(Context& context, const DeviceImageOptions& options) {
  return std::make_unique<DeviceImageExecutor>(context, options);
}

}  // namespace quarry
