"""When something that is recorded along a training comes past a level: between records, by what it does around them."""

import numpy as np
from scipy import special

from theory.core.arrays import EPS, Array

NEXT = 4  # records on either side


def passing_times(t: Array, fraction: Array, share: float) -> Array:
    """When fractions (T, *runs) first pass a share, both between 0 and 1; the last time where they have not by then.

    By the polynomial through the logits of the records next to it, of which t is taken to be a smooth function: of what
    grows along a sigmoid it is all but a straight line.
    """
    passed = fraction > share
    first = np.clip(passed.argmax(0), NEXT, len(t) - NEXT)
    near = first + np.arange(-NEXT, NEXT).reshape(-1, *[1] * first.ndim)
    y = special.logit(np.clip(np.take_along_axis(fraction, near, 0), EPS**2, 1 - EPS)) - special.logit(share)
    others = [np.arange(2 * NEXT) != i for i in range(2 * NEXT)]
    weights = [(y[other] / (y[other] - y[i])).prod(0) for i, other in enumerate(others)]
    return np.where(passed.any(0), (np.array(weights) * t[near]).sum(0), t[-1])
