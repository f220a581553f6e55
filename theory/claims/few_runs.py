"""The mean of a few independent runs, with an interval that skewed runs miss no more often than it states.

Student's interval of 5 exponential samples misses their mean 12 % of the time where it states 5 %, and Hall's
transformation (`estimates.mean`) 8 %: from so few samples no skewness can be read. So the interval is that many
standard errors wide in which *exponential* samples lie as often as stated: exact for them, wider than needed for
anything less skewed (normal ones among them), and Student's as the runs grow many. Samples that are more skewed than
exponential ones, such as those of exp(N(0, 1)), miss it more often than stated.
"""

from functools import cache

import numpy as np
from scipy import optimize, special, stats

from theory.claims.interval import SIGNIFICANCE, Estimate
from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, reject

DRAWS = 20_000  # of simulated samples: the probability is known to a few per cent of itself


def mean_of_runs(samples: Array, significance: float = SIGNIFICANCE) -> Estimate:
    """Mean of independent runs (R,), R >= 3, however few, up to as skewed as exponential samples are.

    Raises:
        InvalidArgument: fewer than 3 runs, or a number that is not finite.
    """
    samples = entries_inside("samples", samples).ravel()
    if samples.size < 3:
        reject("samples", f"{samples.size} runs", "at least 3 independent runs")
    inside("significance", significance, 0, 1, "()")
    centre, half = float(samples.mean()), float(half_width(samples, significance))
    reason = f"mean of {samples.size} independent runs, up to as skewed as exponential ones"
    return Estimate(centre, centre - half, centre + half, f"{reason}, significance {significance:g}", significance)


def half_width(samples: Array, significance: float) -> Array:
    """Half-width of the interval of each mean over the runs, which come first: (R, ...) -> (...)."""
    runs = len(samples)
    return samples.std(0, ddof=1) / np.sqrt(runs) * quantile(runs, significance)


@cache
def quantile(runs: int, significance: float) -> float:
    """How many standard errors the mean of so many exponential samples misses their true mean by, at that probability.

    Never below Student's quantile.
    """
    student = float(stats.t.isf(significance / 2, runs - 1))
    variations = _variations(runs)

    def excess(log_q: float) -> float:
        return float(np.log(_beyond(np.exp(log_q), runs, variations) / significance))

    low, high = np.log(student), np.log(student) + 2
    return float(np.exp(optimize.brentq(excess, low, high, xtol=1e-4))) if excess(low) > 0 else student


def _beyond(q: float, n: int, variations: Array) -> float:
    """Probability that |mean - 1| > q standard errors, for n samples of the exponential law of mean 1.

    Their sum S is Gamma(n) and independent of their coefficient of variation c, and the standard error is
    c S / n^(3/2): given c both sides are Gamma probabilities (`_given`). Below c = sqrt(n) / (n - 1), the sphere
    inscribed in the simplex, c has the density of a ball's radius, exactly: there the rare and narrow samples lie that
    no simulation finds. Above it c is simulated.
    """
    inscribed = np.sqrt(n) / (n - 1)
    log_ball = (n - 1) / 2 * np.log(np.pi * (n - 1)) - special.gammaln((n + 1) / 2)
    log_volume = log_ball + special.gammaln(n) - 0.5 * np.log(n) - (n - 1) * np.log(n)
    log_c = np.log(inscribed) + np.linspace(-np.log(1e3 * q), 0, 400)
    density = np.exp(log_volume + (n - 1) * log_c) * (n - 1)
    narrow = np.trapezoid(_given(np.exp(log_c), q, n) * density, log_c)
    return float(narrow + np.where(variations > inscribed, _given(variations, q, n), 0).mean())


def _given(c: Array, q: float, n: int) -> Array:
    away = q * c / np.sqrt(n)
    above = np.where(away < 1, n / np.maximum(1 - away, 1e-300), np.inf)
    return special.gammainc(n, n / (1 + away)) + special.gammaincc(n, above)


def _variations(runs: int) -> Array:
    """Coefficients of variation of simulated exponential samples, always the same ones."""
    draws = max(DRAWS // max(runs // 50, 1), 1000)
    samples = np.random.default_rng(0).exponential(size=(draws, runs))
    return samples.std(1, ddof=1) / samples.mean(1)
