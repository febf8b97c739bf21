#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# TPE against Optuna in one run. usage: PYTHON=python-with-optuna benchmarks/run_tpe.sh [build folder]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../build/release}
seeds=${SEEDS:-20}
ours=$("$build"/benchmarks/bench_tpe --device cpu --seeds "$seeds")
theirs=$("${PYTHON:-python3}" "$here"/peers/tpe.py "$seeds")
printf '%s\n%s\n' "$ours" "$theirs"
value() { awk -F'\t' -v what="$2" '$1 == what { print $2 }' <<<"$1"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.0f", a / b }'; }
ask=$(value "$ours" "ask at 50 trials, philox")
printf 'ask: Optuna takes %s times as long (goal 30)\n' "$(ratio "$(value "$theirs" "ask at 50 trials")" "$ask")"
printf 'search: Optuna takes %s times as long\n' \
  "$(ratio "$(value "$theirs" "search of 50 trials")" "$(value "$ours" "search of 50 trials, philox")")"
awk -v t="$ask" 'BEGIN { print "ask: " t " us; floor 300 us, goal 100 us"; exit t > 300 }'
