// SPDX-License-Identifier: MIT
// Image studies on a GPU: images in device memory, fleets of networks, tests and selections.
#include <numeric>
#include <utility>

#include "quarry/core/error.h"
#include "src/study/device_image_selection_cuda.h"
#include "src/study/image_jobs.h"

namespace quarry {
namespace {

class DeviceImageExecutor final : public ImageExecutor {
 public:
  DeviceImageExecutor(Context& context, const DeviceImageOptions& options)
      : context_(context), options_(options), session_(options.ordinal) {}

  std::int32_t load(std::shared_ptr<const ImageDataset> data) override {
    const std::int32_t known = sets_.find(*data);
    if (known >= 0) return known;
    images_.push_back({std::make_unique<cuda::DeviceImages>(session_, *data, data->train),
                       std::make_unique<cuda::DeviceImages>(session_, *data, data->test)});
    return sets_.add(std::move(data));
  }

  void fit(std::span<const ImageFitJob> jobs, const std::function<void(std::size_t job, ConvMemberResult)>& done,
           const EpochsDone& epochs) override {
    std::vector<std::vector<std::size_t>> left = identical_fits(jobs);
    const std::int64_t all_epochs = epochs_of(jobs, left);
    std::int64_t epochs_done = 0;
    cuda::ConvFleetOptions options{options_.graphs, options_.stop, {}};
    if (epochs) options.epochs_done = [&](std::int64_t more) { epochs(epochs_done += more, all_epochs); };
    while (!left.empty()) {
      const std::int32_t data = jobs[left.front().front()].data;
      std::vector<std::vector<std::size_t>> now, later;
      std::vector<ConvMemberSpec> members;
      for (std::vector<std::size_t>& set : left) {
        const ImageFitJob& job = jobs[set.front()];
        if (job.data == data) members.push_back(job.member);
        (job.data == data ? now : later).push_back(std::move(set));
      }
      cuda::train_conv_fleet(session_, sets_.at(data), pool_of(data), members, options,
                             [&](std::size_t member, ConvMemberResult result) {
                               for (const std::size_t job : now[member]) done(job, result);
                             });
      left = std::move(later);
    }
  }

  TestMetrics test(const ImageTestJob& job) override {
    check_stop(options_.stop);
    const ImageDataset& data = sets_.at(job.data);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(data.test.n));
    std::iota(rows.begin(), rows.end(), 0);
    const gpu::Range range(session_, "test");
    std::vector<float> logits(rows.size() * static_cast<std::size_t>(data.n_classes));
    const gpu::Buffer<float> on_device(session_, logits.size());
    DeviceScorer scorer(session_, *job.network, images_[static_cast<std::size_t>(job.data)].test->pool(), data.test.n);
    scorer.score(rows, on_device.data(), nullptr);
    gpu::download<float>(session_, on_device.data(), logits);
    return image_test_metrics(data, logits);
  }

  Picks select(const ImageSelectJob& job) override {
    check_stop(options_.stop);
    const gpu::Range range(session_, "select");
    return select_images(context_, session_, pool_of(job.data), job, options_.stop);
  }

  std::string engine(const ResNetSpec& network, ConvMeans means, std::int32_t batch_size) override {
    return cuda::conv_engine_name(session_, plan_resnet(network), means, batch_size);
  }

 private:
  struct Parts {
    std::unique_ptr<cuda::DeviceImages> train, test;
  };
  ImagePool pool_of(std::int32_t data) const { return images_.at(static_cast<std::size_t>(data)).train->pool(); }

  Context& context_;
  const DeviceImageOptions options_;
  gpu::Session session_;
  ImageSets sets_;
  std::vector<Parts> images_;
};

}  // namespace

std::unique_ptr<ImageExecutor> make_device_image_executor(Context& context, const DeviceImageOptions& options) {
  return std::make_unique<DeviceImageExecutor>(context, options);
}

}  // namespace quarry
