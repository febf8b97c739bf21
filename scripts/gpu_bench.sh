#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with a GPU, after scripts/gpu_check.sh: every benchmark on the GPU, and the rivals there are, in the same
# call; JSON (tpe_rivals: tab-separated) in benchmarks/results/<device>-<commit>/. Needs no network.
# usage: scripts/gpu_bench.sh [--only REGEX] [BUNDLE]
#   --only REGEX   of the benchmarks below (side NAME ...) those whose names match, e.g. '^conv_fleet'
#   BUNDLE         as for gpu_check.sh, with or without programs
#   PYTHON         (environment; default python3) has PyTorch, Optuna and, if possible, JAX
# exit code: 0 done, 1 something failed or a rival is missing, 2 bad usage, 3 no GPU here
set -euo pipefail
usage() { echo "usage: scripts/gpu_bench.sh [--only REGEX] [BUNDLE]" >&2; exit 2; }
only=
if [ "${1:-}" = --only ]; then
  [ $# -ge 2 ] || usage
  only=$2
  shift 2
fi
[ $# -le 1 ] && { [ $# -eq 0 ] || [ -d "$1" ]; } || usage
bundle=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
build=build/gpu
if ! command -v nvidia-smi > /dev/null || ! nvidia-smi -L > /dev/null 2>&1; then
  echo "gpu_bench.sh: no GPU can be used here (nvidia-smi finds none)" >&2
  exit 3
fi
source scripts/gpu_libraries.sh
benchmarks=(bench_mlp_fleet bench_entropy_bald bench_k_center bench_badge bench_tpe bench_study
            bench_conv_engines bench_conv_fleet)
if [ -n "$bundle" ] && [ -d "$bundle/programs" ]; then
  programs=$bundle/programs
  configured=$programs/configure.log
else
  programs=$build/benchmarks
  configured=$build/bench_configure.log
  generator=()
  if command -v ninja > /dev/null; then generator=(-G Ninja); fi
  mkdir -p "$build"
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DQUARRY_CUDA=ON -DQUARRY_BENCHMARKS=ON \
    ${bundle:+"-DCMAKE_PREFIX_PATH=$bundle/usr"} > "$configured"
  cmake --build "$build" -j "$(nproc)" --target "${benchmarks[@]}" > "$build/bench_build.log" || {
    tail -n 40 "$build/bench_build.log" >&2
    exit 1
  }
fi

device=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1 | tr ' ' '_')
folder=benchmarks/results/$device-$(git describe --always --dirty 2> /dev/null || echo unknown)
mkdir -p "$folder"
failed=()
# Runs one side of a comparison; its JSON goes to NAME.json.
side() {  # name command...
  local name=$1 start=$SECONDS
  shift
  [[ $name =~ $only ]] || return 0
  if "$@" > "$folder/$name.json" 2> "$folder/$name.log"; then
    printf '%-24s ok      %4d s\n' "$name" $((SECONDS - start))
    if grep -q '"missing"' "$folder/$name.json"; then failed+=("$name: a rival is missing"); fi
  else
    printf '%-24s FAILED  %4d s: %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 "$folder/$name.log")"
    failed+=("$name")
  fi
}
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.sm,power.limit --format=csv > "$folder/device.csv"
side mlp_fleet "$programs/bench_mlp_fleet" --device cuda --json
side mlp_fleet_rivals "$python" benchmarks/peers/gpu_mlp_fleet.py
side entropy_bald "$programs/bench_entropy_bald" --device cuda --json --n 3000 50000 1000000
side k_center "$programs/bench_k_center" --device cuda --json --n 10000 50000 1000000
side badge "$programs/bench_badge" --device cuda --json --n 10000 50000
side selection_rivals "$python" benchmarks/peers/gpu_selection.py
engines=()
grep -q 'quarry: cuDNN ON' "$configured" || engines=(--engine fp32_fma bf16_mma)   # no cuDNN here
side conv_engines "$programs/bench_conv_engines" --device cuda --json "${engines[@]}"
fleets=()
grep -q 'quarry: cuDNN ON' "$configured" || fleets=(--engine fp32 bf16)
side conv_fleet "$programs/bench_conv_fleet" --device cuda --json "${fleets[@]}"
side conv_fleet_rivals "$python" benchmarks/peers/gpu_conv_fleet.py
side tpe "$programs/bench_tpe" --device cuda --json
side tpe_rivals "$python" benchmarks/peers/tpe.py 5
if [ -e "$folder/tpe_rivals.json" ]; then mv "$folder/tpe_rivals.json" "$folder/tpe_rivals.tsv"; fi
for data in moons splice dna; do
  [ "$data" = moons ] || [ -n "${QUARRY_DATA:-}" ] || continue
  side "study_$data" "$programs/bench_study" --device cuda --json --config "configs/online_tuning/$data.toml" \
    --studies 1 24
done
side study_rivals "$python" benchmarks/peers/online_moons.py
echo "results: $folder"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
