#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a fresh Debian 12 machine to a page of results: installs what is missing, builds, runs the quick start's
# studies and writes the report. Run it again and it resumes: what is done already is not done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS

scripts/setup.sh
log=build/quickstart.log
mkdir -p build
# Compiling the kernels takes many minutes; without a GPU nothing of the quick start would use them.
cuda=AUTO
if ! nvidia-smi -L > /dev/null 2>&1; then cuda=OFF; fi
build() {
  cmake --preset release "-DQUARRY_CUDA=$cuda" > "$log" 2>&1 && cmake --build --preset release --target quarry_program >> "$log" 2>&1
}
if [ "$cuda" = OFF ]; then echo "building quarry for the CPU (no GPU can be used here) ..."; else echo "building quarry ..."; fi
build || {
  tail -n 30 "$log" >&2
  echo "quarry: the build failed; all it said is in $log" >&2
  exit 1
}
echo "built in $((SECONDS - start)) s"

start=$SECONDS
quarry=build/release/quarry
"$quarry" run configs/quickstart/toy.toml --out results
"$quarry" run configs/quickstart/fashion_mnist.toml --out results
"$quarry" report results/quickstart_toy results/quickstart_fashion_mnist --out results/quickstart

cat <<END

The quick start took $((SECONDS - start)) s after the build. Its page, with every picture and table:
  $PWD/results/quickstart/report.html

What to do next:
  $quarry run configs/online_tuning/moons.toml --plan    what a whole study would cost here, before you start it
  $quarry data info FILE --label COLUMN                  see how quarry reads a data set of your own
  $quarry run --help                                     every option, with an example
END
