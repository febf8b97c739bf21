#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Collects what a build needs besides compiler, CMake and the CUDA Toolkit (headers, CMake files and static libraries of
# the packages in the README's table) in one folder, for a GPU machine without a network or without root.
# usage: scripts/gpu_bundle.sh [FOLDER]     default gpu_bundle/ (ignored by git); then there: scripts/gpu_check.sh FOLDER
set -euo pipefail
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
du -sh "$folder" | cut -f 1 | sed "s|^|$folder: |"
