#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with an NVIDIA GPU and the CUDA Toolkit 12.8 or later: builds, proves every kernel against the CPU
# backend bit for bit, looks for nondeterminism, compares whole studies' files with the CPU's and with one another, runs
# compute-sanitizer where it works, and writes tests/gpu_proof.json. Needs no network.
# usage: scripts/gpu_check.sh [--seconds N] [BUNDLE]
#   --seconds N   ends after N seconds (default 3600): what has no time left is named, and proves nothing
#   BUNDLE        a folder made by scripts/gpu_bundle.sh: the packages that are missing here and, with its --programs,
#                 the programs, so that nothing is compiled here
# exit code: 0 everything holds, 1 something does not, 2 bad usage, 3 no GPU here
set -euo pipefail
usage() { echo "usage: scripts/gpu_check.sh [--seconds N] [BUNDLE]" >&2; exit 2; }
seconds=3600 bundle=
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || usage; seconds=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$bundle" ] && [ -d "$1" ] || usage; bundle=$(realpath "$1"); shift ;;
  esac
done
cd "$(dirname "$0")/.."
build=$PWD/build/gpu
PATH=$PATH:/usr/local/cuda/bin
logs=$build/logs
failures=() unfinished=()

if ! command -v nvidia-smi > /dev/null || ! nvidia-smi -L > /dev/null 2>&1; then
  echo "gpu_check.sh: no GPU can be used here (nvidia-smi finds none)" >&2
  exit 3
fi
rm -rf "$logs"
mkdir -p "$logs"
source scripts/gpu_libraries.sh
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | sed 's/^/device: /'

# Runs a step in the time that is left, keeps its output, remembers a failure and goes on.
share=1   # of that time, one part in so many
step() {  # name command...
  local name=$1 start=$SECONDS left=$(((seconds - SECONDS) / share)) status=0
  shift
  if [ "$left" -lt 5 ]; then
    printf '%-22s not run: no time left\n' "$name"
    unfinished+=("$name")
    return 1
  fi
  run_for "$left" "$@" > "$logs/$name.log" 2>&1 || status=$?
  case $status in
    0)
      printf '%-22s ok      %4d s   %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 "$logs/$name.log" | cut -c 1-80)"
      return 0 ;;
    124)
      printf '%-22s cut     %4d s   no time left, see %s\n' "$name" $((SECONDS - start)) "$logs/$name.log"
      unfinished+=("$name") ;;
    *)
      printf '%-22s FAILED  %4d s   see %s\n' "$name" $((SECONDS - start)) "$logs/$name.log"
      tail -n 30 "$logs/$name.log"
      failures+=("$name") ;;
  esac
  return 1
}
# A command or a function of this script, ended with all its processes when the time is over; then 124.
run_for() {  # seconds command...
  local limit=$1 job watch status=0
  shift
  set -m
  "$@" &
  job=$!
  ( sleep "$limit"; touch "$logs/cut-$job"; kill -KILL -- "-$job" ) > /dev/null 2>&1 &
  watch=$!
  set +m
  wait "$job" || status=$?
  kill -KILL -- "-$watch" 2> /dev/null || true
  wait "$watch" 2> /dev/null || true
  if [ -e "$logs/cut-$job" ]; then status=124; fi
  return "$status"
}

configure() {
  local generator=()
  if command -v ninja > /dev/null; then generator=(-G Ninja); fi
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DQUARRY_CUDA=ON \
    ${bundle:+"-DCMAKE_PREFIX_PATH=$bundle/usr"}
}
compile() { cmake --build "$build" -j "$(nproc)" --target quarry_program gpu_tests; }
# Programs from elsewhere prove the sources that they were built from.
programs_are_current() {
  if ! scripts/kernel_proofs.sh --hashes | cmp -s - "$bundle/programs/hashes"; then
    echo "$bundle/programs was built from other kernels than those here: make it again (scripts/gpu_bundle.sh --programs)"
    return 1
  fi
  cat "$bundle/programs/configure.log"
}

