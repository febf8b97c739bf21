#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which kernels have run on a GPU, as they are now? A kernel is a kernels/*.cu with everything it includes and the
# compiler's flags; tests/gpu_proof.json, written by scripts/gpu_check.sh, holds the hash that was proven. The same for
# the doors to cuBLAS and cuDNN.
# usage: scripts/kernel_proofs.sh            a line of summary and the names of what is without a current proof
#        scripts/kernel_proofs.sh --hashes   "HASH FILE" of every kernel and door
set -euo pipefail
cd "$(dirname "$0")/.."

# The file and every file of this repository that it includes, one per line.
closure() {  # file
  local -A seen=()
  local queue=("$1") file name candidate
  while [ ${#queue[@]} -gt 0 ]; do
    file=${queue[0]}
    queue=("${queue[@]:1}")
    [ -z "${seen[$file]:-}" ] || continue
    seen[$file]=1
    while read -r name; do
      for candidate in "$name" "include/$name"; do
        case $candidate in tests/*) continue ;; esac   # the host's side of kernels/simt.h
        if [ -f "$candidate" ]; then queue+=("$candidate"); break; fi
      done
    done < <(sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file")
  done
  printf '%s\n' "${!seen[@]}" | LC_ALL=C sort
}

hash_of() {  # kernel
  { cat kernels/nvcc_flags.txt
    while read -r file; do echo "== $file"; cat "$file"; done < <(closure "$1")
  } | sha256sum | cut -d ' ' -f 1
}

shopt -s nullglob
kernels=(kernels/*.cu)
doors=(src/core/gpu_blas.cpp src/core/gpu_cudnn*.cpp)
if [ "${1:-}" = --hashes ]; then
  for file in "${kernels[@]}" "${doors[@]}"; do echo "$(hash_of "$file") $file"; done
  exit 0
fi
[ $# -eq 0 ] || { echo "usage: scripts/kernel_proofs.sh [--hashes]" >&2; exit 2; }

summarise() {  # what, files...
  local what=$1 file proven=0 stale=()
  shift
  for file in "$@"; do
    if grep -qsF "\"$file\": \"$(hash_of "$file")\"" tests/gpu_proof.json; then
      proven=$((proven + 1))
    else
      stale+=("${file##*/}")
    fi
  done
  echo "$what proven on a GPU: $proven of $#"
  if [ ${#stale[@]} -gt 0 ]; then echo "without a current proof: ${stale[*]}"; fi
}
summarise kernels "${kernels[@]}"
summarise "doors to libraries" "${doors[@]}"
