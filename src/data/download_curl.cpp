// SPDX-License-Identifier: MIT
#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/data/fetch.h"
#include "src/data/download.h"
#include "src/data/fetch_record.h"

namespace quarry {
namespace {

constexpr long kOk = 200, kPartial = 206, kNotFound = 404, kRangeRefused = 416, kTooManyRequests = 429;

std::uint64_t size_of_file(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

/// "bytes 5-9/10" or "bytes */10".
struct ContentRange {
  std::optional<std::uint64_t> first, total;
};

ContentRange parse_range(std::string_view value) {
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t result = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return result;
  };
  ContentRange range;
  const std::size_t start = value.find_first_of("0123456789*"), slash = value.find('/');
  if (start == std::string_view::npos || slash == std::string_view::npos) return range;
  range.first = number(value.substr(start));
  range.total = number(value.substr(slash + 1));
  return range;
}

enum class Outcome { complete, cut, start_again };

/// One request, from the end of the file on.
class Transfer {
 public:
  /// `reached`: the server has sent something to this call before.
  Transfer(const std::string& url, const std::string& path, FileSystem& files, const DownloadOptions& options,
           bool reached)
      : url_(url), path_(path), files_(files), options_(options), reached_(reached), offset_(size_of_file(path)) {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (started != CURLE_OK || handle_ == nullptr) fail("libcurl cannot be started");
  }

  Outcome run() {
    if (url_.starts_with("file:") && offset_ > 0) {
      files_.truncate(path_, 0);
      offset_ = 0;
    }
    set_options();
    const CURLcode code = curl_easy_perform(handle_.get());
    if (failure_) std::rethrow_exception(failure_);
    if (file_) file_->sync();
    if (status() == kRangeRefused) {
      if (range_.total && *range_.total == offset_) return Outcome::complete;
      files_.truncate(path_, 0);
      return Outcome::start_again;
    }
    if (mismatched_) {
      files_.truncate(path_, 0);
      return Outcome::start_again;
    }
    last_error_ = code == CURLE_OK ? fmt::format("the server answers {}", status()) : error_text(code);
    if (is_cut(code)) return Outcome::cut;
    check(code);
    begin();  // an empty file is a file too
    return Outcome::complete;
  }

  const std::string& last_error() const { return last_error_; }
  bool received() const { return received_ > 0; }

 private:
  struct Close {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };

  template <class T>
  void set(CURLoption option, T value) {
    const CURLcode code = curl_easy_setopt(handle_.get(), option, value);
    if (code != CURLE_OK) fail("libcurl refuses an option for {}: {}", without_user(url_), curl_easy_strerror(code));
  }

  void set_options() {
    const bool safe = url_.starts_with("https:");
    set(CURLOPT_URL, url_.c_str());
    set(CURLOPT_ERRORBUFFER, message_);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "https,http,file");
    set(CURLOPT_REDIR_PROTOCOLS_STR, safe ? "https" : "https,http");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, 5L);
    set(CURLOPT_USERAGENT, "quarry");
    set(CURLOPT_CONNECTTIMEOUT, 30L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);  // a minute without a byte is a cut connection
    set(CURLOPT_LOW_SPEED_TIME, 60L);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    if (offset_ > 0) {
      wanted_range_ = fmt::format("{}-", offset_);
      set(CURLOPT_RANGE, wanted_range_.c_str());
    }
  }

