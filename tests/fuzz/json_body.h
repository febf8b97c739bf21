// SPDX-License-Identifier: MIT
// What must hold for any bytes taken for JSON: refused with an Error that names the place, or read and written alike.
#pragma once

#include <string>
#include <string_view>

#include "quarry/core/error.h"
#include "quarry/core/json.h"

namespace quarry {

inline void fuzz_json(std::string_view bytes) {
  Json value;
  try {
    value = Json::parse(bytes, "input");
  } catch (const Error& error) {
    const std::string_view message = error.what();
    QUARRY_CHECK(message.substr(0, 12) == "input: byte " && message.size() < 400, "an error without a place");
    return;
  }
  const std::string text = value.dump();
  QUARRY_CHECK(Json::parse(text, "written").dump() == text, "a value changed on its way through its text");
  // "\u001f" for one byte, and digits of a real for a short one, are the worst cases.
  QUARRY_CHECK(text.size() <= 10 * bytes.size(), "{} bytes became {}", bytes.size(), text.size());
}

}  // namespace quarry
