"""Stochastic OPT: what a random block of p of the d coordinates sees, and how long until it has seen all pairs."""

import numpy as np

from theory.core.validation import inside, positive_integer


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
    n = d * (d - 1) // 2
    return float(n * (1 / np.arange(1, n + 1)).sum())


def most_rounds_to_see_all_pairs(d: int, p: int) -> float:
    """Upper bound of that mean for any p: sum over rounds t of min(1, n (1 - q)^t), q the probability of a pair."""
    missing = 1 - captured_share(d, p)
    if missing in (0.0, 1.0):
        return 1.0 if missing == 0 else float(np.inf)
    n = d * (d - 1) / 2
    certain = int(np.ceil(-np.log(n) / np.log(missing)))
    return certain + n * missing**certain / (1 - missing)
