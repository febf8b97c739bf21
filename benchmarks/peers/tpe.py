# SPDX-License-Identifier: MIT
"""Optuna's side of bench_tpe: one ask of the same space with 50 told trials, and whole searches of 50 trials.

    python tpe.py [seeds]

Processor time, best of the rounds; tab-separated: what, microseconds. In-memory storage, default TPE, no pruner.
"""
import math
import sys
import time

import optuna

TRIALS = 50
optuna.logging.set_verbosity(optuna.logging.ERROR)


def point(trial):
    p = {"drop_rate": trial.suggest_float("drop_rate", 1e-3, 0.5, log=True)}
    p["depth"] = trial.suggest_int("depth", 1, 5)
    p["widths"] = [trial.suggest_int(f"width_{i}", 2, 96) for i in range(p["depth"])]
    p["lr"] = trial.suggest_float("lr", 1e-4, 0.5)
    p["weight_decay"] = trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True)
    return p


def objective(trial):
    p = point(trial)
    decay, drop, units = math.log10(p["weight_decay"]), math.log10(p["drop_rate"]), sum(p["widths"])
    return ((p["lr"] - 0.3) ** 2 + 0.05 * (decay + 4) ** 2 + 0.1 * abs(p["depth"] - 2)
            + 0.2 * (units / 200 - 1) ** 2 + 0.03 * (drop + 2) ** 2)


def run(seed):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed),
                                pruner=optuna.pruners.NopPruner())
    study.optimize(objective, n_trials=TRIALS)
    return study


def timed(call):
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e6


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    asks, searches = [], []
    for seed in range(seeds):
        searches.append(timed(lambda: run(seed)))
        study = run(seed)
        asks.append(min(timed(lambda: point(study.ask())) for _ in range(9)))  # asked, not told: 50 told all along
    print(f"# Optuna {optuna.__version__}, {seeds} seeds")
    print(f"ask at {TRIALS} trials\t{sum(asks) / seeds:.1f}")
    print(f"search of {TRIALS} trials\t{min(searches):.1f}")


if __name__ == "__main__":
    main()
