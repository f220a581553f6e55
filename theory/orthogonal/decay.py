"""What a time leaves of a mode, and of the angle whose half tangent is one."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, times


def decay(rates: Float[Array, "*runs"], t: Float[Array, "*times"] | float) -> Float[Array, "*times_runs"]:
    """e^(-rate t) of each rate, shape (*times, *runs); what has rate 0 stays, at t = infinity too.

    >>> decay(np.array([0.0, 2.0]), np.inf)
    array([1., 0.])

    Raises:
        InvalidArgument: a negative or NaN time, a rate that is negative or not finite.
    """
    rates = entries_inside("rates", rates, 0, np.inf, "[)")
    t = times(t)[(..., *[None] * rates.ndim)]
    with np.errstate(invalid="ignore"):
        return np.where(rates == 0, 1.0, np.exp(-rates * t))


def turned_back(angle: Float[Array, "*runs"], left: Float[Array, "*times_runs"]) -> Float[Array, "*batch"]:
    """2 arctan(left tan(angle / 2)), left >= 0, as it moves from `angle` at left = 1 to the nearest whole turn.

    A half turn, to rounding, rests.

    Raises:
        InvalidArgument: an angle that is not finite, or a `left` that is negative or not finite.
    """
    entries_inside("angle", angle), entries_inside("left", left, 0, np.inf, "[)")
    turns = 2 * np.pi * np.round(angle / (2 * np.pi))
    half = (angle - turns) / 2
    rests = np.abs(np.cos(half)) <= 2 * EPS * np.maximum(np.abs(angle), 1)
    return np.where(rests, angle, turns + 2 * np.arctan2(left * np.sin(half), np.cos(half)))
