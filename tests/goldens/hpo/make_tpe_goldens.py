# SPDX-License-Identifier: MIT
"""Goldens of TPE and the median pruner, made by Optuna itself.

    python make_tpe_goldens.py OUT_DIR

Run it once with Optuna 3.1.0 (densities of reals without 1/sigma: tpe_unnormalised.json, and the argsort cases) and
once with Optuna 3.6.1 (with 1/sigma: tpe_normalised.json); both with NumPy 1.24.4, whose argsort is the portable one.
Parameters are asked in a fixed order, so the hash order of strings does not matter. Reported curves are whole, also
beyond the step where Optuna pruned.
"""
import json
import math
import pathlib
import sys

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

optuna.logging.set_verbosity(optuna.logging.ERROR)
STEPS = 12
WARMUP = 4
TRIALS = 50
NORMALISED = tuple(int(v) for v in optuna.__version__.split(".")[:2]) >= (3, 5)


def study_point(trial):
    """The online-tuning study's space in the order quarry asks it."""
    p = {"drop_rate": trial.suggest_float("drop_rate", 1e-3, 0.5, log=True)}
    p["depth"] = trial.suggest_int("depth", 1, 5)
    for i in range(p["depth"]):
        p[f"width_{i}"] = trial.suggest_int(f"width_{i}", 2, 96)
    p["lr"] = trial.suggest_float("lr", 1e-4, 0.5)
    p["weight_decay"] = trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True)
    return p


def study_curve(p):
    widths = [p[f"width_{i}"] for i in range(p["depth"])]
    quality = (p["lr"] - 0.3) ** 2 + 0.05 * (math.log10(p["weight_decay"]) + 4) ** 2 + 0.1 * abs(p["depth"] - 2)
    quality += 0.2 * (sum(widths) / 200 - 1) ** 2 + 0.03 * (math.log10(p["drop_rate"]) + 2) ** 2
    speed = 0.1 + 1.5 * p["lr"]
    wobble = math.sin(40 * p["lr"] + 0.1 * sum(widths))
    return [quality + math.exp(-speed * s) + 0.05 * wobble * math.cos(2.1 * s) for s in range(STEPS)]


def mixed_point(trial):
    """Categories, an integer in log space, a plain integer, a constant and a condition."""
    kinds = ["sgd", "adam", "adagrad", "rmsprop"]
    p = {"optimizer": kinds.index(trial.suggest_categorical("optimizer", kinds))}
    p["batch"] = trial.suggest_int("batch", 1, 256, log=True)
    p["bias"] = trial.suggest_int("bias", 0, 6)
    p["constant"] = trial.suggest_float("constant", 0.25, 0.25)
    if p["optimizer"] >= 2:
        p["decay"] = trial.suggest_float("decay", -2.0, 3.0)
    p["schedule"] = ["flat", "cosine"].index(trial.suggest_categorical("schedule", ["flat", "cosine"]))
    return p


def mixed_curve(p):
    value = [0.5, 0.1, 0.3, 0.2][p["optimizer"]] + 0.02 * (math.log2(p["batch"]) - 5) ** 2 + 0.1 * abs(p["bias"] - 1)
    value += 0.05 * (p.get("decay", 1.5) - 0.7) ** 2 + 0.07 * p["schedule"]
    return [value * (1 + 2.0 / (s + 1)) + 0.02 * math.sin(3 * s + p["batch"]) for s in range(STEPS)]


SPACES = {
    "study": (study_point, study_curve, ["drop_rate", "depth"] + [f"width_{i}" for i in range(5)] + ["lr", "weight_decay"]),
    "mixed": (mixed_point, mixed_curve, ["optimizer", "batch", "bias", "constant", "decay", "schedule"]),
}


compare = optuna.samplers.TPESampler._compare


def rounded_compare(samples, *log_densities):
    """Categories that were seen equally often score alike but for the rounding of a BLAS sum, which differs between
    machines. Rounded, they tie, and the first candidate wins."""
    return compare(samples, *[np.round(values, 11) for values in log_densities])


def run(space, seed, fail_every):
    point_of, curve_of, names = SPACES[space]
    optuna.samplers.TPESampler._compare = compare if space == "study" else rounded_compare
    curves, points = [], []

    def objective(trial):
        point = point_of(trial)
        curve = curve_of(point)
        if fail_every and trial.number % fail_every == fail_every - 1:
            curve[-1] = math.nan
        points.append([point.get(name) for name in names])
        curves.append(curve)
        for step, value in enumerate(curve):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned()
        return curve[-1]

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=WARMUP))
    study.optimize(objective, n_trials=TRIALS)
    trials = []
    for t in study.trials:
        state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[t.state.name]
        steps = t.last_step + 1
        curve = [None if math.isnan(v) else v for v in curves[t.number]]
        trials.append({"point": points[t.number], "state": state, "steps": steps, "curve": curve})
    return {"space": space, "seed": seed, "best": study.best_trial.number, "trials": trials}


