#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Submits both halves of the hyperparameter study: the search begins when every task of the active learning has ended
# well, and reads the labelled sets from its shards. In the folder of the repository, after it was built:
#   configs/slurm/hyperparameter_study.sh cifar10        or cifar100
# Variables as in study.sh, but STUDY.
set -euo pipefail
name=${1:?usage: configs/slurm/hyperparameter_study.sh cifar10|cifar100}
folder=configs/hyperparameter_study
export OUT=${OUT:-results}
for half in "$name" "${name}_search"; do
  [ -f "$folder/$half.toml" ] || { echo "there is no $folder/$half.toml" >&2; exit 2; }
done
mkdir -p logs
learning=$(STUDY=$folder/$name.toml sbatch --parsable --job-name=learning configs/slurm/study.sh)
search=$(STUDY=$folder/${name}_search.toml OPTIONS="${OPTIONS:-} --set pool.acquired=$OUT/hyperparameter_$name" \
  sbatch --parsable --job-name=search --dependency="afterok:$learning" --kill-on-invalid-dep=yes configs/slurm/study.sh)
echo "active learning: job $learning; search, after it: job $search"
echo "then: quarry report --study hyperparameter $OUT/hyperparameter_$name{,_search}.shard-*"
