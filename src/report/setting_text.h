// SPDX-License-Identifier: MIT
// What reports call the data of a setting. No path of a file is shown, only what tells it from others.
#pragma once

#include <string>

#include "quarry/report/study_results.h"

namespace quarry {

/// The data set's name, or that of the user's own file.
std::string data_name(const RequestedRun& run);
std::string data_name(const Setting& setting);

/// The setting's variant with folders cut from its paths, and without data.path where data_name says it.
std::string shown_variant(const Setting& setting);

/// data_name and shown_variant.
std::string data_text(const Setting& setting);

}  // namespace quarry
