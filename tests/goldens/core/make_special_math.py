# SPDX-License-Identifier: MIT
"""Polynomials and goldens of quarry/core/special_math.h.

    python make_special_math.py fit          prints the polynomials (mpmath, 60 digits)
    python make_special_math.py OUT_DIR      writes special_math.txt

A line of special_math.txt is: function, arguments, the value to 50 digits rounded to double (mpmath), SciPy's value.
Made with mpmath 1.3.0 or later, SciPy 1.10 or later, NumPy 1.24.4.
"""
import pathlib
import sys

from mpmath import mp, mpf, cos, erf, erfc, erfinv, exp, findroot, log, pi, sqrt

mp.dps = 60


def erfcx(x):
    if x < 1000:
        return exp(x * x) * erfc(x)
    total = term = mpf(1)
    for k in range(1, 12):
        term *= -(2 * k - 1) / (2 * x * x)
        total += term
    return total / (x * sqrt(pi))


def chebyshev(f, degree, low=-1, high=1):
    """Coefficients by powers of x of the Chebyshev expansion of f on [low, high], cut at the degree."""
    nodes = degree + 60
    angle = [pi * (k + mpf(1) / 2) / nodes for k in range(nodes)]
    values = [f((high - low) * (cos(a) + 1) / 2 + low) for a in angle]
    series = [2 * sum(v * cos(j * a) for v, a in zip(values, angle)) / nodes for j in range(degree + 1)]
    series[0] /= 2
    scale, shift = mpf(2) / (high - low), mpf(-low - high) / (high - low)
    basis, result = [[mpf(1)], [shift, scale]], [mpf(0)] * (degree + 1)
    for k in range(2, degree + 1):
        new = [mpf(0)] * (k + 1)
        for i, v in enumerate(basis[k - 1]):
            new[i] += 2 * shift * v
            new[i + 1] += 2 * scale * v
        for i, v in enumerate(basis[k - 2]):
            new[i] -= v
        basis.append(new)
    for c, polynomial in zip(series, basis):
        for i, v in enumerate(polynomial):
            result[i] += c * v
    return result


def ppf_log(y):
    """x with log Phi(x) = y."""
    v = sqrt(-2 * y)
    start = -v if v > 4 else mpf(-1)
    return findroot(lambda x: log_cdf(x) - y, start)


def log_cdf(x):
    return -x * x / 2 + log(erfcx(-x / sqrt(mpf(2))) / 2) if x < -30 else log(erfc(-x / sqrt(mpf(2))) / 2)


def fit():
    def show(name, coefficients):
        print(name, ", ".join(float(c).hex() for c in coefficients))

    def scaled(t):
        x = 3 * (1 + t) / (1 - t)
        return (x + 3) * erfcx(x)

    show("erfcx", chebyshev(scaled, 24))
    show("erf", chebyshev(lambda u: erf(sqrt(u)) / sqrt(u), 11, mpf(0), mpf(1)))
    central = lambda u: sqrt(mpf(2)) * erfinv(2 * sqrt(u)) / sqrt(u)
    show("ppf_central", chebyshev(central, 16, mpf(0), mpf("0.0905")))
    mp.dps = 25
    show("ppf_lower_tail", chebyshev(lambda w: 1 / w + ppf_log(-1 / (2 * w * w)), 6, mpf(1) / 40, 1 / mpf("1.79")))


def goldens():
    import numpy as np
    import scipy
    from scipy import special, stats

    random = np.random.RandomState(11)
    lines = [f"# mpmath {__import__('mpmath').__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}"]

    def add(name, arguments, exact, other):
        lines.append(" ".join([name] + [float(a).hex() for a in arguments] + [float(exact).hex(), float(other).hex()]))

    for x in np.concatenate([random.uniform(-6, 26.5, 120), 10.0 ** -np.arange(0, 300, 30), [-1.0, 0.0, 1.0, -26.0]]):
        add("erf", [x], erf(mpf(x)), special.erf(x))
        add("erfc", [x], erfc(mpf(x)), special.erfc(x))
    ladder = [-(10.0 ** i) for i in range(-300, 10)]
    for x in ladder + list(random.uniform(-40, 8, 100)):
        add("log_cdf", [x], log_cdf(mpf(x)), special.log_ndtr(x))
    for y in [-(10.0 ** i) for i in range(0, 18)] + list(random.uniform(-50, -0.7, 60)) + [-0.6931471805599454]:
        add("ppf_of_log", [y], ppf_log(mpf(y)), special.ndtri_exp(y))
    for p in np.concatenate([random.uniform(0, 1, 100), 10.0 ** -np.arange(1, 301, 13.0), 1 - 2.0 ** -np.arange(2, 54, 3)]):
        exact = sqrt(mpf(2)) * erfinv(2 * mpf(p) - 1) if 1e-3 < p < 0.999 else (
            ppf_log(log(mpf(p))) if p < 0.5 else -ppf_log(log(1 - mpf(p))))
        add("ppf", [p], exact, special.ndtri(p))

    # Truncated intervals: around zero, one-sided, narrow, and far out in both tails.
    intervals = [(-1.0, 1.0), (-7.0, 0.5), (0.0, 3.0), (-2.0, 0.0), (-100.0, 40.0), (-0.05, 0.06), (1.0, 1.25), (-3.5, -3.0),
                 (8.0, 9.0), (-31.0, -30.0), (38.0, 60.0), (-1e3, -990.0), (-1e-3, 100.0)]
    for a, b in intervals:
        def side(x):  # probabilities of the tail in which the interval lies, so that nothing cancels
            return erfc(x / sqrt(mpf(2))) / 2 if a > 0 else erfc(-x / sqrt(mpf(2))) / 2
        mass = abs(side(mpf(b)) - side(mpf(a)))
        add("log_mass", [a, b], log(mass), stats._continuous_distns._log_gauss_mass(a, b)[()])
        for q in [2.0 ** -53, 1e-6, 0.1, 0.37, 0.5, 0.8, 0.999, 1 - 1e-9]:
            target = side(mpf(a)) + mpf(q) * (side(mpf(b)) - side(mpf(a)))
            root = ppf_log(log(target)) if target < 0.5 else -ppf_log(log(1 - target))
            add("truncated_ppf", [q, a, b], -root if a > 0 else root, stats.truncnorm.ppf(q, a, b))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1] == "fit":
        fit()
    else:
        (pathlib.Path(sys.argv[1]) / "special_math.txt").write_text(goldens())
