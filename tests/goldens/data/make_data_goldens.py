#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden rows of the toy data sets and golden splits, made with NumPy 1.24.4 and scikit-learn 1.2.2.

usage: python3 make_data_goldens.py        (writes *.txt beside this file)

Toy files: one line per instance, pool first, then test: x y label honeypot, float32 values with 9 digits.
Split files: one line per repeat or fold: "train ... | validation ...".
"""
import pathlib

import numpy as np
import sklearn
from sklearn.datasets import make_blobs, make_moons
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.preprocessing import MinMaxScaler, StandardScaler

assert np.__version__ == "1.24.4" and sklearn.__version__ == "1.2.2"
OUT = pathlib.Path(__file__).parent
SEED = 42


def moons(noise, n=600):
    x, y = make_moons(n, noise=noise, random_state=SEED)
    return x, y, 0


def adversarial_moons(noise, n=500, traps=100, ring_noise=0.1):
    x, y = make_moons(n, noise=noise, random_state=SEED)
    rng = np.random.RandomState(SEED)
    angle = np.linspace(0, 2 * np.pi, traps, endpoint=False)
    ring = np.stack([0.5 + 2.5 * np.cos(angle), 0.25 + 2.5 * np.sin(angle)], axis=1)
    ring += rng.normal(0, ring_noise, ring.shape)
    return np.concatenate([x, ring]), np.concatenate([y, np.arange(traps) % 2]), traps


def with_cloud(clean, center, traps, noise):
    x, y = clean
    trap, _ = make_blobs(traps, centers=[center], cluster_std=noise, random_state=SEED)
    return np.concatenate([x, trap]), np.concatenate([y, np.arange(traps) % 2]), traps


def blobs(noise):
    return with_cloud(make_blobs(200, centers=[[0, 0], [0, 2]], cluster_std=noise, random_state=SEED), [1, 1], 200, 0.375)


def diverging_sine(end, slope, noise):
    rng = np.random.RandomState(SEED)
    t = np.linspace(0, end, 250)
    above = np.sin(2 * t) + slope * t + rng.normal(0, noise, 250)
    below = np.sin(2 * t) - slope * t + rng.normal(0, noise, 250)
    x = np.stack([np.concatenate([t, t]), np.concatenate([above, below])], axis=1)
    return x, np.repeat([0, 1], 250), 0


def write_set(name, made, scaler, fit):
    x, y, traps = made
    n = len(x)
    order = np.random.RandomState(SEED).permutation(n)
    honeypot = (order >= n - traps).astype(int)
    x, y, cut = x[order], y[order], int(0.8 * n)
    scaler.fit(x[:cut] if fit == "train" else x[cut:])
    scaled = scaler.transform(x).astype(np.float32)
    with open(OUT / f"{name}.txt", "w") as file:
        for row, label, flag in zip(scaled, y, honeypot):
            file.write(f"{row[0]:.9g} {row[1]:.9g} {label} {flag}\n")


def write_splits(name, splitter, n):
    with open(OUT / f"{name}.txt", "w") as file:
        for train, validation in splitter.split(np.zeros(n)):
            file.write(" ".join(map(str, train)) + " | " + " ".join(map(str, validation)) + "\n")


for version, moon_noise, sine in (("final", 0.25, (6, 0.15, 0.2)), ("seed", 0.075, (10, 0.3, 0.5))):
    write_set(f"moons_{version}", moons(moon_noise), MinMaxScaler(), "test")
    write_set(f"adversarial_moons_{version}", adversarial_moons(moon_noise), MinMaxScaler(), "test")
    write_set(f"blobs_{version}", blobs(0.25), MinMaxScaler(), "test")
    write_set(f"diverging_sine_{version}", diverging_sine(*sine), MinMaxScaler(), "test")
write_set("moons_july_17", moons(0.05, 500), MinMaxScaler(), "test")
write_set("adversarial_moons_july_12", adversarial_moons(0.15, 600, 200, 0.15), MinMaxScaler(), "test")
write_set("adversarial_moons_july_14", adversarial_moons(0.05, 600, 200, 0.15), MinMaxScaler(), "test")
write_set("adversarial_moons_july_15", with_cloud(make_moons(400, noise=0.1, random_state=SEED), [4, 3], 100, 1),
          MinMaxScaler(), "test")
write_set("adversarial_moons_july_16", adversarial_moons(0.05, 400, 100, 0.1), MinMaxScaler(), "test")
write_set("blobs_july_15", with_cloud(
    make_blobs(400, centers=[[0, 0], [1, 2]], cluster_std=0.2, random_state=SEED), [0, 1.5], 100, 0.3),
    MinMaxScaler(), "test")
write_set("moons_fit_train", moons(0.25), MinMaxScaler(), "train")
write_set("blobs_standard", blobs(0.25), StandardScaler(), "train")
for n, share, repeats, seed in ((20, 0.25, 6, 2), (40, 0.5, 6, 2), (60, 0.1, 10, 0), (21, 0.9, 3, 4294967295)):
    write_splits(f"shuffle_split_{n}_{share}_{repeats}_{seed}",
                 ShuffleSplit(n_splits=repeats, test_size=share, random_state=seed), n)
for n, folds, seed in ((20, 6, 2), (23, 5, 7), (7, 7, 42)):
    write_splits(f"k_fold_{n}_{folds}_{seed}", KFold(folds, shuffle=True, random_state=seed), n)
