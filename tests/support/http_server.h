// SPDX-License-Identifier: MIT
// A small HTTP/1.1 server on the loopback interface, for tests of downloads: it can misbehave.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace quarry::test {

struct HttpBehaviour {
  std::map<std::string, std::string> files;           ///< "/name": contents
  std::map<std::string, std::string> redirects = {};  ///< "/name": location
  bool honour_range = true;
  bool wrong_range = false;                 ///< answers a range with one that begins a byte later
  std::vector<std::size_t> cut_after = {};  ///< the k-th answer breaks off after so many bytes of its body
  int status = 0;                           ///< if set, the answer to everything
  std::vector<int> statuses = {};           ///< if set and not 0, that of the k-th answer
  std::size_t leaves_after = 0;             ///< if set, nobody listens any more after so many answers
};

class HttpServer {
 public:
  explicit HttpServer(HttpBehaviour behaviour);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "http://127.0.0.1:PORT".
  std::string address() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// What was asked for so far: "/name" or "/name bytes=5-".
  std::vector<std::string> requests() const;

 private:
  void serve();
  void answer(int connection);
  std::string body_of(const std::string& path, const std::string& range, int status, std::string& head) const;

  const HttpBehaviour behaviour_;
  int listener_ = -1, port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace quarry::test
