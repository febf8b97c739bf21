// SPDX-License-Identifier: MIT
// MD5 and SHA-256, in lower-case hexadecimal. MD5 only because archives are published with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace quarry {

enum class Digest { md5, sha256 };

/// "md5" or "sha256".
std::string_view to_string(Digest digest);

/// The checksum of bytes that come piece by piece. Error: failed, where the machine's policy forbids the digest.
class Checksum {
 public:
  explicit Checksum(Digest digest);
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void update(std::string_view bytes);
  /// Once, at the end.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string checksum_of(Digest digest, std::string_view bytes);

}  // namespace quarry
