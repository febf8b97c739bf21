// SPDX-License-Identifier: MIT
#include "quarry/data/synthetic.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "quarry/core/text.h"
#include "src/data/input.h"

namespace quarry {
namespace {

constexpr int kSide = 32, kChannels = 3;
constexpr std::int64_t kMostImages = 1'000'000;
constexpr std::uint64_t kBlocksPerPlane = kSide * kSide / 16;  // a byte of noise per pixel, 16 in a Philox block

/// A triangle wave of period 256 with values -128 .. 127.
constexpr int triangle(int phase) {
  const int p = phase & 255;
  return (p < 128 ? 2 * p : 511 - 2 * p) - 128;
}

/// What all images of a class share.
struct ClassPattern {
  int step_x, step_y;                // of the phase per pixel; 8 is one period per image
  std::array<int, kChannels> sign;   // how the grating enters a channel
  std::array<int, kChannels> shade;  // mean of a channel
};

ClassPattern pattern_of(int label) {
  constexpr std::array<std::array<int, kChannels>, 4> kSigns = {{{1, 1, 1}, {1, 0, -1}, {0, 1, -1}, {1, -1, 0}}};
  ClassPattern pattern{};
  pattern.step_x = 8 * (1 + label % 5);
  pattern.step_y = 8 * (label / 5 % 5 - 2);
  pattern.sign = kSigns[static_cast<std::size_t>(label / 25 % 4)];
  for (int c = 0; c < kChannels; ++c)
    pattern.shade[static_cast<std::size_t>(c)] = 128 + (label * 37 + c * 11) % 21 - 10;
  return pattern;
}

void append_record(std::string& out, CifarKind kind, int part, std::int64_t i) {
  const int label = static_cast<int>(i % cifar_classes(kind));
  const std::uint64_t key = stream_key(0, RngPurpose::data, static_cast<std::uint64_t>(2 * cifar_classes(kind) + part));
  const auto image = static_cast<std::uint64_t>(i);
  const std::uint32_t own = random_u32(key, image, 1);
  const int phase = static_cast<int>(own & 255), brightness = static_cast<int>(own >> 8 & 31) - 16;
  const ClassPattern pattern = pattern_of(label);
  if (kind == CifarKind::cifar100) out += static_cast<char>(label / 5);
  out += static_cast<char>(label);
  for (int c = 0; c < kChannels; ++c) {
    const int shade = pattern.shade[static_cast<std::size_t>(c)] + brightness;
    const int sign = pattern.sign[static_cast<std::size_t>(c)];
    PhiloxBlock noise{};
    for (int k = 0; k < kSide * kSide; ++k) {
      if (k % 16 == 0) {
        const std::uint64_t plane = image * kChannels + static_cast<std::uint64_t>(c);
        noise = random_block(key, plane * kBlocksPerPlane + static_cast<std::uint64_t>(k / 16));
      }
      const int wave = triangle(phase + pattern.step_x * (k % kSide) + pattern.step_y * (k / kSide));
      const int spread = static_cast<int>(noise.word[k % 16 / 4] >> 8 * (k % 4) & 255) - 128;
      out += static_cast<char>(std::clamp(shade + (3 * sign * wave + 3 * spread) / 8, 0, 255));
    }
  }
}

/// Images first .. last-1 of a part.
void write_records(CifarKind kind, int part, std::int64_t first, std::int64_t last, const std::string& path,
                   FileSystem& files) {
  constexpr std::size_t kBuffer = std::size_t{4} << 20;
  const std::unique_ptr<OutputFile> file = files.append(path);
  std::string buffer;
  buffer.reserve(kBuffer + 4096);
  for (std::int64_t i = first; i < last; ++i) {
    append_record(buffer, kind, part, i);
    if (buffer.size() >= kBuffer || i + 1 == last) {
      file->write(buffer);
      buffer.clear();
    }
  }
  file->sync();
}

void write_files(CifarKind kind, std::int64_t train, std::int64_t test, const std::string& folder, FileSystem& files) {
  const bool ten = kind == CifarKind::cifar10;
  const int batches = ten ? 5 : 1;
  for (int b = 0; b < batches; ++b) {
    const std::string name = ten ? fmt::format("data_batch_{}.bin", b + 1) : "train.bin";
    write_records(kind, 0, train * b / batches, train * (b + 1) / batches, join_path(folder, name), files);
  }
  write_records(kind, 1, 0, test, join_path(folder, ten ? "test_batch.bin" : "test.bin"), files);
  std::string names;
  for (std::int32_t c = 0; c < cifar_classes(kind); ++c) names += fmt::format("synthetic {}\n", c);
  files.write_atomically(join_path(folder, ten ? "batches.meta.txt" : "fine_label_names.txt"), names);
}

}  // namespace

std::string synthetic_cifar_record(CifarKind kind, int part, std::int64_t i) {
  std::string record;
  append_record(record, kind, part, i);
  return record;
}

std::string write_synthetic_cifar(CifarKind kind, const std::string& to, std::int64_t train, std::int64_t test,
                                  FileSystem& files) {
  if (train < 10 || train > kMostImages || test < 1 || test > kMostImages) {
    usage_error("{} training and {} test images; expected 10 to {} and 1 to {}", train, test, kMostImages, kMostImages);
  }
  const std::string name = kind == CifarKind::cifar10 ? "cifar-10-batches-bin" : "cifar-100-binary";
  const std::string target = join_path(to, name), work = join_path(to, ".quarry-synthetic-" + name);
  std::error_code error;
  if (std::filesystem::exists(target, error)) {
    fail("{}: is there already; move it away, or choose another folder", printable(target));
  }
  std::filesystem::remove_all(work, error);
  files.make_directories(work);
  try {
    write_files(kind, train, test, work, files);
    std::filesystem::rename(work, target, error);
    if (error) fail("cannot rename {} to {}: {}", printable(work), printable(target), error.message());
  } catch (const Error&) {
    std::error_code ignored;
    std::filesystem::remove_all(work, ignored);
    throw;
  }
  return target;
}

}  // namespace quarry
