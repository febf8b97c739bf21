#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Feeds every reader random bytes, under AddressSanitizer and UndefinedBehaviorSanitizer, from the seeds in
# tests/fuzz/corpus. Inputs that crash a reader are left in build/fuzz/found/; make each a seed once it is mended.
# usage: scripts/fuzz.sh [seconds per target, default 30] [targets, default all]   e.g. scripts/fuzz.sh 600 csv npy
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
case "$seconds" in
  ''|*[!0-9]*) echo "usage: scripts/fuzz.sh [seconds per target] [targets]" >&2; exit 2 ;;
esac
[ $# -gt 0 ] && shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cpp; do
    name=${source##*/fuzz_}
    targets+=("${name%.cpp}")
  done
fi
for name in "${targets[@]}"; do
  [ -f "tests/fuzz/fuzz_$name.cpp" ] || { echo "fuzz: there is no target '$name'" >&2; exit 2; }
done

cores=$(nproc)
mkdir -p build/fuzz/found build/fuzz/logs
cmake --preset asan-ubsan > build/fuzz/logs/cmake.log 2>&1 || { tail -n 20 build/fuzz/logs/cmake.log >&2; exit 1; }
cmake --build build/asan-ubsan -j "$cores" --target "${targets[@]/#/fuzz_}" > build/fuzz/logs/build.log 2>&1 || {
  grep -E 'error|FAILED' -A 6 build/fuzz/logs/build.log | tail -n 40 >&2
  echo "fuzz: the targets do not build, see build/fuzz/logs/build.log" >&2
  exit 1
}

# What a run learns goes to build/fuzz/learnt, never into the seeds.
fuzz_one() {
  local name=$1 log=build/fuzz/logs/$1.log options=()
  mkdir -p "build/fuzz/learnt/$name" "tests/fuzz/corpus/$name"
  [ -f "tests/fuzz/fuzz_$name.dict" ] && options+=("-dict=tests/fuzz/fuzz_$name.dict")
  build/asan-ubsan/tests/fuzz/"fuzz_$name" -rss_limit_mb=512 -timeout=5 -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "${options[@]}" "build/fuzz/learnt/$name" "tests/fuzz/corpus/$name" \
    > "$log" 2>&1
}

# As many at a time as there are cores.
declare -A name_of=()
failed=0
report() {  # name status
  local executions
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/logs/$1.log")
  if [ "$2" -eq 0 ]; then
    printf '%-12s %12s executions\n' "$1" "${executions:-?}"
  else
    failed=$((failed + 1))
    printf '%-12s FAILED, the end of build/fuzz/logs/%s.log:\n' "$1" "$1"
    tail -n 25 "build/fuzz/logs/$1.log"
  fi
}
finish_one() {
  local pid status=0
  wait -n -p pid || status=$?
  report "${name_of[$pid]}" "$status"
  unset "name_of[$pid]"
}
for name in "${targets[@]}"; do
  while [ ${#name_of[@]} -ge "$cores" ]; do finish_one; done
  fuzz_one "$name" &
  name_of[$!]=$name
done
while [ ${#name_of[@]} -gt 0 ]; do finish_one; done
if [ "$failed" -gt 0 ]; then
  echo "fuzz: $failed of ${#targets[@]} targets failed; the inputs are in build/fuzz/found/" >&2
  exit 1
fi
echo "fuzz: ${#targets[@]} targets, $seconds s each, no failure"