def estimator(distribution, observations):
    values = dict(consider_prior=True, prior_weight=1.0, consider_magic_clip=True, consider_endpoints=False,
                  weights=default_weights, multivariate=False)
    if "categorical_distance_func" in _ParzenEstimatorParameters._fields:
        values["categorical_distance_func"] = {}
    return _ParzenEstimator({"x": observations}, {"x": distribution}, _ParzenEstimatorParameters(**values))


def densities():
    """Log densities of fixed histories; many ties, histories on both sides of the 25-trial ramp."""
    random = np.random.RandomState(5)
    cases = []
    for name, distribution, draw in [
        ("real", FloatDistribution(-1.5, 4.0), lambda n: random.uniform(-1.5, 4.0, n)),
        ("real", FloatDistribution(1e-4, 0.5), lambda n: np.clip(np.round(random.uniform(0, 0.5, n), 1), 1e-4, 0.5)),
        ("real_log", FloatDistribution(1e-6, 0.1, log=True), lambda n: np.exp(random.uniform(np.log(1e-6), np.log(0.1), n))),
        ("integer", IntDistribution(1, 5), lambda n: random.randint(1, 6, n).astype(float)),
        ("integer", IntDistribution(2, 96), lambda n: random.randint(2, 97, n).astype(float)),
        ("integer_log", IntDistribution(1, 256, log=True), lambda n: np.round(np.exp(random.uniform(0, np.log(256), n)))),
        ("categorical", CategoricalDistribution(["a", "b", "c"]), lambda n: random.randint(0, 3, n).astype(float)),
    ]:
        for m in [0, 1, 2, 5, 15, 16, 17, 24, 25, 26, 27, 40, 75, 130]:
            observations = draw(m)
            at = np.arange(3.0) if name == "categorical" else draw(9)
            where = at.astype(int) if name == "categorical" else at
            case = {"kind": name, "observations": observations.tolist(), "at": at.tolist()}
            if name == "categorical":
                case["choices"] = 3
            else:
                case["low"], case["high"] = float(distribution.low), float(distribution.high)
            case["log_density"] = estimator(distribution, observations).log_pdf({"x": where}).tolist()
            cases.append(case)
    return cases


def killer(n):
    """Keys on which quicksort by the median of three degenerates, so that heapsort takes over: McIlroy's adversary
    ("A Killer Adversary for Quicksort", 1999) playing against the partitions that numpy.argsort makes."""
    keys, solid, candidate = {}, 0, None  # keys not yet fixed are "gas", larger than all fixed ones

    def less(i, j):
        nonlocal solid, candidate
        if i not in keys and j not in keys:
            keys[i if i == candidate else j] = solid
            solid += 1
        if i not in keys:
            candidate = i
        elif j not in keys:
            candidate = j
        return keys.get(i, n) < keys.get(j, n)

    t, parts = list(range(n)), [(0, n - 1)]
    while parts:
        left, right = parts.pop()
        if right - left < 16:
            continue
        middle = left + (right - left) // 2
        for a, b in ((middle, left), (right, middle), (middle, left)):
            if less(t[a], t[b]):
                t[a], t[b] = t[b], t[a]
        pivot = t[middle]
        t[middle], t[right - 1] = t[right - 1], t[middle]
        i, j = left, right - 1
        while True:
            i += 1
            while less(t[i], pivot):
                i += 1
            j -= 1
            while less(pivot, t[j]):
                j -= 1
            if i >= j:
                break
            t[i], t[j] = t[j], t[i]
        t[i], t[right - 1] = t[right - 1], t[i]
        parts += [(left, i - 1), (i + 1, right)]
    return np.floor(np.array([keys.get(i, n) for i in range(n)]) / 2) * 2.0  # pairs of equal keys


def argsorts():
    random = np.random.RandomState(9)
    cases = []
    for n in [1, 2, 3, 15, 16, 17, 18, 19, 33, 50, 51, 64, 100, 129, 300]:
        for spread in [1, 2, 5, 40, 10**6]:
            keys = random.randint(0, spread, n).astype(float)
            cases.append({"keys": keys.tolist(), "order": np.argsort(keys).tolist()})
    for n in [60, 150, 400]:
        keys = killer(n)
        cases.append({"keys": keys.tolist(), "order": np.argsort(keys).tolist()})
    return cases


def main():
    out = pathlib.Path(sys.argv[1])
    golden = {"optuna": optuna.__version__, "numpy": np.__version__, "steps": STEPS, "warmup": WARMUP}
    golden["studies"] = [run("study", seed, 0) for seed in (1, 2, 42)] + [run("mixed", seed, 7) for seed in (3, 4, 5)]
    golden["densities"] = densities()
    name = "tpe_normalised.json" if NORMALISED else "tpe_unnormalised.json"
    (out / name).write_text(json.dumps(golden, separators=(",", ":")).replace('{"space"', '\n{"space"').replace('{"point"', '\n{"point"').replace('{"kind"', '\n{"kind"') + "\n")
    if not NORMALISED:
        text = json.dumps({"numpy": np.__version__, "cases": argsorts()}, separators=(",", ":"))
        (out / "numpy_argsort.json").write_text(text.replace('{"keys"', '\n{"keys"').replace(".0,", ",").replace(".0]", "]") + "\n")


if __name__ == "__main__":
    main()
