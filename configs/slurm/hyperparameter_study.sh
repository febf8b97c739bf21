#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Submits both halves of the hyperparameter study: the search begins when every task of the active learning has ended
# well, and reads the labelled sets from its shards. In the folder of the repository, after it was built:
#   configs/slurm/hyperparameter_study.sh cifar10        or cifar100
# Then: quarry report --study hyperparameter results/hyperparameter_cifar10*
set -euo pipefail
name=${1:?usage: configs/slurm/hyperparameter_study.sh cifar10|cifar100}
folder=configs/hyperparameter_study
mkdir -p "${LOGS:-logs}"
learning=$(STUDY=$folder/$name.toml sbatch --parsable --job-name=learning configs/slurm/study.sh)
search=$(STUDY=$folder/${name}_search.toml sbatch --parsable --job-name=search --dependency="afterok:$learning" \
  configs/slurm/study.sh)
echo "active learning: job $learning; search, after it: job $search"
