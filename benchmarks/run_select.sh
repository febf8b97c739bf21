#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Selection against NumPy and scikit-learn on the same pools, one core each, in one run.
# usage: benchmarks/run_select.sh [--n N] [--width F] [--picks K]
# BUILD (default build/release) holds the built benchmarks; PYTHON (default python3) has numpy and scikit-learn.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for what in k_center badge; do
  "$build/benchmarks/bench_$what" --device cpu --write "$folder" "$@" | tee "$folder/$what.tsv"
done
"$python" benchmarks/peers/selection.py "$folder" "$folder/k_center.tsv" "$folder/badge.tsv"
