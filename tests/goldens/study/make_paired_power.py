#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Power of the two-sided paired t test, from SciPy's noncentral t distribution.

Made with Python 3.11, SciPy 1.10 or later (the version used is in the first line of the output):
    python3 make_paired_power.py > paired_power.txt
Lines: "power n difference sd alpha value" and "pairs difference sd alpha power n".
"""
import math

import scipy
from scipy.stats import nct, t


def power(n, difference, sd, alpha):
    v = n - 1
    delta = difference / sd * math.sqrt(n)
    c = t.ppf(1 - alpha / 2, v)
    return nct.sf(c, v, delta) + nct.cdf(-c, v, delta)


def pairs(difference, sd, alpha, wanted):
    n = 2
    while power(n, difference, sd, alpha) < wanted:
        n += 1
    return n


print("# scipy", scipy.__version__)
for n in (2, 3, 5, 10, 34, 100):
    for sd in (0.5, 1.0, 2.0, 8.0):
        for alpha in (0.05, 0.05 / 6, 0.001):
            print("power", n, 1.0, sd, repr(alpha), repr(float(power(n, 1.0, sd, alpha))))
for sd in (0.1, 0.5, 1.0, 2.0, 5.0):
    for alpha in (0.05, 0.05 / 6):
        for wanted in (0.8, 0.95):
            print("pairs", 1.0, sd, repr(alpha), wanted, pairs(1.0, sd, alpha, wanted))
