// SPDX-License-Identifier: MIT
// The commands of the quarry program: one file each, src/cli/cmd_<name>.cpp, and one line in main.cpp.
#pragma once

#include "src/cli/command.h"

namespace quarry::cli {

void add_run_command(Command& program);
void add_report_command(Command& program);
void add_compare_command(Command& program);
void add_list_command(Command& program);
void add_data_command(Command& program);
void add_doctor_command(Command& program);

}  // namespace quarry::cli
