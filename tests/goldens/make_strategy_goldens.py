# SPDX-License-Identifier: MIT
"""Index lists of the selection strategies from straightforward NumPy and scikit-learn programs.

Made with Python 3.11, numpy 1.24.4, scikit-learn 1.2.2:  python3 make_strategy_goldens.py
Writes al/strategy_goldens.txt: lines "name | arguments | values"; floats are exact in float32 (9 digits).
Nothing here knows quarry: distances come from sklearn, gradient embeddings are formed in full.
"""
import os

import numpy as np
from sklearn.metrics import pairwise_distances

HERE = os.path.dirname(os.path.abspath(__file__))
EPSILON = np.float32(1.1754944e-38)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def best_first(scores, count):
    """Positions by (score descending, position ascending)."""
    return np.lexsort((np.arange(len(scores)), -scores.astype(np.float64)))[:count]


def entropy(p):
    return -(p.astype(np.float64) * np.log(p.astype(np.float64) + EPSILON)).sum(axis=1)


def margin(p):
    s = np.sort(p, axis=1)
    return -(s[:, -1] - s[:, -2])


def least_confidence(p):
    return np.float32(1) - p.max(axis=1)


def bald(passes):
    passes = passes.astype(np.float64)
    return entropy(passes.mean(axis=0)) - np.mean([entropy(p) for p in passes], axis=0)


def k_center(candidates, labelled, count):
    """Distances to every centre from sklearn, one column per pick."""
    nearest = pairwise_distances(candidates.astype(np.float64), labelled.astype(np.float64)).min(axis=1)
    first_scores = nearest.copy()
    picks = []
    for _ in range(count):
        pick = int(np.argmax(nearest))
        picks.append(pick)
        d = pairwise_distances(candidates.astype(np.float64), candidates[[pick]].astype(np.float64))[:, 0]
        nearest = np.minimum(nearest, d)
        nearest[picks] = -1.0  # never again
    return picks, first_scores


def badge(p, h, count, seed):
    """k-means++ on the full gradient embedding [n, classes * features]."""
    g = p.astype(np.float64).copy()
    g[np.arange(len(p)), p.argmax(axis=1)] -= 1.0
    embedding = (g[:, :, None] * h.astype(np.float64)[:, None, :]).reshape(len(p), -1)
    random = np.random.RandomState(seed)
    picks = [int(np.argmax((embedding ** 2).sum(axis=1)))]
    squares = np.full(len(p), np.inf)
    while len(picks) < count:
        squares = np.minimum(squares, ((embedding - embedding[picks[-1]]) ** 2).sum(axis=1))
        squares[picks] = 0
        share = squares / squares.sum()
        picks.append(int(np.argmax(np.cumsum(share) >= random.uniform())))
    return picks


def isclose_pick(scores, seed, taken):
    open_scores = np.where(taken, -np.inf, scores).astype(scores.dtype)
    tied = np.flatnonzero(np.isclose(open_scores, open_scores.max()))
    return int(np.random.RandomState(seed).choice(tied))


def isclose_picks(scores, seed, count):
    taken, picks = np.zeros(len(scores), bool), []
    for _ in range(count):
        picks.append(isclose_pick(scores, seed, taken))
        taken[picks[-1]] = True
    return picks


def reseeded_walk(pool, n_initial, seed, count):
    unlabelled = np.setdiff1d(np.arange(pool), np.random.RandomState(seed).permutation(pool)[:n_initial])
    picks = []
    for _ in range(count):
        scores = np.random.RandomState(seed).random_sample(len(unlabelled))
        picks.append(int(unlabelled[isclose_pick(scores, seed, np.zeros(len(unlabelled), bool))]))
        unlabelled = unlabelled[unlabelled != picks[-1]]
    return picks


def write(file, name, arguments, values):
    text = " ".join(repr(float(v)) if np.asarray(v).dtype.kind == "f" else str(int(v)) for v in np.ravel(values))
    file.write(f"{name} | {' '.join(str(a) for a in arguments)} | {text}\n")


def write_floats(file, name, array):
    text = " ".join(f"{v:.9g}" for v in np.ravel(array))
    file.write(f"{name} | {' '.join(str(n) for n in array.shape)} | {text}\n")


def near_ties(random, n):
    """Scores around one maximum, many within a few units in the last place of the isclose bound."""
    top = np.float32(0.6931)
    bound = 1e-8 + 1e-5 * float(top)
    scores = (float(top) - bound * (1 + random.randint(-3, 4, n) * 2e-3)).astype(np.float32)
    scores[random.choice(n, n // 4, replace=False)] -= np.float32(0.1)
    scores[n // 3] = top
    return scores


def main():
    random = np.random.RandomState(20240607)
    os.makedirs(os.path.join(HERE, "al"), exist_ok=True)
    with open(os.path.join(HERE, "al", "strategy_goldens.txt"), "w") as file:
        p = softmax(2 * random.normal(size=(400, 3)))
        p[[17, 250]] = p[90]  # planted ties
        p[5] = [1, 0, 0]
        p[6] = [0.5, 0.5, 0]
        p[333] = p[6]
        write_floats(file, "probabilities", p)
        for name, score in (("entropy", entropy), ("margin", margin), ("least_confidence", least_confidence)):
            write(file, name, [40], best_first(score(p), 40))

        passes = np.stack([softmax(random.normal(size=(60, 4)) + 2 * np.eye(60, 4)) for _ in range(20)])
        passes[:, 11] = passes[:, 40]
        write_floats(file, "passes", passes)
        write_floats(file, "bald_scores", bald(passes))
        write(file, "bald", [20], best_first(bald(passes), 20))

        p10 = softmax(1.5 * random.normal(size=(300, 5)))
        h = np.maximum(0, random.normal(size=(300, 12)) + 3 * random.normal(size=(6, 12))[random.randint(0, 6, 300)])
        h = h.astype(np.float32)
        for i, j in ((7, 200), (8, 201), (9, 202), (150, 151)):  # planted duplicates
            h[j], p10[j] = h[i], p10[i]
        labelled = h[random.choice(300, 9, replace=False)]
        write_floats(file, "badge_probabilities", p10)
        write_floats(file, "features", h)
        write_floats(file, "labelled", labelled)
        picks, scores = k_center(h, labelled, 60)
        write_floats(file, "coreset_scores", scores)
        write(file, "coreset", [60], picks)
        grid = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).reshape(-1, 2).astype(np.float32)
        write(file, "coreset_grid", [140], k_center(grid, grid[[0, 77]], 140)[0])  # integers: ties everywhere
        for seed in (1, 2, 42):
            write(file, "badge", [seed, 60], badge(p10, h, 60, seed))

        close = near_ties(random, 200)
        write_floats(file, "close_scores", close)
        for seed in (0, 1, 2, 42, 4294967295):
            write(file, "isclose", [seed, 30], isclose_picks(close, seed, 30))
        for seed in (1, 2, 42):
            write(file, "reseeded", [480, 40, seed], reseeded_walk(480, 40, seed, 8))


if __name__ == "__main__":
    main()
