"""Ratios of means of pairs."""

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import reject


def around_ratio(above: Array, below: Array) -> Array:
    """r + (above - r below) / mean(below), r = mean(above) / mean(below): to first order, samples of mean r.

    No pair is divided by, so a `below` that is 0 now and then does no harm.

    Raises:
        InvalidArgument: a `below` whose mean is not above 0.
    """
    if not below.mean() > 0:
        reject("below", f"numbers of mean {below.mean():g}", "a mean above 0, of which `above` is a share")
    r = above.mean() / below.mean()
    return np.asarray(r + (above - r * below) / below.mean())
