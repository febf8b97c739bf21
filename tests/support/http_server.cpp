// SPDX-License-Identifier: MIT
#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <stdexcept>

namespace quarry::test {
namespace {

/// The value of a header, whose name is in lower case; empty if it is not there.
std::string header_value(const std::string& request, const std::string& name) {
  std::string lower = request;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t at = lower.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

void send_all(int connection, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;  // the client has left
    sent += static_cast<std::size_t>(n);
  }
}

}  // namespace

HttpServer::HttpServer(HttpBehaviour behaviour) : behaviour_(std::move(behaviour)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 8) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no server on the loopback interface");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  ::shutdown(listener_, SHUT_RDWR);  // wakes accept
  thread_.join();
  ::close(listener_);
}

std::vector<std::string> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  for (;;) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    answer(connection);
    const bool leaves = behaviour_.leaves_after > 0 && requests().size() >= behaviour_.leaves_after;
    if (leaves) ::shutdown(listener_, SHUT_RDWR);  // before the client can know that it is cut
    ::close(connection);
    if (leaves) return;
  }
}

std::string HttpServer::body_of(const std::string& path, const std::string& range, int status,
                                std::string& head) const {
  if (status != 0) {
    head = "HTTP/1.1 " + std::to_string(status) + " As told";
    return "<html>an explanation</html>";
  }
  if (const auto moved = behaviour_.redirects.find(path); moved != behaviour_.redirects.end()) {
    head = "HTTP/1.1 302 Found\r\nLocation: " + moved->second;
    return "<html>elsewhere</html>";
  }
  const auto file = behaviour_.files.find(path);
  if (file == behaviour_.files.end()) {
    head = "HTTP/1.1 404 Not Found";
    return "<html>nothing here</html>";
  }
  const std::string& bytes = file->second;
  if (range.rfind("bytes=", 0) != 0 || !behaviour_.honour_range) {
    head = "HTTP/1.1 200 OK";
    return bytes;
  }
  const std::string total = std::to_string(bytes.size());
  std::size_t first = std::stoul(range.substr(6)) + (behaviour_.wrong_range ? 1 : 0);
  if (first >= bytes.size()) {
    head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */" + total;
    return "";
  }
  head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(first) + "-" +
         std::to_string(bytes.size() - 1) + "/" + total;
  return bytes.substr(first);
}

void HttpServer::answer(int connection) {
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
    if (n <= 0) return;
    request.append(buffer, static_cast<std::size_t>(n));
  }
  const std::size_t begin = request.find(' ') + 1;
  const std::string path = request.substr(begin, request.find(' ', begin) - begin);
  const std::string range = header_value(request, "range");
  std::size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = requests_.size();
    requests_.push_back(range.empty() ? path : path + " " + range);
  }
  std::string head;
  const int told = number < behaviour_.statuses.size() ? behaviour_.statuses[number] : 0;
  const std::string body = body_of(path, range, told != 0 ? told : behaviour_.status, head);
  const std::size_t sent = number < behaviour_.cut_after.size() ? behaviour_.cut_after[number] : body.size();
  send_all(connection, head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
                           body.substr(0, sent));
}

}  // namespace quarry::test