# Hash of every file under the byte contract.
bytes_of() {
  (cd "$1" && find . -type f ! -name timings.csv ! -name environment.json | LC_ALL=C sort | xargs sha256sum | sha256sum)
}
# A study in other fleets, and without graphs, again and again: the files are those of the first run.
equal_files() {  # name repeats device-of-the-first-run arguments of quarry run...
  local work=$build/studies/$1 repeats=$2 first=$3 reference variant i
  shift 3
  rm -rf "$work"
  mkdir -p "$work"
  # Called under `||`, where a failure does not end a function by itself.
  "$quarry" run "$@" --device "$first" --out "$work/first" --quiet || return 1
  [ -n "$(find "$work/first" -name results.csv -size +0)" ] || return 1
  reference=$(bytes_of "$work/first") || return 1
  for ((i = 0; i < repeats; ++i)); do
    for variant in "" "--fleet 1" "--fleet 3" "--no-graphs"; do
      # shellcheck disable=SC2086
      "$quarry" run "$@" --device cuda --out "$work/again" --quiet $variant || return 1
      if [ "$(bytes_of "$work/again")" != "$reference" ]; then
        echo "the files of the GPU run ${variant:-without options} (repeat $i) differ from those of the first, $work/first"
        return 1
      fi
      rm -rf "$work/again"
    done
  done
  echo "$((4 * repeats)) GPU runs have the files of the first ($first), byte for byte"
}
# Both halves of the hyperparameter study in miniature, with each kind of convolution. Convolutions on a CPU add in
# another order, so a GPU run is the first.
image_studies() {
  local images=$build/studies/images.data name options
  rm -rf "$images"
  "$quarry" data synthetic cifar10 --to "$images" --train 600 --test 200 || return 1
  for name in fp32 bf16 cudnn; do
    options=()
    case $name in
      bf16) options=(--set training.precision=bf16) ;;
      cudnn) $with_cudnn || continue
             options=(--set training.convolution=cudnn) ;;
    esac
    equal_files "$name" 2 cuda tests/gpu/images.toml --set "data.path=$images" "${options[@]}" || return 1
    equal_files "$name-search" 2 cuda tests/gpu/images_search.toml --set "data.path=$images" "${options[@]}" \
      --set "pool.acquired=$build/studies/$name/first/gpu_check_images" || return 1
  done
}

# compute-sanitizer does not work on every virtualised GPU: a planted fault says whether it does here.
sanitizers=()
check_sanitizers() {
  local tool
  if ! command -v compute-sanitizer > /dev/null; then
    sanitizers=("not installed")
    return
  fi
  if compute-sanitizer --tool memcheck --error-exitcode 9 "$gpu_tests" --planted-fault > "$logs/planted.log" 2>&1; then
    sanitizers=("does not find a planted fault here")
    return
  fi
  if ! grep -q 'Invalid __global__ write' "$logs/planted.log"; then
    sanitizers=("does not work here: $({ grep -m 1 -iE 'error|unsupported' "$logs/planted.log" || true; } | tr -d '"\\' | cut -c 1-80)")
    return
  fi
  share=5
  for tool in memcheck synccheck initcheck racecheck; do   # the slowest last
    share=$((share - 1))
    if step "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$gpu_tests" --one-process; then
      sanitizers+=("$tool clean")
    else
      sanitizers+=("$tool not clean or not finished")
    fi
  done
}

last_line() { tail -n 1 "$logs/$1.log" | tr -d '"\\'; }
write_proof() {
  local kernel hash separator="" hashes
  hashes=$(scripts/kernel_proofs.sh --hashes)
  {
    echo "{"
    echo " \"device\": \"$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)\","
    echo " \"driver\": \"$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)\","
    echo " \"compiler\": \"$(sed -nE 's/.*CUDA backend ON \((nvcc [0-9.]+).*/\1/p' "$logs/configure.log" | head -n 1)\","
    echo " \"date\": \"$(date -u +%F)\","
    echo " \"op_cases\": \"$(last_line op-cases)\","
    echo " \"determinism\": \"$(last_line determinism); mlp_fit: $(last_line determinism-training)\","
    echo " \"studies\": \"$(last_line studies); with images: $(last_line image-studies)\","
    echo " \"sanitizers\": \"$(IFS=,; echo "${sanitizers[*]}")\","
    echo " \"kernels\": {"
    while read -r hash kernel; do
      # A build without cuDNN proves nothing of its door.
      case $kernel in *gpu_cudnn*) $with_cudnn || continue ;; esac
      printf '%s  "%s": "%s"' "$separator" "$kernel" "$hash"
      separator=$',\n'
    done <<< "$hashes"
    printf '\n }\n}\n'
  } > "$logs/gpu_proof.json"
  mv "$logs/gpu_proof.json" tests/gpu_proof.json
}

if [ -n "$bundle" ] && [ -d "$bundle/programs" ]; then
  step configure programs_are_current || exit 1
  quarry=$bundle/programs/quarry gpu_tests=$bundle/programs/gpu_tests
else
  step configure configure || exit 1
  step build compile || exit 1
  quarry=$build/quarry gpu_tests=$build/tests/gpu/gpu_tests
fi
with_cudnn=false
if grep -q 'quarry: cuDNN ON' "$logs/configure.log"; then with_cudnn=true; fi

step op-cases "$gpu_tests" || true
step studies equal_files smoke 5 cpu configs/smoke.toml || true
step image-studies image_studies || true
step determinism "$gpu_tests" --repeats 20 || true
step determinism-training "$gpu_tests" --repeats 1000 --only mlp_fit || true
proven=no
if [ ${#failures[@]} -eq 0 ] && [ ${#unfinished[@]} -eq 0 ]; then proven=yes; fi
check_sanitizers
echo "compute-sanitizer: $(IFS=,; echo "${sanitizers[*]}")"
if [ ${#failures[@]} -gt 0 ] || [ "$proven" = no ]; then
  echo "failed: ${failures[*]:-nothing}; not finished: ${unfinished[*]:-nothing}; tests/gpu_proof.json is left as it was"
  exit 1
fi
write_proof   # a sanitizer that was cut is told in it
scripts/kernel_proofs.sh
