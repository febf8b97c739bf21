#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds and runs the tests with gcc, then again under the sanitizers with clang and gcc, plants
# faults in the kernels, and feeds the readers random bytes. The last line is
# "N passed, N failed, N skipped", summed over the stages.
# usage: scripts/test.sh [--quick]     --quick: the release build only
set -euo pipefail
cd "$(dirname "$0")/.."
quick=no
case "${1:-}" in
  "") ;;
  --quick) quick=yes ;;
  *) echo "usage: scripts/test.sh [--quick]" >&2; exit 2 ;;
esac

scripts/setup.sh --tests
cores=$(nproc)
logs=build/test-logs
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0
skipped_names=()

# Adds to the totals and prints a stage's line.
record() {  # stage passed failed skipped seconds-and-remarks
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
  printf '%-12s %d passed, %d failed, %d skipped   (%s)\n' "$1" "$2" "$3" "$4" "$5"
}

# The sanitizers of gcc 12 and clang 14 cannot start where addresses are randomised over more than 28 bits.
wrapper=()
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2> /dev/null || echo 28)" -gt 28 ]; then wrapper=(setarch -R); fi

# Configures, builds and tests a preset. A build that fails counts as one failure.
stage() {  # preset [cmake options]
  local preset=$1 log=$logs/$1.log junit=$PWD/$logs/$1.xml start=$SECONDS build_seconds status=0
  shift
  if ! { "${wrapper[@]}" cmake --preset "$preset" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "$@" &&
         "${wrapper[@]}" cmake --build --preset "$preset" -j "$cores"; } > "$log" 2>&1; then
    grep -aE 'error|FAILED|warning: unused' -A 6 "$log" | tail -n 40 || tail -n 40 "$log"
    record "$preset" 0 1 0 "does not build, see $log"
    return
  fi
  build_seconds=$((SECONDS - start)) start=$SECONDS
  "${wrapper[@]}" ctest --preset "$preset" -j "$cores" --output-junit "$junit" >> "$log" 2>&1 || status=$?
  local counts
  counts=$(junit_counts "$junit")
  read -r ran bad missed <<< "$counts"
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi   # ctest itself failed, or found no test
  if [ "$bad" -gt 0 ]; then
    grep -aE '\(Failed\)|\(Timeout\)|SEGFAULT|Not Run|ERROR: |: Failure$' -A 4 "$log" | tail -n 60 || tail -n 40 "$log"
    echo "the whole log: $log"
  fi
  mapfile -t -O "${#skipped_names[@]}" skipped_names < <(skipped_tests "$junit")
  record "$preset" "$ran" "$bad" "$missed" "build $build_seconds s, tests $((SECONDS - start)) s"
}

# "passed failed skipped" of a JUnit file written by ctest.
junit_counts() {
  [ -s "$1" ] || { echo "0 0 0"; return; }
  awk '/<testcase /     { n++ }
       /<failure/       { bad++ }
       /<skipped/       { missed++ }
       END { printf "%d %d %d\n", n - bad - missed, bad, missed }' "$1"
}
skipped_tests() {
  [ -s "$1" ] || return 0
  awk '/<testcase / { match($0, /name="[^"]*"/); name = substr($0, RSTART + 6, RLENGTH - 7) }
       /<skipped/   { print name }' "$1"
}

begin=$SECONDS
# Where nvcc is, every kernel is compiled for the two architectures whose code paths differ; 80 leaves PTX for later GPUs.
stage release -DQUARRY_CUDA=AUTO "-DCMAKE_CUDA_ARCHITECTURES=80;90a-real"
if [ "$quick" = no ]; then
  stage asan-ubsan
  stage tsan        # what has threads, and the kernels on the host with a thread for each CUDA thread
  stage simt-msan   # the kernels again
  start=$SECONDS
  if scripts/mutants.sh > "$logs/mutants.log" 2>&1; then   # faults planted in the kernels are found
    record mutants 1 0 0 "$((SECONDS - start)) s, found $(tail -n 1 "$logs/mutants.log" | awk '{ print $(NF-1) " %" }')"
  else
    grep -aE '^kernels/|^all|without a mutant|names no mutant|error' "$logs/mutants.log" | tail -n 60 || tail -n 40 "$logs/mutants.log"
    record mutants 0 1 0 "$((SECONDS - start)) s, see $logs/mutants.log"
  fi
  start=$SECONDS
  if "${wrapper[@]}" scripts/fuzz.sh 20 > "$logs/fuzz.log" 2>&1; then
    record fuzz 1 0 0 "$((SECONDS - start)) s"
  else
    tail -n 40 "$logs/fuzz.log"
    record fuzz 0 1 0 "$((SECONDS - start)) s, see $logs/fuzz.log"
  fi
fi

if [ "$skipped" -gt 0 ]; then
  echo "skipped: $(printf '%s\n' "${skipped_names[@]}" | sort -u | paste -sd ' ')"
fi
scripts/kernel_proofs.sh
echo "all stages took $((SECONDS - begin)) s"
if [ "$passed" -eq 0 ]; then
  echo "no test ran: that is a failure"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
