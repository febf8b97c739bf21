// SPDX-License-Identifier: MIT
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quarry/core/json.h"
#include "quarry/hpo/space.h"

namespace quarry {

inline Json read_golden(const std::string& name) {
  const std::string path = std::string(QUARRY_GOLDENS) + "/hpo/" + name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str(), path);
}

inline Parameter real(std::string name, double low, double high, bool log = false) {
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.low = low;
  parameter.high = high;
  parameter.log = log;
  return parameter;
}

inline Parameter integer(std::string name, double low, double high, bool log = false) {
  Parameter parameter = real(std::move(name), low, high, log);
  parameter.kind = ParameterKind::integer;
  return parameter;
}

inline Parameter categorical(std::string name, std::vector<std::string> choices) {
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.kind = ParameterKind::categorical;
  parameter.choices = std::move(choices);
  return parameter;
}

}  // namespace quarry
