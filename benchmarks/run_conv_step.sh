#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A training step of a residual network here and in PyTorch, one core each, in one run.
# usage: benchmarks/run_conv_step.sh
# BUILD (default build/release) holds the built benchmarks; PYTHON (default python3) has PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/release}
python=${PYTHON:-python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
  echo "run_conv_step.sh: $python has no PyTorch: no ratios. Install it (pip install torch) or set PYTHON." >&2
  exec "$build/benchmarks/bench_conv_step"
fi
peers=$(mktemp)
trap 'rm -f "$peers"' EXIT
"$python" benchmarks/peers/conv_step.py --json >"$peers"
"$build/benchmarks/bench_conv_step" --peer-json "$peers"
