// SPDX-License-Identifier: MIT
// What a setting shows, in sentences.
#pragma once

#include <string>
#include <vector>

#include "quarry/report/summary.h"

namespace quarry {

struct Finding {
  std::string topic, text;
};

/// Never a figure without its n, never a winner that the test does not name.
std::vector<Finding> findings_of(const SettingSummary& summary);

}  // namespace quarry
