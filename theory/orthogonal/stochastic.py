"""Stochastic OPT: what a random block of p of the d coordinates sees, and how long until it has seen all pairs."""

import numpy as np

from theory.core.validation import inside, positive_integer
from theory.orthogonal.gamma import harmonic


def captured_share(d: int, p: int) -> float:
    """Share of a gradient's square that a random block has on average: E |A_SS|^2 / |A|^2 = p (p - 1) / (d (d - 1)).

    It is the same for every skew A, and also the probability that a pair of coordinates is in the block.

    Raises:
        InvalidArgument: p not in 1 ... d, or d below 2.
    """
    inside("d", positive_integer("d", d), 2, np.inf, "[)")
    inside("p", positive_integer("p", p), 1, d)
    return p * (p - 1) / (d * (d - 1))


def rounds_to_see_all_pairs(d: int) -> float:
    """Mean rounds until every pair of coordinates was in a block, p = 2: n H_n with n = d (d - 1) / 2."""
    n = _pairs(d)
    return n * harmonic(n)


def most_rounds_to_see_all_pairs(d: int, p: int) -> float:
    """Upper bound of that mean for any p: sum over rounds t of min(1, n (1 - q)^t), q the probability of a pair."""
    n, q = _pairs(d), captured_share(d, p)
    if q in (0, 1):
        return 1.0 if q else float(np.inf)
    certain = float(np.ceil(-np.log(n) / np.log1p(-q)))
    return certain + n * float(np.exp(certain * np.log1p(-q))) / q


def _pairs(d: int) -> int:
    inside("d", positive_integer("d", d), 2, np.inf, "[)")
    return int(d) * (int(d) - 1) // 2
