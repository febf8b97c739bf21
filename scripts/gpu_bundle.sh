#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Collects what a build needs besides compiler, CMake and the CUDA Toolkit (headers, CMake files and static libraries of
# the packages in the README's table) in one folder, for a GPU machine without a network or without root.
# usage: scripts/gpu_bundle.sh [--programs ARCHITECTURES] [FOLDER]
#   --programs   also builds the programs of gpu_check.sh and gpu_bench.sh here, where nvcc is, with all but the C and
#                C++ libraries linked in: FOLDER/programs is then all that they need. 90a-real: an H100 or H200
#   FOLDER       gpu_bundle/ if left out (ignored by git); then on the GPU machine: scripts/gpu_check.sh FOLDER
set -euo pipefail
usage() { echo "usage: scripts/gpu_bundle.sh [--programs ARCHITECTURES] [FOLDER]" >&2; exit 2; }
architectures=
if [ "${1:-}" = --programs ]; then
  [[ ${2:-} =~ ^[1-9][0-9]+[af]?(-real|-virtual)?(;[1-9][0-9]+[af]?(-real|-virtual)?)*$ ]] || usage
  architectures=$2
  shift 2
fi
case ${1:-} in -*) usage ;; esac
[ $# -le 1 ] || usage
folder=$(realpath -m "${1:-$(dirname "$0")/../gpu_bundle}")
cd "$(dirname "$0")/.."
if [ -e "$folder" ] && [ ! -e "$folder/made_by_gpu_bundle" ] && [ -n "$(ls -A "$folder")" ]; then
  echo "gpu_bundle.sh: $folder holds other files; name a new folder" >&2
  exit 2
fi
scripts/setup.sh
packages=(zlib1g-dev libssl-dev libfmt-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libgtest-dev libgmock-dev)
rm -rf "$folder"
mkdir -p "$folder"
touch "$folder/made_by_gpu_bundle"
for package in "${packages[@]}"; do
  dpkg -L "$package" | while read -r file; do
    case $file in
      /usr/share/doc/* | *.so) continue ;;   # shared libraries stay behind: the other machine may not have them
    esac
    [ -f "$file" ] || continue
    mkdir -p "$folder$(dirname "$file")"
    cp -L "$file" "$folder$file"
  done
done
# Headers that Debian keeps apart by processor (OpenSSL's configuration): CMake's search of a prefix knows one folder.
cp -r "$folder"/usr/include/*-linux-gnu/. "$folder"/usr/include/
# The CMake files of fmt and toml++ insist on the shared libraries that stayed behind; their headers alone do.
header_only() {  # package target definition
  rm -rf "$folder"/usr/lib/*/cmake/"$1" "$folder"/usr/lib/cmake/"$1"
  mkdir -p "$folder/usr/lib/cmake/$1"
  cat > "$folder/usr/lib/cmake/$1/$1-config.cmake" << EOF
get_filename_component(_include "\${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
if(NOT TARGET $2)
  add_library($2 INTERFACE IMPORTED)
  set_target_properties($2 PROPERTIES INTERFACE_COMPILE_DEFINITIONS "$3" INTERFACE_INCLUDE_DIRECTORIES "\${_include}")
endif()
EOF
}
header_only fmt fmt::fmt FMT_HEADER_ONLY=1
header_only tomlplusplus tomlplusplus::tomlplusplus TOML_HEADER_ONLY=1

# Programs for another machine: of the packages, only what the folder itself holds.
build_programs() {
  local build=build/gpu-bundle programs=$folder/programs program
  mkdir -p "$programs"
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQUARRY_CUDA=ON -DQUARRY_BENCHMARKS=ON \
    "-DCMAKE_CUDA_ARCHITECTURES=$architectures" "-DCMAKE_PREFIX_PATH=$folder/usr" \
    -DQUARRY_ONEDNN=OFF -DQUARRY_OPENBLAS=OFF -DQUARRY_FETCH=OFF > "$programs/configure.log"
  cmake --build "$build" --target quarry_program gpu_tests all_benchmarks > "$programs/build.log" || {
    tail -n 40 "$programs/build.log" >&2
    exit 1
  }
  for program in "$build"/quarry "$build"/tests/gpu/gpu_tests "$build"/benchmarks/bench_*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    cp "$program" "$programs/"
    if ldd "$program" | grep -vE 'linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so'; then
      echo "gpu_bundle.sh: $program needs the libraries above, which the other machine may not have" >&2
      exit 1
    fi
  done
  scripts/kernel_proofs.sh --hashes > "$programs/hashes"
}
if [ -n "$architectures" ]; then build_programs; fi
du -sh "$folder" | cut -f 1 | sed "s|^|$folder: |"
