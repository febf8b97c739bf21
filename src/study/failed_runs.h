// SPDX-License-Identifier: MIT
// Runs that were left out because the device failed in them again and again: OUT/<study>/failed_runs.txt, a line
// "id: reason" each. Outside the byte contract and outside the journals: what such a run has committed stays, and a
// later call takes it up again.
#pragma once

#include <string>
#include <vector>

#include "quarry/core/file_system.h"

namespace quarry {

/// Their ids, in the order in which they failed; empty without the file.
std::vector<std::string> read_failed_runs(FileSystem& files, const std::string& directory);

/// Writes one more; the reason's first line is kept. The caller holds the directory's lock.
void add_failed_run(FileSystem& files, const std::string& directory, const std::string& id, const std::string& reason);

/// All of them are to be tried again.
void forget_failed_runs(FileSystem& files, const std::string& directory);

}  // namespace quarry
