#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The active-learning half of the hyperparameter study on a cluster with Slurm: an array of 20 tasks, each one shard.
#   mkdir -p logs && sbatch configs/slurm/learning.sh        in the folder of the repository, after it was built
# The second half waits for all of them:
#   sbatch --dependency=afterok:JOBID configs/slurm/search.sh
#
# A task that reaches its time limit gets SIGTERM 3 minutes before the end, stops cleanly and is queued again; so is one
# whose node fails. What was committed is kept: a task continues where it was, and ends in the same bytes.
#SBATCH --job-name=quarry-learning
#SBATCH --array=1-20                  # as many shards as tasks; every shard has its own folder below results/
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=logs/%x-%A_%a.out
# #SBATCH --gpus=1                    # once residual networks run on a GPU here (README); then drop --device cpu

set -euo pipefail
study=${STUDY:-configs/hyperparameter_study/cifar10.toml}   # STUDY=... sbatch ... for another one
shards=${SLURM_ARRAY_TASK_COUNT:?run this with sbatch}

build/release/quarry run "$study" --out results --shard "$SLURM_ARRAY_TASK_ID/$shards" \
  --device cpu --workers "$SLURM_CPUS_PER_TASK" &
quarry=$!
stopped=no
trap 'stopped=yes; kill -TERM "$quarry"' TERM
status=0
wait "$quarry" || status=$?
if [ "$stopped" = yes ]; then
  wait "$quarry" || status=$?                               # the signal ended the first wait, not the program
  [ "$status" -ne 143 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
