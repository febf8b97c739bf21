// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace quarry::test {

/// The value of an environment variable, put back at the end.
class KeptVariable {
 public:
  explicit KeptVariable(const char* name) : name_(name) {
    if (const char* value = std::getenv(name)) value_ = value;
  }
  /// Sets it meanwhile; an empty value unsets it.
  KeptVariable(const char* name, const std::string& value) : KeptVariable(name) { set(value); }
  ~KeptVariable() { value_ ? setenv(name_, value_->c_str(), 1) : unsetenv(name_); }
  KeptVariable(const KeptVariable&) = delete;
  KeptVariable& operator=(const KeptVariable&) = delete;

  void set(const std::string& value) { value.empty() ? unsetenv(name_) : setenv(name_, value.c_str(), 1); }

 private:
  const char* name_;
  std::optional<std::string> value_;
};

}  // namespace quarry::test
