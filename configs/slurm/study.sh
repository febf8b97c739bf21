#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One study on a cluster with Slurm: an array of tasks, each a shard of the study. In the folder of the repository, after
# it was built:
#   mkdir -p logs && STUDY=configs/hyperparameter_study/cifar10.toml sbatch configs/slurm/study.sh
# Both halves of the hyperparameter study, the second after the first: configs/slurm/hyperparameter_study.sh
#
# A task that reaches its time limit gets SIGTERM 3 minutes before the end, stops within a training step and is queued
# again; so is one whose node fails. What was committed is kept: a task continues where it was, and ends in the same
# bytes. OPTIONS are further options of `quarry run`, for example OPTIONS="--set run.seed=1".
#SBATCH --job-name=quarry
#SBATCH --array=1-20                  # as many shards as tasks; every shard has its own folder below results/
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=logs/%x-%A_%a.out
# #SBATCH --gpus=1                    # for studies that run on a GPU (README); each task then has one

set -euo pipefail
: "${STUDY:?the config, for example STUDY=configs/hyperparameter_study/cifar10.toml}"
: "${SLURM_ARRAY_TASK_COUNT:?run this with sbatch}"

# shellcheck disable=SC2086             # OPTIONS are several words
"${QUARRY:-build/release/quarry}" run "$STUDY" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --workers "${SLURM_CPUS_PER_TASK:-0}" ${OPTIONS:-} &
quarry=$!
stopped=no
trap 'stopped=yes; kill -TERM "$quarry"' TERM
status=0
wait "$quarry" || status=$?
if [ "$stopped" = yes ]; then           # the signal ended the wait, not the program
  status=0
  wait "$quarry" || status=$?
  if [ "$status" -eq 143 ]; then        # it stopped cleanly before its end
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    exit 0
  fi
fi
exit "$status"
