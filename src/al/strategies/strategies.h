// SPDX-License-Identifier: MIT
// Makers of the strategies, for the table.
#pragma once

#include <memory>

#include "quarry/al/strategy.h"

namespace quarry {

std::unique_ptr<Strategy> make_random();
std::unique_ptr<Strategy> make_entropy();
std::unique_ptr<Strategy> make_margin();
std::unique_ptr<Strategy> make_least_confidence();
std::unique_ptr<Strategy> make_bald();
std::unique_ptr<Strategy> make_coreset();
std::unique_ptr<Strategy> make_badge();

}  // namespace quarry
