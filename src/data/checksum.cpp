// SPDX-License-Identifier: MIT
#include "src/data/checksum.h"

#include <openssl/evp.h>

#include "quarry/core/error.h"

namespace quarry {

std::string_view to_string(Digest digest) {
  return digest == Digest::md5 ? "md5" : "sha256";
}

struct Checksum::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Checksum::Checksum(Digest digest) : state_(std::make_unique<State>()) {
  const EVP_MD* method = digest == Digest::md5 ? EVP_md5() : EVP_sha256();
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, method, nullptr) != 1) {
    fail("OpenSSL cannot compute {}; does this machine's policy forbid it?", to_string(digest));
  }
}

Checksum::~Checksum() = default;

void Checksum::update(std::string_view bytes) {
  QUARRY_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "{} bytes", bytes.size());
}

std::string Checksum::hex() {
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  QUARRY_CHECK(EVP_DigestFinal_ex(state_->context, value, &size) == 1, "the digest");
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

std::string checksum_of(Digest digest, std::string_view bytes) {
  Checksum checksum(digest);
  checksum.update(bytes);
  return checksum.hex();
}

}  // namespace quarry
