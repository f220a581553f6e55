"""Exponential rates: slopes of log y against t, in the limit."""

from dataclasses import replace
from typing import Any

import numpy as np

from theory.claims import by_chance, measured
from theory.claims import rate as as_rate
from theory.claims.estimates import above_floor
from theory.claims.limit_slope import ONE_RUN, Settled, limit_slope
from theory.claims.subject import over
from theory.core.arrays import Array
from theory.core.validation import entries_inside, increasing_times, inside, reject
from theory.testing.numbers import numbers, off_by_as
from theory.testing.settled import decide, equals, nonzero, worst
from theory.testing.verdict import RESOLVES, SIGNIFICANCE, options, settle


def fitted_rate(t: Any, values: Any, *, significance: float = SIGNIFICANCE, off_by: Any = None) -> Settled:
    """Rate k of values ~ exp(-k t) that a curve settles at: (T,) of one run, or (T, R) of independent runs.

    Times from which on a value is known no better than to a hundredth of itself judge nothing.

    Args:
        t: times (T,), increasing; 10 at least of one run, 4 of three or more.
        values: positive; a rate below 0 is one of growth.
        off_by: what each value may be off by; by default a rounding of the largest before it, in the type it came in.

    Raises:
        InvalidArgument: too few times or runs, values that are not positive, shapes that differ.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> estimate = fitted_rate(t, np.exp(-2 * t) + np.exp(-5 * t))
    >>> print(f"{estimate.value:.3f} +- {estimate.half_width:.3f}")
    1.996 +- 0.006
    """
    _, found = _rate(t, values, significance, off_by)
    return found


def assert_rate(
    t: Any,
    values: Any,
    rate: float,
    *,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
    off_by: Any = None,
) -> None:
    """Values decay as exp(-rate t) in the end, and a rate that is off by the share `resolves` would be refused.

    Arguments are those of `fitted_rate`; a rate below 0 is one of growth.

    Raises:
        AssertionError: another rate was measured.
        Undecided: the interval holds the rate, but is wider than asked.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> assert_rate(t, 3 * np.exp(-2 * t), 2)
    >>> assert_rate(t, 3 * np.exp(-2 * t), 2.1)
    Traceback (most recent call last):
        ...
    AssertionError: rate (rate) does not hold
      predicted   2.1
      measured    2 +- ...
    """
    __tracebackhide__ = True
    options(resolves, significance)
    predicted = nonzero("rate", rate)
    axis, found = _rate(t, values, significance, off_by)
    equals(as_rate("rate", found), predicted, resolves, found, lambda goal: decide(axis, found, goal, "t", _itself))


def assert_rate_at_least(
    t: Any,
    values: Any,
    rate: float,
    *,
    resolves: float = RESOLVES,
    significance: float = SIGNIFICANCE,
    off_by: Any = None,
) -> None:
    """Values decay at this rate or faster in the end, and a rate that is slower by the share `resolves` would be seen.

    Arguments are those of `fitted_rate`.

    Raises:
        AssertionError: the rate measured is smaller.
        Undecided: the interval begins too far below the rate.

    >>> import numpy as np
    >>> t = np.linspace(0, 5, 40)
    >>> assert_rate_at_least(t, np.exp(-2 * t), 1.5)
    """
    __tracebackhide__ = True
    options(resolves, significance)
    bound = inside("rate", rate, -np.inf, np.inf, "()")
    axis, found = _rate(t, values, significance, off_by)
    check = measured("rate", found.value, within=by_chance(found)).at_least(bound)
    unseen = over(bound - found.low, bound) if found.low < bound else 0.0
    goal = resolves * abs(bound) / 2
    settle(
        replace(check, resolution=unseen, where=worst(found, lambda each: -each)),
        resolves,
        lambda: decide(axis, found, goal, "t", _itself),
    )


def _itself(number: float) -> float:
    return number


def _rate(t: Any, values: Any, significance: float, off_by: Any) -> tuple[Array, Settled]:
    t, (y, eps) = increasing_times(numbers("t", t).array), numbers("values", values)
    if y.shape[:1] != t.shape or y.ndim > 2:
        reject("values.shape", y.shape, f"({t.size},), as t has it, or ({t.size}, R) of independent runs")
    floor = eps * np.maximum.accumulate(np.abs(y)) if off_by is None else off_by_as(off_by, y)
    known = above_floor(y, floor).reshape(len(y), -1).all(1)
    kept = len(y) if known.all() else int(known.argmin())
    fewest = ONE_RUN if y.ndim == 1 else 4
    if kept < fewest <= len(y):
        reject("values", f"{kept} of {len(y)} before they are off by a hundredth of themselves", f"at least {fewest}")
    found = limit_slope(t[:kept], -np.log(entries_inside("values", y[:kept], 0, np.inf)), significance)
    if kept < len(y):
        found = replace(
            found, reason=f"first {kept} of {len(y)} times, the rest is not known to a hundredth; {found.reason}"
        )
    return t[:kept], found
