#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes docs/findings_online_tuning.md: runs the studies that its comparisons name (about an hour on two cores; what is
# there already is not run again), tests the claims, and puts the page and its pictures into docs/.
# usage: scripts/findings.sh [RESULTS, default results]
set -euo pipefail
cd "$(dirname "$0")/.."
results=${1:-results}
[ $# -le 1 ] || { echo "usage: scripts/findings.sh [RESULTS]" >&2; exit 2; }
quarry=build/release/quarry
[ -x "$quarry" ] || { echo "findings: $quarry is missing; scripts/quickstart.sh builds it" >&2; exit 1; }

configs=configs/online_tuning
studies=(online_tuning_small_grid online_tuning_contrast online_tuning_bald_dropout online_tuning_small_grid_faithful)
"$quarry" run "$configs/small_grid.toml" --out "$results"
"$quarry" run "$configs/contrast.toml" --out "$results"
"$quarry" run "$configs/bald_dropout.toml" --out "$results"
"$quarry" run "$configs/small_grid.toml" --out "$results" \
  --set preset=faithful --set study=online_tuning_small_grid_faithful
"$quarry" report --study online_tuning "${studies[@]/#/$results/}" --out "$results/findings"

pictures=docs/images/findings_online_tuning
rm -rf "$pictures"
mkdir -p "$pictures"
cp "$results"/findings/plots/*.svg "$pictures"
# The page's commands name the results as people have them.
sed -e "s#](plots/#](images/findings_online_tuning/#g" -e "s#$results/#results/#g" "$results/findings/findings.md" \
  > docs/findings_online_tuning.md
