#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that quarry needs, if any is missing. Silent when there is nothing to do.
# usage: scripts/setup.sh [--tests]     --tests: also what only the test suite needs (clang and its tools, Pillow)
set -euo pipefail

packages=(
  g++ cmake ninja-build git ca-certificates            # to build
  zlib1g-dev libfmt-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  libdnnl-dev libopenblas-dev                          # fast convolutions on the CPU; it builds without them too
  libssl-dev libcurl4-openssl-dev libarchive-dev       # checksums, download and unpacking of data sets
  libgtest-dev libgmock-dev                            # to test
  gnuplot-nox                                          # to draw the pictures of a report
  dataset-fashion-mnist                                # real data for the quick start
)
case "${1:-}" in
  "") ;;
  --tests) packages+=(clang libclang-rt-14-dev clang-format python3-pil) ;;
  *) echo "usage: scripts/setup.sh [--tests]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query > /dev/null; then
  echo "quarry: this machine has no dpkg, so nothing was installed. It needs the counterparts of these Debian" \
       "packages: ${packages[*]}" >&2
  exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2> /dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qx "installed $package" <<< "$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "quarry: these packages are missing and this account can neither act as root nor use sudo. Ask for:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "quarry: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" > "$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "quarry: 'apt-get $1' failed (above: the end of what it said). quarry is built and tested on Debian 12;" \
         "elsewhere a package may have another name." >&2
    exit 1
  }
}
apt update
apt install --no-install-recommends "${missing[@]}"
