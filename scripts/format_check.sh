#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks that every tracked C++ file is laid out as .clang-format says (version 14, as in Debian 12).
# usage: scripts/format_check.sh [--fix]
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format) || {
  echo "quarry: clang-format is missing; scripts/setup.sh --tests installs it" >&2
  exit 1
}
mode=(--dry-run --Werror)
if [ "${1:-}" = --fix ]; then mode=(-i); fi
git ls-files -z '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -0 -r "$tool" "${mode[@]}"
