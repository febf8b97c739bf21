#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One study on a cluster with Slurm: an array of tasks, each a shard of the study. In the folder of the repository, after
# it was built:
#   mkdir -p logs && STUDY=configs/hyperparameter_study/cifar10.toml sbatch configs/slurm/study.sh
# Both halves of the hyperparameter study, the second after the first: configs/slurm/hyperparameter_study.sh
#
# 3 minutes before its time limit a task gets SIGUSR1, stops within a training step and is queued again; so is one whose
# node fails. What was committed is kept: a task continues where it was, and ends in the same bytes. --time has to
# suffice for one cycle of every run that a shard has (one round of trials in the search): a task that committed nothing
# in its time is not queued again. scancel ends a task for good; sbatch --array=3,7 runs single ones again.
# OPTIONS are further options of `quarry run`, for example OPTIONS="--set run.seed=1"; OUT is where results go.
#SBATCH --job-name=quarry
#SBATCH --array=1-20                  # the shards; their number is SHARDS below
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=logs/%x-%A_%a.out
# #SBATCH --gpus=1                    # for studies that run on a GPU (README); each task then has one

set -euo pipefail
: "${STUDY:?the config, for example STUDY=configs/hyperparameter_study/cifar10.toml}"
: "${SLURM_ARRAY_TASK_ID:?run this with sbatch}"
SHARDS=${SHARDS:-20}                    # every shard has its own folder below OUT; never change it within a study
OUT=${OUT:-results}

begun=$(mktemp)
trap 'rm -f "$begun"' EXIT
# shellcheck disable=SC2086             # OPTIONS are several words
"${QUARRY:-build/release/quarry}" run "$STUDY" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" --out "$OUT" \
  --workers "${SLURM_CPUS_PER_TASK:-0}" ${OPTIONS:-} &
quarry=$!
stopped=""
trap 'stopped=limit; kill -TERM "$quarry"' USR1
trap 'stopped=cancelled; kill -TERM "$quarry"' TERM
status=0
wait "$quarry" || status=$?
if [ -n "$stopped" ]; then              # the signal ended the wait, not the program
  status=0
  wait "$quarry" || status=$?
fi
if [ "$stopped" = limit ] && [ "$status" -eq 143 ]; then   # it stopped cleanly before its end
  shard="*.shard-$SLURM_ARRAY_TASK_ID-of-$SHARDS"
  if [ -z "$(find "$OUT" -path "$OUT/$shard/*" -name journal.jsonl -newer "$begun" -print -quit)" ]; then
    echo "nothing was committed within the time limit: it has to be longer (--time), or the tasks smaller" >&2
    exit 1
  fi
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
  exit 0
fi
exit "$status"
