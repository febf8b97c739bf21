#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One online_dynamic run on Moons (preset faithful: 161 tunings of 50 trials x 6 splits x 200 epochs) on one core,
# beside what PyTorch + Optuna need for the same steps, measured in the same run. About 15 minutes.
#   PYTHON=python3 benchmarks/run_online_moons.sh [build directory]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$here/build/release}
python=${PYTHON:-python3}
"$python" -c 'import torch, optuna' 2>/dev/null || { echo "$python lacks torch or optuna: set PYTHON to one that has both" >&2; exit 1; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$build/quarry" run "$here/configs/online_tuning/moons.toml" --out "$out" --workers 1 --device cpu \
  --set study=online_moons --set search.mode=online_dynamic --set acquisition.strategy=entropy --set run.seed=2
"$python" "$here/benchmarks/peers/online_moons.py" > "$out/peer.json"
"$python" - "$out" <<'PY'
import csv, json, sys
out = sys.argv[1]
peer = json.load(open(f"{out}/peer.json"))
seconds = {r["phase"]: float(r["seconds"]) for r in csv.DictReader(open(f"{out}/online_moons/timings.csv"))}
rows = list(csv.DictReader(open(f"{out}/online_moons/results.csv")))
# Steps of the spec (15.2) without pruning: 200 epochs of b(n) batches, 301 fits an iteration.
def batches(n): return 1 if n <= 32 else n // 32
steps = sum(301 * 200 * batches(15 + max(0, int(r["iteration"]) + 1)) for r in rows)
pruned = sum(int(r["pruned"]) for r in rows)
trials = sum(int(r["trials"]) for r in rows)
low, high = peer["seconds_per_step_15_rows"], peer["seconds_per_step_175_rows"]
cost = sum(301 * 200 * batches(n) * (low if n <= 32 else high) for n in (15 + max(0, int(r["iteration"]) + 1) for r in rows))
print(f"quarry: {sum(seconds.values()):.0f} s on one core ({', '.join(f'{k} {v:.1f} s' for k, v in sorted(seconds.items()))})")
print(f"        {steps / 1e6:.1f} M steps if nothing is pruned; {pruned} of {trials} trials were pruned (their fits are trained all the same)")
print(f"PyTorch {peer['torch']} + Optuna {peer['optuna']}, one thread: {low * 1e6:.0f} us a step at 15 rows, {high * 1e6:.0f} us at 175;")
print(f"        {cost / 3600:.1f} h for the same steps (extrapolated): ratio {cost / sum(seconds.values()):.0f}")
PY
