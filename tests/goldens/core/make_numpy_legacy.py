# SPDX-License-Identifier: MIT
"""Writes numpy_legacy.txt: draws of numpy.random.RandomState. Made with Python 3.11 and NumPy 1.24.4 ("distinct": 2.4.6, the legacy
streams are frozen).

A line is: what, seed, integer arguments, "|", values (doubles in hexadecimal, so they are exact).
"""
import os

import numpy as np

lines = []


def write(what, seed, arguments, values):
    texts = [v.hex() if isinstance(v, float) else str(v) for v in values.tolist()]
    lines.append(f"{what} {seed} {' '.join(map(str, arguments))} | {' '.join(texts)}")


for seed in (0, 1, 42, 4294967295):
    state = np.random.RandomState(seed)
    write("words", seed, [700], state.randint(0, 2**32, 700, dtype=np.uint32)[-20:])
    write("uniform", seed, [20], np.random.RandomState(seed).random_sample(20))
    write("range", seed, [20], np.random.RandomState(seed).uniform(-1.5, 2.25, 20))
    write("normal", seed, [41], np.random.RandomState(seed).normal(0.5, 0.125, 41))
    for n in (1, 2, 17, 600):
        write("permutation", seed, [n], np.random.RandomState(seed).permutation(n))
    write("choice", seed, [480, 20], np.random.RandomState(seed).choice(480, 20, replace=False))
    for n in (5, 8, 100, 129, 1000, 1003):
        state = np.random.RandomState(seed)
        weights = state.random_sample(n) ** 8
        weights[:: 3] = 0
        write("weighted", seed, [n, 30], state.choice(n, 30, p=weights / weights.sum()))
    for n in (3, 20, 130):
        weights = 1.0 + np.arange(n) % 5
        drawn = np.random.RandomState(seed).choice(n, n - n // 5, replace=False, p=weights / weights.sum())
        write("distinct", seed, [n, n - n // 5], drawn)
    # One stream through every kind of draw: the cached normal must survive the other draws.
    state = np.random.RandomState(seed)
    mixed = []
    for _ in range(5):
        mixed += [state.standard_normal(), state.random_sample(), float(state.permutation(10)[3])]
    write("mixed", seed, [5], np.array(mixed))

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "numpy_legacy.txt")
with open(path, "w") as out:
    out.write("\n".join(lines) + "\n")
