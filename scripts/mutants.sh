#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Plants faults in the kernels (tests/simt/mutants) and counts those that the op cases find in the four builds: plain,
# ASan+UBSan, TSan, MSan. Lists the survivors; the last line is the share found. Fails below 95 %.
# usage: scripts/mutants.sh [--only TEXT]     --only: mutants whose name contains TEXT
set -euo pipefail
cd "$(dirname "$0")/.."
goal=95
cores=$(nproc)
# ThreadSanitizer of gcc 12 cannot start where addresses are randomised over more than 28 bits.
wrapper=()
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2> /dev/null || echo 28)" -gt 28 ]; then wrapper=(setarch -R); fi
builds=()
for entry in release:2 asan-ubsan:1 tsan:1 simt-msan:1; do   # preset:schedules
  preset=${entry%:*}
  targets=(mutant_worker)
  if [ "$preset" = release ]; then targets+=(mutant_run); fi
  cmake --preset "$preset" >&2
  cmake --build --preset "$preset" -j "$cores" --target "${targets[@]}" >&2
  builds+=("${preset#simt-}:${entry#*:}=$PWD/build/$preset/tests/simt/mutants/mutant_worker")
done
tools=build/release/tests/simt/mutants
"${wrapper[@]}" "$tools/mutant_run" "$tools/planted/mutants.tsv" tests/simt/mutants/equivalent.txt \
  tests/simt/mutants/survivors.txt "$goal" "${builds[@]}" "$@"
