"""Draws against a law, and against other draws: p-values that are uniform at least, however few draws there are.

Every test here is three at a third of the significance each. Kolmogorov and Smirnov's sees any departure, if it is
large; Neyman's smooth test of first order sees small changes of location and scale, by the means of u and of |2u - 1|,
where u is what the law's distribution function makes of a draw, or its rank among all draws.
"""

import numpy as np
from scipy import special, stats

from theory.core.arrays import Array

TESTS = 3


def of_uniform(u: Array) -> Array:
    """p-value of u = F(draws), shape (..., n), being uniform."""
    p_value = stats.kstwo.sf(distance_from_uniform(u), u.shape[-1])
    return _least(np.clip(p_value, 0, 1), smooth(u))


def of_same(a: Array, b: Array) -> Array:
    """p-value of a (..., n) and b (..., m) being draws of one law, whichever it is."""
    n, m = a.shape[-1], b.shape[-1]
    # Distances between two step functions are multiples of 1 / (n m): few, and each tail is computed once.
    counts, which = np.unique(np.rint(distance_between(a, b) * n * m), return_inverse=True)
    tails = stats.kstwo.sf(counts / (n * m), max(np.round(n * m / (n + m)), 1))
    p_value = _least(np.clip(tails[which].reshape(a.shape[:-1]), 0, 1), smooth_ranks(a, b))
    # The tails used are those of many draws; of a few, no division into a and b is rarer than one, or its mirror image.
    return np.maximum(p_value, np.minimum(2 / special.comb(n + m, n), 1))


def distance_from_uniform(u: Array) -> Array:
    """Kolmogorov and Smirnov's distance of u (..., n) from the uniform law."""
    n = u.shape[-1]
    ordered = np.sort(u, axis=-1)
    above, below = np.arange(1.0, n + 1) / n - ordered, ordered - np.arange(0.0, n) / n
    return np.maximum(above.max(-1), below.max(-1))


def distance_between(a: Array, b: Array) -> Array:
    """Kolmogorov and Smirnov's distance between draws a (..., n) and b (..., m)."""
    n, m = a.shape[-1], b.shape[-1]
    together, in_a, in_b = (
        stats.rankdata(draws, axis=-1, method="max") for draws in (np.concatenate([a, b], axis=-1), a, b)
    )
    # At a draw of a its rank among all, less that among a, is how many of b lie at or below it; and conversely.
    at_a = np.abs(in_a / n - (together[..., :n] - in_a) / m).max(-1)
    at_b = np.abs(in_b / m - (together[..., n:] - in_b) / n).max(-1)
    return np.maximum(at_a, at_b)


def smooth(u: Array) -> Array:
    """Means of u and of |2u - 1| in standard deviations from what they are for uniform u: (..., n) -> (2, ...)."""
    means = np.stack([v.mean(-1) - 0.5 for v in (u, np.abs(2 * u - 1))])
    return means * np.sqrt(12 * u.shape[-1])


def smooth_ranks(a: Array, b: Array) -> Array:
    """The same of the ranks: difference between a and b in standard deviations of a random division of all draws.

    Ties share their rank.
    """
    n, m = a.shape[-1], b.shape[-1]
    u = (stats.rankdata(np.concatenate([a, b], axis=-1), axis=-1) - 0.5) / (n + m)
    scores = np.stack([u, np.abs(2 * u - 1)])
    spread = scores.std(-1, ddof=1) * np.sqrt(1 / n + 1 / m)
    apart = scores[..., :n].mean(-1) - scores[..., n:].mean(-1)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)


def _least(p_value: Array, deviations: Array) -> Array:
    normal = 2 * stats.norm.sf(np.abs(deviations))
    return np.minimum(TESTS * np.minimum(p_value, normal.min(0)), 1.0)
