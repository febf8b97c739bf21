#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Selection against NumPy and scikit-learn on the same pools, one core each, in one run.
# usage: benchmarks/run_select.sh [options of bench_select]
# BUILD (default build/release) holds the built benchmarks; PYTHON (default python3) has numpy and scikit-learn.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$build/benchmarks/bench_select" --write "$folder" "$@" | tee "$folder/ours.tsv"
"$python" benchmarks/peers/selection.py "$folder" "$folder/ours.tsv"
