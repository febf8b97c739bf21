# SPDX-License-Identifier: MIT
"""The rivals' side of bench_k_center and bench_badge: microseconds per pick in NumPy and scikit-learn, one thread.

python3 selection.py FOLDER OURS.tsv...   (the NPY files and the tables that the benchmarks' --write FOLDER made)

k-center: running minimum of sklearn's pairwise_distances to the newest pick (the vectorised form of the published
core-set programs), and the fastest NumPy form known to us: float32 norms and one matrix-vector product.
BADGE: factored distances in NumPy and an inverse-CDF draw (the form of the authors' program, with np.searchsorted in
place of scipy's rv_discrete, which is slower). Processor time, best of three.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import csv
import sys
import time

import numpy as np
import sklearn
from sklearn.metrics import pairwise_distances

PICKS = 20


def best_of_three(work):
    work()
    times = []
    for _ in range(3):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def k_center(x, labelled, count, nearest=None):
    if nearest is None:
        nearest = pairwise_distances(x, labelled).min(axis=1)
    nearest, picks = nearest.copy(), []
    for _ in range(count):
        picks.append(int(nearest.argmax()))
        np.minimum(nearest, pairwise_distances(x, x[picks[-1]:picks[-1] + 1])[:, 0], out=nearest)
    return picks


def k_center_dot(x, norms, count, nearest):
    nearest, picks = nearest * nearest, []
    for _ in range(count):
        c = int(nearest.argmax())
        picks.append(c)
        np.minimum(nearest, norms + norms[c] - 2 * (x @ x[c]), out=nearest)
    return picks


def badge(p, h, count, seed=5):
    random = np.random.RandomState(seed)
    q = p.copy()
    q[np.arange(len(p)), p.argmax(axis=1)] -= 1
    qn, hn = (q * q).sum(axis=1), np.einsum("nf,nf->n", h, h)
    norms, picks, squares = qn * hn, [], None
    picks.append(int(norms.argmax()))
    while len(picks) < count:
        c = picks[-1]
        new = np.maximum(norms + norms[c] - 2 * (q @ q[c]) * (h @ h[c]), 0).astype(np.float64)
        squares = new if squares is None else np.minimum(squares, new)
        squares[picks] = 0
        picks.append(int(np.searchsorted(np.cumsum(squares) / squares.sum(), random.uniform())))
    return picks


def main(folder, *tables):
    ours = {}
    for table in tables:
        with open(table) as file:
            for row in csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t"):
                ours[row["pool"], row["what"]] = float(row["us_per_pick"])
    print(f"# numpy {np.__version__}, scikit-learn {sklearn.__version__}, one thread, {PICKS} picks")
    print("pool\trival\tours\trival_us_per_pick\tours_us_per_pick\tratio")
    for pool in ("clustered", "iid"):
        x, labelled, p = (np.load(f"{folder}/{pool}_{part}.npy") for part in ("features", "labelled", "probabilities"))
        nearest = pairwise_distances(x, labelled).min(axis=1)
        norms = np.einsum("nf,nf->n", x, x)
        initial = best_of_three(lambda: pairwise_distances(x, labelled).min(axis=1))
        greedy = best_of_three(lambda: k_center(x, labelled, PICKS, nearest)) / PICKS
        dot = best_of_three(lambda: k_center_dot(x, norms, PICKS, nearest)) / PICKS
        draws = best_of_three(lambda: badge(p, x, PICKS)) / PICKS
        for name, rival, what in (("sklearn", initial, "k_center_initial"), ("sklearn", greedy, "k_center_plain"),
                                  ("sklearn", greedy, "k_center_lazy"), ("numpy_dot", dot, "k_center_plain"),
                                  ("numpy_dot", dot, "k_center_lazy"), ("numpy_factored", draws, "badge_plain"),
                                  ("numpy_factored", draws, "badge_rejection")):
            mine = ours[pool, what]
            print(f"{pool}\t{name}\t{what}\t{rival * 1e6:.1f}\t{mine:.2f}\t{rival * 1e6 / mine:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
