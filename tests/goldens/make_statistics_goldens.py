# SPDX-License-Identifier: MIT
"""Goldens of src/report/statistics.cpp, from SciPy 1.11.4 and NumPy 1.24.4 (Python 3.11).

python tests/goldens/make_statistics_goldens.py > tests/goldens/statistics.json
"""
import itertools
import json

import numpy as np
from scipy import special, stats

rng = np.random.default_rng(7)


def holm_by_closed_testing(p):
    """Holm is the closed test with Bonferroni's local test: slow, and independent of the step-down recipe."""
    m = len(p)
    worst = [0.0] * m
    for size in range(1, m + 1):
        for subset in itertools.combinations(range(m), size):
            local = min(1.0, size * min(p[i] for i in subset))
            for i in subset:
                worst[i] = max(worst[i], local)
    return worst


def sign_flip(d):
    result = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf,
                                    alternative="two-sided")
    return float(result.pvalue)


def t_quantile(p, df):
    """stats.t.ppf of this SciPy is good to 1e-9 only; the inverse of the incomplete beta function to 1e-14."""
    x = special.betaincinv(df / 2, 0.5, 2 * min(p, 1 - p))
    t = float(np.sqrt(df * (1 / x - 1)))
    assert abs(t - abs(stats.t.ppf(p, df))) < 1e-8 * t
    return t if p > 0.5 else -t


quantiles = [[p, df, t_quantile(p, df)]
             for p in (0.6, 0.9, 0.975, 0.995, 0.9999, 0.025) for df in (1, 2, 3, 4, 9, 19, 49, 999, 2.5)]
tails = [[t, df, float(2 * stats.t.sf(abs(t), df))]
         for t in (0.0, 0.1, -1.0, 2.0, 4.5, -12.0, 60.0) for df in (1, 2, 4, 9, 49, 999)]
betas = [[a, b, x, float(special.betainc(a, b, x))]
         for a in (0.5, 1.0, 4.0, 30.0) for b in (0.5, 2.0, 17.0) for x in (0.001, 0.2, 0.5, 0.9, 0.999)]

samples = []
for n in (2, 3, 5, 10, 50):
    x = rng.normal(0.8, 0.05, n)
    half_width = t_quantile(0.975, n - 1) * float(stats.sem(x))
    low, high = stats.t.interval(0.95, n - 1, loc=x.mean(), scale=stats.sem(x))
    assert abs((high - low) / 2 - half_width) < 1e-8 * half_width
    samples.append({"values": x.tolist(), "mean": float(x.mean()), "sd": float(x.std(ddof=1)),
                    "median": float(np.median(x)), "half_width": half_width})

paired = []
for n, shift in ((3, 0.5), (5, 0.0), (6, 1.0), (9, 0.3), (12, 0.6), (13, -0.4)):
    d = rng.normal(shift, 1.0, n)
    paired.append({"differences": d.tolist(), "sign_flip": sign_flip(d),
                   "t": float(stats.ttest_rel(d, np.zeros(n)).pvalue)})
# Ties and zeros: integers, so that every sum is exact.
for d in ([1, 1, 1, 1, -1], [0, 0, 0, 3], [2, -2, 1, -1, 4, 4]):
    d = np.array(d, dtype=float)
    paired.append({"differences": d.tolist(), "sign_flip": sign_flip(d),
                   "t": float(stats.ttest_rel(d, np.zeros(len(d))).pvalue)})

holms = []
for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.2], rng.uniform(0, 0.2, 8).tolist(), [0.9, 0.001, 0.8]):
    holms.append({"p": p, "adjusted": holm_by_closed_testing(p)})

areas = []
for n in (2, 5, 40):
    x = np.cumsum(rng.integers(1, 20, n)).astype(float)
    y = rng.uniform(0.5, 1, n)
    areas.append({"labels": x.tolist(), "values": y.tolist(), "area": float(np.trapz(y, x) / (x[-1] - x[0]))})

print(json.dumps({"quantiles": quantiles, "tails": tails, "betas": betas, "samples": samples, "paired": paired,
                  "holm": holms, "areas": areas}, indent=0).replace(",\n", ", "))
