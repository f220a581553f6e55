"""What a theorem predicts, as a function of the factor k by which its constant is multiplied: 1 if it holds."""

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline

from theory.core.arrays import Array

Predicted = Callable[[float], Array]


def scaled(change: Array | float) -> Predicted:
    """A change that is the constant itself, every entry of it."""
    return lambda k: np.asarray(k * change)


def nothing(_: float) -> float:
    """0, whatever the constant: a bound to be held against what is measured where the theorem does not hold."""
    return 0.0


def departing(by: Array | float) -> Predicted:
    """What is to vanish, and is `by` where the theorem does not hold."""
    return lambda k: np.asarray((1 - k) * by)


def in_time(t: Array, path: Array) -> Predicted:
    """A path (T, ...) run through k times as fast: itself at k = 1, and between and beyond its times a cubic spline."""
    spline = CubicSpline(t, path)
    return lambda k: np.asarray(spline(k * t))
