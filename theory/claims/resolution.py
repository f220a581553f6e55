"""How small a change of a theorem's constant a check would have refused, with the numbers it measured.

A prediction is a number, then it is the constant itself, or a function of the factor k by which the constant is
multiplied. The check is judged again at other k, without training again. Entries that the constant does not move, such
as a shared start, agree at every k, and so count for nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from theory.core.arrays import EPS, Array

Prediction = Any | Callable[[float], Any]

SHARE, TIMES = 0.9, 1e4  # the largest changes tried: of a constant, and of a bound's


def at(predicted: Prediction, k: float = 1.0) -> Array:
    """The prediction with the constant multiplied by k."""
    numbers = np.asarray(predicted(k) if callable(predicted) else np.multiply(k, predicted))
    return numbers if np.iscomplexobj(numbers) else np.asarray(numbers, dtype=np.float64)


def of_equality(value: Array, predicted: Prediction, tolerance: Array) -> float:
    """The smallest share of the constant that is refused whether added or taken away; inf if none is."""

    def excess(k: float) -> float:
        return _largest(np.abs(value - at(predicted, k)), tolerance)

    return of_change(excess)


def of_change(excess: Callable[[float], float]) -> float:
    """The smallest x for which both excess(1 + x) and excess(1 - x) are above 1; inf if there is none up to `SHARE`."""
    return max(_first_refused(lambda x, sign=sign: excess(1 + sign * x), SHARE) for sign in (1, -1))


def of_bound(bound: Prediction, violation: Callable[[Array], float]) -> float:
    """By what share the constant of a bound can be sharpened before it is violated; inf if by any.

    Args:
        violation: of a bound, above 1 where it is violated.
    """

    def excess(k: float) -> float:
        return violation(at(bound, k))

    return min(
        _first_refused(lambda x: excess(1 + x), TIMES - 1),
        _first_refused(lambda x: excess(1 / (1 + x)), TIMES - 1),
    )


def _largest(distance: Array, tolerance: Array) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nan_to_num(distance / tolerance, nan=0.0, posinf=1e300).max(initial=0.0))


def _first_refused(excess: Callable[[float], float], reach: float) -> float:
    """The smallest x up to `reach` at which excess(x) > 1, to a hundredth of itself; inf if there is none."""
    low = high = min(1e-3, reach)
    if excess(high) > 1:
        while excess(low) > 1:
            high, low = low, low / 10
            if low < EPS:
                return 0.0
    else:
        while not excess(high) > 1:
            if high == reach:
                return float(np.inf)
            low, high = high, min(4 * high, reach)
    while high > 1.01 * low:
        middle = np.sqrt(low * high)
        low, high = (low, middle) if excess(middle) > 1 else (middle, high)
    return float(high)