  long status() const {
    long value = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &value);
    return value;
  }
  bool is_body() const { return status() == kOk || status() == kPartial || status() == 0; }

  /// What may go better a moment later.
  bool is_cut(CURLcode code) const {
    switch (code) {
      case CURLE_OK:
        return status() >= 500 || (reached_ && status() == kTooManyRequests);
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
        return true;
      case CURLE_OPERATION_TIMEDOUT:
        return reached_ || file_ != nullptr;  // silence in the middle
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_COULDNT_CONNECT:
      case CURLE_SSL_CONNECT_ERROR:
        return reached_;  // the network was there; a server that never was will not come
      default:
        return false;
    }
  }

  void check(CURLcode code) const {
    if (code != CURLE_OK) {
      fail("{}: {}. Is there a network, and is the address right? --from names another one.{}", without_user(url_),
           last_error_, kept());
    }
    if (status() == kNotFound) {
      fail("{}: the server has no such file (404). --from names the address of a mirror", without_user(url_));
    }
    if (!is_body()) fail("{}: the server answers {}; expected 200.{}", without_user(url_), status(), kept());
  }

  /// What calls before this one have left, if anything.
  std::string kept() const {
    return offset_ > 0 ? fmt::format(" {} bytes are kept in {}: the same command continues", offset_, printable(path_))
                       : "";
  }

  std::string error_text(CURLcode code) const {
    return printable(message_[0] != '\0' ? message_ : curl_easy_strerror(code));
  }

  /// Opens the file where the body belongs. False if the body is not what was asked for.
  bool begin() {
    if (file_) return true;
    if (offset_ > 0 && status() == kOk) {  // the server ignores the range: from the start
      files_.truncate(path_, 0);
      offset_ = 0;
    }
    mismatched_ = status() == kPartial && range_.first != offset_;
    if (mismatched_) return false;
    file_ = files_.append(path_);
    return true;
  }

  bool receive(std::string_view bytes) {
    if (!is_body()) return true;  // a page that explains an error
    if (!begin()) return false;
    received_ += bytes.size();
    if (offset_ + received_ > options_.most_bytes) {
      fail("{}: more than {} bytes; refused", without_user(url_), options_.most_bytes);
    }
    file_->write(bytes);
    return true;
  }

  // Called by libcurl, through which no exception may pass.
  static std::size_t on_body(char* data, std::size_t size, std::size_t n, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      return transfer.receive({data, size * n}) ? size * n : 0;
    } catch (...) {
      transfer.failure_ = std::current_exception();
      return 0;
    }
  }
  static std::size_t on_header(char* data, std::size_t size, std::size_t n, void* self) {
    const std::string_view line(data, size * n);
    constexpr std::string_view kName = "content-range:";
    ContentRange& range = static_cast<Transfer*>(self)->range_;
    if (line.starts_with("HTTP/")) range = {};  // of the page before a redirection
    if (line.size() > kName.size() && std::equal(kName.begin(), kName.end(), line.begin(), [](char a, char b) {
          return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
        })) {
      range = parse_range(line.substr(kName.size()));
    }
    return size * n;
  }
  static int on_progress(void* self, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.options_.progress || total <= 0 || !transfer.file_) return 0;
    try {
      transfer.options_.progress(transfer.offset_ + transfer.received_,
                                 transfer.offset_ + static_cast<std::uint64_t>(total));
      return 0;
    } catch (...) {
      transfer.failure_ = std::current_exception();
      return 1;
    }
  }

  const std::string& url_;
  const std::string& path_;
  FileSystem& files_;
  const DownloadOptions& options_;
  bool reached_ = false;
  std::uint64_t offset_ = 0, received_ = 0;
  std::string wanted_range_, last_error_;
  ContentRange range_;
  bool mismatched_ = false;
  std::unique_ptr<OutputFile> file_;
  std::exception_ptr failure_;
  char message_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<CURL, Close> handle_{curl_easy_init()};
};

}  // namespace

bool can_fetch() {
  return true;
}

void download(const std::string& url, const std::string& path, FileSystem& files, const DownloadOptions& options) {
  const auto forget = [&] {
    if (!options.resume && files.exists(path)) files.remove(path);
  };
  forget();
  std::uint64_t furthest = size_of_file(path);
  bool reached = false;
  for (int idle = 0, restarts = 0;;) {
    Transfer transfer(url, path, files, options, reached);
    const Outcome outcome = transfer.run();
    reached = reached || transfer.received();
    if (outcome == Outcome::complete) return;
    if (outcome == Outcome::start_again) {
      if (++restarts > 1) fail("{}: the server sends other parts than it was asked for", without_user(url));
      continue;
    }
    const std::uint64_t size = size_of_file(path);
    idle = size > furthest ? 0 : idle + 1;
    furthest = std::max(furthest, size);
    forget();
    if (idle >= options.attempts) {
      fail("{}: {}; given up after {} attempts without progress. {}", without_user(url), transfer.last_error(),
           options.attempts,
           options.resume ? fmt::format("{} bytes are kept in {}: the same command continues", size, printable(path))
                          : "Without a checksum nothing is kept: the same command begins anew");
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(options.pause));
  }
}

}  // namespace quarry
