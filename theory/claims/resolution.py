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
GUESSES = 4  # of where a change is refused, before the search does without


def at(predicted: Prediction, k: float = 1.0) -> Array:
    """The prediction with the constant multiplied by k."""
    numbers = np.asarray(predicted(k)) if callable(predicted) else k * np.asarray(predicted)
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
    """The smallest x up to `reach` at which excess(x) > 1, to a hundredth of itself; inf if there is none.

    Where it lies is guessed from a straight line: then the two ends of its hundredth show that it is there, and nothing
    else is looked at. After too many wrong guesses the search does without.
    """
    points = [(x, excess(x)) for x in (0.0, min(1e-3, reach))]
    for _ in range(GUESSES):
        crossing = _crossing(*points)
        if not EPS < crossing < reach:
            break
        start, end = _search(lambda x, crossing=crossing: x > crossing, reach)
        at_end = excess(end)
        if not at_end > 1:
            points = [points[-1], (end, at_end)]
            continue
        at_start = excess(start)
        if not at_start > 1:
            return end
        points = [points[-1], (start, at_start)]
    return _search(lambda x: excess(x) > 1, reach)[1]


def _search(refused: Callable[[float], bool], reach: float) -> tuple[float, float]:
    """The hundredth in which x becomes refused: its last end that is not, and its first that is."""
    low = high = min(1e-3, reach)
    if refused(high):
        while refused(low):
            high, low = low, low / 10
            if low < EPS:
                return 0.0, 0.0
    else:
        while not refused(high):
            if high == reach:
                return high, float(np.inf)
            low, high = high, min(4 * high, reach)
    while high > 1.01 * low:
        middle = np.sqrt(low * high)
        low, high = (low, middle) if refused(middle) else (middle, high)
    return float(low), float(high)


def _crossing(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Where the straight line through two points (x, excess) is 1; NaN or inf if it is nowhere."""
    (x, here), (y, there) = one, other
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return float(x + np.float64(y - x) * (1 - here) / np.float64(there - here))
