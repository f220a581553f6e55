"""Estimating rates, slopes and orders, each with an interval; Richardson extrapolation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from theory.core.arrays import Array
from theory.core.validation import inside, reject

# All random checks of a run together may raise a false alarm with probability below 1e-3; with fewer than a hundred
# of them, each one gets this much.
SIGNIFICANCE = 1e-5


@dataclass(frozen=True)
class Estimate:
    """A number with the interval [low, high] that holds it, and why the interval does."""

    value: float
    low: float
    high: float
    reason: str

    @property
    def half_width(self) -> float:
        return max(self.high - self.value, self.value - self.low)

    def __contains__(self, number: float | int) -> bool:
        return self.low <= number <= self.high


def mean(samples: Array | Sequence[float], significance: float = SIGNIFICANCE) -> Estimate:
    """Mean of independent samples (R,) with its Student interval.

    Raises:
        InvalidArgument: fewer than 3 samples, or a sample that is not finite.
    """
    samples = np.asarray(samples, dtype=np.float64).ravel()
    if samples.size < 3 or not np.isfinite(samples).all():
        reject("samples", f"{samples.size} values", "at least 3 finite values")
    inside("significance", significance, 0, 1, "()")
    centre = float(samples.mean())
    spread = float(stats.t.isf(significance / 2, samples.size - 1) * stats.sem(samples))
    reason = f"Student interval over {samples.size} independent runs, significance {significance:g}"
    return Estimate(centre, centre - spread, centre + spread, reason)


def line_slope(x: Array, y: Array) -> Array:
    """Least-squares slope of y (T,) or (T, R) against x (T,); one slope a column."""
    centred = np.asarray(x) - np.mean(x)
    return np.tensordot(centred, np.asarray(y), axes=(0, 0)) / (centred @ centred)


def exponential_rate(t: Array, y: Array, significance: float = SIGNIFICANCE) -> Estimate:
    """Rate k of y ~ exp(-k t) over independent runs: y positive, shape (T, R), R >= 3."""
    return mean(-line_slope(t, np.log(_positive("y", y))), significance)


def loglog_slope(x: Array, y: Array, significance: float = SIGNIFICANCE) -> Estimate:
    """Exponent q of y ~ x^q over independent runs: x (W,), y positive, shape (W, R), R >= 3.

    Each run gives its own slope; the interval is Student's over them, so nothing is assumed of the errors' sizes.
    """
    return mean(line_slope(np.log(_positive("x", x)), np.log(_positive("y", y))), significance)


def halving_order(coarse: Array, fine: Array, expected: int = 1) -> Estimate:
    """Order p of errors e(h) = coarse and e(h / 2) = fine: arrays of one shape, whose entries have errors of their own.

    If e = C h^p + O(h^(p+1)) with p = `expected`, then coarse = 2^p fine (1 +- delta) in norm, with
    delta = |coarse - 2^p fine| / |2^p fine|. Unlike the difference of two observed orders of a norm, delta cannot
    vanish by chance, where terms of the next order cancel between entries. The interval is p + log2(1 +- delta),
    doubled, since the relation itself is only one of leading order.
    """
    coarse, scaled = np.asarray(coarse), 2**expected * np.asarray(fine)
    if coarse.shape != scaled.shape or not scaled.any():
        reject("fine", f"an array of shape {scaled.shape}", f"errors of shape {coarse.shape}, not all 0")
    delta = float(np.linalg.norm(coarse - scaled) / np.linalg.norm(scaled))
    value = expected + float(np.log2(np.linalg.norm(coarse) / np.linalg.norm(scaled)))
    half = -2 * float(np.log2(1 - delta)) if delta < 1 else np.inf
    return Estimate(value, value - half, value + half, f"the error halves {expected} times up to {delta:.2g} of it")


def richardson(values: Sequence[Array | float], ratio: float = 2.0, order: int = 1) -> tuple[Array, Array]:
    """Limit at step size 0 of values computed at h, h/ratio, h/ratio^2, ..., and the error it may have.

    Args:
        values: at least three arrays of one shape, or numbers, coarse to fine.
        ratio: factor between successive step sizes.
        order: order of the leading error term; the following terms are order+1, order+2, ...

    Returns:
        (limit, error): error is the size of the last correction, elementwise. The correction removes the leading
        error of the extrapolant before it, so it bounds what is left as long as the errors shrink with h.
    """
    if len(values) < 3:
        reject("values", f"{len(values)} step sizes", "at least 3")
    row = [np.asarray(v, dtype=np.float64) for v in values]
    previous = row[-1]
    for power in range(order, order + len(values) - 1):
        weight = ratio**power
        row = [(weight * fine - coarse) / (weight - 1) for coarse, fine in zip(row[:-1], row[1:])]
        if len(row) > 1:
            previous = row[-1]
    return np.asarray(row[-1]), np.asarray(np.abs(row[-1] - previous))


def _positive(name: str, values: Array | Sequence[float]) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        reject(name, "values with zero, negative or non-finite entries", "positive finite numbers")
    return array
