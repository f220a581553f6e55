"""Ratios of means of pairs."""

import numpy as np

from theory.core.arrays import Array


def around_ratio(above: Array, below: Array) -> Array:
    """r + (above - r below) / mean(below), r = mean(above) / mean(below): to first order, samples of mean r.

    No pair is divided by, so a `below` that is 0 now and then does no harm.
    """
    r = above.mean() / below.mean()
    return np.asarray(r + (above - r * below) / below.mean())
