#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU and the CUDA Toolkit 12.8 or later: builds, proves every kernel against the CPU
# backend bit for bit, looks for nondeterminism, runs compute-sanitizer where it works, compares a whole study's files
# with the CPU's, and writes tests/gpu_proof.json. About 8 minutes. Needs no network.
# usage: scripts/gpu_check.sh [BUNDLE]     BUNDLE: a folder made by scripts/gpu_bundle.sh, where the packages are missing
# exit code: 0 everything holds, 1 something does not, 3 no GPU here
set -euo pipefail
bundle=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
build=build/gpu
PATH=$PATH:/usr/local/cuda/bin
logs=$build/logs
failures=()

if ! command -v nvidia-smi > /dev/null || ! nvidia-smi -L > /dev/null 2>&1; then
  echo "gpu_check.sh: no GPU can be used here (nvidia-smi finds none)" >&2
  exit 3
fi
mkdir -p "$logs"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | sed 's/^/device: /'

# Runs a step, keeps its output, remembers a failure and goes on.
step() {  # name command...
  local name=$1 start=$SECONDS
  shift
  if "$@" > "$logs/$name.log" 2>&1; then
    printf '%-22s ok      %4d s   %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 "$logs/$name.log" | cut -c 1-80)"
  else
    printf '%-22s FAILED  %4d s   see %s\n' "$name" $((SECONDS - start)) "$logs/$name.log"
    tail -n 30 "$logs/$name.log"
    failures+=("$name")
    return 1
  fi
}

configure() {
  local generator=()
  if command -v ninja > /dev/null; then generator=(-G Ninja); fi
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DQUARRY_CUDA=ON \
    ${bundle:+"-DCMAKE_PREFIX_PATH=$bundle/usr"}
}
compile() { cmake --build "$build" -j "$(nproc)" --target quarry_program gpu_tests; }

# The same study on the CPU and on the GPU, with other fleets and queues: equal journals, networks and results.
compare_studies() {  # repeats
  local work=$build/studies study=configs/smoke.toml reference variant i
  rm -rf "$work"
  mkdir -p "$work"
  # Called under `if`, where a failure does not end a function by itself.
  "$build/quarry" run "$study" --device cpu --out "$work/cpu" --quiet || return 1
  [ -s "$work/cpu/smoke/results.csv" ] || return 1
  reference=$(bytes_of "$work/cpu") || return 1
  i=0
  while [ "$i" -lt "$1" ]; do
    for variant in "" "--fleet 1" "--fleet 3" "--no-graphs"; do
      # shellcheck disable=SC2086
      "$build/quarry" run "$study" --device cuda --out "$work/gpu$i" --quiet $variant || return 1
      if [ "$(bytes_of "$work/gpu$i")" != "$reference" ]; then
        echo "the files of the GPU run ${variant:-without options} (repeat $i) differ from the CPU's"
        return 1
      fi
      rm -rf "$work/gpu$i"
    done
    i=$((i + 1))
  done
  echo "$((4 * $1)) GPU runs equal to the CPU's, byte for byte"
}
# Hash of every file under the byte contract.
bytes_of() {
  (cd "$1" && find . -type f ! -name timings.csv ! -name environment.json | LC_ALL=C sort | xargs sha256sum | sha256sum)
}

# compute-sanitizer does not work on every virtualised GPU: a planted fault says whether it does here.
sanitizers=()
check_sanitizers() {
  local tool
  if ! command -v compute-sanitizer > /dev/null; then
    sanitizers=("not installed")
    return
  fi
  if compute-sanitizer --tool memcheck --error-exitcode 9 "$build/tests/gpu/gpu_tests" --planted-fault \
    > "$logs/planted.log" 2>&1; then
    sanitizers=("does not find a planted fault here")
    return
  fi
  if ! grep -q 'Invalid __global__ write' "$logs/planted.log"; then
    sanitizers=("does not work here: $({ grep -m 1 -iE 'error|unsupported' "$logs/planted.log" || true; } | tr -d '"' | cut -c 1-80)")
    return
  fi
  for tool in memcheck racecheck initcheck synccheck; do
    if step "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 \
      "$build/tests/gpu/gpu_tests"; then
      sanitizers+=("$tool clean")
    else
      sanitizers+=("$tool FAILED")
    fi
  done
}

write_proof() {
  local kernel hash separator="" hashes
  hashes=$(scripts/kernel_proofs.sh --hashes)
  {
    echo "{"
    echo " \"device\": \"$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)\","
    echo " \"driver\": \"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)\","
    echo " \"nvcc\": \"$(nvcc --version | sed -nE 's/.*release ([0-9.]+).*/\1/p')\","
    echo " \"date\": \"$(date -u +%F)\","
    echo " \"op_cases\": \"$(tail -n 1 "$logs/op-cases.log")\","
    echo " \"determinism\": \"$(tail -n 1 "$logs/determinism.log")\","
    echo " \"studies\": \"$(tail -n 1 "$logs/studies.log")\","
    echo " \"sanitizers\": \"$(IFS=,; echo "${sanitizers[*]}")\","
    echo " \"kernels\": {"
    while read -r hash kernel; do
      # A build without cuDNN proves nothing of its door.
      case $kernel in *gpu_cudnn*) grep -q 'quarry: cuDNN ON' "$logs/configure.log" || continue ;; esac
      printf '%s  "%s": "%s"' "$separator" "$kernel" "$hash"
      separator=$',\n'
    done <<< "$hashes"
    printf '\n }\n}\n'
  } > "$logs/gpu_proof.json"
  mv "$logs/gpu_proof.json" tests/gpu_proof.json
}

step configure configure || exit 1
step build compile || exit 1
step op-cases "$build/tests/gpu/gpu_tests" || true
step determinism "$build/tests/gpu/gpu_tests" --repeats 1000 --only mlp_fit || true
step studies compare_studies 5 || true
check_sanitizers
echo "compute-sanitizer: $(IFS=,; echo "${sanitizers[*]}")"
if [ ${#failures[@]} -gt 0 ]; then
  echo "failed: ${failures[*]}; tests/gpu_proof.json is left as it was"
  exit 1
fi
write_proof
scripts/kernel_proofs.sh
